"""Who may check, rate, answer, sample and exclude, and when. Each guard gives what to work on, or its reason for no.

The order of the questions: is there such a case; may you do this at all; may it be done now; is it complete.
"""

from dataclasses import dataclass
from uuid import UUID

from services.feedback.domain import refusals
from services.feedback.domain.commands import (
    AnswerAsResident,
    Asker,
    AskExclusion,
    CheckResult,
    CheckSample,
    RateUnit,
    RuleOnExclusion,
)
from services.feedback.domain.exclusion import measured_of, part_of, standing_for
from services.feedback.domain.measuring.judged import Exclusion
from services.feedback.domain.review import Review, ReviewedCase, Round, Sample, names_case
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
    incomplete = _verdicts_at_fault(command, review.round) if command.verdicts else _at_fault(command, review.round)
    return incomplete or Ready(review, case, review.round)


def _at_fault(command: CheckResult | CheckSample, present: Round) -> Refusal | None:
    """What a check of the whole lacks."""
    if not command.passed and not command.note.strip():
        return refusals.NOTE_REQUIRED
    strangers = [unit for unit in command.failed_units if unit not in present.units]
    if strangers:
        return refusals.unit_did_not_report(strangers[0], present)
    if command.passed and command.failed_units:
        return refusals.PASSED_WITH_FAILED_UNITS
    return None


def _verdicts_at_fault(command: CheckResult, present: Round) -> Refusal | None:
    """What a check unit by unit lacks: each unit of the round has one verdict, and the whole agrees with them."""
    units = [verdict.unit for verdict in command.verdicts]
    for place, unit in enumerate(units):
        if unit not in present.units:
            return refusals.unit_did_not_report(unit, present)
        if unit in units[:place]:
            return refusals.judged_twice(unit)
    missing = tuple(unit for unit in present.units if unit not in units)
    if missing:
        return refusals.verdicts_missing(missing)
    if command.passed != all(verdict.passed for verdict in command.verdicts):
        return refusals.verdicts_disagree(command.found_wanting)
    unexplained = next((one.unit for one in command.verdicts if not one.passed and not one.note.strip()), None)
    if unexplained is not None:
        return refusals.verdict_note_required(unexplained)
    if command.failed_units and set(command.failed_units) != set(command.found_wanting):
        return refusals.failed_units_disagree(command.found_wanting)
    return None


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
    meant = next((each for each in review.rounds if each.number == command.round), review.round)
    if command.round is not None and meant.answer is not None:
        return refusals.already_answered(meant)
    if meant is not review.round or not meant.open:
        return refusals.round_over(meant)
    if meant.answer is not None:
        return refusals.already_answered(meant)
    return Ready(review, case, meant)


@dataclass(frozen=True, slots=True)
class Drawn:
    """The hub may check what was drawn."""

    review: Review
    sample: Sample


def ready_to_check_sample(review: Review | None, command: CheckSample) -> Drawn | Refusal:
    """The hub checks a case that was drawn, once, while it is closed: neither archived nor reworked since."""
    if review is None or review.case is None:
        return refusals.UNKNOWN
    if not command.asker.is_staff_of_hub:
        return refusals.NOT_YOURS_TO_SAMPLE
    if review.sample is None or review.round is None:
        return refusals.NOT_DRAWN
    if review.sample.check is not None:
        return refusals.sample_checked_already(review.sample)
    if review.sample.lapsed:
        return refusals.sample_lapsed(review.sample)
    return _at_fault(command, review.round) or Drawn(review, review.sample)


def ready_to_ask_exclusion(review: Review | None, command: AskExclusion, case_id: UUID) -> Review | Refusal:
    """The unit whose part it was, or the hub; at any time, archived or not, once for a part and a measure."""
    if review is None or review.case is None:
        return refusals.UNKNOWN
    if not (command.asker.is_staff_of(command.unit) or command.asker.is_staff_of_hub):
        return refusals.not_yours_to_exclude(command.unit)
    part = part_of(case_id, review.record, review.judged, command.unit, command.round)
    if part is None:
        return refusals.had_no_part(command.unit, command.round)
    standing = standing_for(review.judged, command.unit, command.round, frozenset(command.measures))
    if standing is not None:
        return refusals.exclusion_stands(standing)
    measured = measured_of(part)
    unmeasured = next((measure for measure in command.measures if measure not in measured), None)
    if unmeasured is not None:
        return refusals.not_measured(unmeasured, measured)
    said = {"measures": command.measures, "reason": command.reason.strip(), "basis": command.basis.strip()}
    empty = next((field for field, value in said.items() if not value), None)
    return review if empty is None else refusals.exclusion_incomplete(empty)


@dataclass(frozen=True, slots=True)
class Asked:
    """An exclusion that may be ruled on."""

    review: Review
    exclusion: Exclusion


def ready_to_rule(review: Review | None, command: RuleOnExclusion) -> Asked | Refusal:
    """The hub rules, once, and another person than the one who asked."""
    if review is None or review.case is None:
        return refusals.UNKNOWN
    if not command.asker.is_staff_of_hub:
        return refusals.NOT_YOURS_TO_RULE
    asked = review.judged.exclusion(command.exclusion)
    if asked is None:
        return refusals.EXCLUSION_UNKNOWN
    if asked.asked_by.person == command.asker.actor.person:
        return refusals.ASKED_BY_YOURSELF
    if asked.approved is not None:
        return refusals.ruled_already(asked)
    if not command.reason.strip():
        return refusals.RULING_WITHOUT_REASON
    return Asked(review, asked)


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
