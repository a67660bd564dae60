"""A district's quarter, made by hand of rows: 10 streets, 12 departments, a utility; always the same one.

One street has too few cases to be ranked, one department was never called back, one case was excluded.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cache
from random import Random
from uuid import UUID
from zoneinfo import ZoneInfo

from services.feedback.domain.measuring.measures import Counting
from services.feedback.domain.measuring.part import Answered, Part, Scores, Settled, Whole
from services.feedback.domain.measuring.periods import Period, period, previous
from services.feedback.domain.measuring.scorecard import Inputs, Scorecard, compute, content, content_hash
from services.feedback.domain.measuring.scoring import Rhythm, Scoring
from services.feedback.exports.issued import Issued
from services.feedback.exports.speech import Speech
from shared.contracts.units import Unit, UnitTree
from shared.contracts.vocabulary import Level, Measure, Satisfaction, Source, UnitKind, Urgency

ZONE = ZoneInfo("Asia/Shanghai")
SCORING = Scoring(version="2026-11-01", minimum_sample=20)
QUARTER = period(Rhythm.QUARTER, date(2026, 8, 1), SCORING)

STREETS = ["东山", "西河", "南门", "北桥", "城关", "柳园", "安平", "新华", "石桥", "清泉"]
DEPARTMENTS = (
    "区城市管理委员会",
    "区住房和城乡建设委员会",
    "区水务局",
    "区生态环境局",
    "区市场监督管理局",
    "区卫生健康委员会",
    "区教育委员会",
    "区交通运输局",
    "区园林绿化局",
    "区民政局",
    "区人力资源和社会保障局",
    "区公安分局",
)
CATEGORIES = ("市容环境", "住房物业", "供水排水", "道路交通", "环境保护", "")
HUB = "110101"
TINY_STREET = "110101010"
NEVER_CALLED_BACK = "D12"
EXCLUDED_FROM = RENAMED = "D01"


def tree() -> UnitTree:
    streets = [
        Unit(code=f"{HUB}{n:03}", name=f"{name}街道", name_en=f"Street {n}", kind=UnitKind.STREET, parent=HUB)
        for n, name in enumerate(STREETS, 1)
    ]
    departments = [
        Unit(code=f"D{n:02}", name=name, kind=UnitKind.DEPARTMENT, parent=HUB) for n, name in enumerate(DEPARTMENTS, 1)
    ]
    hub = Unit(code=HUB, name="区城市运行管理中心", name_en="District Hub", kind=UnitKind.HUB)
    water = Unit(code="U01", name="自来水公司", kind=UnitKind.UTILITY, parent=HUB)
    units = (hub, *streets, *departments, water)
    return UnitTree({unit.code: unit for unit in units}, "2026-10")


def parts(units: UnitTree, within: Period, seed: int) -> Iterator[Part]:
    for place, unit in enumerate(unit for unit in units if unit.kind is not UnitKind.HUB):
        random = Random(f"{seed} {unit.code}")
        size = 6 if unit.code == TINY_STREET else 60 + random.randrange(120)
        good = 0.8 + 0.008 * (place % 10) + random.random() * 0.1
        for n in range(size):
            yield _part(unit, random, within.start + timedelta(days=1, hours=13 * n), good, f"26{place:02}{seed}{n:04}")


def _part(unit: Unit, random: Random, at: datetime, good: float, number: str) -> Part:
    def well() -> bool:
        return random.random() < good

    street = unit.kind is UnitKind.STREET
    answered = Answered(at + timedelta(days=4), well(), well(), Satisfaction.SATISFIED if well() else _less(random))
    rated = Scores(4 + well(), 4 + well(), 3 + 2 * well()) if random.random() < 0.9 else None
    return Part(
        case_id=UUID(int=int(number)),
        number=number,
        unit=unit.code,
        round=1,
        lead=True,
        level=Level.STREET if street else Level.DEPARTMENT,
        category=random.choice(CATEGORIES),
        region=unit.code if street else f"{HUB}{random.randrange(1, 10):03}",
        source=random.choice((Source.COMMUNITY, Source.HOTLINE_12345, Source.RESIDENT)),
        urgency=Urgency.NORMAL,
        assigned_at=at,
        sign_in=Settled(at + timedelta(hours=1), not well()),
        contact=Settled(at + timedelta(hours=2), not well()),
        handle=Settled(at + timedelta(days=2), not well()),
        done_at=at + timedelta(days=2),
        refused_at=None if random.random() < 0.97 else at + timedelta(hours=1),
        reworked_at=None if well() else at + timedelta(days=3),
        on_ledger_at=at,
        off_ledger_at=at + timedelta(days=5) if well() else None,
        written_off=True,
        rated_at=at + timedelta(days=3),
        scores=rated,
        answered=None if unit.code == NEVER_CALLED_BACK or random.random() < 0.2 else answered,
        excluded=frozenset({Measure.HANDLE}) if unit.code == EXCLUDED_FROM and number.endswith("7") else frozenset(),
    )


def _less(random: Random) -> Satisfaction:
    return random.choice((Satisfaction.BASICALLY_SATISFIED, Satisfaction.UNSATISFIED))


def wholes(rows: list[Part]) -> Iterator[Whole]:
    for row in rows:
        assert row.assigned_at is not None
        yield Whole(
            row.case_id, row.number, row.region, row.level, row.category, row.region, row.source, row.urgency,
            received_at=row.assigned_at, closed_at=row.off_ledger_at,
            closings=() if row.off_ledger_at is None else (row.off_ledger_at,),
        )  # fmt: skip


@cache
def card(*, former: bool = True) -> Scorecard:
    """The quarter's scorecard."""
    return _card(QUARTER, 2, _card(previous(QUARTER, SCORING), 1, None) if former else None)


def _card(within: Period, seed: int, former: Scorecard | None) -> Scorecard:
    rows = list(parts(tree(), within, seed))
    counting = Counting(within)
    counting.add_parts(rows)
    counting.add_wholes(wholes(rows))
    inputs = Inputs(
        positions={"router": {"0": 5120, "1": 4988}, "feedback": {"0": 2210, "1": 2104}}, scoring="3", tree="7"
    )
    return compute(counting, SCORING, tree(), inputs, former=former)


def issued(*, former: bool = True, unit: str = "", category: str = "") -> Issued:
    """Published. `unit` gives the first department, `category` the second category another name."""
    made = card(former=former)
    if unit:
        units = tuple(one.model_copy(update={"name": unit}) if one.unit == RENAMED else one for one in made.units)
        made = made.model_copy(update={"units": units})
    if category:
        first, second, *others = made.by_category
        made = made.model_copy(update={"by_category": (first, second.model_copy(update={"key": category}), *others)})
    at = datetime(2026, 10, 8, 9, 30, tzinfo=ZONE)
    return Issued(id=12, card=made, hash=content_hash(content(made)), published_at=at)


def speech(language: str = "zh-CN") -> Speech:
    return Speech(language, tree, ZONE)
