"""Calendars as people write them down: all of them as YAML, days as CSV and iCal, and every fault with its place."""

from collections.abc import Callable
from datetime import date, time, timedelta

import chinese_calendar
import pytest

from services.sla.domain.calendar_files import parse_calendar
from services.sla.domain.calendars import (
    STATE,
    USUAL_HOURS,
    Calendars,
    DutyCalendar,
    Edition,
    ExtraDay,
    HolidayYear,
    Season,
    from_json,
    to_json,
)
from services.sla.domain.day_files import Days, parse_days_csv, parse_days_ics
from shared.contracts.faults import SetupInvalid
from shared.contracts.units import Unit, build_tree
from shared.contracts.units_file import text_of
from shared.contracts.vocabulary import UnitKind
from tests.unit.sla.shipped_calendar import CALENDARS, READ
from tests.unit.sla.shipped_calendar import STATE as STATE_CALENDAR

NEW_YEAR = date(2027, 1, 1)


def faults_of(parse: Callable[[str], object], text: str) -> list[str]:
    """`line field` of each."""
    with pytest.raises(SetupInvalid) as caught:
        parse(text)
    for fault in caught.value.faults:
        assert fault.zh, fault
        assert fault.en, fault
        assert fault.file, fault
    return [f"{fault.line} {fault.field}".strip() for fault in caught.value.faults]


# --- what is shipped --------------------------------------------------------------------------------------------


def test_every_day_of_every_shipped_year_is_as_chinesecalendar_has_it() -> None:
    day = date(2004, 1, 1)
    while day <= date(2026, 12, 31):
        assert bool(STATE_CALENDAR.duty(day)) is bool(chinese_calendar.is_workday(day)), day
        assert STATE_CALENDAR.is_published(day)
        day += timedelta(days=1)
    assert not STATE_CALENDAR.is_published(day)


def test_every_shipped_day_off_and_make_up_day_is_one_of_chinesecalendars() -> None:
    off = {day for year in READ.edition.years.values() for day in year.off}
    work = {day for year in READ.edition.years.values() for day in year.work}
    assert off == set(chinese_calendar.constants.holidays)
    assert work == set(chinese_calendar.constants.workdays)


def test_what_is_shipped_gives_every_unit_the_state_calendar() -> None:
    hub = Unit(code="hub", name="区级治理中心", kind=UnitKind.HUB)
    assert CALENDARS.of_unit("hub", build_tree([hub], "1")) is STATE_CALENDAR


# --- calendar.yaml ------------------------------------------------------------------------------------------------

WHOLE = """\
version: "3"
zone: Europe/Berlin
holidays:
  2027:
    off: {元旦: 01-01..01-03, 春节: [02-05..02-06, 02-08]}
    work: {元旦: 01-09}
calendars:
  hall:
    title: 大厅
    hours: {05-01: [8:00-12:00, 15:00-18:30], 10-01: 09:00-17:00}
    weekdays: [mon..wed, sat]
    off: {2027-08-01..2027-08-02: 防汛}
    on:
      2027-01-01: 值守
      2027-01-02: {reason: 半天, hours: [08:00-12:00]}
  pump: {hours: 24h, weekdays: every}
units: {util-water: pump}
kinds: {street: hall}
"""


def test_all_that_a_file_may_say() -> None:
    found = parse_calendar(WHOLE)
    assert (found.version, found.version_line, found.lines) == ("3", 1, {"util-water": 17})
    edition = found.edition
    assert edition.zone.key == "Europe/Berlin"
    assert edition.years == {
        2027: HolidayYear(
            {
                date(2027, 1, 1): "元旦",
                date(2027, 1, 2): "元旦",
                date(2027, 1, 3): "元旦",
                date(2027, 2, 5): "春节",
                date(2027, 2, 6): "春节",
                date(2027, 2, 8): "春节",
            },
            {date(2027, 1, 9): "元旦"},
        )
    }
    assert edition.duty == {
        STATE: DutyCalendar(),
        "hall": DutyCalendar(
            "大厅",
            (
                Season((5, 1), ((time(8), time(12)), (time(15), time(18, 30)))),
                Season((10, 1), ((time(9), time(17)),)),
            ),
            frozenset({0, 1, 2, 5}),
            {date(2027, 8, 1): "防汛", date(2027, 8, 2): "防汛"},
            {NEW_YEAR: ExtraDay("值守"), date(2027, 1, 2): ExtraDay("半天", ((time(8), time(12)),))},
        ),
        "pump": DutyCalendar(seasons=(Season((1, 1), ((time(0), time(0)),)),), weekdays=frozenset(range(7))),
    }
    assert (edition.units, edition.kinds) == ({"util-water": "pump"}, {UnitKind.STREET: "hall"})


def test_an_empty_file_is_weekdays_by_the_usual_hours() -> None:
    assert parse_calendar("").edition == Edition()
    assert Edition().calendar().duty(date(2026, 10, 1)) == USUAL_HOURS


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("- a", ["1"]),
        ("versions: 1", ["1 versions"]),
        ("version: [1]", ["1 version"]),
        ("zone: Asia/Nowhere", ["1 zone"]),
        ("holidays: {27: {}}", ["1 holidays"]),
        ("holidays:\n  2027: {of: {}}", ["2 holidays.2027.of"]),
        ("holidays:\n  2027:\n    off: {元旦: 13-01}", ["3 holidays.2027.off.元旦"]),
        ("holidays:\n  2027:\n    off: {元旦: 02-29}", ["3 holidays.2027.off.元旦"]),
        ("holidays:\n  2027:\n    off: {元旦: 01-03..01-01}", ["3 holidays.2027.off.元旦"]),
        ("holidays:\n  2027:\n    off:\n      元旦: 01-01\n      春节: [01-01]", ["5 holidays.2027.off.春节"]),
        ("holidays:\n  2027: {off: {元旦: 01-01}, work: {元旦: 01-01}}", ["2 holidays.2027"]),
        ("calendars:\n  a b: {}", ["2 calendars.a b"]),
        ("calendars:\n  hall: {hours: 8-12}", ["2 calendars.hall.hours"]),
        ("calendars:\n  hall: {hours: [12:00-08:00]}", ["2 calendars.hall.hours"]),
        ("calendars:\n  hall: {hours: [08:00-12:60]}", ["2 calendars.hall.hours"]),
        ("calendars:\n  hall: {hours: [20:00-04:00]}", ["2 calendars.hall.hours"]),
        ("calendars:\n  hall:\n    hours:\n    - 08:00-12:00\n    - 11:00-13:00", ["5 calendars.hall.hours"]),
        ("calendars:\n  hall: {hours: []}", ["2 calendars.hall.hours"]),
        ("calendars:\n  hall: {hours: {}}", ["2 calendars.hall.hours"]),
        ("calendars:\n  hall:\n    hours:\n      13-01: 24h", ["4 calendars.hall.hours"]),
        ("calendars:\n  hall: {weekdays: [mun]}", ["2 calendars.hall.weekdays"]),
        ("calendars:\n  hall: {weekdays: []}", ["2 calendars.hall.weekdays"]),
        ("calendars:\n  hall:\n    off:\n      08-01: 防汛", ["4 calendars.hall.off"]),
        ("calendars:\n  hall:\n    off:\n      2027-08-01: ''", ["4 calendars.hall.off.2027-08-01"]),
        ("calendars:\n  hall:\n    on:\n      2027-08-01: {hours: 24h}", ["4 calendars.hall.on.2027-08-01.reason"]),
        ("calendars:\n  hall: {off: {2027-08-01: a}, on: {2027-08-01: b}}", ["2 calendars.hall"]),
        ("units:\n  util-water: pump", ["2 units.util-water"]),
        ("kinds:\n  streets: state", ["2 kinds"]),
        ("version: 1\nversion: 2", ["2"]),
        # all of them, not the first
        ("zone: x\nkinds:\n  streets: hall", ["1 zone", "3 kinds.streets", "3 kinds"]),
    ],
)
def test_every_fault_names_its_place(text: str, places: list[str]) -> None:
    assert faults_of(parse_calendar, text) == places


# --- CSV ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "date,kind,name\n2027-01-01,off,元旦\n2027-01-09,work,元旦\n",
        "日期,类型,名称\n2027/1/1,休,元旦\n\n2027年1月9日,班,元旦\n",
        "kind,name,date,note\nOFF,元旦,20270101,x\n上班,元旦,2027.1.9,\n",
    ],
)
def test_days_as_csv(text: str) -> None:
    for raw in (text.encode(), text.encode("utf-8-sig"), text.encode("gbk")):
        assert parse_days_csv(text_of(raw)) == Days({NEW_YEAR: "元旦"}, {date(2027, 1, 9): "元旦"})


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", ["1"]),
        ("date,name\n2027-01-01,元旦", ["1"]),
        ("date,kind,name\n", ["0"]),
        ("date,kind\n2027-02-30,off", ["2 date"]),
        ("date,kind\n2027-1-1,off\n2027115,off", ["3 date"]),
        ("date,kind\n2027-01-01,free\n,off", ["2 kind", "3 date"]),
        ("date,kind\n2027-01-01,off\n2027-01-01,work", ["3 kind"]),
        ('date,kind\n"2027-01-01\n,off', ["2 date", "2 kind"]),
    ],
)
def test_every_fault_of_a_csv_names_its_place(text: str, places: list[str]) -> None:
    assert faults_of(parse_days_csv, text) == places


# --- iCal -------------------------------------------------------------------------------------------------------------


def ics(*events: str) -> str:
    inner = "".join(f"BEGIN:VEVENT\r\nUID:{n}\r\n{event}\r\nEND:VEVENT\r\n" for n, event in enumerate(events))
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test\r\n{inner}END:VCALENDAR\r\n"


@pytest.mark.parametrize(
    ("event", "off", "work"),
    [
        ("SUMMARY:元旦（休）\r\nDTSTART;VALUE=DATE:20270101\r\nDTEND;VALUE=DATE:20270103", (1, 2), ()),
        ("SUMMARY:元旦(班)\r\nDTSTART;VALUE=DATE:20270109", (), (9,)),
        ("SUMMARY:元旦 补班 第1天/共1天\r\nDTSTART;VALUE=DATE:20270109", (), (9,)),
        ("SUMMARY:元旦假期 第1天/共3天\r\nDTSTART;VALUE=DATE:20270101\r\nDURATION:P3D", (1, 2, 3), ()),
        ("SUMMARY:元旦\r\nX-APPLE-SPECIAL-DAY:WORK-HOLIDAY\r\nDTSTART;VALUE=DATE:20270101", (1,), ()),
        ("SUMMARY:元旦\r\nX-APPLE-SPECIAL-DAY:ALTERNATE-WORKDAY\r\nDTSTART;VALUE=DATE:20270109", (), (9,)),
    ],
)
def test_how_an_event_says_whether_people_work(event: str, off: tuple[int, ...], work: tuple[int, ...]) -> None:
    for text in (ics(event), ics(event).replace("\r\n", "\n")):
        found = parse_days_ics(text)
        assert (tuple(day.day for day in found.off), tuple(day.day for day in found.work)) == (off, work)
        assert not found.doubts


def test_the_mark_is_no_part_of_the_name() -> None:
    found = parse_days_ics(ics("SUMMARY:国庆节（休）\r\nDTSTART;VALUE=DATE:20271001"))
    assert found.off == {date(2027, 10, 1): "国庆节"}


def test_events_that_say_neither_are_left_out_and_named() -> None:
    found = parse_days_ics(
        ics(
            "SUMMARY:立春\r\nDTSTART;VALUE=DATE:20270204",
            "SUMMARY:元旦（休）\r\nDTSTART;VALUE=DATE:20270101",
            "SUMMARY:元旦（班）\r\nSTATUS:CANCELLED\r\nDTSTART;VALUE=DATE:20270101",
        )
    )
    assert (found.off, found.work) == ({NEW_YEAR: "元旦"}, {})
    (doubt,) = found.doubts
    assert "立春" in doubt.zh


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("hello", ["0"]),
        ("", ["0"]),
        (ics("SUMMARY:立春\r\nDTSTART;VALUE=DATE:20270204"), ["0"]),
        (ics("SUMMARY:元旦（休）"), ["4 DTSTART"]),
        (ics("SUMMARY:元旦（休）\r\nDTSTART:20270101T080000"), ["4 DTSTART"]),
        (ics("SUMMARY:元旦（休）\r\nDTSTART;VALUE=DATE:20270103\r\nDTEND;VALUE=DATE:20270101"), ["4 DTSTART"]),
        (ics("SUMMARY:元旦（休）\r\nDTSTART;VALUE=DATE:20270101\r\nRRULE:FREQ=YEARLY"), ["4 RRULE"]),
        (
            ics(
                "SUMMARY:元旦（休）\r\nDTSTART;VALUE=DATE:20270101",
                "SUMMARY:元旦（班）\r\nDTSTART;VALUE=DATE:20270101",
            ),
            ["9 kind"],
        ),
    ],
)
def test_every_fault_of_an_ical_names_its_place(text: str, places: list[str]) -> None:
    assert faults_of(parse_days_ics, text) == places


# --- whose calendar it is, and as it is stored ------------------------------------------------------------------------

TREE = build_tree(
    [
        Unit(code="hub", name="区级治理中心", kind=UnitKind.HUB),
        Unit(code="street-1", name="东湖街道", kind=UnitKind.STREET, parent="hub"),
        Unit(code="comm-1", name="湖畔社区", kind=UnitKind.COMMUNITY, parent="street-1"),
        Unit(code="comm-2", name="柳荫社区", kind=UnitKind.COMMUNITY, parent="street-1"),
        Unit(code="dept-1", name="民政局", kind=UnitKind.DEPARTMENT, parent="hub"),
        Unit(code="util-water", name="供水公司", kind=UnitKind.UTILITY, parent="hub"),
    ],
    "1",
)
ASSIGNED = Edition(
    duty={name: DutyCalendar(title=name) for name in (STATE, "hall", "street", "round")},
    units={"comm-1": "hall", "street-1": "street"},
    kinds={UnitKind.STREET: STATE, UnitKind.UTILITY: "round"},
)


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("comm-1", "hall"),  # its own
        ("street-1", "street"),  # its own before that of its kind
        ("comm-2", "street"),  # of the unit above
        ("util-water", "round"),  # of its kind
        ("dept-1", STATE),
        ("nobody", STATE),
    ],
)
def test_the_nearest_calendar_wins(unit: str, name: str) -> None:
    calendars = Calendars("1", ASSIGNED)
    assert ASSIGNED.name_of(unit, TREE) == name
    assert calendars.of_unit(unit, TREE) is ASSIGNED.calendar(name)
    assert calendars.of_unit(unit, TREE) is calendars.of_unit(unit, TREE)


def test_another_tree_is_another_answer() -> None:
    moved = [one.model_copy(update={"parent": "hub"}) if one.code == "comm-2" else one for one in TREE]
    assert ASSIGNED.name_of("comm-2", TREE) == "street"
    assert ASSIGNED.name_of("comm-2", build_tree(moved, "2")) == STATE
    assert ASSIGNED.name_of("comm-2", TREE) == "street"


def after(version: str, edition: Edition, before: Calendars | None, day: str) -> Calendars:
    return Calendars(version, edition).after(before, date.fromisoformat(day))


def test_what_is_stored_comes_back_with_its_earlier_versions() -> None:
    edition = parse_calendar(WHOLE).edition
    first = after("1", edition, None, "2026-11-23")
    second = after("2", edition.with_years(CALENDARS.edition.years), first, "2026-11-24")
    third = after("3", CALENDARS.edition, second, "2026-11-25")
    for calendars in (first, second, third):
        stored = to_json(calendars)
        assert from_json(stored) == calendars
        assert to_json(from_json(stored)) == stored
    assert third.edition_of("1") == edition
    assert third.edition_of("2").years.keys() == {*CALENDARS.edition.years, 2027}
    assert third.edition_of("") is third.edition_of("3") is third.edition_of("unknown") is third.edition
    # what stays the same is not stored for every version
    assert len(to_json(third)) < 2 * len(to_json(Calendars("3", CALENDARS.edition)))


def test_earlier_versions_go_when_no_deadline_can_rest_on_them() -> None:
    first = after("1", Edition(), None, "2026-01-01")
    second = after("2", Edition(), first, "2026-06-01")
    third = after("3", Edition(), second, "2029-06-01")
    assert list(third.earlier) == ["1", "2"]
    assert list(after("4", Edition(), third, "2029-06-04").earlier) == ["2", "3"]
    assert list(after("1", Edition(), third, "2029-06-01").earlier) == ["2", "3"]


def test_by_the_state_or_by_its_own_weekdays() -> None:
    """A calendar with weekdays of its own waits for no notice."""
    edition = parse_calendar(WHOLE).edition
    far = date(2031, 5, 2)
    assert not edition.calendar(STATE).is_published(far)
    assert edition.calendar("hall").is_published(far)
    assert [bool(edition.calendar("hall").duty(far + timedelta(days=n))) for n in range(4)] == [
        False,
        True,
        False,
        True,
    ]
