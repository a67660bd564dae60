"""From a message of the router's log to the clock: whose time counts, and what is asked for first."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.sla.domain.clock import DeadlineReached
from services.sla.domain.clock_state import ClockState
from services.sla.handlers import CaseUnknown, stated_at
from services.sla.main import handlers_by
from shared.contracts.envelope import Envelope, encode
from shared.contracts.facts import CaseFact, CaseOpened, CaseOverdue
from shared.contracts.topics import CASES
from shared.contracts.vocabulary import Obligation
from shared.runtime.consumer import to_input
from shared.runtime.decision import FromTimer, Input, Letter
from tests.unit.sla import builders as b

NINE = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
HANDLERS = handlers_by(b.rules)


def heard(fact: CaseFact, at: datetime) -> Input[Any]:
    """The fact as it lay in Kafka."""
    value = encode(Envelope("id-1", "/chuishao/router", b.CASE, at, fact, sequence=1, caseseq=1))
    return to_input(Letter(CASES, 0, 0, value))


def test_a_clock_runs_from_when_the_fact_was_stated_however_late_it_is_read() -> None:
    item = heard(b.opened(), NINE)
    state = HANDLERS[CaseOpened](None, item, NINE + timedelta(hours=5)).state
    assert isinstance(state, ClockState)
    assert state.deadlines[0].started_at == NINE
    assert state.deadlines[0].due_at == NINE + timedelta(hours=2)


def test_nothing_is_stated_in_the_future() -> None:
    assert stated_at(heard(b.opened(), NINE + timedelta(hours=1)), NINE) == NINE


def test_without_a_message_it_is_now() -> None:
    assert stated_at(Input(b.CASE, b.opened(), "id", FromTimer()), NINE) == NINE


def test_a_case_whose_opening_was_never_seen_is_an_error_that_names_it() -> None:
    with pytest.raises(CaseUnknown, match=f"{b.CASE}.*case.accepted"):
        HANDLERS[type(b.accepted())](None, heard(b.accepted(), NINE), NINE)
    found = DeadlineReached(unit=b.HUB, obligation=Obligation.DISPATCH, generation=1, step=0, at=NINE)
    with pytest.raises(CaseUnknown):
        HANDLERS[DeadlineReached](None, Input(b.CASE, found, "id", FromTimer()), NINE)


def test_what_the_clock_said_itself_is_read_past() -> None:
    story = b.Story().tell(NINE, b.opened())
    overdue = CaseOverdue(
        stage=b.opened().stage,
        obligation=Obligation.ACCEPT,
        unit=b.COMMUNITY,
        generation=1,
        due_at=NINE,
        number="C-1",
        source=b.opened().source,
        actor=b.opened().actor,
    )
    decision = HANDLERS[CaseOverdue](story.state, heard(overdue, NINE), NINE)
    assert decision.state is None
    assert decision.facts == ()
