"""Where the checker puts what it must join: a private SQLite database that lives on disk and vanishes with it.

So a million events need no more memory than a thousand. Ids are kept as 16 bytes, times as microseconds.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from shared.contracts.lifecycle import STAGES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH = 1_000


class Acknowledged(NamedTuple):
    """A line of the client's ledger."""

    line: int
    status: str
    case_id: bytes | None
    number: str | None
    source: str
    source_ref: str | None
    door: str
    idempotency_key: str | None


class Whistle(NamedTuple):
    case_id: bytes
    number: str
    source: str
    source_ref: str | None
    shard: int
    sequence: int
    owed: bool
    """Whether the router must know of it by now."""


class Opened(NamedTuple):
    case_id: bytes
    number: str
    shard: int
    sequence: int


class Last(NamedTuple):
    """A case's last event in a service's log. `stage` None where the events do not say (redacted, unreadable).

    `whole` = all its events could be followed, so they say on which `ledger` it stands, and into which case
    it is merged.
    """

    service: str
    case_id: bytes
    caseseq: int
    stage: str | None
    whole: bool
    ledger: str | None
    merged_into: bytes | None
    shard: int
    sequence: int


class Stands(NamedTuple):
    service: str
    case_id: bytes
    caseseq: int
    stage: str | None
    number: str | None
    ledger: str | None


class Succeeded(NamedTuple):
    """A unit's successor took its place in a case."""

    case_id: bytes
    before: str
    unit: str


class Deadline(NamedTuple):
    case_id: bytes
    unit: str
    obligation: str
    generation: int
    state: str
    warn_at: int | None
    due_at: int
    fired_at: int | None
    ended_at: int | None
    next_at: int | None
    paused_at: int | None
    time_left: int | None


class Fired(NamedTuple):
    """What sla stated; `step` -1 = the warning, 0 = overdue, n = the ladder's n-th rung."""

    case_id: bytes
    unit: str
    obligation: str
    generation: int
    step: int
    due_at: int
    fired_at: int
    shard: int
    sequence: int


class Limited(NamedTuple):
    """sla said by when a unit owes something; `due_at` None = it stands still."""

    case_id: bytes
    unit: str
    obligation: str
    generation: int
    due_at: int | None
    shard: int
    sequence: int


class Announced(NamedTuple):
    """One such event of sla. `owed` = the router must have read it."""

    event: bytes
    case_id: bytes
    unit: str
    round: int
    shard: int
    sequence: int
    owed: bool


class Passed(NamedTuple):
    """The router passed on to a unit what that event of sla said."""

    event: bytes
    case_id: bytes
    shard: int
    sequence: int


class Given(NamedTuple):
    """A unit was given a part in a round."""

    case_id: bytes
    unit: str
    round: int


class Expected(NamedTuple):
    """What a unit must be told because of one event of the router's log."""

    event: bytes
    kind: str
    unit: str
    assignment: bytes
    says: str
    case_id: bytes
    shard: int
    sequence: int
    owed: bool
    at: int


class Told(NamedTuple):
    """What stands on a unit's topic; `settled` = it was there before the tables were read."""

    id: str
    event: bytes
    kind: str
    unit: str
    assignment: bytes
    says: str
    digest: bytes
    case_id: bytes
    topic: str
    offset: int
    settled: bool


class Buried(NamedTuple):
    service: str
    number: int
    case_id: bytes
    reason: str


TABLES: tuple[type[Any], ...] = (
    Acknowledged,
    Whistle,
    Opened,
    Last,
    Stands,
    Succeeded,
    Deadline,
    Fired,
    Limited,
    Announced,
    Passed,
    Given,
    Expected,
    Told,
    Buried,
)

_INDEXES = """
create index acknowledged_case on acknowledged (case_id);
create index acknowledged_ref on acknowledged (source, source_ref) where source_ref is not null;
create index whistle_case on whistle (case_id);
create index whistle_ref on whistle (source, source_ref) where source_ref is not null;
create index whistle_number on whistle (number);
create index opened_case on opened (case_id);
create index last_case on last (case_id, service);
create index stands_case on stands (case_id, service);
create index succeeded_case on succeeded (case_id, before);
create table heir as
with recursive followed (case_id, before, unit) as (
    select case_id, before, unit from succeeded
    union
    select followed.case_id, followed.before, succeeded.unit
    from followed join succeeded on succeeded.case_id = followed.case_id and succeeded.before = followed.unit
)
select * from followed;
create index heir_case on heir (case_id, before);
create index deadline_key on deadline (case_id, unit, obligation, generation);
create index fired_key on fired (case_id, unit, obligation, generation, step);
create index limited_key on limited (case_id, unit, obligation, generation, sequence);
create index announced_event on announced (event);
create index passed_event on passed (event);
create index given_case on given (case_id, unit, round);
create index expected_what on expected (event, kind, unit, assignment);
create index expected_assignment on expected (assignment, kind);
create index told_what on told (event, kind, unit, assignment);
create index told_id on told (id);
create index buried_case on buried (case_id, service);
analyze;
"""


class Scratch:
    """Rows go in by `put`; after `settle` they are joined by `query`."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.execute("pragma journal_mode = off")
        self._database.execute("pragma synchronous = off")
        self._database.execute("pragma cache_size = -32000")
        self._waiting: dict[type[Any], list[Sequence[object]]] = {table: [] for table in TABLES}
        for table in TABLES:
            self._database.execute(f"create table {_name(table)} ({', '.join(_quoted(table))})")
        self._put_lifecycle()
        self._database.create_function("uuid", 1, lambda given: str(UUID(bytes=given)), deterministic=True)
        self._database.create_function("step", 1, _step, deterministic=True)
        self._database.execute("begin")

    def close(self) -> None:
        self._database.close()

    def put(self, row: Sequence[object]) -> None:
        waiting = self._waiting[type(row)]
        waiting.append(row)
        if len(waiting) >= _BATCH:
            self._write(type(row))

    def settle(self) -> None:
        """All rows are in."""
        for table in TABLES:
            self._write(table)
        self._database.execute("commit")
        self._database.executescript(_INDEXES)

    def query(self, statement: str, parameters: Mapping[str, object] | None = None) -> Iterator[sqlite3.Row]:
        return iter(self._database.execute(statement, parameters or {}))

    def grouped(self, statement: str) -> dict[str, int]:
        """Of a query that counts by a word."""
        return {row[0]: row[1] for row in self.query(statement)}

    def count(self, statement: str) -> int:
        found: int = self._database.execute(f"select count(*) from {statement}").fetchone()[0]  # noqa: S608 - ours
        return found

    def number_of(self, case_id: UUID) -> str | None:
        """The number people use for a case."""
        key = case_id.bytes
        for table in ("whistle", "opened"):
            found = self._database.execute(f"select number from {table} where case_id = ? limit 1", (key,)).fetchone()  # noqa: S608
            if found:
                number: str = found[0]
                return number
        return None

    def _put_lifecycle(self) -> None:
        self._database.execute("create table final (stage primary key)")
        self._database.execute("create table waits (stage, obligation, primary key (stage, obligation))")
        for stage, row in STAGES.items():
            if row.final:
                self._database.execute("insert into final values (?)", (stage.value,))
            for owed in row.obligations:
                self._database.execute("insert into waits values (?, ?)", (stage.value, owed.value))

    def _write(self, table: type[Any]) -> None:
        waiting = self._waiting[table]
        if waiting:
            marks = ", ".join("?" for _ in table._fields)
            self._database.executemany(f"insert into {_name(table)} values ({marks})", waiting)  # noqa: S608 - ours
            waiting.clear()


def _name(table: type[Any]) -> str:
    return table.__name__.lower()


def _quoted(table: type[Any]) -> Iterable[str]:
    return (f'"{column}"' for column in table._fields)


def _step(step: int) -> str:
    return {-1: "the warning", 0: "overdue"}.get(step, f"rung {step}")


def micros(at: datetime) -> int:
    return micros_of(at - _EPOCH)


def micros_of(lasting: timedelta) -> int:
    return lasting // timedelta(microseconds=1)
