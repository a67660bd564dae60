"""How often each thing that is measured happened in one period: from rows to whole numbers, in one pass. Pure.

A moment counts in the period it lies in. Rows may come in any order and in any number of batches, each row once.
"""

from collections.abc import Callable, Hashable, Iterable
from operator import add
from typing import NamedTuple, TypeVar

from services.feedback.domain.measuring.part import Answered, Part, Whole
from services.feedback.domain.measuring.periods import Period
from services.feedback.domain.measuring.pulled import Pulled, PulledDown
from services.feedback.domain.measuring.tally import CaseTally, Tally, left_out
from shared.contracts.vocabulary import Level, Measure, Satisfaction, Source

Key = TypeVar("Key", bound=Hashable)

BEST = 15
"""Three scores of 5."""


class Group(NamedTuple):
    """Whose numbers they are: one unit's (a case's: who whistled), with all that figures are broken down by."""

    unit: str
    level: Level | None
    category: str
    region: str
    source: Source


# Where each number stands in a group's list while it is counted.
(
    _SIGN_IN_DUE,
    _SIGNED_IN,
    _CONTACT_DUE,
    _CONTACTED_IN_TIME,
    _HANDLE_DUE,
    _HANDLED_IN_TIME,
    _ON_LEDGER,
    _WRITTEN_OFF,
    _ASSIGNED,
    _REFUSED,
    _EXTENDED,
    _SUPERVISED,
    _DONE,
    _REWORKED,
    _TO_RATE,
    _RATED,
    _SCORES,
    _VALID,
    _CONTACTED,
    _SOLVED,
    _SATISFIED,
    _BASICALLY,
    _SILENT,
) = range(23)
_NOTHING = [0] * 23
_NO_CASE = [0] * 10

_NONE: frozenset[Measure] = frozenset()


class Counting:
    """The numbers of one period, as they are counted. Two halves of the rows, counted apart, can be joined."""

    def __init__(self, period: Period) -> None:
        self.period = period
        self.pulled = PulledDown()
        self._parts: dict[Group, list[int]] = {}
        self._excluded: dict[Group, Tally] = {}
        self._left_out: dict[tuple[str, Measure], int] = {}
        self._cases: dict[Group, list[int]] = {}

    def add_parts(self, parts: Iterable[Part]) -> None:
        """Count these; those that have nothing in the period are passed over."""
        groups = self._parts
        for part in parts:
            found = list(_NOTHING)
            self._count(part, found, left_out(part.excluded) if part.excluded else _NONE)
            if found == _NOTHING:
                continue
            group = Group(part.unit, part.level, part.category, part.region, part.source)
            known = groups.get(group)
            groups[group] = found if known is None else list(map(add, known, found))
            if part.excluded:
                self._exclude(group, part, found)

    def add_wholes(self, wholes: Iterable[Whole]) -> None:
        for whole in wholes:
            found = _of_case(whole, self.period)
            if not any(found):
                continue
            group = Group(whole.whistle_blower, whole.level, whole.category, whole.region, whole.source)
            known = self._cases.get(group)
            self._cases[group] = found if known is None else list(map(add, known, found))

    def add(self, other: "Counting") -> None:
        """Join what was counted of other rows of the same period."""
        if other.period != self.period:
            raise ValueError(f"{other.period.name} cannot be added to {self.period.name}")
        for mine, theirs in ((self._parts, other._parts), (self._cases, other._cases)):
            for group, counts in theirs.items():
                known = mine.get(group)
                mine[group] = counts if known is None else list(map(add, known, counts))
        for group, tally in other._excluded.items():
            self._excluded[group] = self._excluded.get(group, Tally()).plus(tally)
        for place, count in other._left_out.items():
            self._left_out[place] = self._left_out.get(place, 0) + count
        self.pulled.add(other.pulled)

    # --- what was counted

    def raw(self, by: Callable[[Group], Key], reports: Callable[[str], bool]) -> dict[Key, Tally]:
        """All parts, added up `by` what is asked for; `reports`: whether a unit is whistled and reports for duty."""
        added: dict[tuple[Key, bool], list[int]] = {}
        for group, counts in self._parts.items():
            place = (by(group), reports(group.unit))
            known = added.get(place)
            added[place] = counts if known is None else list(map(add, known, counts))
        found: dict[Key, Tally] = {}
        for (key, duty), counts in added.items():
            tally = _tally(counts, duty=duty)
            found[key] = found[key].plus(tally) if key in found else tally
        return found

    def excluded(self, by: Callable[[Group], Key], reports: Callable[[str], bool]) -> dict[Key, Tally]:
        """What the approved exclusions leave out: the adjusted numbers are the raw ones without these."""
        found: dict[Key, Tally] = {}
        for group, tally in self._excluded.items():
            said = tally if reports(group.unit) else tally._replace(report_due=0, reported=0)
            key = by(group)
            found[key] = found.get(key, Tally()).plus(said)
        return found

    def left_out_of(self, unit: str) -> dict[Measure, int]:
        """How many parts of a unit were left out of each measure in which they would have counted."""
        return {measure: count for (one, measure), count in sorted(self._left_out.items()) if one == unit}

    def cases(self, by: Callable[[Group], Key]) -> dict[Key, CaseTally]:
        found: dict[Key, CaseTally] = {}
        for group, counts in self._cases.items():
            key = by(group)
            found[key] = found.get(key, CaseTally()).plus(CaseTally(*counts))
        return found

    # --- how a row is counted

    def _exclude(self, group: Group, part: Part, found: list[int]) -> None:
        counted = _tally(found, duty=True)
        measures = left_out(part.excluded)
        self._excluded[group] = self._excluded.get(group, Tally()).plus(counted.only(measures))
        for measure in measures:
            if any(counted.only((measure,))):
                place = (part.unit, measure)
                self._left_out[place] = self._left_out.get(place, 0) + 1

    def _count(self, part: Part, found: list[int], without: frozenset[Measure]) -> None:  # noqa: C901 - it is the list
        """Add what this part has in the period. One after the other and plainly: it is done a million times."""
        start, end, pull = self.period.start, self.period.end, self.pulled.pull
        unit, number = part.unit, part.number

        settled = part.sign_in
        if settled is not None and start <= settled.at < end:
            found[_SIGN_IN_DUE] = 1
            if not settled.late:
                found[_SIGNED_IN] = 1
            elif Measure.SIGN_IN not in without:
                pull(unit, Measure.SIGN_IN, 0, number)
        settled = part.contact
        if settled is not None and start <= settled.at < end:
            found[_CONTACT_DUE] = 1
            if not settled.late:
                found[_CONTACTED_IN_TIME] = 1
            elif Measure.FIRST_CONTACT not in without:
                pull(unit, Measure.FIRST_CONTACT, 0, number)
        settled = part.handle
        if settled is not None and start <= settled.at < end:
            found[_HANDLE_DUE] = 1
            if not settled.late:
                found[_HANDLED_IN_TIME] = 1
            elif Measure.HANDLE not in without:
                pull(unit, Measure.HANDLE, 0, number)

        at = part.on_ledger_at
        if at is not None and (at < end or part.former_spells):
            self._count_ledger(part, found, without)

        at = part.assigned_at
        if at is not None and start <= at < end:
            found[_ASSIGNED] = 1
        at = part.refused_at
        if at is not None and start <= at < end:
            found[_REFUSED] = 1
            if Measure.REFUSAL not in without:
                pull(unit, Measure.REFUSAL, 0, number)
        at = part.extended_at
        if at is not None and start <= at < end:
            found[_EXTENDED] = 1
            if Measure.EXTENSION not in without:
                pull(unit, Measure.EXTENSION, 0, number)
        at = part.supervised_at
        if at is not None and start <= at < end:
            found[_SUPERVISED] = 1
            if Measure.SUPERVISION not in without:
                pull(unit, Measure.SUPERVISION, 0, number)
        at = part.done_at
        if at is not None and start <= at < end:
            found[_DONE] = 1
        at = part.reworked_at
        if at is not None and start <= at < end:
            found[_REWORKED] = 1
            if Measure.REWORK not in without:
                pull(unit, Measure.REWORK, 0, number)

        at = part.rated_at
        if at is not None and start <= at < end:
            self._count_rating(part, found, without)
        answered = part.answered
        if answered is not None and start <= answered.at < end:
            self._count_answer(part, answered, found, without)
        at = part.silent_at
        if at is not None and start <= at < end:
            found[_SILENT] = 1

    def _count_ledger(self, part: Part, found: list[int], without: frozenset[Measure]) -> None:
        """Who left the ledger in the period without being written off was not to be written off by this unit."""
        start, end, on, off = self.period.start, self.period.end, part.on_ledger_at, part.off_ledger_at
        begun = on is not None and on < end
        if begun and (off is None or off >= end):
            found[_ON_LEDGER] = 1
        elif begun and off is not None and off >= start and part.written_off:
            found[_ON_LEDGER] = found[_WRITTEN_OFF] = 1
        elif any(spell.began < end <= spell.ended for spell in part.former_spells):
            found[_ON_LEDGER] = 1
        if found[_ON_LEDGER] and not found[_WRITTEN_OFF] and Measure.WRITE_OFF not in without:
            self.pulled.pull(part.unit, Measure.WRITE_OFF, 0, part.number)

    def _count_rating(self, part: Part, found: list[int], without: frozenset[Measure]) -> None:
        found[_TO_RATE] = 1
        scores = part.scores
        if scores is None:
            if Measure.RATED not in without:
                self.pulled.pull(part.unit, Measure.RATED, 0, part.number)
            return
        given = scores.contact + scores.speed + scores.result
        found[_RATED], found[_SCORES] = 1, given
        if given < BEST and Measure.RATING not in without:
            self.pulled.pull(part.unit, Measure.RATING, given, part.number)

    def _count_answer(self, part: Part, answer: Answered, found: list[int], without: frozenset[Measure]) -> None:
        unit, number, pull = part.unit, part.number, self.pulled.pull
        found[_VALID] = 1
        if answer.contacted:
            found[_CONTACTED] = 1
        elif Measure.RESPONSE not in without:
            pull(unit, Measure.RESPONSE, 0, number)
        if answer.solved:
            found[_SOLVED] = 1
        elif Measure.SOLVED not in without:
            pull(unit, Measure.SOLVED, 0, number)
        if answer.satisfaction is Satisfaction.SATISFIED:
            found[_SATISFIED] = 1
            return
        basically = answer.satisfaction is Satisfaction.BASICALLY_SATISFIED
        found[_BASICALLY] = int(basically)
        if Measure.SATISFIED not in without:
            pull(unit, Measure.SATISFIED, int(basically), number)


def count(parts: Iterable[Part], period: Period) -> Counting:
    counting = Counting(period)
    counting.add_parts(parts)
    return counting


def pulled_down(counting: Counting, unit: str) -> dict[Measure, Pulled]:
    """What pulls a unit down: by how many parts, and the first of their cases, the worst first."""
    return counting.pulled.of(unit)


def _tally(counts: list[int], *, duty: bool) -> Tally:
    assigned, valid, rated = counts[_ASSIGNED], counts[_VALID], counts[_RATED]
    return Tally(
        sign_in_due=counts[_SIGN_IN_DUE],
        signed_in=counts[_SIGNED_IN],
        report_due=counts[_SIGN_IN_DUE] if duty else 0,
        reported=counts[_SIGNED_IN] if duty else 0,
        contact_due=counts[_CONTACT_DUE],
        contacted_in_time=counts[_CONTACTED_IN_TIME],
        handle_due=counts[_HANDLE_DUE],
        handled_in_time=counts[_HANDLED_IN_TIME],
        on_ledger=counts[_ON_LEDGER],
        written_off=counts[_WRITTEN_OFF],
        may_refuse=assigned,
        refused=counts[_REFUSED],
        may_extend=assigned,
        extended=counts[_EXTENDED],
        may_be_supervised=assigned,
        supervised=counts[_SUPERVISED],
        done=counts[_DONE],
        reworked=counts[_REWORKED],
        to_rate=counts[_TO_RATE],
        rated=rated,
        scored=rated,
        scores=counts[_SCORES],
        response_valid=valid,
        contacted=counts[_CONTACTED],
        solved_valid=valid,
        solved=counts[_SOLVED],
        satisfied_valid=valid,
        satisfied=counts[_SATISFIED],
        basically_satisfied=counts[_BASICALLY],
        silent=counts[_SILENT],
    )


def _of_case(whole: Whole, period: Period) -> list[int]:
    """In the order of `CaseTally`. A case is open that has been received and has not ended by the period's end."""
    start, end = period.start, period.end
    if whole.received_at >= end:
        return _NO_CASE
    closed = reopened = 0  # in the period
    is_closed = 0  # how many more closings than reopenings there were by its end
    was_closed = False  # merged, it had its answer: from then on it is closed and reopened as any other
    for at in whole.closings:
        if at < end:
            was_closed = True
            is_closed += 1
            closed += at >= start
    for at in whole.reopenings:
        if at < end:
            is_closed -= 1
            reopened += at >= start
    declined, withdrawn, merged = whole.declined_at, whole.withdrawn_at, whole.merged_at
    over = (
        (declined is not None and declined < end)
        or (withdrawn is not None and withdrawn < end)
        or (merged is not None and merged < end and not was_closed)
    )
    sampled, checked = whole.sampled_at, whole.sample_checked_at
    looked_at = checked is not None and start <= checked < end
    return [
        int(whole.received_at >= start),
        int(declined is not None and start <= declined < end),
        int(withdrawn is not None and start <= withdrawn < end),
        int(merged is not None and start <= merged < end),
        closed,
        reopened,
        int(not over and is_closed <= 0),
        int(sampled is not None and start <= sampled < end),
        int(looked_at),
        int(looked_at and whole.sample_passed is False),
    ]
