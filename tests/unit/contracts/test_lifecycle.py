"""The lifecycle table: no case can get stuck, none can be left waiting without a deadline."""

import pytest

from shared.contracts import facts as f
from shared.contracts.lifecycle import AT_WORK, OPENING, RECORDED_ANYWHERE, STAGES, TRANSITIONS, allowed
from shared.contracts.vocabulary import Obligation, Stage

FACTS = [fact for fact in f.FACTS.values() if issubclass(fact, f.CaseFact)]
NEXT: dict[Stage, set[Stage]] = {
    stage: {after for rows in TRANSITIONS.values() for after in rows.get(stage, ())} for stage in Stage
}

GB_T_30428 = ("信息收集", "案卷建立", "任务派遣", "任务处理", "处理反馈", "核查结案", "综合评价")


def reachable(*starts: Stage) -> set[Stage]:
    found, todo = set(starts), list(starts)
    while todo:
        new = NEXT[todo.pop()] - found
        found |= new
        todo += new
    return found


def test_every_stage_has_a_row_and_can_be_reached() -> None:
    assert set(STAGES) == set(Stage) == reachable(*OPENING)


@pytest.mark.parametrize("stage", Stage)
def test_every_stage_leads_to_a_final_one(stage: Stage) -> None:
    assert any(STAGES[after].final for after in reachable(stage))


@pytest.mark.parametrize("stage", Stage)
def test_final_is_final(stage: Stage) -> None:
    assert (NEXT[stage] == set()) == STAGES[stage].final


def test_every_stage_waits_under_a_deadline_or_is_final_or_is_passed_at_once() -> None:
    passed = {stage for stage, row in STAGES.items() if not row.waits and not row.final}
    assert passed == {Stage.RECEIVED, Stage.HANDLED}
    assert not any(row.waits and row.final for row in STAGES.values())
    for stage in passed:
        assert stage not in NEXT[stage], "what is passed at once cannot be stayed in"


def test_only_a_merged_case_waits_for_another() -> None:
    assert {stage for stage, row in STAGES.items() if row.follows} == {Stage.MERGED}
    assert all(row.waits for row in STAGES.values() if row.follows)


@pytest.mark.parametrize("stage", AT_WORK)
def test_while_units_have_it_each_of_them_is_on_the_clock(stage: Stage) -> None:
    """Whatever else is argued, and it can be suspended, merged, taken back, and given to others at any time."""
    assert {Obligation.SIGN_IN, Obligation.FIRST_CONTACT, Obligation.HANDLE} <= set(STAGES[stage].obligations)
    assert {Stage.MERGED, Stage.WITHDRAWN, *AT_WORK} <= NEXT[stage]


def test_every_obligation_runs_in_some_stage() -> None:
    assert {owed for row in STAGES.values() for owed in row.obligations} == set(Obligation)


def test_the_stages_of_gb_t_30428_are_all_there_and_only_those() -> None:
    assert {row.gb_stage for row in STAGES.values()} == set(GB_T_30428)


def test_chinese_names_are_unique() -> None:
    names = [row.chinese for row in STAGES.values()]
    assert len(set(names)) == len(names)


def test_every_fact_of_a_case_is_in_the_table_once() -> None:
    assert set(FACTS) == {f.CaseOpened, *TRANSITIONS, *RECORDED_ANYWHERE}
    assert not set(TRANSITIONS) & {f.CaseOpened, *RECORDED_ANYWHERE}


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.NAME)
def test_allowed_says_what_the_table_says(fact: type[f.CaseFact]) -> None:
    """Every fact × every stage before (and none) × every stage after."""
    for before in (None, *Stage):
        for after in Stage:
            if fact is f.CaseOpened:
                expected = before is None and after in (Stage.RECEIVED, Stage.VERIFYING)
            elif fact in RECORDED_ANYWHERE:
                expected = before is after
            else:
                expected = before is not None and after in TRANSITIONS[fact].get(before, ())
            stated = fact.model_construct(stage=after)  # type: ignore[call-arg] # only the stage is asked
            assert allowed(before, stated) == expected, (before, after)
