"""抽查: how many are drawn, that anybody draws the same, and what the hub may do with what was drawn."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from services.feedback.domain.measuring.scoring import Sampling, Scoring
from services.feedback.domain.review import Review
from services.feedback.domain.sampling import draw, drawn, share_of
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, Obligation, ReworkCause
from tests.unit.feedback.histories import (
    CASE,
    COMMUNITY,
    HUB,
    MARKET,
    NOW,
    WATER,
    History,
    answered,
    archived,
    closed,
    failed,
    followed_by,
    found,
    handled,
    opened,
    overdue,
    passed,
    rated,
    rework,
    staff,
)
from tests.unit.feedback.test_guards import reads_well

CHANCE = random.Random(20261123)
CASE_IDS = [UUID(int=CHANCE.getrandbits(128)) for _ in range(10_000)]
SHARE = Decimal("0.05")

BEGUN = [opened(), handled(1, WATER, MARKET)]
SPOKEN = [passed(), rated(WATER), rated(MARKET), answered()]
CLOSED = [*BEGUN, *SPOKEN, closed()]
SILENT = [*BEGUN, passed(), overdue(Obligation.RATE), closed()]
REWORKED = [*BEGUN, failed(), rework(2), handled(2, WATER, MARKET), *SPOKEN, closed()]


# --- the lot


def test_the_share_is_kept() -> None:
    """500 of 10,000 are expected; six standard deviations are 131."""
    number = sum(drawn(case_id, 1, NOW, SHARE, "1") for case_id in CASE_IDS)
    assert 500 - 131 < number < 500 + 131


def test_the_lot_falls_evenly_whatever_the_time_of_day() -> None:
    """One case, ten thousand moments a microsecond apart: as many as of ten thousand cases."""
    moments = [NOW + timedelta(microseconds=place) for place in range(10_000)]
    tenths = Counter(place // 1_000 for place, moment in enumerate(moments) if drawn(CASE, 1, moment, SHARE, "1"))
    assert 500 - 131 < sum(tenths.values()) < 500 + 131
    assert all(50 - 42 < tenths[tenth] < 50 + 42 for tenth in range(10)), "six standard deviations each"


def test_who_has_the_logs_draws_the_same() -> None:
    beijing = NOW.astimezone(timezone(timedelta(hours=8)))
    first = [drawn(case_id, 1, NOW, SHARE, "1") for case_id in CASE_IDS]
    assert first == [drawn(case_id, 1, beijing, SHARE, "1") for case_id in CASE_IDS]
    assert [case_id for case_id, fell in zip(CASE_IDS, first, strict=True) if fell][:2] == [
        UUID("52c78612-cc65-0109-36ec-730b5ab4e22f"),
        UUID("93eb7dfc-c909-5e2c-fbf4-4c52c408bb20"),
    ], "the way it is drawn never changes, or no past draw can be checked"


@pytest.mark.parametrize(
    ("number", "moment", "version"),
    [(2, NOW, "1"), (1, NOW + timedelta(microseconds=1), "1"), (1, NOW, "2"), (1, None, "1")],
)
def test_what_the_lot_is_drawn_by(number: int, moment: datetime | None, version: str) -> None:
    """Another round, another moment or another version is another lot: not even half of the same cases."""
    first = {case_id for case_id in CASE_IDS if drawn(case_id, 1, NOW, SHARE, "1")}
    other = {case_id for case_id in CASE_IDS if drawn(case_id, number, moment, SHARE, version)}
    assert len(first & other) < len(first) / 2


def test_none_and_all() -> None:
    assert not any(drawn(case_id, 1, NOW, Decimal(0), "1") for case_id in CASE_IDS)
    assert all(drawn(case_id, 1, NOW, Decimal(1), "1") for case_id in CASE_IDS)


def test_a_higher_share_draws_those_of_a_lower_one_too() -> None:
    lower = {case_id for case_id in CASE_IDS if drawn(case_id, 1, NOW, SHARE, "1")}
    assert lower < {case_id for case_id in CASE_IDS if drawn(case_id, 1, NOW, Decimal("0.1"), "1")}


# --- the share


POLICY = Sampling(
    share=Decimal("0.05"),
    silent=Decimal("0.1"),
    reworked=Decimal("0.2"),
    categories={"供水": Decimal("0.15"), "噪声": Decimal("0.02")},
)

SHARES = [
    (CLOSED, (), "0.05", "sampling.share"),
    (SILENT, (), "0.1", "sampling.silent"),
    (REWORKED, (), "0.2", "sampling.reworked"),
    (CLOSED, ("供水", "管网"), "0.15", "sampling.category"),
    (CLOSED, ("管网", "供水"), "0.05", "sampling.share"),
    (CLOSED, ("噪声",), "0.05", "sampling.share"),
    (SILENT, ("供水",), "0.15", "sampling.category"),
    (REWORKED, ("供水",), "0.2", "sampling.reworked"),
]


@pytest.mark.parametrize(("messages", "category", "share", "rule"), SHARES)
def test_the_highest_share_that_fits_holds(
    messages: list[object], category: tuple[str, ...], share: str, rule: str
) -> None:
    review = in_category(History(*messages, by=followed_by()).review, category)
    chosen, reason = share_of(review, Scoring(version="2026-11", sampling=POLICY))
    assert (chosen, reason.rule, reason.version) == (Decimal(share), rule, "2026-11")
    assert f"{chosen * 100:f}%" in reason.zh
    assert f"{chosen * 100:f}%" in reason.en


def in_category(review: Review | None, category: tuple[str, ...]) -> Review:
    assert review is not None
    assert review.record is not None
    return review.model_copy(update={"record": review.record.model_copy(update={"category": category})})


def test_of_equal_shares_the_more_particular_one_is_named() -> None:
    review = History(*REWORKED, by=followed_by()).review
    assert review is not None
    same = Sampling(share=SHARE, silent=SHARE, reworked=SHARE)
    _, reason = share_of(review, Scoring(version="1", sampling=same))
    assert reason.rule == "sampling.reworked"


def test_nothing_handled_is_not_drawn() -> None:
    review = History(opened(), closed(), by=followed_by("1")).review
    assert review is not None
    assert review.samples == ()
    assert draw(CASE, review, Scoring(version="1", sampling=Sampling(share=Decimal(1)))) is None


# --- what becomes of it


def test_a_case_that_closes_may_be_drawn_and_then_waits_for_the_hub() -> None:
    history = History(*CLOSED, by=followed_by("1"))
    (sampled,) = [fact for fact in history.said if isinstance(fact, f.FeedbackSampled)]
    assert sampled.round == 1
    assert history.waiting == {"sample"}
    assert history.review is not None
    assert history.review.judged.sampled_at == NOW


def test_the_lot_is_drawn_by_when_the_verdict_was_given() -> None:
    review = History(*CLOSED, by=followed_by("0")).review
    assert review is not None
    assert review.concluded_at == NOW.astimezone(UTC)
    half = Scoring(version="1", sampling=Sampling(share=Decimal("0.5"), silent=Decimal(0), reworked=Decimal(0)))
    later = [review.model_copy(update={"concluded_at": NOW + timedelta(microseconds=one)}) for one in range(100)]
    assert 20 < sum(draw(CASE, one, half) is not None for one in later) < 80


def test_not_drawn_nothing_is_said() -> None:
    history = History(*CLOSED, by=followed_by("0"))
    assert not any(isinstance(fact, f.FeedbackSampled) for fact in history.said)
    assert history.waiting == set()


def test_a_closing_is_drawn_once_though_it_be_told_again() -> None:
    history = History(*CLOSED, closed(), found(True), closed(), by=followed_by("1"))
    assert sum(isinstance(fact, f.FeedbackSampled) for fact in history.said) == 1


@pytest.mark.parametrize("moved_on", [archived(), rework(2, ReworkCause.HUB_ORDERED)])
def test_the_sample_lapses_when_the_case_moves_on(moved_on: f.Fact) -> None:
    history = History(*CLOSED, moved_on, by=followed_by("1"))
    assert history.waiting == set()
    refusal = history.tell(found(True)).refusal
    assert refusal is not None
    assert refusal.code == "sample_lapsed"
    reads_well(refusal)


def test_what_was_found_is_said_and_kept_through_the_rework() -> None:
    history = History(*CLOSED, found(False, units=(WATER,)), by=followed_by("1"))
    checked = history.said[-1]
    assert isinstance(checked, f.FeedbackSampleChecked)
    assert (checked.round, checked.passed, checked.failed_units) == (1, False, (WATER,))
    assert checked.actor == f.Actor(kind=ActorKind.STAFF, unit=HUB, person=f"staff of {HUB}")
    assert history.waiting == set()
    again = [rework(2, ReworkCause.HUB_ORDERED), handled(2, WATER, MARKET), *SPOKEN, closed()]
    for message in again:
        assert history.tell(message).refusal is None
    assert history.review is not None
    first, second = history.review.samples
    assert first.check is not None
    assert (first.round, first.check.passed, first.lapsed) == (1, False, False)
    assert (second.round, second.awaited) == (2, True)


CHECKING = [
    # before this              what the hub says                                refused because
    ([], found(True), "review_unknown"),
    (CLOSED, found(True, by=staff(COMMUNITY)), "not_yours_to_sample"),
    (CLOSED, found(True, by=staff(WATER)), "not_yours_to_sample"),
    ([*BEGUN, *SPOKEN], found(True), "not_drawn"),
    (CLOSED, found(False, note=" "), "note_required"),
    (CLOSED, found(False, units=("dept-health",)), "unit_did_not_report"),
    (CLOSED, found(True, units=(WATER,)), "passed_with_failed_units"),
    ([*CLOSED, found(True)], found(False), "sample_checked_already"),
    ([*CLOSED, found(False)], found(True), "sample_checked_already"),
]


@pytest.mark.parametrize(("before", "command", "code"), CHECKING)
def test_who_may_check_a_sample_and_when(before: list[object], command: object, code: str) -> None:
    history = History(*before, by=followed_by("1"))
    review, said = history.review, len(history.said)
    refusal = history.tell(command).refusal
    assert refusal is not None
    assert refusal.code == code
    reads_well(refusal)
    assert (history.review, len(history.said)) == (review, said)
