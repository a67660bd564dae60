"""A tombstone under its sequence, and the event that says why: readers pass over both, and go on."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from services.feedback.domain.measuring.scoring import Scoring
from services.feedback.domain.standards import Standards
from services.feedback.main import handlers_by as feedback_handlers
from services.router.main import HANDLERS as ROUTERS
from services.sla.main import HANDLERS as CLOCKS
from shared.contracts.facts import Actor, LogRedacted
from shared.contracts.topics import CASES
from shared.contracts.vocabulary import ActorKind
from shared.runtime.consumer import to_input
from shared.runtime.decision import Forgotten, FromLog, Input, Letter
from shared.runtime.service import decide_with
from tests.unit.feedback.histories import TREE

STANDARDS = Standards(TREE, Scoring(version="1"))
NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
TOLD = LogRedacted(
    redacted=3,
    digest="00",
    event={},
    reason="依法",
    basis="个人信息保护法第四十七条",
    asked_by="li",
    actor=Actor(kind=ActorKind.STAFF, person="wang"),
)


def test_a_tombstone_is_a_message_that_was_forgotten() -> None:
    item = to_input(Letter(CASES, 4, 17, None, (("sequence", b"9"),)))
    assert item.unreadable is None
    assert isinstance(item.message, Forgotten)
    assert item.origin == FromLog(CASES, 4, 9)


def test_nothing_at_all_is_not_a_tombstone() -> None:
    """Without a sequence nobody knows whose place it takes: it is looked at by a person."""
    assert to_input(Letter(CASES, 4, 17, None, ())).unreadable is not None
    assert to_input(Letter("reports.util-water", 0, 17, None, (("sequence", b"9"),))).unreadable is not None


@pytest.mark.parametrize(
    "handlers", [ROUTERS, CLOCKS, feedback_handlers(lambda: STANDARDS)], ids=["router", "sla", "feedback"]
)
@pytest.mark.parametrize("message", [Forgotten(), TOLD], ids=["tombstone", "told"])
def test_every_service_passes_over_it(handlers: Mapping[type, Any], message: object) -> None:
    decision = decide_with(handlers)(None, Input(UUID(int=1), message, "1", FromLog(CASES, 1, 9)), NOW)
    assert (decision.state, decision.facts, decision.refusal) == (None, (), None)
