"""What is measured of a case, as feedback's own log tells it: ratings, answers, samples, exclusions.

With the case's record it makes the rows of which every figure is made. The two are made from two logs, each by
itself, so it does not matter in which order the logs were read.
"""

from datetime import datetime
from uuid import UUID

from services.feedback.domain.measuring.part import Answered, Part, Scores, Whole
from services.feedback.domain.measuring.record import CaseRecord, PartRecord
from shared.contracts import facts as f
from shared.contracts.facts import UnitCode, Value
from shared.contracts.vocabulary import Measure


class RatedUnit(Value):
    """A unit of a round, rated; without scores, the verdict was given before it was."""

    round: int
    unit: UnitCode
    at: datetime
    scores: Scores | None


class RoundAnswer(Value):
    round: int
    answer: Answered


class Exclusion(Value):
    """申请剔除: asked for, and then approved or not; None = not ruled on yet."""

    id: UUID
    round: int
    unit: UnitCode
    measures: tuple[Measure, ...]
    reason: str
    basis: str
    asked_by: f.Actor
    asked_at: datetime
    approved: bool | None = None
    ruling: str = ""
    ruled_by: f.Actor | None = None
    ruled_at: datetime | None = None


class Judged(Value):
    """The words on one case. `silent`: rounds whose verdict was given without the resident's, and when.

    Of several samples of a case the first counts, and the first that was checked: what is counted stays.
    """

    rated: tuple[RatedUnit, ...] = ()
    answers: tuple[RoundAnswer, ...] = ()
    silent: tuple[tuple[int, datetime], ...] = ()
    sampled_at: datetime | None = None
    sample_checked_at: datetime | None = None
    sample_passed: bool | None = None
    exclusions: tuple[Exclusion, ...] = ()

    def exclusion(self, wanted: UUID) -> Exclusion | None:
        return next((one for one in self.exclusions if one.id == wanted), None)


def judged(before: Judged, fact: f.Fact, at: datetime) -> Judged:
    """After one more fact of feedback's log, stated at that time."""
    match fact:
        case f.FeedbackUnitRated():
            scores = Scores(fact.contact, fact.speed, fact.result)
            rated = RatedUnit(round=fact.round, unit=fact.unit, at=at, scores=scores)
            return before.model_copy(update={"rated": (*before.rated, rated)})
        case f.FeedbackResidentAnswered():
            answer = Answered(at, fact.contacted, fact.solved, fact.satisfaction)
            return before.model_copy(
                update={"answers": (*before.answers, RoundAnswer(round=fact.round, answer=answer))}
            )
        case f.FeedbackConcluded():
            unrated = tuple(RatedUnit(round=fact.round, unit=unit, at=at, scores=None) for unit in fact.unrated)
            silent = ((fact.round, at),) if fact.resident_silent else ()
            return before.model_copy(update={"rated": (*before.rated, *unrated), "silent": (*before.silent, *silent)})
        case f.FeedbackSampled():
            return before if before.sampled_at is not None else before.model_copy(update={"sampled_at": at})
        case f.FeedbackSampleChecked():
            if before.sample_checked_at is not None:
                return before
            return before.model_copy(update={"sample_checked_at": at, "sample_passed": fact.passed})
        case f.FeedbackExclusionAsked():
            return before.model_copy(update={"exclusions": (*before.exclusions, _asked(fact, at))})
        case f.FeedbackExclusionRuled():
            ruled = {"approved": fact.approved, "ruling": fact.reason, "ruled_by": fact.actor, "ruled_at": at}
            return before.model_copy(
                update={
                    "exclusions": tuple(
                        one.model_copy(update=ruled) if one.id == fact.exclusion else one for one in before.exclusions
                    )
                }
            )
        case _:
            return before


def _asked(fact: f.FeedbackExclusionAsked, at: datetime) -> Exclusion:
    return Exclusion(
        id=fact.exclusion,
        round=fact.round,
        unit=fact.unit,
        measures=fact.measures,
        reason=fact.reason,
        basis=fact.basis,
        asked_by=fact.actor,
        asked_at=at,
    )


# --- the rows ------------------------------------------------------------------------------------------------


def parts(case_id: UUID, record: CaseRecord, words: Judged) -> tuple[Part, ...]:
    """A row for each unit in each round, in the order in which they got their parts."""
    return tuple(_row(case_id, record, one, words) for one in record.parts)


def whole(case_id: UUID, record: CaseRecord, words: Judged) -> Whole:
    return Whole(
        case_id=case_id,
        number=record.number,
        whistle_blower=record.whistle_blower,
        level=record.level,
        category=record.category[0] if record.category else "",
        region=record.region,
        source=record.source,
        urgency=record.urgency,
        received_at=record.received_at,
        declined_at=record.declined_at,
        withdrawn_at=record.withdrawn_at,
        merged_at=record.merged_at,
        closed_at=record.closed_at,
        reopened_at=record.reopened_at,
        sampled_at=words.sampled_at,
        sample_checked_at=words.sample_checked_at,
        sample_passed=words.sample_passed,
        closings=record.closings,
        reopenings=record.reopenings,
    )


def _row(case_id: UUID, record: CaseRecord, one: PartRecord, words: Judged) -> Part:
    rated = next((found for found in words.rated if (found.round, found.unit) == (one.round, one.unit)), None)
    answer = next((found.answer for found in words.answers if found.round == one.round), None)
    silent = next((at for number, at in words.silent if number == one.round), None)
    excluded = frozenset(
        measure
        for asked in words.exclusions
        if asked.approved and (asked.round, asked.unit) == (one.round, one.unit)
        for measure in asked.measures
    )
    return Part(
        case_id=case_id,
        number=record.number,
        unit=one.unit,
        round=one.round,
        lead=one.lead,
        level=one.level,
        category=one.category,
        region=one.region,
        source=record.source,
        urgency=one.urgency,
        assigned_at=one.assigned_at,
        sign_in=one.sign_in,
        contact=one.contact,
        handle=one.handle,
        done_at=one.done_at,
        refused_at=one.refused_at,
        extended_at=one.extended_at,
        reworked_at=one.reworked_at,
        supervised_at=one.supervised_at,
        on_ledger_at=one.on_ledger_at,
        off_ledger_at=one.off_ledger_at,
        written_off=one.written_off,
        rated_at=rated.at if rated is not None else None,
        scores=rated.scores if rated is not None else None,
        answered=answer if one.lead else None,
        silent_at=silent if one.lead else None,
        excluded=excluded,
        former_spells=one.former_spells,
    )
