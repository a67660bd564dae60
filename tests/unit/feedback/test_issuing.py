"""When a scorecard is due, published and disputed: the rules on the keeper in memory, and the calendar as a table."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from services.feedback.domain.measuring.issuing import Appeal, Card, Ruling, due, is_automatic, may_rule, was_early
from services.feedback.domain.measuring.scoring import Rhythm, Scoring
from services.feedback.scorecards.scorecards import Scorecards
from shared.contracts.facts import Actor
from shared.contracts.vocabulary import ActorKind, Measure
from tests.unit.feedback.issuing_suite import SUITE, WANG, Finish
from tests.unit.feedback.memory_scorecards import MemoryScorecards

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
"""A Monday, two in the afternoon in Shanghai."""
LONG_AGO = NOW - timedelta(days=1000)
SCORING = Scoring(version="1", settle_hours=24)


@pytest.mark.parametrize("told", SUITE)
async def test_the_keeper_in_memory(told: Callable[[Scorecards, Finish], Awaitable[None]]) -> None:
    cards = MemoryScorecards(NOW)

    async def finish(card_id: int, content: bytes) -> Card:
        return cards.computed(card_id, content)

    await told(cards, finish)


@pytest.mark.parametrize(
    ("rhythm", "names"),
    [
        # Sunday is over, but has not settled for 24 hours.
        (Rhythm.DAY, [f"2026-11-{day}" for day in range(15, 22)]),
        (Rhythm.WEEK, ["2026-W43", "2026-W44", "2026-W45", "2026-W46"]),
        (Rhythm.MONTH, ["2026-08", "2026-09", "2026-10"]),
        (Rhythm.QUARTER, ["2026-Q2", "2026-Q3"]),
        (Rhythm.YEAR, ["2025"]),
    ],
)
def test_after_a_downtime_so_many_ended_periods_are_caught_up(rhythm: Rhythm, names: list[str]) -> None:
    assert [one.name for one in due(rhythm, NOW, SCORING, (), LONG_AGO)] == names


def test_what_was_asked_for_before_is_not_due_again() -> None:
    known = {"2026-W43", "2026-W45", "2026-W46"}
    assert [one.name for one in due(Rhythm.WEEK, NOW, SCORING, known, LONG_AGO)] == ["2026-W44"]


def test_periods_before_anything_was_measured_are_not_due() -> None:
    began = datetime(2026, 11, 20, 3, tzinfo=UTC)
    assert [one.name for one in due(Rhythm.DAY, NOW, SCORING, (), began)] == ["2026-11-20", "2026-11-21"]
    assert due(Rhythm.WEEK, NOW, SCORING, (), began) == ()
    assert due(Rhythm.DAY, NOW, SCORING, (), None) == ()


def test_a_period_that_ended_as_measuring_began_is_not_due() -> None:
    began = datetime(2026, 11, 20, 16, tzinfo=UTC)  # midnight in Shanghai
    assert [one.name for one in due(Rhythm.DAY, NOW, SCORING, (), began)] == ["2026-11-21"]


@pytest.mark.parametrize(
    ("unit", "person", "refused"),
    [("110199", "li", "own_appeal"), ("110199", "wang", None), ("dept-market", "li", "own_appeal")],
)
def test_nobody_rules_on_an_appeal_of_their_own_whatever_unit_they_speak_for(
    unit: str, person: str, refused: str | None
) -> None:
    asked = Appeal(
        number=1,
        scorecard=1,
        unit="110199",
        measure=Measure.HANDLE,
        reason="停电",
        asked_by=Actor(kind=ActorKind.STAFF, unit="110199", person="li"),
        asked_at=NOW,
    )
    by = Actor(kind=ActorKind.STAFF, unit=unit, person=person)
    refusal = may_rule(asked, Ruling(upheld=False, reason="不成立"), by)
    assert (refusal.code if refusal is not None else None) == refused


def test_a_period_is_due_in_the_moment_it_has_settled() -> None:
    ends = datetime(2026, 11, 22, 16, tzinfo=UTC)
    settled = ends + timedelta(hours=24)
    before = due(Rhythm.DAY, settled - timedelta(microseconds=1), SCORING, (), LONG_AGO)
    assert (before[-1].name, due(Rhythm.DAY, settled, SCORING, (), LONG_AGO)[-1].name) == ("2026-11-21", "2026-11-22")


def test_days_and_weeks_publish_themselves_where_nothing_else_is_said() -> None:
    assert [rhythm for rhythm in Rhythm if is_automatic(rhythm, SCORING)] == [Rhythm.DAY, Rhythm.WEEK]
    assert not is_automatic(Rhythm.DAY, SCORING.model_copy(update={"publishing": {}}))


def test_what_was_computed_before_it_had_settled_is_computed_once_more() -> None:
    cards = MemoryScorecards(NOW)
    sunday = due(Rhythm.DAY, NOW + timedelta(days=1), SCORING, (), LONG_AGO)[-1]
    settled = sunday.end + timedelta(hours=24)
    card = asyncio.run(cards.ask(sunday, WANG))
    early = cards.computed(card.id, b"{}")
    assert not was_early(card, SCORING, settled)
    assert not was_early(early, SCORING, settled - timedelta(seconds=1))
    assert was_early(early, SCORING, settled)
    cards.at = settled
    assert not was_early(cards.computed(card.id, b"{}"), SCORING, settled)
