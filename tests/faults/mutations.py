"""What the fault suite must catch: one broken part each, put into the real services. None of it is in the product."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, TypedDict

import aiosql

from deploy.faults.kind import Kind
from deploy.faults.kinds import named
from deploy.local.processes import SERVICES, Service
from shared.runtime import service as machinery
from tests.unit.runtime.mutations import (
    AdvancesBeforePublishing,
    CommitsOnReading,
    ForgetsTheDoor,
    PublishesBeforeCommit,
    TakesAnySequence,
)

VARIABLE = "CHUISHAO_MUTATION"
MUTATED = ("intake", "router", "sla", "feedback")


@dataclass(frozen=True, slots=True)
class Mutation:
    """`put_in` breaks the machinery of this process, which is to be that service. `provoked_by`: kinds of faults, each
    with the variants that matter, all where none is named. `injections` of them make a round."""

    zh: str
    en: str
    put_in: Callable[[str], None]
    provoked_by: Mapping[str, tuple[str, ...]]
    injections: int = 6
    drained_within: float = 60.0

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple(_only(kind, self.provoked_by[kind.name]) for kind in named([*self.provoked_by]))


def _only(kind: Kind, names: tuple[str, ...]) -> Kind:
    variants = tuple(one for one in kind.variants if not names or one.name in names)
    assert len(variants) == (len(names) or len(kind.variants)), (kind.name, names)
    return replace(kind, variants=variants)


# --- putting it in


def part(name: str, broken: Any) -> Callable[[str], None]:
    """Every service is put together with `broken` in place of what `shared.runtime.service` calls by this name."""

    def put_in(_service: str) -> None:
        setattr(machinery, name, broken)

    return put_in


def with_other_sql(module: Any, words: str, instead: str) -> Any:
    """The queries of a module, with these words of its SQL changed."""
    text = (Path(module.__file__).parent / "sql" / "queries.sql").read_text(encoding="utf-8")
    assert text.count(words) == 1, words
    return aiosql.from_str(text.replace(words, instead), "asyncpg", mandatory_parameters=False)


def _heads_unlocked(_service: str) -> None:
    store: Any = import_module("shared.runtime.postgres")
    store.queries = with_other_sql(store, LOCKED, UNLOCKED)


def _timer_without_condition(service: str) -> None:
    """Imported only where it is needed: nobody but sla has a timer."""
    if service == "sla":
        timer: Any = import_module("services.sla.timer")
        timer.Timer = import_module("tests.unit.sla.mutations").FiresWithoutTheCondition
        store: Any = import_module("services.sla.store")
        store.queries = with_other_sql(store, CONDITION, "")


LOCKED = "select * from lock_heads(:shards::smallint[], :logs::text[], :kinds::text[]);"
UNLOCKED = """
select head.shard, head.sequence, head.hash, head.published, head.saves, array(
    select coalesce(done.sequence, 0)
    from unnest(:logs::text[]) with ordinality as wanted (log, place)
    left join progress as done on done.log = wanted.log and done.shard = head.shard order by wanted.place
) as progress, array(
    select coalesce(present.number, 0)
    from unnest(:kinds::text[]) with ordinality as wanted (kind, place)
    left join district.in_force as present on present.kind = wanted.kind order by wanted.place
) as in_force, clock_timestamp() as locked_at
from head where head.shard = any(:shards::smallint[]);"""
"""What `lock_heads` answers, without its `for update`."""
CONDITION = """
  and deadline.next_step = taken.step and deadline.next_at <= :now::timestamptz
  and deadline.state in ('armed', 'overdue', 'paused')"""


# --- the list


def _everywhere(*failpoints: str) -> tuple[str, ...]:
    return tuple(f"{service} {failpoint}" for service in MUTATED for failpoint in failpoints)


def _where_consumed(*failpoints: str) -> tuple[str, ...]:
    return tuple(f"{service} {failpoint}" for service in ("router", "sla", "feedback") for failpoint in failpoints)


MUTATIONS: Mapping[str, Mutation] = {
    "publishes_before_commit": Mutation(
        "先发布、后提交",
        "rows are on the topic before they are committed",
        part("Road", PublishesBeforeCommit),
        {"kill_at_failpoint": _everywhere("before_commit"), "lost_connection": _everywhere("before_commit")},
    ),
    "acknowledges_before_commit": Mutation(
        "先确认消息、后提交",
        "a message is acknowledged to the broker before its effect is committed",
        part("Consumer", CommitsOnReading),
        {"kill_at_failpoint": _where_consumed("after_poll", "before_commit")},
        injections=3,
        drained_within=30.0,
    ),
    "takes_any_sequence": Mutation(
        "不按序号、来者即取",
        "a reader takes whatever sequence comes, not only the next",
        part("Road", TakesAnySequence),
        {"reordering": ()},
        drained_within=30.0,
    ),
    "appends_without_the_lock": Mutation(
        "追加日志不锁日志头",
        "rows are appended without the lock on the shard's head",
        _heads_unlocked,
        {
            "second_process": ("intake SIGTERM", "router SIGTERM", "sla SIGTERM"),
            "two_owners": ("router before_commit", "sla before_commit"),
        },
        injections=3,
        drained_within=30.0,
    ),
    "moves_published_first": Mutation(
        "先记已发布、后发布",
        "the position `published` moves before the rows are published",
        part("Relay", AdvancesBeforePublishing),
        {"kill_at_failpoint": _everywhere("before_publish"), "lost_connection": _everywhere("before_publish")},
        injections=4,
        drained_within=30.0,
    ),
    "forgets_the_door": Mutation(
        "入口不去重",
        "the doors' deduplication is forgotten",
        part("Road", ForgetsTheDoor),
        {"client_repeats": ()},
        injections=3,
        drained_within=30.0,
    ),
    "fires_without_condition": Mutation(
        "到点触发不核对条件",
        "a timer fires what it saw to be due, whether or not it still waits for that step",
        _timer_without_condition,
        {
            "ambiguous_commit": ("sla",),
            "locked_heads": ("sla",),
            "two_owners": ("sla after_claim", "sla before_commit"),
        },
        injections=9,
    ),
}


class Told(TypedDict):
    services: tuple[Service, ...]
    environment: dict[str, str]


def mutated(name: str) -> Told:
    """What a `Ground` is given so that its services run with this mutation."""
    services = tuple(
        replace(one, module=f"tests.faults.mutated.{one.name}") if one.name in MUTATED else one for one in SERVICES
    )
    assert name in MUTATIONS, name
    return Told(services=services, environment={VARIABLE: name})
