"""剔除: who may ask and rule, of what and when; and that it changes what is excluded, never what was measured."""

from dataclasses import replace

import pytest

from services.feedback.domain.exclusion import measured_of, standing_for
from services.feedback.domain.measuring.judged import Judged, judged, parts
from services.feedback.domain.measuring.part import Answered, Part, Scores, Settled
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, Level, Measure, Satisfaction, Source, Urgency
from tests.unit.feedback.histories import (
    CASE,
    COMMUNITY,
    HUB,
    MARKET,
    NOW,
    OTHER_COMMUNITY,
    RULE,
    WATER,
    History,
    answered,
    archived,
    asks,
    closed,
    dispatched,
    exclusion,
    followed_by,
    handled,
    hotline,
    opened,
    passed,
    rated,
    resident,
    rules,
    staff,
)
from tests.unit.feedback.test_guards import reads_well

RATED = [opened(), dispatched(WATER, MARKET), handled(1, WATER, MARKET), rated(WATER), rated(MARKET)]
ANSWERED = [*RATED, answered()]
ARCHIVED = [*ANSWERED, passed(), closed(), archived()]
OF_RATING, OF_RESIDENT = asks(Measure.RATING), asks(Measure.SATISFIED, Measure.COMPOSITE)
ASKED = [*ARCHIVED, OF_RATING]


def told(*messages: object) -> History:
    return History(*messages, by=followed_by())


ASKING = [
    # before this        what is asked                                      → done, or refused because
    (RATED, OF_RATING, None),
    (ARCHIVED, OF_RATING, None),
    (ARCHIVED, OF_RESIDENT, None),
    (ARCHIVED, asks(Measure.RATING, by=staff(HUB)), None),
    (ARCHIVED, asks(Measure.RATED, unit=MARKET), None),
    ([], OF_RATING, "review_unknown"),
    (ARCHIVED, asks(Measure.RATING, by=staff(MARKET)), "not_yours_to_exclude"),
    (ARCHIVED, asks(Measure.RATING, by=staff(COMMUNITY)), "not_yours_to_exclude"),
    (ARCHIVED, asks(Measure.RATING, by=hotline()), "not_yours_to_exclude"),
    (ARCHIVED, asks(Measure.RATING, by=resident()), "not_yours_to_exclude"),
    (ARCHIVED, asks(Measure.RATING, unit=OTHER_COMMUNITY), "had_no_part"),
    (ARCHIVED, asks(Measure.RATING, in_round=2), "had_no_part"),
    (ARCHIVED, asks(Measure.SCORE), "not_measured"),
    (ARCHIVED, asks(Measure.RATING, Measure.REFUSAL), "not_measured"),
    (ARCHIVED, asks(Measure.SATISFIED, unit=MARKET), "not_measured"),
    (RATED, OF_RESIDENT, "not_measured"),
    (ARCHIVED, asks(Measure.RATING, reason=" "), "exclusion_incomplete"),
    (ARCHIVED, asks(Measure.RATING, basis="\n"), "exclusion_incomplete"),
    (ASKED, asks(Measure.RATING, number=2), "exclusion_stands"),
    (ASKED, asks(Measure.RATING, Measure.RATED, by=staff(HUB), number=2), "exclusion_stands"),
    (ASKED, asks(Measure.RATED, number=2), None),
    (ASKED, asks(Measure.RATING, unit=MARKET, number=2), None),
    ([*ASKED, rules(approved=True)], asks(Measure.RATING, number=2), "exclusion_stands"),
    ([*ASKED, rules(approved=False)], asks(Measure.RATING, number=2), None),
]

RULING = [
    (ASKED, rules(), None),
    (ASKED, rules(approved=False), None),
    ([], rules(), "review_unknown"),
    (ASKED, rules(by=staff(WATER, "another")), "not_yours_to_rule"),
    (ASKED, rules(by=staff(COMMUNITY)), "not_yours_to_rule"),
    (ASKED, rules(by=hotline()), "not_yours_to_rule"),
    (ASKED, rules(number=2), "exclusion_unknown"),
    (ARCHIVED, rules(), "exclusion_unknown"),
    ([*ARCHIVED, asks(Measure.RATING, by=staff(HUB, "head"))], rules(by=staff(HUB, "head")), "asked_by_yourself"),
    ([*ARCHIVED, asks(Measure.RATING, by=staff(HUB, "head"))], rules(by=staff(HUB, "deputy")), None),
    ([*ASKED, rules()], rules(), "ruled_already"),
    ([*ASKED, rules(approved=False)], rules(), "ruled_already"),
    (ASKED, rules(reason=" "), "ruling_without_reason"),
]


@pytest.mark.parametrize(("before", "command", "code"), [*ASKING, *RULING])
def test_who_may_ask_and_rule_and_when(before: list[object], command: object, code: str | None) -> None:
    history = told(*before)
    review, said = history.review, len(history.said)
    refusal = history.tell(command).refusal
    if code is None:
        assert refusal is None
        assert len(history.said) == said + 1
    else:
        assert refusal is not None
        assert refusal.code == code
        reads_well(refusal)
        assert (history.review, len(history.said)) == (review, said)


def test_who_has_no_name_does_not_rule_on_what_somebody_nameless_asked() -> None:
    nameless = staff(HUB).model_copy(update={"actor": f.Actor(kind=ActorKind.STAFF, unit=HUB)})
    history = told(*ARCHIVED, asks(Measure.RATING, by=nameless))
    refusal = history.tell(rules(by=nameless)).refusal
    assert refusal is not None
    assert refusal.code == "asked_by_yourself"


def rows(history: History) -> dict[str, Part]:
    review = history.review
    assert review is not None
    assert review.record is not None
    return {row.unit: row for row in parts(CASE, review.record, review.judged)}


def test_an_approved_exclusion_marks_the_part_and_leaves_what_was_measured() -> None:
    before = rows(told(*ARCHIVED))
    asked = told(*ARCHIVED, asks(Measure.RATING, Measure.SATISFIED))
    assert rows(asked) == before, "asked for, it changes nothing"
    assert rows(told(*ARCHIVED, OF_RATING, rules(approved=False))) == before, "refused, it changes nothing"

    assert asked.tell(rules()).refusal is None

    excluded = frozenset({Measure.RATING, Measure.SATISFIED})
    assert rows(asked) == {WATER: replace(before[WATER], excluded=excluded), MARKET: before[MARKET]}


def test_what_was_asked_and_ruled_is_said_and_kept() -> None:
    history = told(*ASKED, rules(reason="气象记录属实"))
    asked, ruled = history.said[-2:]
    assert isinstance(asked, f.FeedbackExclusionAsked)
    assert isinstance(ruled, f.FeedbackExclusionRuled)
    assert (asked.exclusion, asked.unit, asked.measures) == (exclusion(1), WATER, (Measure.RATING,))
    assert (asked.reason, asked.basis) == ("暴雨红色预警期间停工", "区气象台预警信号")
    assert (ruled.exclusion, ruled.approved, ruled.reason) == (exclusion(1), True, "气象记录属实")
    assert history.review is not None
    kept = history.review.judged.exclusion(exclusion(1))
    assert kept is not None
    assert (kept.asked_by, kept.approved, kept.ruled_by) == (asked.actor, True, ruled.actor)


def test_a_measure_named_twice_is_asked_for_once() -> None:
    asked = told(*ARCHIVED, asks(Measure.RATING, Measure.RATED, Measure.RATING)).said[-1]
    assert isinstance(asked, f.FeedbackExclusionAsked)
    assert asked.measures == (Measure.RATING, Measure.RATED)


# --- what may be excluded


BARE = Part(
    case_id=CASE,
    number="HA-1",
    unit=WATER,
    round=1,
    lead=True,
    level=Level.HUB,
    category="",
    region=COMMUNITY,
    source=Source.RESIDENT,
    urgency=Urgency.NORMAL,
    assigned_at=NOW,
)
LATE = Settled(NOW, late=True)
MEASURED: list[tuple[dict[str, object], set[Measure]]] = [
    ({}, set()),
    ({"sign_in": LATE}, {Measure.SIGN_IN, Measure.REPORT}),
    ({"contact": LATE}, {Measure.FIRST_CONTACT}),
    ({"handle": LATE}, {Measure.HANDLE}),
    ({"on_ledger_at": NOW}, {Measure.WRITE_OFF}),
    ({"refused_at": NOW}, {Measure.REFUSAL}),
    ({"reworked_at": NOW}, {Measure.REWORK}),
    ({"extended_at": NOW}, {Measure.EXTENSION}),
    ({"supervised_at": NOW}, {Measure.SUPERVISION}),
    ({"rated_at": NOW}, {Measure.RATED}),
    ({"rated_at": NOW, "scores": Scores(1, 1, 1)}, {Measure.RATED, Measure.RATING}),
    ({"silent_at": NOW}, set()),
    (
        {"answered": Answered(NOW, True, False, Satisfaction.UNSATISFIED)},
        {Measure.RESPONSE, Measure.SOLVED, Measure.SATISFIED, Measure.COMPOSITE},
    ),
]


@pytest.mark.parametrize(("moments", "measures"), MEASURED)
def test_a_part_may_be_excluded_from_what_has_a_moment_in_it(
    moments: dict[str, object], measures: set[Measure]
) -> None:
    assert measured_of(replace(BARE, **moments)) == measures  # type: ignore[arg-type]


def test_every_measure_but_the_score_may_be_excluded() -> None:
    possible = {measure for _, measures in MEASURED for measure in measures}
    assert possible == set(Measure) - {Measure.SCORE}


def test_what_stands_for_one_round_or_measure_stands_for_no_other() -> None:
    asked = f.FeedbackExclusionAsked(
        exclusion=exclusion(1),
        round=1,
        unit=WATER,
        measures=(Measure.HANDLE,),
        reason="暴雨",
        basis="预警",
        actor=RULE,
    )
    words = judged(Judged(), asked, NOW)
    handle = frozenset({Measure.HANDLE})
    assert standing_for(words, WATER, 1, handle) is not None
    assert standing_for(words, WATER, 2, handle) is None
    assert standing_for(words, MARKET, 1, handle) is None
    assert standing_for(words, WATER, 1, frozenset({Measure.SIGN_IN})) is None
