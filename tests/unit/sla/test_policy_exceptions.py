"""Which row gives a limit: decision tables, faults and doubts with their lines, and the index against a plain scan."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sla.domain.limit import Limit
from services.sla.domain.policy import SET_BY_DATE, Because, Concern, Excepted, Granted, Policy
from services.sla.domain.policy_file import doubts, read_policy, read_policy_file
from shared.contracts.faults import SetupInvalid
from shared.contracts.vocabulary import Level, Obligation, Urgency

LIMITED = [obligation for obligation in Obligation if obligation not in SET_BY_DATE]
GENERAL = "version: '1'\nlimits:\n" + "".join(f"  {one}: 100 clock_hour\n" for one in LIMITED) + "exceptions:\n"
FIRST = GENERAL.count("\n") + 1
"""The line of the first exception."""
WHY = "because: {zh: 因为, en: because}"


def written(*rows: str) -> str:
    return GENERAL + "".join(f"  - {{{row}, {WHY}}}\n" for row in rows)


TABLE = written(
    "obligation: handle, limit: 90 clock_hour, urgency: urgent",
    "obligation: handle, limit: 80 clock_hour, level: street",
    "obligation: handle, limit: 70 clock_hour, level: street, urgency: [urgent, complex]",
    "obligation: handle, limit: 60 clock_hour, category: 供水",
    "obligation: handle, limit: 50 clock_hour, category: [供水, 停水]",
    "obligation: [handle, sign_in], limit: 40 clock_hour, category: 供水->停水, urgency: normal",
    "obligation: handle, limit: 30 clock_hour, category: 供水->停水, level: [hub, department]",
    "obligation: handle, limit: 20 clock_hour, category: 供水->停水->整楼, urgency: [critical, urgent]",
)

# obligation, urgency, level, category → hours granted, the line of the exception that grants them
CASES = """
    handle  | normal   | -          |               | 100 | -
    handle  | urgent   | -          |               | 90  | 0
    handle  | urgent   | street     |               | 70  | 2
    handle  | normal   | street     |               | 80  | 1
    handle  | urgent   | street     | 供电          | 70  | 2
    handle  | urgent   | street     | 供水          | 60  | 3
    handle  | critical | -          | 供水          | 60  | 3
    handle  | critical | -          | 供水>漏水     | 60  | 3
    handle  | urgent   | -          | 供水>停水     | 50  | 4
    handle  | normal   | -          | 供水>停水     | 40  | 5
    handle  | normal   | street     | 供水>停水>x   | 40  | 5
    handle  | normal   | department | 供水>停水     | 30  | 6
    handle  | urgent   | hub        | 供水>停水     | 30  | 6
    handle  | urgent   | hub        | 供水>停水>整楼 | 20  | 7
    handle  | complex  | hub        | 供水>停水>整楼 | 30  | 6
    sign_in | normal   | -          | 供水>停水     | 40  | 5
    sign_in | urgent   | street     | 供水>停水     | 100 | -
    check   | normal   | street     | 供水>停水     | 100 | -
"""


@pytest.mark.parametrize("row", CASES.strip().splitlines())
def test_the_most_specific_row_wins(row: str) -> None:
    obligation, urgency, level, category, hours, line = (cell.strip() for cell in row.split("|"))
    policy = read_policy(TABLE)
    concern = Concern(
        Urgency(urgency), tuple(category.split(">")) if category else (), None if level == "-" else Level(level)
    )
    granted = policy.grants(Obligation(obligation), concern)
    assert str(granted.limit) == f"{hours} clock_hour"
    if line == "-":
        assert granted.basis == f"limits.{obligation}.{urgency}"
    else:
        assert granted == policy.exceptions[int(line)].granted


def test_the_basis_names_the_row_and_what_it_rests_on() -> None:
    policy = read_policy(written("obligation: handle, limit: 1 clock_hour, category: 供水->停水, basis: 服务承诺"))
    granted = policy.grants(Obligation.HANDLE, Concern(Urgency.NORMAL, ("供水", "停水")))
    assert granted.basis == "exceptions: handle 供水->停水 (服务承诺)"


HANDLE = "obligation: handle, limit: 1 clock_hour"
# the rows → the row, field and words of the fault
FAULTS: dict[tuple[str, ...], tuple[int, str, str]] = {
    (f"{HANDLE}, category: 甲", f"{HANDLE}, category: [甲]"): (1, "exceptions.1", f"as specific as line {FIRST}"),
    (f"{HANDLE}, urgency: [normal, urgent]", f"{HANDLE}, level: street", f"{HANDLE}, urgency: urgent"): (
        2,
        "exceptions.2",
        "both apply to handle urgent;",
    ),
    (f"{HANDLE}, level: [street, hub]", "obligation: [check, handle], limit: 2 clock_hour, level: hub"): (
        1,
        "exceptions.1",
        "both apply to handle critical hub;",
    ),
    (HANDLE,): (0, "exceptions.0", "it says no case it is for"),
    ("obligation: milestone, limit: 1 clock_hour, urgency: urgent",): (0, "exceptions.0.obligation", "case by case"),
    ("obligation: accept, limit: 1 clock_hour, level: street",): (0, "exceptions.0.level", "before a level is decided"),
    (f"{HANDLE}, category: 甲->",): (0, "exceptions.0.category", "it is empty"),
    ("obligation: handle, limit: 3 hours, level: hub",): (0, "exceptions.0.limit", "'3 hours' is not a limit"),
    ("obligation: [], limit: 3 clock_hour, level: hub",): (0, "exceptions.0.obligation", "name at least one"),
    (f"{HANDLE}, unit: 供水公司",): (0, "exceptions.0.unit", "there is no such field"),
}


@pytest.mark.parametrize(("rows", "fault"), FAULTS.items())
def test_a_fault_is_named_with_its_line(rows: tuple[str, ...], fault: tuple[int, str, str]) -> None:
    with pytest.raises(SetupInvalid) as raised:
        read_policy(written(*rows))
    row, field, why = fault
    (found,) = raised.value.faults
    assert (found.line, found.field) == (FIRST + row, field)
    assert why in found.en
    assert found.zh
    assert found.file == "policy.yaml"


def test_an_exception_says_why_in_both_languages() -> None:
    with pytest.raises(SetupInvalid, match=r"exceptions\.0\.because\.en: it is missing"):
        read_policy(GENERAL + "  - {obligation: handle, level: hub, limit: 1 clock_hour, because: {zh: 因为}}")


EACH_URGENCY = "obligation: handle, limit: 2 clock_hour, urgency: [critical, urgent, normal, complex]"
# rows → which of them is doubtful, and why
DOUBTS: dict[tuple[str, ...], tuple[int, str] | None] = {
    (f"{HANDLE}, category: 甲", f"{HANDLE}, category: 乙"): None,
    ("obligation: handle, limit: 100 clock_hour, category: 甲",): (0, "the limit is the same"),
    (f"{HANDLE}, category: 甲", f"{HANDLE}, category: 甲->乙"): (1, "the limit is the same"),
    # the same limit again, but it undoes what a less specific row would do
    (f"{HANDLE}, urgency: urgent", "obligation: handle, limit: 100 clock_hour, urgency: urgent, category: 甲"): None,
    ("obligation: handle, limit: 100 clock_hour, category: 甲", f"{HANDLE}, level: hub"): None,
    (f"{HANDLE}, category: 甲", f"{EACH_URGENCY}, category: 甲"): (0, "this row never applies"),
}


@pytest.mark.parametrize(("rows", "doubt"), DOUBTS.items())
def test_a_row_that_changes_nothing_is_doubtful(rows: tuple[str, ...], doubt: tuple[int, str] | None) -> None:
    found = list(doubts(read_policy_file(written(*rows))))
    if doubt is None:
        assert found == []
        return
    row, why = doubt
    assert [one.line for one in found] == [FIRST + row]
    assert why in found[0].en
    assert found[0].zh


# --- the index against a plain scan -------------------------------------------------------------------------------

NAMES = ("甲", "乙", "丙")
categories = st.lists(st.sampled_from(NAMES), max_size=3).map(tuple)


def some(values: Any, most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(list(values)), max_size=most, unique=True).map(tuple)


rows = st.builds(
    lambda obligation, urgency, category, level, hours: Excepted(
        obligation=obligation or (Obligation.HANDLE,),
        urgency=urgency,
        category=category,
        level=level,
        limit=Limit(hours, Limit.parse("1 clock_hour").unit),
        because=Because(zh="因为", en="because"),
    ),
    some((Obligation.HANDLE, Obligation.SIGN_IN), 2),
    some(Urgency, 3),
    categories,
    some(Level, 2),
    st.integers(1, 1000),
)
concerns = st.builds(Concern, st.sampled_from(Urgency), categories, st.none() | st.sampled_from(Level))


def without_ties(found: list[Excepted]) -> tuple[Excepted, ...]:
    taken: set[object] = set()
    kept = []
    for row in found:
        scopes = {(*scope, row.category, bool(row.urgency)) for scope in row.scopes()}
        if taken.isdisjoint(scopes):
            taken |= scopes
            kept.append(row)
    return tuple(kept)


PLAIN = read_policy(GENERAL.removesuffix("exceptions:\n"))


@given(st.lists(rows, max_size=30).map(without_ties), st.lists(concerns, min_size=1, max_size=20))
def test_the_index_finds_what_a_scan_of_all_rows_finds(found: tuple[Excepted, ...], asked: list[Concern]) -> None:
    policy = PLAIN.model_copy(update={"exceptions": found})
    for concern in asked:
        for obligation in (Obligation.HANDLE, Obligation.SIGN_IN, Obligation.CHECK):
            assert policy.grants(obligation, concern) == scanned(policy, obligation, concern)


def scanned(policy: Policy, obligation: Obligation, concern: Concern) -> Granted:
    applying = [row for row in policy.exceptions if row.applies_to(obligation, concern)]
    if not applying:
        return Granted(policy.limits[obligation][concern.urgency], f"limits.{obligation}.{concern.urgency}")
    best = max(applying, key=lambda row: row.specificity)
    assert [row.specificity for row in applying].count(best.specificity) == 1
    return best.granted
