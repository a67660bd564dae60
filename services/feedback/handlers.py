"""What each message does to a review: one function per message, pure; the road loads, saves and appends.

What no longer applies (a deadline of a round that is over, a word that came back) is passed over with a note:
the other services' logs are facts, and a fact is never an error.
"""

from datetime import datetime

from services.feedback.domain.commands import AnswerAsResident, CheckResult, RateUnit
from services.feedback.domain.conclusion import conclude
from services.feedback.domain.guards import ready_to_answer, ready_to_check, ready_to_rate
from services.feedback.domain.review import Answer, Check, Rating, Review, ReviewedCase
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, Obligation, ReworkCause
from shared.runtime.decision import Decision, Input, Refusal

# --- from `cases` ----------------------------------------------------------------------------------------


def case_opened(state: Review | None, item: Input[f.CaseOpened], now: datetime) -> Decision[Review]:
    """Remember whose case it is and whether there is a resident to ask."""
    if state is not None and state.case is not None:
        return Decision(note="known already")
    matter = item.message.matter
    case = ReviewedCase(
        number=item.message.number,
        source=item.message.source,
        whistle_blower=matter.whistle_blower,
        resident_to_ask=matter.resident_to_ask,
    )
    return Decision(_of(case, state, now))


def case_handled(state: Review | None, item: Input[f.CaseHandled], now: datetime) -> Decision[Review]:
    """办结: a round begins. The fact says all that the round needs, so it overrides what was remembered."""
    handled = item.message
    present = state.round if state is not None else None
    if present is not None and present.number >= handled.round:
        return Decision(note=f"round {handled.round} began before")
    return Decision(_of(_reviewed(handled), state, now).opened(handled.round, handled.units, now))


def case_answered(state: Review | None, item: Input[f.CaseAnswered], now: datetime) -> Decision[Review]:
    """并案答复: a merged case has its answer. It was checked with the other; its own reporter rates it."""
    answered = item.message
    present = state.round if state is not None else None
    if present is not None and present.number >= answered.round:
        return Decision(note=f"round {answered.round} began before")
    begun = _of(_reviewed(answered), state, now).opened(answered.round, answered.units, now)
    return _concluding(begun.checked(Check(passed=True, note="随并入的哨单核查", by=answered.actor, at=now)), ())


def case_handed_over(state: Review | None, item: Input[f.CaseHandedOver], _now: datetime) -> Decision[Review]:
    """机构调整: where the whistle-blower changed, its successor checks and rates."""
    moved = item.message
    if state is None or state.case is None or moved.assignment_id is not None:
        return Decision(note="a unit's part went over, not the whistle-blower's")
    case = state.case.model_copy(update={"whistle_blower": moved.matter.whistle_blower})
    return Decision(state.model_copy(update={"case": case}))


def case_checked(state: Review | None, item: Input[f.CaseChecked], now: datetime) -> Decision[Review]:
    """Our own check come back, as a rule; a check the router recorded without us is taken over."""
    if state is None or state.round is None or not state.round.open or state.round.check is not None:
        return Decision(note="our own check, or of no open round")
    found = item.message
    check = Check(passed=found.passed, note=found.note, failed_units=found.failed_units, by=found.actor, at=now)
    return _concluding(state.checked(check), ())


def case_rework_ordered(state: Review | None, item: Input[f.CaseReworkOrdered], _now: datetime) -> Decision[Review]:
    """返工 / 重办: the round is over, with or without our verdict; the next begins with the next 办结."""
    if state is None or state.round is None or state.round.number >= item.message.round:
        return Decision(note="of no round known here")
    by_right = state.reopened_by_right or item.message.cause is ReworkCause.RESIDENT_UNSATISFIED
    return Decision(state.overtaken().model_copy(update={"reopened_by_right": by_right}))


def case_closed(state: Review | None, _item: Input[f.CaseClosed], _now: datetime) -> Decision[Review]:
    """销号: our verdict carried out, as a rule; otherwise there is nothing to wait for any more."""
    if state is None or state.round is None or not state.round.open:
        return Decision(note="closed as concluded")
    return Decision(state.overtaken())


# --- from `deadlines` -------------------------------------------------------------------------------------


def deadline_overdue(state: Review | None, item: Input[f.DeadlineOverdue], now: datetime) -> Decision[Review]:
    """The check's or the rating's time is over, for the round whose number is the obligation's generation.

    `deadlines` may be read ahead of `cases`: a round's overdue is remembered though its 办结 is not known yet.
    """
    overdue = item.message
    if overdue.obligation not in (Obligation.CHECK, Obligation.RATE):
        return Decision(note="an obligation that is not ours")
    present = state.round if state is not None else None
    if present is not None and (overdue.generation < present.number or _over(present.number, state, overdue)):
        return Decision(note=f"round {overdue.generation} is over")
    review = state or Review(since=now)
    if overdue.obligation is Obligation.CHECK:
        return Decision(
            review.model_copy(update={"check_overdue_in": _with(review.check_overdue_in, overdue.generation)})
        )
    remembered = review.model_copy(update={"rate_overdue_in": _with(review.rate_overdue_in, overdue.generation)})
    return _concluding(remembered, ())


# --- from people and 12345 ----------------------------------------------------------------------------------


def check_result(state: Review | None, item: Input[CheckResult], now: datetime) -> Decision[Review]:
    """验单: the verdict on the result; the case's verdict follows at once if it waited for this alone."""
    command = item.message
    ready = ready_to_check(state, command)
    if isinstance(ready, Refusal):
        return Decision(refusal=ready)
    actor = command.asker.actor
    check = Check(
        passed=command.passed,
        note=command.note,
        evidence=command.evidence,
        failed_units=command.found_wanting,
        verdicts=command.verdicts,
        by=actor,
        at=now,
    )
    fact = f.FeedbackChecked(
        round=ready.round.number,
        passed=command.passed,
        note=command.note,
        evidence=command.evidence,
        failed_units=command.found_wanting,
        verdicts=command.verdicts,
        actor=actor,
    )
    return _concluding(ready.review.checked(check), (fact,))


def rate_unit(state: Review | None, item: Input[RateUnit], now: datetime) -> Decision[Review]:
    """评单: one unit rated."""
    command = item.message
    ready = ready_to_rate(state, command)
    if isinstance(ready, Refusal):
        return Decision(refusal=ready)
    rating = Rating(
        unit=command.unit,
        contact=command.contact,
        speed=command.speed,
        result=command.result,
        words=command.words,
        at=now,
    )
    fact = f.FeedbackUnitRated(
        round=ready.round.number,
        unit=command.unit,
        contact=command.contact,
        speed=command.speed,
        result=command.result,
        words=command.words,
        actor=command.asker.actor,
    )
    return _concluding(ready.review.rated(rating), (fact,))


def answer_as_resident(state: Review | None, item: Input[AnswerAsResident], now: datetime) -> Decision[Review]:
    """The three questions answered; unsolved or unsatisfied weighs in the verdict, not before."""
    command = item.message
    ready = ready_to_answer(state, command, item.case_id)
    if isinstance(ready, Refusal):
        return Decision(refusal=ready)
    answer = Answer(
        contacted=command.contacted,
        solved=command.solved,
        satisfaction=command.satisfaction,
        words=command.words,
        by=command.asker.actor,
        at=now,
    )
    fact = f.FeedbackResidentAnswered(
        round=ready.round.number,
        contacted=command.contacted,
        solved=command.solved,
        satisfaction=command.satisfaction,
        words=command.words,
        actor=command.asker.actor,
    )
    return _concluding(ready.review.answered(answer), (fact,))


# --- what they share ------------------------------------------------------------------------------------------


def _reviewed(fact: f.CaseHandled | f.CaseAnswered) -> ReviewedCase:
    """Whose case it is, as the fact that begins a round says."""
    return ReviewedCase(
        number=fact.number,
        source=fact.source,
        whistle_blower=fact.whistle_blower,
        resident_to_ask=fact.resident_to_ask,
    )


def _of(case: ReviewedCase, state: Review | None, now: datetime) -> Review:
    return Review(case=case, since=now) if state is None else state.model_copy(update={"case": case})


def _over(number: int, state: Review | None, overdue: f.DeadlineOverdue) -> bool:
    """Whether the overdue round is the present one and has its verdict."""
    return overdue.generation == number and state is not None and state.round is not None and not state.round.open


def _with(numbers: tuple[int, ...], number: int) -> tuple[int, ...]:
    return tuple(sorted({*numbers, number}))


def _concluding(review: Review, facts: tuple[f.Fact, ...]) -> Decision[Review]:
    """Add the verdict where it is due now."""
    conclusion = conclude(review)
    if conclusion is None or review.round is None:
        return Decision(review, facts, answer=_standing(review))
    silence = bool(conclusion.unrated) or conclusion.resident_silent
    fact = f.FeedbackConcluded(
        round=review.round.number,
        close=conclusion.close,
        reason=conclusion.reason,
        unrated=conclusion.unrated,
        resident_silent=conclusion.resident_silent,
        actor=f.Actor(kind=ActorKind.CLOCK if silence else ActorKind.RULE),
    )
    concluded = review.concluded(conclusion)
    return Decision(concluded, (*facts, fact), answer=_standing(concluded))


def _standing(review: Review) -> dict[str, object]:
    """What the asker is told: where the review stands now."""
    present = review.round
    conclusion = present.conclusion if present is not None else None
    return {
        "number": review.case.number if review.case is not None else None,
        "round": present.number if present is not None else None,
        "waiting": [what.value for what in review.waiting],
        "unrated": list(present.unrated) if present is not None else [],
        "conclusion": conclusion.model_dump(mode="json") if conclusion is not None else None,
    }
