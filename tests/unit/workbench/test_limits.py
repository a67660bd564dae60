"""By when units owe what: told with the fact that set it, and beside each unit's part."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.workbench import limits, timeline
from services.workbench.standing import Case
from services.workbench.timeline import Logged
from services.workbench.words import limit_said
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope
from shared.contracts.vocabulary import LimitCause, Obligation, RungChange, Stage
from tests.unit.workbench import kit
from tests.unit.workbench.kit import ASSIGNMENT, NOW, WATER, speech

SIGN_IN, CONTACT, HANDLE = Obligation.SIGN_IN, Obligation.FIRST_CONTACT, Obligation.HANDLE


def logged(*facts: f.Fact, caused: bool = True) -> list[Logged]:
    """One after the other, each caused by the one before, unless `caused` is not so."""
    rows: list[Logged] = []
    for place, fact in enumerate(facts, start=1):
        said = kit.envelope(fact, place, NOW + timedelta(seconds=place))
        if caused and rows and rows[-1].envelope is not None:
            said = replace(said, cause=rows[-1].envelope.id)
        rows.append(Logged(kit.service_of(fact), 7, place, "ab", said))
    return rows


def shown(rows: list[Logged], language: str = "zh-CN") -> list[timeline.Moment]:
    return timeline.moments(rows, speech(language), confidential=False)


def test_it_is_told_with_the_fact_that_set_it() -> None:
    both = (kit.limit(SIGN_IN, 4), kit.limit(HANDLE, 24, provisional=True))
    (moment,) = shown(logged(kit.dispatched(), kit.set_limits(*both), kit.timed(*both)))
    assert ("限时", "和安供水公司 2026-11-23 14:30:00 前签收、2026-11-24 10:30:00 前办结（暂定）") in [
        (line.label, line.text) for line in moment.lines
    ]
    assert moment.limits_log == "deadlines 7/2、cases 7/3"


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (LimitCause.POLICY, "限时规则调整：和安供水公司 2026-11-24 10:30:00 前办结"),
        (LimitCause.CALENDAR, "工作日历调整：和安供水公司 2026-11-24 10:30:00 前办结"),
    ],
)
def test_what_a_person_changed_is_an_entry_of_its_own(cause: LimitCause, text: str) -> None:
    why = f.Reason(zh="国务院办公厅通知", en="国务院办公厅通知", rule=cause, version="2027")
    rows = logged(kit.dispatched(), kit.set_limits(cause=cause), kit.timed(cause=cause, why=why))
    _, moment = shown(rows)
    assert (moment.text, moment.limits_log) == (text, "deadlines 7/2")
    assert ("缘由", "国务院办公厅通知") in [(line.label, line.text) for line in moment.lines]


def test_without_the_fact_that_set_it_it_is_an_entry_of_its_own() -> None:
    texts = [moment.text for moment in shown(logged(kit.set_limits(), kit.timed(), caused=False))]
    assert texts == ["限时：和安供水公司 2026-11-24 10:30:00 前办结"] * 2
    (one,) = shown(logged(kit.set_limits(), kit.timed()))
    assert (one.type, one.limits_log) == (f.CaseTimed.type_name(), "deadlines 7/1")


@pytest.mark.parametrize(
    ("hours", "provisional", "chinese", "english"),
    [
        (24, False, "2026-11-24 10:30:00 前办结", "handling by 2026-11-24 10:30:00"),
        (24, True, "2026-11-24 10:30:00 前办结（暂定）", "handling by 2026-11-24 10:30:00 (provisional)"),
        (None, False, "办结暂停计时，还剩 1 小时", "handling stands still, 1 h left"),
    ],
)
def test_a_limit_in_words(hours: float | None, provisional: bool, chinese: str, english: str) -> None:
    limit = kit.limit(HANDLE, hours, provisional=provisional)
    assert (limit_said(limit, speech()), limit_said(limit, speech("en"))) == (chinese, english)


# --- beside the part

ALL = kit.timed(kit.limit(SIGN_IN, 1), kit.limit(CONTACT, 2), kit.limit(HANDLE, 3))


def beside(part: dict[str, Any], *facts: f.Fact, stage: Stage = Stage.HANDLING) -> list[tuple[str, str]]:
    document = kit.case_document(stage) | {"assignments": [part | {"assignment_id": str(ASSIGNMENT)}]}
    envelopes: list[Envelope] = [row.envelope for row in logged(*facts) if row.envelope is not None]
    found = limits.due_times(Case.model_validate(document), envelopes, speech(), NOW + timedelta(hours=2, minutes=30))
    return [(due.text.removeprefix("2026-11-23 "), due.state) for due in found.get(ASSIGNMENT, [])]


@pytest.mark.parametrize(
    ("part", "owed"),
    [
        (
            kit.part(part="assigned"),
            [("11:30:00 前签收", "late"), ("12:30:00 前首次联系", "late"), ("13:30:00 前办结", "ahead")],
        ),
        (kit.part(), [("12:30:00 前首次联系", "late"), ("13:30:00 前办结", "ahead")]),
        (kit.part(contacted=True), [("13:30:00 前办结", "ahead")]),
        (kit.part(part="refused"), [("12:30:00 前首次联系", "late"), ("13:30:00 前办结", "ahead")]),
        (kit.part(part="done"), []),
        (kit.part(part="released"), []),
    ],
)
def test_what_a_part_still_owes(part: dict[str, Any], owed: list[tuple[str, str]]) -> None:
    assert beside(part, ALL) == owed


def test_what_was_said_last_counts() -> None:
    extended, paused = kit.timed(kit.limit(HANDLE, 9)), kit.timed(kit.limit(HANDLE, None))
    part = kit.part(contacted=True)
    assert beside(part, ALL, extended) == [("19:30:00 前办结", "ahead")]
    assert beside(part, ALL, extended, paused) == [("办结暂停计时，还剩 1 小时", "still")]


def test_nothing_of_a_case_that_is_over_nor_where_nothing_was_said() -> None:
    assert beside(kit.part(), ALL, stage=Stage.CLOSED) == []
    assert beside(kit.part(), kit.dispatched()) == []


# --- a rung that changes something


def test_what_a_rung_changes_is_a_line_of_it() -> None:
    rung = kit.case_fact(
        f.CaseEscalated,
        Stage.HANDLING,
        obligation=HANDLE,
        unit=WATER,
        rung=2,
        told=(kit.HUB,),
        changes=tuple(RungChange),
    )
    (moment,) = shown(logged(rung))
    assert ("同时", "列入督办、提级办理") in [(line.label, line.text) for line in moment.lines]
