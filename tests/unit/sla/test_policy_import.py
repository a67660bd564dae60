"""A file becomes a version in force: the policy with those before it, and the catalogue's limits."""

import csv
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from services.sla.domain import category_limits, policy
from services.sla.domain.calendar import due
from services.sla.domain.calendars import Edition
from services.sla.domain.category_limits import CategoryLimits, candidates
from services.sla.domain.category_limits_file import read_category_limits
from services.sla.domain.limit import Limit
from services.sla.domain.policy import Concern, Policies
from services.sla.domain.policy_file import read_policy
from services.sla.policy_import import CATEGORY_LIMITS, POLICY, prepare_category_limits, prepare_policy
from shared.contracts.faults import SetupInvalid
from shared.contracts.vocabulary import Obligation, Urgency
from shared.runtime.setup_parts import Before, File, FileFormat, Prepared

TODAY = date(2026, 11, 23)
DISTRICT = Path("deploy/district")
POLICY_TEXT = (DISTRICT / "policy.yaml").read_text(encoding="utf-8")
LIMITS_TEXT = (DISTRICT / "category_limits.csv").read_text(encoding="utf-8")
CATALOGUE = Path("../shared/data/city_management_limits.csv")
VERSION = read_policy(POLICY_TEXT).version

OF_0_1 = """
version: "2026-11-01"
limits: {accept: 1 clock_hour, dispatch: 1 clock_hour, sign_in: 4 working_hour, rule_on_refusal: 1 working_day,
  designate: 1 clock_hour, first_contact: 1 clock_hour, handle: 7 clock_day, check: 3 working_day, rate: 5 working_day,
  archive: 15 working_day}
warn:
  default: 0.8
  obligations: {archive: null, review: null}
ladder:
  default:
    - {after: 0.25, tell: [unit]}
    - {after: 1, tell: [hub]}
  obligations: {rate: [], archive: [], review: []}
rework_factor: 0.5
"""


def imported(text: str, before: Policies | None = None, form: FileFormat = "yaml") -> Prepared:
    return prepare_policy(
        File(text, form, "policy.yaml"), Before({"policy": before} if before is not None else {}), TODAY
    )


def after(text: str, before: Policies | None = None) -> Policies:
    return POLICY.read(imported(text, before).content)


def of_version(version: str, text: str = POLICY_TEXT) -> str:
    return text.replace(VERSION, version)


# --- the policy ---------------------------------------------------------------------------------------------------


def test_the_shipped_policies_are_read_as_they_were_written() -> None:
    for text in (POLICY_TEXT, Path("deploy/demo/policy.yaml").read_text(encoding="utf-8")):
        prepared = imported(text)
        assert prepared.doubts == ()
        assert POLICY.read(prepared.content).current == read_policy(text)
        assert prepared.label == read_policy(text).version


def test_a_policy_of_release_0_1_is_read() -> None:
    found = after(OF_0_1).current
    assert found.version == "2026-11-01"
    assert str(found.grants(Obligation.RULE_ON_REQUEST, Concern(Urgency.URGENT)).limit) == "1 working_day"
    assert [rung.then for rung in found.rungs(Obligation.HANDLE, Urgency.NORMAL)] == [(), ()]


def test_earlier_versions_are_kept_and_found() -> None:
    one = after(of_version("1"))
    two = after(of_version("2").replace("normal: 7 clock_day", "normal: 6 clock_day"), one)
    three = after(of_version("3").replace("rework_factor: 0.5", "rework_factor: 0.25"), two)
    assert three.current.rework_factor == 0.25
    assert three.of("1") == one.current
    assert three.of("2") == two.current
    assert three.of("forgotten") == three.current
    assert [three.knows(version) for version in ("1", "2", "3", "forgotten")] == [True, True, True, False]
    assert policy.to_json(POLICY.read(policy.to_json(three))) == policy.to_json(three)


def test_the_oldest_versions_are_let_go() -> None:
    held = Policies(read_policy(of_version("0")))
    for number in range(1, policy.MOST_KEPT + 2):
        held = held.after(held.current.model_copy(update={"version": str(number)}))
    assert len(held.earlier) == policy.MOST_KEPT
    assert not held.knows("0")
    assert held.knows("1")


def test_the_same_again_changes_nothing() -> None:
    once = imported(POLICY_TEXT)
    again = imported(POLICY_TEXT, POLICY.read(once.content))
    assert again.content == once.content
    assert again.difference == {"added": [], "removed": [], "changed": [], "reordered": False}


def test_going_back_to_an_earlier_version_keeps_the_one_in_between() -> None:
    one = after(of_version("1"))
    two = after(of_version("2").replace("normal: 7 clock_day", "normal: 6 clock_day"), one)
    back = after(of_version("1"), two)
    assert back.current == one.current
    assert list(back.earlier) == ["2"]


@pytest.mark.parametrize("current", ["1", "2"])
def test_a_version_stands_for_one_policy_only(current: str) -> None:
    held = after(of_version("2"), after(of_version("1")))
    other = of_version(current).replace("normal: 7 clock_day", "normal: 6 clock_day")
    with pytest.raises(SetupInvalid) as raised:
        imported(other, held)
    (fault,) = raised.value.faults
    lines = other.splitlines()
    assert lines[fault.line - 1].startswith("version:")
    assert "give every change of the policy a new version" in fault.en
    assert "改用新的版本号" in fault.zh


def test_an_import_says_what_differs() -> None:
    changed = of_version("next").replace("normal: 7 clock_day", "normal: 6 clock_day")
    changed = changed.replace("category: 供水->停水", "category: 供水->水压不足")
    assert imported(changed, after(POLICY_TEXT)).difference == {
        "added": ["exceptions first_contact 供水->水压不足 normal+complex"],
        "removed": ["exceptions first_contact 供水->停水 normal+complex"],
        "changed": ["limits.handle.normal"],
        "reordered": False,
    }


def test_an_import_is_doubtful_where_rows_change_nothing_or_rehearsal_becomes_real() -> None:
    doubtful = of_version("next").replace("limit: 3 clock_day", "limit: 7 clock_day")
    rehearsal = Path("deploy/demo/policy.yaml").read_text(encoding="utf-8")
    found = imported(doubtful, after(rehearsal)).doubts
    assert [fault.field for fault in found] == ["exceptions", "rehearsal"]
    assert all(fault.zh and fault.line for fault in found)


def test_a_policy_is_yaml_and_the_catalogue_csv() -> None:
    with pytest.raises(SetupInvalid, match="a policy is read from YAML"):
        imported(POLICY_TEXT, form="csv")
    with pytest.raises(SetupInvalid, match="read from CSV"):
        prepare_category_limits(File(LIMITS_TEXT, "yaml", "limits"), Before(), TODAY)


# --- the catalogue's limits ---------------------------------------------------------------------------------------

HEADER = "code,major,minor,variant,limit,responsible\n"
COVER = (
    "C0101,公用设施,上水井盖,1,2 clock_hour,\n"
    "C0101,公用设施,上水井盖,2,4 working_hour,\n"
    "C0101,公用设施,上水井盖,3,1 working_day,\n"
    "E0501,突发事件,供水管道破裂,1,1 clock_hour,\n"
)


def limits(text: str) -> CategoryLimits:
    return read_category_limits(HEADER + text, "1")


# a case's category → the catalogue's limit and the entry it is read from
NAMED = {
    "公用设施>上水井盖": "1 working_day | category_limits C0101: longest of 3",
    "公用设施>上水井盖>1": "2 clock_hour | category_limits C0101: variant 1",
    "公用设施>上水井盖>2": "4 working_hour | category_limits C0101: variant 2",
    "公用设施>上水井盖>井圈松动": "1 working_day | category_limits C0101: longest of 3",
    "C0101": "1 working_day | category_limits C0101: longest of 3",
    "C0101>2": "4 working_hour | category_limits C0101: variant 2",
    "突发事件>供水管道破裂": "1 clock_hour | category_limits E0501",
    "突发事件>供水管道破裂>1": "1 clock_hour | category_limits E0501: variant 1",
    "公用设施": "none",
    "公用设施>1": "none",
    "上水井盖": "none",
    "供水>停水": "none",
    "": "none",
}


@pytest.mark.parametrize(("category", "expected"), NAMED.items())
def test_a_category_names_an_entry(category: str, expected: str) -> None:
    found = limits(COVER).limit_of(tuple(category.split(">")) if category else ())
    assert ("none" if found is None else f"{found.limit} | {found.basis}") == expected


def test_the_catalogue_has_a_say_only_in_handling() -> None:
    held, concern = limits(COVER), Concern(Urgency.NORMAL, ("公用设施", "上水井盖", "1"))
    found = read_policy(POLICY_TEXT)
    assert [str(one.limit) for one in candidates(found, held, Obligation.HANDLE, concern)] == [
        "7 clock_day",
        "2 clock_hour",
    ]
    for obligation, asked in ((Obligation.SIGN_IN, concern), (Obligation.HANDLE, Concern(Urgency.NORMAL, ("供水",)))):
        assert candidates(found, held, obligation, asked) == (found.grants(obligation, asked),)
    assert len(candidates(found, None, Obligation.HANDLE, concern)) == 1


# lines after the header → line, field and words of the fault
UNFIT = {
    "": (0, "", "there are no entries"),
    "C1,a,b,1,soon,": (2, "limit", "'soon' is not a limit"),
    "C1,a,b,1,0.5 working_day,": (2, "limit", "whole days"),
    "C1,,b,1,1 clock_hour,": (2, "major", "it is empty"),
    "C1,a,b,1,1 clock_hour,x,y": (2, "", "more columns"),
    "C1,a,b,1,1 clock_hour,\nC1,a,b,1,2 clock_hour,": (3, "variant", "the same subclass as line 2"),
    "C1,a,b,,1 clock_hour,\nC1,a,b,1,2 clock_hour,": (3, "variant", "the same subclass as line 2"),
    "C1,a,b,1,1 clock_hour,\nC1,a,c,1,2 clock_hour,": (3, "code", "C1 is a->b in line 2"),
    "C1,a,b,1,1 clock_hour,\nC2,a,b,2,2 clock_hour,": (3, "code", "a->b has the code C1 in line 2"),
}


@pytest.mark.parametrize(("text", "fault"), UNFIT.items())
def test_a_fault_of_the_catalogue_is_named_with_its_line(text: str, fault: tuple[int, str, str]) -> None:
    with pytest.raises(SetupInvalid) as raised:
        limits(text)
    line, field, why = fault
    (found,) = raised.value.faults
    assert (found.line, found.field) == (line, field)
    assert why in found.en
    assert found.zh


@pytest.mark.parametrize(
    ("header", "why"),
    {
        "code,major,minor": "no column limit",
        "code,major,minor,limit,hours": "there is no column hours",
        "code,major,minor,limit,limit": "limit, or it is there twice",
        "": "no column code",
    }.items(),
)
def test_the_columns_are_named(header: str, why: str) -> None:
    with pytest.raises(SetupInvalid) as raised:
        read_category_limits(header + "\nC1,a,b,1 clock_hour\n", "1")
    assert why in str(raised.value)


def test_the_catalogue_becomes_a_version_named_by_its_day() -> None:
    first = prepare_category_limits(File(LIMITS_TEXT, "csv", "limits"), Before(), TODAY)
    held = CATEGORY_LIMITS.read(first.content)
    assert (first.label, len(held.entries)) == ("2026-11-23", 519)
    assert category_limits.to_json(held) == first.content
    before = Before({"category_limits": held})
    again = prepare_category_limits(File(LIMITS_TEXT, "csv", "limits"), before, date(2027, 1, 1))
    assert again.content == first.content
    other = LIMITS_TEXT.replace("上水井盖,1,2 clock_hour", "上水井盖,1,1 clock_hour")
    changed = prepare_category_limits(File(other, "csv", "limits"), before, date(2027, 1, 1))
    assert changed.label == "2027-01-01"
    assert changed.difference["changed"] == ["C0101 公用设施->上水井盖->1"]


def test_every_entry_of_the_shipped_catalogue_can_be_named() -> None:
    held = read_category_limits(LIMITS_TEXT, "1")
    with (DISTRICT / "categories.csv").open(encoding="utf-8") as file:
        codes = {row["code"]: (row["level1"], row["level2"]) for row in csv.DictReader(file) if row["code"]}
    assert {one.code: (one.major, one.minor) for one in held.entries} == codes
    for one in held.entries:
        named = held.limit_of((one.major, one.minor, one.variant))
        assert named is not None
        assert named.limit == one.limit
        longest = held.limit_of((one.major, one.minor))
        assert longest is not None
        assert longest.limit.usual >= one.limit.usual


def test_the_longest_of_a_subclass_is_due_last_whenever_it_starts() -> None:
    held, state = read_category_limits(LIMITS_TEXT, "1"), Edition().calendar()
    starts = [datetime(2026, 11, 20, 7, 30, tzinfo=UTC) + number * timedelta(hours=5) for number in range(50)]
    subclasses: dict[tuple[str, str], set[Limit]] = {}
    for one in held.entries:
        subclasses.setdefault((one.major, one.minor), set()).add(one.limit)
    for limits_of_it in set(map(frozenset, subclasses.values())):
        longest = max(limits_of_it, key=lambda one: one.usual)
        for start in starts:
            assert due(start, longest, state).at == max(due(start, one, state).at for one in limits_of_it)


@pytest.mark.skipif(not CATALOGUE.exists(), reason="the city's catalogue is not here")
def test_the_shipped_catalogue_is_the_citys() -> None:
    with CATALOGUE.open(encoding="utf-8") as file:
        citys = [
            (
                ("C" if row["kind"] == "component" else "E") + row["major_code"] + row["minor_code"],
                row["major"],
                row["minor"],
                row["variant"],
                f"{row['limit']} {row['unit']}",
                row["responsible"],
            )
            for row in csv.DictReader(file)
        ]
    held = read_category_limits(LIMITS_TEXT, "1")
    assert [tuple(entry) for entry in json.loads(category_limits.to_json(held))["entries"]] == citys
