"""What may come into force while a case runs: other limits, other ladders, other calendars, the catalogue's limits."""

from dataclasses import replace
from datetime import date, time

from services.sla.domain.calendars import STATE, DutyCalendar, Edition, HolidayYear, Season
from services.sla.domain.category_limits import CategoryLimits, Entry
from services.sla.domain.limit import Limit
from services.sla.domain.policy import Ladder, Policy, Warnings
from shared.contracts.vocabulary import Obligation, UnitKind, Urgency
from tests.unit.router.stories import FOR_SHOPS, FOR_WATER, POWER
from tests.unit.sla.shipped_calendar import CALENDARS, shift
from tests.unit.together.pair import POLICY

URGENCIES = tuple(Urgency)


def _policy(name: str, limits: dict[Obligation, str], **changes: object) -> Policy:
    other = {obligation: dict.fromkeys(URGENCIES, Limit.parse(text)) for obligation, text in limits.items()}
    stricter_first = {Urgency.CRITICAL: 0.25, Urgency.URGENT: 0.5, Urgency.NORMAL: 1, Urgency.COMPLEX: 2}
    scaled = {
        obligation: {urgency: limit.times(stricter_first[urgency]) for urgency, limit in row.items()}
        for obligation, row in other.items()
    }
    document = POLICY.model_dump() | {"version": name, "limits": {**POLICY.limits, **scaled}} | changes
    return Policy.model_validate(document)


def _exception(limit: str, **about: object) -> dict[str, object]:
    return {**about, "limit": limit, "because": {"zh": "试行", "en": "on trial"}}


TAKES_OVER = Ladder.model_validate(
    {
        "default": [{"after": 0.25, "tell": "unit"}, {"after": "2 working_hour", "tell": "hub", "then": "supervise"}],
        "obligations": {
            "handle": [
                {"after": 0.1, "tell": "unit", "then": "supervise"},
                {"after": 0.4, "tell": ["supervisor", "hub"], "then": "take_over"},
                {"after": 1, "tell": "district_leader"},
            ],
            "sign_in": [{"after": "3 clock_hour", "tell": "supervisor", "then": ["supervise", "take_over"]}],
            "rate": [],
            "archive": [],
            "review": [],
        },
    }
)
POLICIES = (
    _policy("stricter", {Obligation.SIGN_IN: "2 working_hour", Obligation.HANDLE: "4 clock_day"}, ladder=TAKES_OVER),
    _policy(
        "other-units",
        {
            Obligation.SIGN_IN: "6 clock_hour",
            Obligation.FIRST_CONTACT: "8 working_hour",
            Obligation.HANDLE: "8 working_day",
        },
        warn=Warnings(default=0.5),
        ladder=TAKES_OVER,
    ),
    _policy(
        "laxer",
        {
            Obligation.SIGN_IN: "12 working_hour",
            Obligation.FIRST_CONTACT: "48 clock_hour",
            Obligation.HANDLE: "20 clock_day",
        },
        warn=Warnings(default=None),
        rework_factor=0.75,
    ),
    _policy(
        "by-category",
        {},
        exceptions=(
            _exception("3 working_day", obligation="handle", category=[FOR_WATER[0]]),
            _exception("12 clock_hour", obligation=["handle", "first_contact"], category=list(FOR_SHOPS)),
            _exception("30 clock_minute", obligation="sign_in", level="department", urgency=["normal", "complex"]),
        ),
    ),
)
CATEGORY_LIMITS = CategoryLimits(
    "catalogue-1",
    (
        Entry("Z0101", FOR_WATER[0], FOR_WATER[1], FOR_WATER[2], Limit.parse("10 working_hour")),
        Entry("Z0101", FOR_WATER[0], FOR_WATER[1], "停水", Limit.parse("3 working_day")),
        Entry("Z0201", FOR_SHOPS[0], FOR_SHOPS[1], "流动", Limit.parse("24 clock_hour")),
    ),
)

SHIPPED = CALENDARS.edition
_CLOSED = dict.fromkeys(
    [date(2026, 9, day) for day in (21, 22, 23)] + [date(2026, 10, day) for day in (14, 15)], "会议"
)
_WITH_2027 = {2027: HolidayYear({date(2027, 1, day): "元旦" for day in (1, 2, 3, 4)}, {date(2027, 1, 9): "元旦"})}
_SUMMER = DutyCalendar(
    "夏令时", (Season((5, 1), (shift(8, 12), (time(15), time(18, 30)))), Season((10, 1), (shift(9, 12), shift(13, 17))))
)
EDITIONS: tuple[Edition, ...] = (
    SHIPPED,
    SHIPPED.with_local_days(STATE, _CLOSED, {date(2026, 10, 11): "补班"}),
    SHIPPED.with_years(_WITH_2027),
    replace(SHIPPED, duty={**SHIPPED.duty, STATE: _SUMMER}),
    replace(
        SHIPPED,
        duty={**SHIPPED.duty, "late": DutyCalendar("晚班", (Season((1, 1), (shift(10, 20),)),))},
        units={POWER: "late"},
        kinds={UnitKind.STREET: "late"},
    ),
)
