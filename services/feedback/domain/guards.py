"""Who may check, rate and answer, and when. Each guard gives the case and round to work on, or its reason for no.

The order of the questions: is there such a case; may you do this at all; may it be done now; is it complete.
"""

from dataclasses import dataclass
from uuid import UUID

from services.feedback.domain import refusals
from services.feedback.domain.commands import AnswerAsResident, Asker, CheckResult, RateUnit
from services.feedback.domain.review import Review, ReviewedCase, Round, names_case
from shared.contracts.vocabulary import ActorKind, Source
from shared.runtime.decision import Refusal


@dataclass(frozen=True, slots=True)
class Ready:
    """The asker may do it: on this review, this case, this round."""

    review: Review
    case: ReviewedCase
    round: Round


def ready_to_check(review: Review | None, command: CheckResult) -> Ready | Refusal:
    """The whistle-blower checks; 12345 its own orders; the hub in their stead once they are overdue."""
    if review is None or review.case is None:
        return refusals.UNKNOWN
    case, asker = review.case, command.asker
    at_home = asker.is_staff_of(case.whistle_blower) or _is_hotline_for_its_order(asker, case)
    if not at_home and not asker.is_staff_of_hub:
        return refusals.not_yours_to_check(case)
    if review.round is None:
        return refusals.NOT_HANDLED_YET
    if review.round.check is not None:
        return refusals.already_checked(review.round)
    if not review.round.open:
        return refusals.round_over(review.round)
    if not at_home and not review.check_overdue:
        return refusals.check_still_with_whistle_blower(case)
    if not command.passed and not command.note.strip():
        return refusals.NOTE_REQUIRED
    strangers = [unit for unit in command.failed_units if unit not in review.round.units]
    if strangers:
        return refusals.unit_did_not_report(strangers[0], review.round)
    if command.passed and command.failed_units:
        return refusals.PASSED_WITH_FAILED_UNITS
    return Ready(review, case, review.round)


def ready_to_rate(review: Review | None, command: RateUnit) -> Ready | Refusal:
    """The whistle-blower rates each unit that reported, once in a round, from 办结 until the verdict."""
    if review is None or review.case is None:
        return refusals.UNKNOWN
    if not command.asker.is_staff_of(review.case.whistle_blower):
        return refusals.not_yours_to_rate(review.case)
    if review.round is None:
        return refusals.NOT_HANDLED_YET
    if not review.round.open:
        return refusals.round_over(review.round)
    if command.unit not in review.round.units:
        return refusals.unit_did_not_report(command.unit, review.round)
    if command.unit not in review.round.unrated:
        return refusals.already_rated(command.unit, review.round)
    return Ready(review, review.case, review.round)


def ready_to_answer(review: Review | None, command: AnswerAsResident, case_id: UUID) -> Ready | Refusal:
    """The resident, 12345's call-back, or the whistle-blower's staff on the phone; once in a round."""
    if review is None or review.case is None:
        return refusals.UNKNOWN
    case, asker = review.case, command.asker
    if not (
        is_resident_of(asker, case_id, case)
        or asker.actor.kind is ActorKind.HOTLINE
        or asker.is_staff_of(case.whistle_blower)
    ):
        return refusals.not_yours_to_answer(asker.actor.kind is ActorKind.RESIDENT)
    if not case.resident_to_ask:
        return refusals.NO_RESIDENT_TO_ASK
    if review.round is None:
        return refusals.NOT_HANDLED_YET
    if not review.round.open:
        return refusals.round_over(review.round)
    if review.round.answer is not None:
        return refusals.already_answered(review.round)
    return Ready(review, case, review.round)


def may_see(asker: Asker, case_id: UUID, review: Review) -> bool:
    """The hub sees every review; the others those of their own cases: blown, handled, fed in or reported by them."""
    case = review.case
    if case is None:
        return False
    return (
        asker.is_staff_of_hub
        or asker.is_staff_of(case.whistle_blower)
        or _handled_by(asker, review)
        or _is_hotline_for_its_order(asker, case)
        or is_resident_of(asker, case_id, case)
    )


def sees_residents_words(asker: Asker, case_id: UUID, review: Review) -> bool:
    """A unit that only handled the case sees the verdict, not the resident's own words: they may say who it is."""
    case = review.case
    return case is not None and (
        asker.is_staff_of_hub
        or asker.is_staff_of(case.whistle_blower)
        or _is_hotline_for_its_order(asker, case)
        or is_resident_of(asker, case_id, case)
    )


def is_resident_of(asker: Asker, case_id: UUID, case: ReviewedCase) -> bool:
    """A resident's access is issued for one case: its person is that case's number or id.

    The case's log does not say who reported it, on purpose, so nothing else can tie a resident to a case.
    """
    person = asker.actor.person
    return asker.actor.kind is ActorKind.RESIDENT and person is not None and names_case(person, case_id, case)


def _is_hotline_for_its_order(asker: Asker, case: ReviewedCase) -> bool:
    return asker.actor.kind is ActorKind.HOTLINE and case.source is Source.HOTLINE_12345


def _handled_by(asker: Asker, review: Review) -> bool:
    return any(asker.is_staff_of(unit) for each in review.rounds for unit in each.units)
