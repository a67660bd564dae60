"""What a loop of ours is made of, taken from one that was run: which message made which service write and send what.

The bare pipeline plays it for every case. It holds bytes and numbers, and nothing of what they mean.
"""

import base64
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from deploy.bench.counts import Counts, queries
from deploy.bench.stage import IN_THE_LOOP
from deploy.check.source import LOGS
from services.router.projection import project
from shared.contracts.envelope import decode
from shared.contracts.topics import CASES, WHISTLES
from shared.runtime.postgres import each

ORDERS, WORDS, TIMER, REPORTS = "bare.orders", "bare.words", "timer", "reports"
DOORS = {"intake": ORDERS, "router": REPORTS, "sla": TIMER, "feedback": WORDS}
"""What comes to each service from outside its logs."""
COMMON = frozenset({"log", "head", "progress", "state"})
ROW_OVERHEAD_BYTES = 60
"""Of a row of the table that stands for all others: its header, its key."""

Trigger = tuple[str, int]
"""Where a message came from, and the how manieth of its case it was there."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a service does on one message: rows of its log, messages for outsiders, and other rows.

    `rows`: (caseseq, event); `outside`: (topic, value).
    """

    rows: tuple[tuple[int, bytes], ...] = ()
    outside: tuple[tuple[str, bytes], ...] = ()
    saves: bool = False
    inserts: int = 0
    updates: int = 0
    deletes: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One service's part in a loop. `state`: as saved in the end; `body_bytes`: of each other row."""

    service: str
    topic: str
    reads: tuple[str, ...]
    state: str
    body_bytes: int
    reactions: Mapping[Trigger, Reaction]
    timer: Trigger | None = None
    """The message after which its timer is set."""


async def script(admin_url: str, before: Counts, after: Counts, loops: int) -> dict[str, Part]:
    """What a typical finished case did, and what all of them wrote on average."""
    connection = await asyncpg.connect(admin_url)
    try:
        case_id: UUID = await queries.typical_case(connection)
        events = {
            service: [record["event"] async for record in each(_events(connection, service, case_id))]
            for service in IN_THE_LOOP
        }
        states = {service: await _state(connection, service, case_id) for service in IN_THE_LOOP}
    finally:
        await connection.close()
    return {
        service: _part(service, events, states[service], _written(service, before, after, loops))
        for service in IN_THE_LOOP
    }


async def _events(connection: asyncpg.Connection, service: str, case_id: UUID) -> Any:
    return await connection.fetch(f"select event from {service}.log where case_id = $1 order by caseseq", case_id)  # noqa: S608 - ours


async def _state(connection: asyncpg.Connection, service: str, case_id: UUID) -> str:
    found = await connection.fetchval(f"select state::text from {service}.state where case_id = $1", case_id)  # noqa: S608 - ours
    return str(found) if found is not None else "null"


@dataclass(frozen=True, slots=True)
class Written:
    """By one service for one loop, on average."""

    states: float
    inserted: float
    updated: float
    deleted: float
    body_bytes: int


def _written(service: str, before: Counts, after: Counts, loops: int) -> Written:
    numbers: Counter[str] = Counter()
    for (schema, table, what), number in after.rows.items():
        if schema == service:
            kind = table if table in COMMON else "other"
            numbers[f"{kind} {what}"] += number - before.rows.get((schema, table, what), 0)
    others = [key for key in after.heaps if key[0] == service and key[1] not in COMMON]
    grown = sum(after.heaps[key] - before.heaps.get(key, 0) for key in others)
    return Written(
        states=(numbers["state inserted"] + numbers["state updated"]) / loops,
        inserted=numbers["other inserted"] / loops,
        updated=numbers["other updated"] / loops,
        deleted=numbers["other deleted"] / loops,
        body_bytes=max(1, grown // max(1, numbers["other inserted"]) - ROW_OVERHEAD_BYTES),
    )


def _part(service: str, events: Mapping[str, Sequence[bytes]], state: str, written: Written) -> Part:
    stated = {LOGS[name].name: [decode(event) for event in found] for name, found in events.items()}
    own = LOGS[service].name
    reads = tuple(topic.name for topic in LOGS.values() if service in topic.readers)
    made: defaultdict[Trigger, list[tuple[int, bytes]]] = defaultdict(list)
    known = {envelope.id: (topic, envelope.caseseq) for topic in reads for envelope in stated[topic]}
    doors: dict[str, Trigger] = {}
    for envelope, event in zip(stated[own], events[service], strict=True):
        cause = envelope.cause or envelope.id
        trigger = known.get(cause) or doors.setdefault(cause, (DOORS[service], len(doors) + 1))
        made[trigger].append((envelope.caseseq, event))
    triggers = [*doors.values(), *known.values()]
    reactions = {
        trigger: Reaction(rows=tuple(made[trigger]), outside=_outside(service, made[trigger])) for trigger in triggers
    }
    timer = _before_the_timer(known) if service == "sla" and doors else None
    return Part(service, own, reads, state, written.body_bytes, dealt(reactions, written), timer)


def _outside(service: str, rows: Sequence[tuple[int, bytes]]) -> tuple[tuple[str, bytes], ...]:
    if service != "router":
        return ()
    told = [message for _, event in rows for message in project(decode(event))]
    return tuple((message.topic, message.value) for message in told if message.value is not None)


def _before_the_timer(known: Mapping[str, Trigger]) -> Trigger:
    """The last but one of a case's facts: it is closed, and then archived when its time is over."""
    return sorted(trigger for trigger in known.values() if trigger[0] == CASES)[-2]


def dealt(reactions: Mapping[Trigger, Reaction], written: Written) -> dict[Trigger, Reaction]:
    """The states saved and the other rows written, dealt out to the messages: those first that make it append."""
    order = sorted(reactions, key=lambda trigger: (not reactions[trigger].rows, trigger))
    saving = max(sum(bool(one.rows) for one in reactions.values()), round(written.states))
    savers = set(order[:saving])
    turns = [trigger for trigger in order if trigger in savers] or order
    return {
        trigger: Reaction(
            rows=one.rows,
            outside=one.outside,
            saves=trigger in savers,
            inserts=_share(written.inserted, trigger, turns),
            updates=_share(written.updated, trigger, turns),
            deletes=_share(written.deleted, trigger, turns),
        )
        for trigger, one in reactions.items()
    }


def _share(number: float, trigger: Trigger, turns: Sequence[Trigger]) -> int:
    if trigger not in turns:
        return 0
    whole, place = round(number), turns.index(trigger)
    return whole // len(turns) + (place < whole % len(turns))


# --- on the way to the processes -------------------------------------------------------------------------------


def written(part: Part) -> dict[str, Any]:
    """As JSON."""
    return {
        "service": part.service,
        "topic": part.topic,
        "reads": part.reads,
        "state": part.state,
        "body_bytes": part.body_bytes,
        "timer": part.timer,
        "reactions": [
            {
                "trigger": trigger,
                "rows": [(caseseq, base64.b64encode(event).decode()) for caseseq, event in one.rows],
                "outside": [(topic, base64.b64encode(value).decode()) for topic, value in one.outside],
                **{name: getattr(one, name) for name in ("saves", "inserts", "updates", "deletes")},
            }
            for trigger, one in part.reactions.items()
        ],
    }


def read(given: Mapping[str, Any]) -> Part:
    """What `written` wrote."""
    reactions = {
        (one["trigger"][0], one["trigger"][1]): Reaction(
            rows=tuple((caseseq, base64.b64decode(event)) for caseseq, event in one["rows"]),
            outside=tuple((topic, base64.b64decode(value)) for topic, value in one["outside"]),
            **{name: one[name] for name in ("saves", "inserts", "updates", "deletes")},
        )
        for one in given["reactions"]
    }
    timer = (given["timer"][0], given["timer"][1]) if given["timer"] else None
    rest = {name: given[name] for name in ("service", "topic", "state", "body_bytes")}
    return Part(reads=tuple(given["reads"]), reactions=reactions, timer=timer, **rest)


def per_loop(parts: Mapping[str, Part]) -> dict[str, Any]:
    """What the script comes to: messages of the logs and for outsiders, and the rows of each service."""
    return {
        name: {
            "messages": sum(len(one.rows) for one in part.reactions.values()),
            "outside": sum(len(one.outside) for one in part.reactions.values()),
            "event_bytes": sum(len(event) for one in part.reactions.values() for _, event in one.rows),
            "states_saved": sum(one.saves for one in part.reactions.values()),
            "other_rows": {
                what: sum(getattr(one, what) for one in part.reactions.values())
                for what in ("inserts", "updates", "deletes")
            },
        }
        for name, part in parts.items()
    }


assert LOGS["intake"].name == WHISTLES, "the first of all reactions is to an order"
