"""Rounds of faults on services with one mutation put in, until something says that they are broken."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.check.report import WORDS
from deploy.faults.ground import Ground
from deploy.faults.kind import Injection
from deploy.faults.report import Round, Violation
from deploy.faults.runner import Wanted, play
from tests.faults.mutations import MUTATIONS, mutated

PROOF = {*WORDS, "I8"}
"""Invariants. That something did not recover in its time, or did not drain, may be the machine's fault as well."""

Telling = Callable[[str, Round, Injection], None]


@dataclass(slots=True)
class Hunt:
    """What became of one mutation. `rounds` were played, with `injections` in all; the last caught it, or none did."""

    mutation: str
    rounds: int = 0
    injections: int = 0
    after: list[str] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)
    first: Violation | None = None
    seconds: float = 0.0

    @property
    def caught(self) -> bool:
        return self.first is not None

    def as_json(self) -> dict[str, Any]:
        of = MUTATIONS[self.mutation]
        return {
            "mutation": self.mutation,
            "zh": of.zh,
            "en": of.en,
            "caught": self.caught,
            "by": dict(self.broken),
            "rounds": self.rounds,
            "injections": self.injections,
            "after": self.after,
            "first": self.first.as_json() if self.first is not None else None,
            "seconds": round(self.seconds, 1),
        }


def hunt(
    name: str, folder: Path, rounds: int, seed: int, telling: Telling = lambda _name, _round, _injection: None
) -> Hunt:
    """At most so many rounds, each on a fresh stack and of another plan of the same seed."""
    mutation, found = MUTATIONS[name], Hunt(name)
    while not found.caught and found.rounds < rounds:
        found.rounds += 1
        wanted = Wanted(
            mutation.kinds,
            mutation.injections,
            seed,
            found.rounds,
            drained_within=mutation.drained_within,
            telling=lambda round_, injection: telling(name, round_, injection),
        )
        played = play(Ground(folder, **mutated(name)), wanted)
        found.injections += len(played.injected)
        found.after += [f"{one.kind}: {one.variant}" for one in played.injected]
        found.seconds += sum(played.seconds.values())
        proof = [one for one in played.violations if one.invariant in PROOF and not _is_late(one)]
        found.broken.update(one.invariant for one in proof)
        found.first = max(proof, key=lambda one: (bool(one.history), one.case_id is not None), default=None)
    return found


def _is_late(violation: Violation) -> bool:
    return violation.why.startswith("it did not come to its end")
