"""考核明细: what is measured of one unit's part in one round of a case, and of the case itself.

These rows are all that a figure is made of. They are kept in PostgreSQL, and the logs make the same ones again.
Every moment in them stands for good once it has passed, so a figure of a past period changes by a correction at most.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.contracts.vocabulary import Level, Measure, Satisfaction, Source, Urgency


class Settled(NamedTuple):
    """When an obligation was met in time, or ran out (`late`): the earlier of the two. Nothing undoes it."""

    at: datetime
    late: bool


class Spell(NamedTuple):
    """From when to when a unit led before it led again: it left the ledger without being written off."""

    began: datetime
    ended: datetime


class Scores(NamedTuple):
    """评单: from 1 to 5 each."""

    contact: int
    speed: int
    result: int


class Answered(NamedTuple):
    """The resident's answer to the three questions: a valid call-back."""

    at: datetime
    contacted: bool
    solved: bool
    satisfaction: Satisfaction


@dataclass(frozen=True, slots=True)
class Part:
    """One unit's part in one round of one case; these three name it. Times are UTC, None = it never happened.

    `level`, `category` (its first level, empty where there is none), `region`, `source` and `urgency` are the case's
    when the unit got the part, as put right since. `assigned_at` None: it handled the case this one was merged into.

    `on_ledger_at` to `off_ledger_at` it led, so the ledger's entry was its own; `written_off` says that it left the
    ledger written off and did not go to another unit; `former_spells` are those of a unit that led again in the same
    round, in order, mostly none. `answered`: the resident's answer counts for the lead alone.
    `rated_at` with `scores`, or without: the verdict was given and it had not been rated. `silent_at`, the same for
    the resident. `excluded`: the measures from which its exclusion was approved.
    """

    case_id: UUID
    number: str
    unit: str
    round: int
    lead: bool
    level: Level
    category: str
    region: str
    source: Source
    urgency: Urgency
    assigned_at: datetime | None
    sign_in: Settled | None = None
    contact: Settled | None = None
    handle: Settled | None = None
    done_at: datetime | None = None
    refused_at: datetime | None = None
    extended_at: datetime | None = None
    reworked_at: datetime | None = None
    supervised_at: datetime | None = None
    on_ledger_at: datetime | None = None
    off_ledger_at: datetime | None = None
    written_off: bool = False
    rated_at: datetime | None = None
    scores: Scores | None = None
    answered: Answered | None = None
    silent_at: datetime | None = None
    excluded: frozenset[Measure] = frozenset()
    former_spells: tuple[Spell, ...] = ()


@dataclass(frozen=True, slots=True)
class Whole:
    """A case as a whole, for what is counted by the case and not by the unit. `level` None = not dispatched yet.

    `closings` and `reopenings` are all there were, in order, and stand for good: the figures are made of them.
    `closed_at` is None while the case is open again, `reopened_at` the last reopening. Of samples the first counts.
    """

    case_id: UUID
    number: str
    whistle_blower: str
    level: Level | None
    category: str
    region: str
    source: Source
    urgency: Urgency
    received_at: datetime
    declined_at: datetime | None = None
    withdrawn_at: datetime | None = None
    merged_at: datetime | None = None
    closed_at: datetime | None = None
    reopened_at: datetime | None = None
    sampled_at: datetime | None = None
    sample_checked_at: datetime | None = None
    sample_passed: bool | None = None
    closings: tuple[datetime, ...] = ()
    reopenings: tuple[datetime, ...] = ()
