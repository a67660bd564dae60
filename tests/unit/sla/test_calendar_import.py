"""How a file becomes a version of the calendars: what it replaces, what it is called, what is worth a second look."""

from datetime import date

import pytest

from services.sla.calendar_import import CALENDAR, prepare_calendar
from services.sla.domain.calendars import STATE, Calendars, ExtraDay, from_json
from shared.contracts.faults import SetupInvalid
from shared.contracts.units import Unit, build_tree
from shared.contracts.vocabulary import UnitKind
from shared.runtime.district import UNITS
from shared.runtime.setup_parts import Before, File, FileFormat, Prepared
from tests.unit.sla.shipped_calendar import TEXT

TODAY = date(2026, 11, 23)
UNITS_NOW = build_tree([Unit(code="hub", name="区级治理中心", kind=UnitKind.HUB)], "1")
OF_2027 = """\
date,kind,name
2027-01-01,off,元旦
2027-02-05,off,春节
2027-02-06,off,春节
2027-02-07,off,春节
2027-02-08,off,春节
2027-02-09,off,春节
2027-02-10,off,春节
2027-02-11,off,春节
2027-02-20,work,春节
"""


def prepared(
    text: str,
    before: Calendars | None = None,
    form: FileFormat = "yaml",
    into: str = "",
    today: date = TODAY,
) -> Prepared:
    held = {UNITS.name: UNITS_NOW} | ({CALENDAR.name: before} if before is not None else {})
    return prepare_calendar(File(text, form, f"calendar.{form}", into), Before(held), today)


def imported(text: str, before: Calendars | None = None, form: FileFormat = "yaml", into: str = "") -> Calendars:
    return from_json(prepared(text, before, form, into).content)


def fault_of(text: str, before: Calendars | None = None, form: FileFormat = "yaml", into: str = "") -> str:
    with pytest.raises(SetupInvalid) as caught:
        prepared(text, before, form, into)
    (fault,) = caught.value.faults
    assert fault.zh
    return str(fault)


FIRST = imported(TEXT)


def test_the_shipped_file_is_imported_first_without_a_doubt() -> None:
    found = prepared(TEXT)
    assert (found.label, found.doubts) == ("2026-11-01", ())
    assert "holidays 2026" in found.difference["added"]
    assert CALENDAR.read(found.content) == FIRST


def test_the_same_again_is_the_same_version() -> None:
    again = prepared(TEXT, FIRST)
    assert (again.label, again.content) == ("2026-11-01", prepared(TEXT).content)
    assert again.difference == {"added": [], "removed": [], "changed": [], "reordered": False}
    unnamed = prepared(TEXT.replace('version: "2026-11-01"', ""), FIRST)
    assert (unnamed.label, unnamed.content) == (again.label, again.content)


def test_the_same_days_again_are_the_same_version() -> None:
    with_2027 = imported(OF_2027, FIRST, "csv")
    assert prepared(OF_2027, with_2027, "csv").content == prepared(OF_2027, FIRST, "csv").content


def test_a_year_that_is_loaded_is_published_and_the_version_before_is_kept() -> None:
    found = prepared(OF_2027, FIRST, "csv")
    assert (found.label, found.doubts) == ("2026-11-23", ())
    assert found.difference["added"] == ["holidays 2027"]
    after = from_json(found.content)
    new_year = date(2027, 1, 1)
    assert after.edition.calendar().is_published(new_year)
    assert not after.edition.calendar().duty(new_year)
    assert after.edition.calendar().duty(date(2027, 2, 20))
    assert after.edition_of("2026-11-01").calendar().duty(new_year)
    assert after.edition.years[2026] == FIRST.edition.years[2026]


def test_a_year_is_replaced_as_a_whole() -> None:
    with_2027 = imported(OF_2027, FIRST, "csv")
    found = prepared(OF_2027.replace("2027-02-20", "2027-02-21"), with_2027, "csv")
    assert found.label == "2026-11-23-2"
    assert found.difference["changed"] == ["holidays 2027"]
    assert list(from_json(found.content).edition.years[2027].work) == [date(2027, 2, 21)]


def test_days_of_december_alone_belong_to_the_next_years_notice() -> None:
    text = OF_2027 + "2026-12-27,work,元旦\n2026-12-31,off,元旦\n"
    before, after = FIRST.edition.years[2026], imported(text, FIRST, "csv").edition.years[2026]
    assert after.off == {**before.off, date(2026, 12, 31): "元旦"}
    assert after.work == {**before.work, date(2026, 12, 27): "元旦"}


def test_local_days_go_into_the_calendar_that_is_named() -> None:
    text = "日期,类型,名称\n2026-12-05,班,扫雪\n2026-12-07,休,停电\n"
    found = imported(text, FIRST, "csv", "summer")
    assert found.edition.duty["summer"].on == {date(2026, 12, 5): ExtraDay("扫雪")}
    assert found.edition.duty["summer"].off == {date(2026, 12, 7): "停电"}
    assert found.edition.duty[STATE] == FIRST.edition.duty[STATE]
    assert found.edition.years == FIRST.edition.years
    # the year anew, another year stays
    later = imported("date,kind,name\n2027-07-01,off,停电\n", found, "csv", "summer")
    anew = imported("date,kind,name\n2026-12-08,off,停电\n", later, "csv", "summer")
    assert anew.edition.duty["summer"].off == {date(2026, 12, 8): "停电", date(2027, 7, 1): "停电"}
    assert not anew.edition.duty["summer"].on


def test_an_ical_into_the_states_years() -> None:
    days = "".join(
        f"BEGIN:VEVENT\nSUMMARY:国庆节（休）\nDTSTART;VALUE=DATE:202710{day:02}\nEND:VEVENT\n" for day in range(1, 8)
    )
    found = prepared(f"BEGIN:VCALENDAR\n{days}END:VCALENDAR\n", FIRST, "ics", STATE)
    assert not found.doubts
    assert len(from_json(found.content).edition.years[2027].off) == 7


def test_what_is_no_version() -> None:
    other = TEXT.replace("14:00-18:00", "14:00-17:00")
    line = TEXT.splitlines().index('version: "2026-11-01"') + 1
    assert f"line {line}: version: version 2026-11-01 is in use" in fault_of(other, FIRST)
    with_2027 = imported(OF_2027, FIRST, "csv")
    assert "in use" in fault_of(other, with_2027)
    assert "there is no calendar nobody" in fault_of(OF_2027, FIRST, "csv", "nobody")
    assert "all of the calendars" in fault_of(TEXT, FIRST, "yaml", STATE)


def test_back_to_an_earlier_version() -> None:
    with_2027 = imported(OF_2027, FIRST, "csv")
    back = imported(TEXT, with_2027)
    assert (back.version, list(back.earlier)) == ("2026-11-01", ["2026-11-23"])
    assert back.edition == FIRST.edition


@pytest.mark.parametrize(
    ("old", "new", "doubts"),
    [
        # a day of the past in the state's calendar: those that follow it change with it
        ("国庆节: [09-20, 10-10]}", "国庆节: 10-10}", ["calendars state", "calendars summer"]),
        # in one duty calendar
        ("[09:00-12:00, 13:30-17:00]", "[09:00-12:00]", ["calendars every-day"]),
        # a day to come is no past
        ("国庆节: [09-20, 10-10]}", "国庆节: [09-20, 10-10], 跨年: 12-27}", []),
        # worked instead, and no weekend day
        ("国庆节: [09-20, 10-10]}", "国庆节: [09-20, 10-10], 跨年: 12-28}", ["holidays 2026-12-28"]),
        ("  2026:\n", "  2027:\n    off: {元旦: 01-01}\n  2026:\n", ["holidays 2027"]),
        ("units: {}", "units: {util-water: summer, hub: summer}", ["units util-water"]),
    ],
)
def test_what_is_worth_a_second_look(old: str, new: str, doubts: list[str]) -> None:
    assert old in TEXT
    text = TEXT.replace('"2026-11-01"', '"next"').replace(old, new)
    found = prepared(text, FIRST)
    assert sorted(f"{doubt.field} {doubt.entry}" for doubt in found.doubts) == doubts
    assert all(doubt.zh and doubt.en and doubt.file == "calendar.yaml" for doubt in found.doubts)


def test_a_year_that_is_no_more_is_doubtful() -> None:
    with_2027 = imported(OF_2027, FIRST, "csv")
    (doubt,) = prepared(TEXT.replace('"2026-11-01"', '"next"'), with_2027).doubts
    assert (doubt.field, doubt.entry) == ("holidays", "2027")


def test_an_unknown_unit_is_named_with_its_line() -> None:
    text = TEXT.replace('"2026-11-01"', '"next"').replace("units: {}", "units:\n  util-water: summer")
    (doubt,) = prepared(text, FIRST).doubts
    assert text.splitlines()[doubt.line - 1] == "  util-water: summer"
