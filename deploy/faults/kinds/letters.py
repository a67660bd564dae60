"""Dead letters under load: a report that came too early is buried, and several replay it at once when its time came."""

import asyncio
import contextlib
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple
from uuid import UUID

from uuid_utils import uuid7

from deploy.demo.doors import Unanswered
from deploy.faults.ground import Ground
from deploy.faults.kind import Injection, Kind, NotHealed, NotInjected, Variant
from deploy.faults.waiting import happened
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, encode
from shared.contracts.topics import reports_topic

TRIES = 25
READ_WITHIN_SECONDS = 5.0
SIGNED_IN_WITHIN_SECONDS = 20.0
REPLAYED_BY = 4

_WAITING = """
select case_id, part ->> 'unit' as unit from router.state, jsonb_array_elements(state -> 'assignments') as part
where state ->> 'stage' = 'dispatched' and part ->> 'part' = 'assigned' order by caseseq, case_id limit 1"""
_BECAME = """
select (select number from router.dead_letter where topic = $1 and partition = $2 and "offset" = $3) as letter,
       exists (
           select 1 from router.log
           where case_id = $4 and convert_from(event, 'utf8')::jsonb ->> 'cause' = $5
       ) as heard"""
_SIGNED_IN = """
select exists (
    select 1 from router.state, jsonb_array_elements(state -> 'assignments') as part
    where case_id = $1 and part ->> 'unit' = $2 and part ->> 'part' = 'signed_in'
)"""
_EFFECTS = "select count(*) from router.log where case_id = $1 and convert_from(event, 'utf8')::jsonb ->> 'cause' = $2"


class _Early(NamedTuple):
    """A report that was refused because its unit had not signed in yet."""

    letter: int
    case_id: UUID
    unit: str
    event: str


async def _replayed_by_several(ground: Ground, injection: Injection) -> None:
    async with ground.postgres() as connection:
        early = await _buried_too_early(ground, connection)
        injection.happened(f"{early.unit} reported too early; dead letter {early.letter} of the router")
        with contextlib.suppress(NotInjected):  # it may refuse, or be late: then the replay is refused, too
            await happened(
                lambda: connection.fetchval(_SIGNED_IN, early.case_id, early.unit),
                SIGNED_IN_WITHIN_SECONDS,
                "it signs in",
            )
        told = await asyncio.gather(*(_replay(ground, early.letter) for _ in range(REPLAYED_BY)))
        fates = sorted(one.get("fate", "refused") for one in told)
        injection.happened(f"replayed by {REPLAYED_BY} at once: {', '.join(fates)}")
        effects = await connection.fetchval(_EFFECTS, early.case_id, early.event)
    if fates.count("done") > 1 or effects > 1:
        injection.breaks("I8", f"dead letter {early.letter} of the router: {', '.join(fates)}; {effects} events of it")


async def _buried_too_early(ground: Ground, connection: Any) -> _Early:
    """Mostly the unit is faster; so it is tried with several."""
    async with ground.producing() as producer:
        for _ in range(TRIES):
            waiting = await happened(lambda: connection.fetchrow(_WAITING), 20, "a unit has not signed in yet")
            case_id, unit = waiting["case_id"], waiting["unit"]
            envelope = Envelope(
                id=str(uuid7()),
                source=f"/units/{unit}/faults",
                subject=UUID(str(case_id)),
                time=datetime.now(UTC),
                fact=f.ReportProgressed(note="尚未签收，先行联系。", contacted=True),
            )
            topic = reports_topic(unit)
            sent = await producer.send_and_wait(topic, encode(envelope), key=str(case_id).encode())
            place = (sent.topic, sent.partition, sent.offset, envelope.subject, envelope.id)
            with contextlib.suppress(NotInjected):
                became = await happened(partial(_became, connection, *place), READ_WITHIN_SECONDS, "it is read")
                if became["letter"] is not None:
                    return _Early(became["letter"], envelope.subject, unit, envelope.id)
    raise NotInjected(f"{TRIES} units had signed in before their report was read")


async def _became(connection: Any, *place: Any) -> Any:
    """What the router made of a report, once it has read it: a dead letter, or it was heard."""
    found = await connection.fetchrow(_BECAME, *place)
    return found if found["heard"] or found["letter"] is not None else None


async def _replay(ground: Ground, letter: int) -> dict[str, Any]:
    path = f"/dead-letters/{letter}/replay"
    try:
        return await ground.doors.post("router", path, ground.doors.operator(), may_be_late=True)
    except Unanswered as error:
        if error.status is not None and HTTPStatus.BAD_REQUEST <= error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return {}  # a no is an answer: the case may have left the unit meanwhile
        raise NotHealed(str(error)) from None


KINDS = (
    Kind(
        "letters_replayed",
        "死信被多人同时重放",
        "a report that came too early becomes a dead letter, and several replay it at once: once in effect",
        ("I4", "I8"),
        (Variant("report too early", _replayed_by_several, needs=frozenset({"router", "kafka", "postgresql"})),),
        weight=6,
    ),
)
