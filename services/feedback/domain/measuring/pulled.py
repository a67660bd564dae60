"""What pulls a unit down: how many parts, and the first of their cases. Bounded, and the same in any order. Pure."""

from dataclasses import dataclass

from shared.contracts.vocabulary import Measure

EXAMPLES = 10
_HELD = 8 * EXAMPLES


@dataclass(frozen=True, slots=True)
class Pulled:
    """So many parts, and at most `EXAMPLES` of their cases: the worst first, then by number."""

    count: int
    numbers: tuple[str, ...]


class _Worst:
    """Cases by how bad they are, 0 the worst; only those that can still be among the first are held."""

    __slots__ = ("bound", "count", "held")

    def __init__(self) -> None:
        self.count = 0
        self.held: dict[str, int] = {}
        self.bound: tuple[int, str] | None = None

    def hold(self, severity: int, number: str) -> None:
        if self.bound is not None and (severity, number) > self.bound:
            return
        known = self.held.get(number)
        if known is None or severity < known:
            self.held[number] = severity
            if len(self.held) > _HELD:
                self.trim()

    def trim(self) -> None:
        first = sorted((severity, number) for number, severity in self.held.items())[:EXAMPLES]
        self.held = {number: severity for severity, number in first}
        if len(first) == EXAMPLES:
            self.bound = first[-1]


class PulledDown:
    """For each unit and measure. Two halves can be joined."""

    def __init__(self) -> None:
        self._worst: dict[tuple[str, Measure], _Worst] = {}

    def pull(self, unit: str, measure: Measure, severity: int, number: str) -> None:
        """One part of a unit pulls a measure down by this case."""
        place = (unit, measure)
        known = self._worst.get(place)
        if known is None:
            known = self._worst[place] = _Worst()
        known.count += 1
        known.hold(severity, number)

    def add(self, other: "PulledDown") -> None:
        for place, theirs in other._worst.items():
            mine = self._worst.setdefault(place, _Worst())
            mine.count += theirs.count
            for number, severity in theirs.held.items():
                mine.hold(severity, number)

    def of(self, unit: str) -> dict[Measure, Pulled]:
        found: dict[Measure, Pulled] = {}
        for measure in Measure:
            worst = self._worst.get((unit, measure))
            if worst is not None:
                worst.trim()
                found[measure] = Pulled(worst.count, tuple(worst.held))
        return found
