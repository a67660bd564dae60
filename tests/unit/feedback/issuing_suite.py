"""What every keeper of scorecards does, told once for the one in memory and the one in PostgreSQL."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from services.feedback.domain.measuring.issuing import Card, Remedy, Ruling, Status
from services.feedback.domain.measuring.periods import period, period_named, previous
from services.feedback.domain.measuring.scoring import Rhythm, Scoring
from services.feedback.scorecards.scorecards import NEWEST, Scorecards, Which
from shared.contracts.facts import Actor
from shared.contracts.vocabulary import ActorKind, Measure
from shared.runtime.problems import Refused

SCORING = Scoring(version="1")
ENDED = period_named(Rhythm.QUARTER, "2025-Q3", SCORING)
HUB, WATER, MARKET = "110199", "util-water", "dept-market"
LI = Actor(kind=ActorKind.STAFF, unit=WATER, person="li")
WANG = Actor(kind=ActorKind.STAFF, unit=HUB, person="wang")
ZHAO = Actor(kind=ActorKind.STAFF, unit=HUB, person="zhao")
HANDLE = frozenset({Measure.HANDLE})
UPHELD = Ruling(upheld=True, reason="核实有误", remedy=Remedy.CORRECTION)

Finish = Callable[[int, bytes], Awaitable[Card]]
"""What the computing process does with a card that was asked for."""


async def refused(asking: Awaitable[object]) -> str:
    """The code of the no; fails where it was a yes."""
    with pytest.raises(Refused) as no:
        await asking
    return no.value.refusal.code


async def published(cards: Scorecards, finish: Finish) -> Card:
    card = await cards.ask(ENDED, WANG)
    await finish(card.id, b"{}")
    return await cards.publish(card.id, SCORING, WANG)


async def a_scorecard_is_asked_for_once_and_published_once(cards: Scorecards, finish: Finish) -> None:
    first = await cards.ask(ENDED, WANG)
    again = await cards.ask(ENDED, ZHAO)
    assert (first.id, first.status, first.edition) == (again.id, Status.ASKED, 1)
    assert again.asked_by == WANG
    assert await refused(cards.publish(first.id, SCORING, WANG)) == "scorecard_not_computed"

    computed = await finish(first.id, b'{"a":1}')
    assert (computed.status, await cards.content(first.id)) == (Status.COMPUTED, b'{"a":1}')
    once_more = await cards.ask(ENDED, ZHAO)
    assert (once_more.id, once_more.status, once_more.hash) == (first.id, Status.ASKED, None)
    assert await cards.content(first.id) is None

    await finish(first.id, b'{"a":2}')
    out = await cards.publish(first.id, SCORING, ZHAO)
    assert (out.status, out.published_by, out.published_at is not None) == (Status.PUBLISHED, ZHAO, True)
    assert await refused(cards.publish(first.id, SCORING, WANG)) == "scorecard_published"
    assert await refused(cards.ask(ENDED, WANG)) == "scorecard_published"
    assert await cards.content(first.id) == b'{"a":2}'
    assert await refused(cards.publish(10**6, SCORING, WANG)) == "scorecard_unknown"


async def nothing_is_published_before_its_period_is_over_and_settled(cards: Scorecards, finish: Finish) -> None:
    now = await cards.now()
    running = period(Rhythm.YEAR, now.date(), SCORING)
    card = await cards.ask(running, WANG)
    await finish(card.id, b"{}")
    assert await refused(cards.publish(card.id, SCORING, WANG)) == "publish_too_early"

    just_ended = previous(period(Rhythm.DAY, now.date(), SCORING), SCORING)
    fresh = await cards.ask(just_ended, WANG)
    await finish(fresh.id, b"{}")
    hours = int((now - just_ended.end) / timedelta(hours=1))
    settles_now = SCORING.model_copy(update={"settle_hours": max(0, hours)})
    settles_later = SCORING.model_copy(update={"settle_hours": hours + 2})
    assert await refused(cards.publish(fresh.id, settles_later, WANG)) == "publish_too_early"
    assert (await cards.publish(fresh.id, settles_now, WANG)).status is Status.PUBLISHED

    to_come = period(Rhythm.DAY, now.date() + timedelta(days=40), SCORING)
    assert await refused(cards.ask(to_come, WANG)) == "period_not_begun"


async def a_figure_is_disputed_once_and_ruled_on_by_somebody_else(cards: Scorecards, finish: Finish) -> None:
    waiting = await cards.ask(ENDED, WANG)
    assert (
        await refused(cards.appeal(waiting.id, WATER, Measure.HANDLE, HANDLE, "不符", LI)) == "scorecard_not_published"
    )
    card = await published(cards, finish)
    assert await refused(cards.appeal(card.id, WATER, Measure.HANDLE, None, "不符", LI)) == "unit_not_on_scorecard"
    assert await refused(cards.appeal(card.id, WATER, Measure.HANDLE, frozenset(), "不符", LI)) == "figure_unknown"

    appeal = await cards.appeal(card.id, WATER, Measure.HANDLE, HANDLE, "不符", LI)
    other = await cards.appeal(card.id, WATER, Measure.SCORE, HANDLE, "不符", WANG)
    assert await refused(cards.appeal(card.id, WATER, Measure.HANDLE, HANDLE, "再次", LI)) == "appealed_already"
    assert await refused(cards.rule(other.number, UPHELD, WANG)) == "own_appeal"
    nothing = Ruling(upheld=True, reason="属实")
    assert await refused(cards.rule(appeal.number, nothing, WANG)) == "remedy_missing"
    by_exclusion = Ruling(upheld=True, reason="属实", remedy=Remedy.EXCLUSION)
    assert await refused(cards.rule(appeal.number, by_exclusion, WANG)) == "exclusion_missing"
    both = Ruling(upheld=False, reason="不成立", remedy=Remedy.CORRECTION)
    assert await refused(cards.rule(appeal.number, both, WANG)) == "remedy_without_upholding"
    assert await refused(cards.rule(10**6, UPHELD, WANG)) == "appeal_unknown"

    ruled = await cards.rule(appeal.number, Ruling(upheld=False, reason="数据无误"), WANG)
    assert (ruled.upheld, ruled.ruling, ruled.ruled_by) == (False, "数据无误", WANG)
    assert await refused(cards.rule(appeal.number, UPHELD, ZHAO)) == "appeal_ruled"
    assert await refused(cards.ask(ENDED, WANG)) == "scorecard_published"

    assert [one.number for one in await cards.appeals(WATER, None, False, NEWEST, 10)] == [other.number, appeal.number]
    assert [one.number for one in await cards.appeals(None, card.id, True, NEWEST, 10)] == [other.number]
    assert await cards.appeals(MARKET, None, False, NEWEST, 10) == []
    assert await cards.appeals(None, None, False, appeal.number, 10) == []
    assert await cards.appeal_of(appeal.number) == ruled


async def an_upheld_appeal_leads_to_a_new_edition_beside_the_old(cards: Scorecards, finish: Finish) -> None:
    first = await published(cards, finish)
    appeal = await cards.appeal(first.id, WATER, Measure.HANDLE, HANDLE, "不符", LI)
    await cards.rule(appeal.number, UPHELD, WANG)

    second = await cards.ask(ENDED, WANG)
    assert (second.edition, second.status) == (2, Status.ASKED)
    assert second.id != first.id
    await finish(second.id, b'{"corrected":1}')
    await cards.publish(second.id, SCORING, WANG)
    assert await cards.content(first.id) == b"{}"
    assert await refused(cards.ask(ENDED, WANG)) == "scorecard_published"
    assert await refused(cards.appeal(first.id, MARKET, Measure.HANDLE, HANDLE, "不符", LI)) == "edition_superseded"
    editions = await cards.page(Which(Rhythm.QUARTER, "2025-Q3", Status.PUBLISHED), NEWEST, 10)
    assert [one.edition for one in editions] == [2, 1]
    assert await cards.page(Which(Rhythm.YEAR), NEWEST, 10) == []
    assert [one.id for one in await cards.page(Which(), second.id, 10)] == [first.id]


SUITE = (
    a_scorecard_is_asked_for_once_and_published_once,
    nothing_is_published_before_its_period_is_over_and_settled,
    a_figure_is_disputed_once_and_ruled_on_by_somebody_else,
    an_upheld_appeal_leads_to_a_new_edition_beside_the_old,
)
