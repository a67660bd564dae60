"""What is measured, as rows of PostgreSQL: parts and wholes to rows, and rows back to the same parts and wholes."""

from dataclasses import fields
from typing import Any

from services.feedback.domain.measuring.part import Answered, Part, Scores, Settled, Spell, Whole
from shared.contracts.vocabulary import Level, Measure, Satisfaction, Source, Urgency

_LEVELS = {one.value: one for one in Level}
_SOURCES = {one.value: one for one in Source}
_URGENCIES = {one.value: one for one in Urgency}
_SATISFACTIONS = {one.value: one for one in Satisfaction}
_NOTHING: frozenset[Measure] = frozenset()
_FLATTENED = {"sign_in", "contact", "handle", "scores", "answered", "excluded", "former_spells"}
_AS_IT_IS = tuple(field.name for field in fields(Part) if field.name not in _FLATTENED)


def part_row(part: Part) -> dict[str, Any]:
    """By column."""
    scores, answered = part.scores, part.answered
    return {name: getattr(part, name) for name in _AS_IT_IS} | {
        **_settled("sign_in", part.sign_in),
        **_settled("contact", part.contact),
        **_settled("handle", part.handle),
        "contact_score": scores.contact if scores else None,
        "speed_score": scores.speed if scores else None,
        "result_score": scores.result if scores else None,
        "answered_at": answered.at if answered else None,
        "contacted": answered.contacted if answered else None,
        "solved": answered.solved if answered else None,
        "satisfaction": answered.satisfaction if answered else None,
        "excluded": sorted(part.excluded),
        "spells_began": [spell.began for spell in part.former_spells],
        "spells_ended": [spell.ended for spell in part.former_spells],
    }


def _settled(name: str, settled: Settled | None) -> dict[str, Any]:
    return {f"{name}_at": settled.at if settled else None, f"{name}_late": settled.late if settled else None}


def whole_row(whole: Whole) -> dict[str, Any]:
    """By column."""
    return {field.name: getattr(whole, field.name) for field in fields(Whole)}


def to_part(row: Any) -> Part:
    """The part of a row in the columns' order of `parts_in`. Written for speed: a year has millions of them."""
    # fmt: off
    (
        case_id, number, unit, in_round, lead, level, category, region, source, urgency, assigned_at,
        sign_in_at, sign_in_late, contact_at, contact_late, handle_at, handle_late, done_at,
        refused_at, extended_at, reworked_at, supervised_at, on_ledger_at, off_ledger_at, written_off,
        rated_at, contact_score, speed_score, result_score,
        answered_at, contacted, solved, satisfaction, silent_at, excluded, spells_began, spells_ended,
    ) = row
    return Part(
        case_id, number, unit, in_round, lead,
        _LEVELS[level], category, region, _SOURCES[source], _URGENCIES[urgency], assigned_at,
        None if sign_in_at is None else Settled(sign_in_at, sign_in_late),
        None if contact_at is None else Settled(contact_at, contact_late),
        None if handle_at is None else Settled(handle_at, handle_late),
        done_at, refused_at, extended_at, reworked_at, supervised_at, on_ledger_at, off_ledger_at, written_off,
        rated_at,
        None if contact_score is None else Scores(contact_score, speed_score, result_score),
        None if answered_at is None else Answered(answered_at, contacted, solved, _SATISFACTIONS[satisfaction]),
        silent_at,
        frozenset(map(Measure, excluded)) if excluded else _NOTHING,
        tuple(map(Spell, spells_began, spells_ended)) if spells_began else (),
    )
    # fmt: on


def to_whole(row: Any) -> Whole:
    """The whole of a row in the columns' order of `wholes_in`."""
    # fmt: off
    (
        case_id, number, whistle_blower, level, category, region, source, urgency, received_at, declined_at,
        withdrawn_at, merged_at, closed_at, reopened_at, sampled_at, sample_checked_at, sample_passed,
        closings, reopenings,
    ) = row
    return Whole(
        case_id, number, whistle_blower, None if level is None else _LEVELS[level], category, region,
        _SOURCES[source], _URGENCIES[urgency], received_at, declined_at,
        withdrawn_at, merged_at, closed_at, reopened_at, sampled_at, sample_checked_at, sample_passed,
        tuple(closings), tuple(reopenings),
    )
    # fmt: on
