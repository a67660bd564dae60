"""What the checker found: for each invariant whether it holds, how much was looked at, and what broke it."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

SHOWN = 20
"""How many violations of an invariant are kept; all of them are counted."""

WORDS = {
    "I1": ("每个已受理的诉求恰好一案", "every acknowledged intake exists exactly once"),
    "I2": (
        "流转合法，终态唯一",
        "every fact follows legally and each case stands in one stage, the final one once drained",
    ),
    "I3": ("每个时限只触发一次、不提前", "each obligation fires or is cancelled once, and never early"),
    "I4": ("每次派单恰好一份任务", "one assignment per decision; repeats on the wire are the same message"),
    "I5": ("审计链完整相连", "the hash chains link from the first row to their heads"),
    "I6": ("每案序号连续", "caseseq counts each case's events from 1, in the log and on the topic"),
    "I7": ("日志连续、已发布、已消费", "every log is contiguous, on its topic byte for byte, and consumed to its head"),
}
"""Each invariant in the field's words and in English."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where an invariant does not hold, and why."""

    why: str
    service: str | None = None
    topic: str | None = None
    shard: int | None = None
    sequence: int | None = None
    offset: int | None = None
    case_id: UUID | None = None
    number: str | None = None
    line: int | None = None

    def as_json(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in self.__slots__}
        return {
            name: str(value) if isinstance(value, UUID) else value for name, value in found.items() if value is not None
        }

    def __str__(self) -> str:
        where = [
            f"{name} {value}" for name, value in self.as_json().items() if name not in ("why", "number", "case_id")
        ]
        if self.number or self.case_id:
            where.append(f"case {' '.join(str(one) for one in (self.number, self.case_id) if one)}")
        return f"{', '.join(where)}: {self.why}" if where else self.why


@dataclass(slots=True)
class Finding:
    """One invariant: `checked` things were looked at, `broken` of them break it, the first ones are kept."""

    checked: int = 0
    broken: int = 0
    violations: list[Violation] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.broken == 0

    def violate(self, violation: Violation) -> None:
        self.broken += 1
        if len(self.violations) < SHOWN:
            self.violations.append(violation)


@dataclass(slots=True)
class Report:
    """Everything the checker found. `dead_letters` is no invariant: what waits there needs a person."""

    I1: Finding = field(default_factory=Finding)
    I2: Finding = field(default_factory=Finding)
    I3: Finding = field(default_factory=Finding)
    I4: Finding = field(default_factory=Finding)
    I5: Finding = field(default_factory=Finding)
    I6: Finding = field(default_factory=Finding)
    I7: Finding = field(default_factory=Finding)
    dead_letters: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def findings(self) -> dict[str, Finding]:
        return {name: getattr(self, name) for name in WORDS}

    @property
    def ok(self) -> bool:
        return all(finding.ok for finding in self.findings.values())

    def as_json(self) -> dict[str, Any]:
        """Keys I1 … I7, each with `ok`, `checked`, `broken`, `violations`, `what` and what was measured."""
        invariants = {
            name: {
                "ok": finding.ok,
                "checked": finding.checked,
                "broken": finding.broken,
                "violations": [violation.as_json() for violation in finding.violations],
                "what": WORDS[name][1],
                "measured": finding.measured,
            }
            for name, finding in self.findings.items()
        }
        return {**invariants, "ok": self.ok, "dead_letters": self.dead_letters, "seconds": round(self.seconds, 3)}
