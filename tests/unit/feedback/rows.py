"""Rows of what is measured, told in one line each, and a small district, for the tests of measuring."""

from datetime import UTC, datetime
from uuid import UUID

from services.feedback.domain.measuring.part import Answered, Part, Scores, Settled, Whole
from services.feedback.domain.measuring.periods import period_named
from services.feedback.domain.measuring.scorecard import Inputs
from services.feedback.domain.measuring.scoring import Rhythm, Scoring
from shared.contracts.units import Unit, next_version
from shared.contracts.vocabulary import Level, Measure, Satisfaction, Source, UnitKind, Urgency

HUB = "110199"
EAST, WEST, NORTH = "110199001", "110199002", "110199003"
PINES = "110199001001"
WATER, MARKET = "util-water", "dept-market"

SCORING = Scoring(version="2026-11-01", minimum_sample=2)
NOVEMBER = period_named(Rhythm.MONTH, "2026-11", SCORING)
INPUTS = Inputs(positions={"cases": {"0": 41}, "feedback": {"0": 7}}, scoring="2026-11-01", tree="1")

UNITS = (
    Unit(code=HUB, name="海安区", kind=UnitKind.HUB),
    Unit(code=EAST, name="东街道", name_en="East Street", kind=UnitKind.STREET, parent=HUB),
    Unit(code=WEST, name="西街道", name_en="West Street", kind=UnitKind.STREET, parent=HUB),
    Unit(code=NORTH, name="北街道", name_en="North Street", kind=UnitKind.STREET, parent=HUB),
    Unit(code=PINES, name="松园社区", kind=UnitKind.COMMUNITY, parent=EAST),
    Unit(code=WATER, name="自来水公司", name_en="Waterworks", kind=UnitKind.UTILITY, parent=HUB),
    Unit(code=MARKET, name="市场监管局", kind=UnitKind.DEPARTMENT, parent=HUB),
)
TREE = next_version(None, UNITS, "1")


def day(number: int, hour: int = 0, month: int = 11) -> datetime:
    """An hour of a day of 2026 by UTC; 11-02 to 11-29 are in November in Shanghai, too."""
    return datetime(2026, month, number, hour, tzinfo=UTC)


def met(at: datetime) -> Settled:
    return Settled(at, late=False)


def late(at: datetime) -> Settled:
    return Settled(at, late=True)


def satisfied(at: datetime) -> Answered:
    return Answered(at, contacted=True, solved=True, satisfaction=Satisfaction.SATISFIED)


def basically(at: datetime) -> Answered:
    return Answered(at, contacted=True, solved=True, satisfaction=Satisfaction.BASICALLY_SATISFIED)


def unsatisfied(at: datetime) -> Answered:
    return Answered(at, contacted=False, solved=False, satisfaction=Satisfaction.UNSATISFIED)


def part(
    number: int = 1,
    unit: str = EAST,
    *,
    level: Level = Level.STREET,
    category: str = "供水",
    region: str = PINES,
    source: Source = Source.HOTLINE_12345,
    assigned_at: datetime | None = None,
    sign_in: Settled | None = None,
    contact: Settled | None = None,
    handle: Settled | None = None,
    done_at: datetime | None = None,
    refused_at: datetime | None = None,
    extended_at: datetime | None = None,
    reworked_at: datetime | None = None,
    supervised_at: datetime | None = None,
    on_ledger_at: datetime | None = None,
    off_ledger_at: datetime | None = None,
    written_off: bool = False,
    rated_at: datetime | None = None,
    scores: Scores | None = None,
    answered: Answered | None = None,
    silent_at: datetime | None = None,
    excluded: frozenset[Measure] = frozenset(),
) -> Part:
    return Part(
        case_id=UUID(int=number),
        number=f"HA-{number:04}",
        unit=unit,
        round=1,
        lead=True,
        level=level,
        category=category,
        region=region,
        source=source,
        urgency=Urgency.NORMAL,
        assigned_at=assigned_at,
        sign_in=sign_in,
        contact=contact,
        handle=handle,
        done_at=done_at,
        refused_at=refused_at,
        extended_at=extended_at,
        reworked_at=reworked_at,
        supervised_at=supervised_at,
        on_ledger_at=on_ledger_at,
        off_ledger_at=off_ledger_at,
        written_off=written_off,
        rated_at=rated_at,
        scores=scores,
        answered=answered,
        silent_at=silent_at,
        excluded=excluded,
    )


def good(number: int, unit: str = EAST, on: int = 10, *, excluded: frozenset[Measure] = frozenset()) -> Part:
    """Everything in time, the best scores, a satisfied resident."""
    return part(
        number,
        unit,
        assigned_at=day(on),
        sign_in=met(day(on, 1)),
        contact=met(day(on, 2)),
        handle=met(day(on, 3)),
        done_at=day(on, 3),
        on_ledger_at=day(on),
        off_ledger_at=day(on, 9),
        written_off=True,
        rated_at=day(on, 5),
        scores=Scores(5, 5, 5),
        answered=satisfied(day(on, 6)),
        excluded=excluded,
    )


def bad(number: int, unit: str = EAST, on: int = 10, *, excluded: frozenset[Measure] = frozenset()) -> Part:
    """Everything late, the lowest scores, an unsatisfied resident."""
    return part(
        number,
        unit,
        assigned_at=day(on),
        sign_in=late(day(on, 1)),
        contact=late(day(on, 2)),
        handle=late(day(on, 3)),
        done_at=day(on, 4),
        reworked_at=day(on, 7),
        on_ledger_at=day(on),
        off_ledger_at=day(on, 7),
        rated_at=day(on, 5),
        scores=Scores(1, 1, 1),
        answered=unsatisfied(day(on, 6)),
        excluded=excluded,
    )


def whole(
    number: int = 1,
    *,
    received_at: datetime,
    category: str = "供水",
    level: Level | None = Level.STREET,
    declined_at: datetime | None = None,
    withdrawn_at: datetime | None = None,
    merged_at: datetime | None = None,
    sampled_at: datetime | None = None,
    sample_checked_at: datetime | None = None,
    sample_passed: bool | None = None,
    closings: tuple[datetime, ...] = (),
    reopenings: tuple[datetime, ...] = (),
) -> Whole:
    return Whole(
        case_id=UUID(int=number),
        number=f"HA-{number:04}",
        whistle_blower=PINES,
        level=level,
        category=category,
        region=PINES,
        source=Source.RESIDENT,
        urgency=Urgency.NORMAL,
        received_at=received_at,
        declined_at=declined_at,
        withdrawn_at=withdrawn_at,
        merged_at=merged_at,
        sampled_at=sampled_at,
        sample_checked_at=sample_checked_at,
        sample_passed=sample_passed,
        closings=closings,
        reopenings=reopenings,
    )
