"""The limits as the field's table has them, and what a clerk is told who writes them wrong."""

from pathlib import Path

import pytest

from services.sla.domain.policy import Policy, PolicyInvalid, read_policy
from shared.contracts.vocabulary import Obligation, Urgency
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
        assert str(policy.limit(Obligation(name), urgency)) == f"{amount} {UNITS[unit]}"


def test_yellow_at_four_fifths_and_no_warning_of_what_is_nobodys_fault() -> None:
    policy = read(POLICY)
    silent = {Obligation.ARCHIVE, Obligation.REVIEW}
    assert {policy.warns_at(one) for one in Obligation if one not in silent} == {0.8}
    assert {policy.warns_at(one) for one in silent} == {None}


def test_the_ladder_tells_the_unit_then_who_is_above_it_then_the_district() -> None:
    rungs = read(POLICY).rungs(Obligation.HANDLE)
    assert [tuple(rung.tell) for rung in rungs] == [("unit",), ("supervisor", "hub"), ("hub",)]
    assert not any(read(POLICY).rungs(one) for one in (Obligation.RATE, Obligation.ARCHIVE, Obligation.REVIEW))
    assert read(POLICY).rungs(Obligation.MILESTONE) == rungs


def test_every_limit_is_there_and_a_date_has_none() -> None:
    text = POLICY.read_text(encoding="utf-8")
    with pytest.raises(PolicyInvalid, match=r"limits\.rate: no limit for critical"):
        read_policy(text.replace("  rate: 5 working_day\n", ""))
    with pytest.raises(PolicyInvalid, match=r"limits\.review: its date is set case by case; leave it out"):
        read_policy(text.replace("limits:\n", "limits:\n  review: 5 working_day\n"))


def test_the_rehearsal_says_what_it_is_and_counts_in_seconds() -> None:
    policy = read(DEMO)
    assert policy.rehearsal
    assert "rehearsal" in policy.version
    assert not read(POLICY).rehearsal
    assert str(policy.limit(Obligation.HANDLE, Urgency.CRITICAL)) == "4 clock_second"
    assert str(policy.limit(Obligation.ARCHIVE, Urgency.NORMAL)) == "1 clock_second"


WRONG = {
    "[": "policy.yaml: not YAML",
    "hello": "policy.yaml: expected a mapping",
    "version: '1'": "policy.yaml: limits: Field required",
    "version: '1'\nlimits: {accept: 10 minutes}": "limits.accept.critical: Value error, '10 minutes' is not a limit",
    "version: '1'\nlimits: {accept: {critical: 1.5 working_day}}": "counted in whole days",
    "version: '1'\nlimits: {lunch: 1 clock_hour}": "limits.lunch",
    "version: '1'\nlimits: {accept: 1 clock_hour}\nwarn: {default: 80}": "warn.default: Input should be less than 1",
    "version: '1'\nlimits: {accept: 1 clock_hour}\nladder: {default: [{after: 1, tell: [mayor]}]}": "tell.0: Input",
    "version: '1'\nlimits: {accept: 1 clock_hour}\nrework: 0.5": "rework: Extra inputs",
    "version: '1'\nlimits: {accept: {critical: 1 clock_hour}}": "no limit for urgent, normal, complex; add it",
}


@pytest.mark.parametrize(("text", "said"), WRONG.items())
def test_a_mistake_is_named_with_its_field(text: str, said: str) -> None:
    with pytest.raises(PolicyInvalid) as raised:
        read_policy(text)
    assert said in str(raised.value)
    assert str(raised.value).startswith("policy.yaml: ")


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(PolicyInvalid) as raised:
        read_policy("version: ''\nlimits: {accept: soon}\nwarn: {default: 3}")
    assert len(raised.value.problems) >= 3


def test_without_its_units_nothing_is_reckoned() -> None:
    assert rules().hub == HUB
    assert rules().units.supervisor(STREET).code == HUB


def test_a_policy_from_before_there_were_requests_rules_on_them_as_on_refusals() -> None:
    lines = Path("deploy/district/policy.yaml").read_text(encoding="utf-8").splitlines()
    policy = read_policy("\n".join(line for line in lines if not line.strip().startswith("rule_on_request")))
    for urgency in Urgency:
        assert policy.limit(Obligation.RULE_ON_REQUEST, urgency) == policy.limit(Obligation.RULE_ON_REFUSAL, urgency)
