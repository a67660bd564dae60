"""The limits as the field's table has them, and what a clerk is told who writes them wrong."""

from pathlib import Path

import pytest

from services.sla.domain.policy import Concern, Policy
from services.sla.domain.policy_file import read_policy
from shared.contracts.faults import SetupInvalid
from shared.contracts.vocabulary import Obligation, Post, RungChange, Urgency
from tests.unit.sla.builders import HUB, POLICY, STREET, rules

DEMO = Path("deploy/demo/policy.yaml")


def read(file: Path) -> Policy:
    return read_policy(file.read_text(encoding="utf-8"), str(file))


# docs: "Deadlines (all configurable; these are the defaults)"; min, h, d = clock; wh, wd = on duty
TABLE = """
    accept          | 10 min | 30 min | 2 h  | 2 h
    dispatch        | 10 min | 30 min | 4 wh | 1 wd
    sign_in         | 15 min | 1 h    | 4 wh | 1 wd
    designate       | 30 min | 2 h    | 1 wd | 2 wd
    rule_on_refusal | 30 min | 2 h    | 1 wd | 2 wd
    rule_on_request | 30 min | 2 h    | 1 wd | 2 wd
    first_contact   | 30 min | 2 h    | 24 h | 24 h
    handle          | 2 h    | 24 h   | 7 d  | 15 d
    check           | 24 h   | 24 h   | 3 wd | 3 wd
    rate            | 5 wd   | 5 wd   | 5 wd | 5 wd
    archive         | 15 wd  | 15 wd  | 15 wd | 15 wd
"""
UNITS = {"min": "clock_minute", "h": "clock_hour", "d": "clock_day", "wh": "working_hour", "wd": "working_day"}


@pytest.mark.parametrize("row", TABLE.strip().splitlines())
def test_the_district_starts_with_the_fields_own_table(row: str) -> None:
    name, *limits = (cell.strip() for cell in row.split("|"))
    policy = read(POLICY)
    for urgency, written in zip(Urgency, limits, strict=True):
        amount, unit = written.split()
        assert str(policy.grants(Obligation(name), Concern(urgency)).limit) == f"{amount} {UNITS[unit]}"


def test_yellow_at_four_fifths_and_no_warning_of_what_is_nobodys_fault() -> None:
    policy = read(POLICY)
    silent = {Obligation.ARCHIVE, Obligation.REVIEW}
    assert {policy.warns_at(one, urgency) for one in Obligation for urgency in Urgency if one not in silent} == {0.8}
    assert {policy.warns_at(one, urgency) for one in silent for urgency in Urgency} == {None}


def test_the_ladder_tells_the_unit_then_who_is_above_it_then_the_district_leader() -> None:
    policy = read(POLICY)
    rungs = policy.rungs(Obligation.HANDLE, Urgency.NORMAL)
    assert [tuple((who, who.post) for who in rung.tell) for rung in rungs] == [
        (("unit", Post.LEADER),),
        (("supervisor", Post.LEADER), ("hub", Post.DUTY)),
        (("district_leader", Post.DISTRICT_LEADER),),
    ]
    assert [rung.then for rung in rungs] == [(), (RungChange.SUPERVISE,), ()]
    nobody = (Obligation.RATE, Obligation.ARCHIVE, Obligation.REVIEW)
    assert not any(policy.rungs(one, urgency) for one in nobody for urgency in Urgency)
    assert policy.rungs(Obligation.MILESTONE, Urgency.CRITICAL) == rungs


def test_a_warning_and_a_ladder_may_differ_by_urgency() -> None:
    policy = read_policy(
        POLICY.read_text(encoding="utf-8")
        .replace("{archive: null, review: null}", "{archive: null, handle: {critical: 0.5, urgent: null}}")
        .replace("    rate: []", "    handle: {critical: [{after: 10 clock_minute, tell: hub}]}\n    rate: []")
    )
    assert [policy.warns_at(Obligation.HANDLE, urgency) for urgency in Urgency] == [0.5, None, 0.8, 0.8]
    assert [len(policy.rungs(Obligation.HANDLE, urgency)) for urgency in Urgency] == [1, 3, 3, 3]


def test_every_limit_is_there_and_a_date_has_none() -> None:
    text = POLICY.read_text(encoding="utf-8")
    with pytest.raises(SetupInvalid, match=r"limits\.rate: no limit for critical"):
        read_policy(text.replace("  rate: 5 working_day\n", ""))
    with pytest.raises(SetupInvalid, match=r"limits\.review: its date is set case by case; leave it out"):
        read_policy(text.replace("limits:\n", "limits:\n  review: 5 working_day\n"))


def test_the_rehearsal_says_what_it_is_and_counts_in_seconds() -> None:
    policy = read(DEMO)
    assert policy.rehearsal
    assert "rehearsal" in policy.version
    assert not read(POLICY).rehearsal
    assert str(policy.general(Obligation.HANDLE, Urgency.CRITICAL).limit) == "4 clock_second"
    assert str(policy.general(Obligation.ARCHIVE, Urgency.NORMAL).limit) == "6 clock_second"


ONE_FOR_ALL = (
    "version: '1'\nlimits: {"
    + ", ".join(f"{row.split('|')[0].strip()}: 1 clock_hour" for row in (TABLE.strip().splitlines()))
    + "}\n"
)

# what is written → the line and field that are at fault, and what is said
WRONG = {
    "[": ("line 2", "not YAML"),
    "hello": ("line 1", "expected a mapping"),
    "version: '1'": ("line 1", "limits: it is missing"),
    "version: '1'\nlimits: {accept: 10 minutes}": ("line 2", "limits.accept: '10 minutes' is not a limit"),
    "version: '1'\nlimits:\n  accept:\n    critical: 1.5 working_day": ("line 4", "counted in whole days"),
    "version: '1'\nlimits: {lunch: 1 clock_hour}": ("line 2", "limits.lunch: there is no such value"),
    "version: '1'\nlimits: {accept: {critical: 1 clock_hour}}": ("line 2", "no limit for urgent, normal, complex"),
    ONE_FOR_ALL + "rework: 0.5": ("line 3", "rework: there is no such field"),
    ONE_FOR_ALL + "rework_factor: 1.5": ("line 3", "rework_factor: it must be at most 1"),
    ONE_FOR_ALL + "warn: {default: 80}": ("line 3", "warn.default: it must be less than 1"),
    ONE_FOR_ALL + "warn:\n  obligations: {handle: {urgent: 2}}": ("line 4", "warn.obligations.handle.urgent: it must"),
    ONE_FOR_ALL + "ladder: {default: [{after: 1, tell: [mayor]}]}": ("line 3", "ladder.default.0.tell.0: there is no"),
    ONE_FOR_ALL + "ladder: {default: [{after: 0, tell: hub}]}": (
        "line 3",
        "ladder.default.0.after: a part of the limit",
    ),
    ONE_FOR_ALL + "ladder: {obligations: {rate: [{after: 1, tell: []}]}}": ("line 3", "rate.0.tell: it is empty"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.items())
def test_a_mistake_is_named_with_its_line_and_field(text: str, said: tuple[str, str]) -> None:
    with pytest.raises(SetupInvalid) as raised:
        read_policy(text)
    line, why = said
    assert str(raised.value.faults[0]).startswith(f"policy.yaml, {line}: ")
    assert why in str(raised.value.faults[0])
    assert "Input should" not in str(raised.value)
    assert all(any("\u4e00" <= sign <= "\u9fff" for sign in fault.zh) for fault in raised.value.faults)


# a ladder's rungs → the number of the rung at fault and why; None = the ladder rises
LADDERS: dict[str, tuple[int, str] | None] = {
    "{after: 0.25, tell: unit} {after: 0.5, tell: unit}": None,
    "{after: 2 clock_hour, tell: unit} {after: 0.5, tell: unit}": None,  # nobody can say without a limit
    "{after: 2 clock_hour, tell: unit} {after: 1 working_day, tell: unit}": None,
    "{after: 0.5, tell: unit} {after: 0.5, tell: hub}": (1, "rung 2 (0.5) comes no later than 0.5"),
    "{after: 3 clock_hour, tell: unit} {after: 90 clock_minute, tell: hub}": (1, "comes no later than 3 clock_hour"),
    "{after: 2 working_day, tell: unit} {after: 1, tell: hub} {after: 1 working_day, tell: hub}": (2, "rung 3"),
    "{after: 1, tell: unit, then: take_over}": (0, "nobody takes accept, dispatch"),
    "{after: 1, tell: unit, then: promote}": (0, "there is no such value"),
}


@pytest.mark.parametrize(("rungs", "fault"), LADDERS.items())
def test_a_ladder_rises_and_only_a_units_part_is_taken_over(rungs: str, fault: tuple[int, str] | None) -> None:
    listed = "".join(f"\n  - {rung}" for rung in rungs.replace("} {", "}|{").split("|"))
    text = ONE_FOR_ALL + f"ladder:\n  default:{listed}"
    if fault is None:
        assert read_policy(text).rungs(Obligation.HANDLE, Urgency.NORMAL)
        return
    with pytest.raises(SetupInvalid) as raised:
        read_policy(text)
    number, why = fault
    assert raised.value.faults[0].line == 5 + number
    assert why in raised.value.faults[0].en


def test_the_unit_above_may_take_over_what_a_unit_owes() -> None:
    policy = read_policy(
        ONE_FOR_ALL + "ladder: {obligations: {handle: [{after: 1, tell: [supervisor], then: [take_over]}]}}"
    )
    assert policy.rungs(Obligation.HANDLE, Urgency.URGENT)[0].then == (RungChange.TAKE_OVER,)
    with pytest.raises(SetupInvalid, match="nobody takes check over"):
        read_policy(
            ONE_FOR_ALL + "ladder: {obligations: {check: {urgent: [{after: 1, tell: [hub], then: [take_over]}]}}}"
        )


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(SetupInvalid) as raised:
        read_policy("version: ''\nlimits: {accept: soon}\nwarn: {default: 3}")
    assert [fault.field for fault in raised.value.faults] == ["version", "limits.accept", "warn.default"]


def test_without_its_units_nothing_is_reckoned() -> None:
    assert rules().hub == HUB
    assert rules().units.supervisor(STREET).code == HUB


def test_a_policy_from_before_there_were_requests_rules_on_them_as_on_refusals() -> None:
    lines = Path("deploy/district/policy.yaml").read_text(encoding="utf-8").splitlines()
    policy = read_policy("\n".join(line for line in lines if not line.strip().startswith("rule_on_request")))
    for urgency in Urgency:
        as_refusals = policy.general(Obligation.RULE_ON_REFUSAL, urgency).limit
        assert policy.general(Obligation.RULE_ON_REQUEST, urgency).limit == as_refusals
