"""What was tried for each open case, by whom and with what answer: why a case stands still, when one does."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

KEPT = 6
"""So many attempts of a case are kept."""


@dataclass(slots=True)
class Attempt:
    """Something that somebody did for a case. The answer changes while it is tried again."""

    who: str
    what: str
    answer: str = "no answer yet"
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def answered(self, answer: str) -> None:
        self.answer, self.at = answer, datetime.now(UTC)

    def as_json(self) -> dict[str, str]:
        return {"at": self.at.isoformat(timespec="milliseconds"), "who": self.who, "did": self.what, "got": self.answer}


class Diary:
    """The latest attempts of every case that is not over."""

    def __init__(self) -> None:
        self._attempts: defaultdict[UUID, deque[Attempt]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._plays: dict[UUID, list[str]] = {}

    def tries(self, case_id: UUID, who: str, what: str) -> Attempt:
        attempt = Attempt(who, what)
        self._attempts[case_id].append(attempt)
        return attempt

    def plays(self, case_id: UUID, what: str) -> None:
        """Which part of the rehearsal's repertoire this case is given."""
        self._plays.setdefault(case_id, []).append(what)

    def forget(self, case_id: UUID) -> None:
        self._attempts.pop(case_id, None)
        self._plays.pop(case_id, None)

    def of(self, case_id: UUID) -> dict[str, Any]:
        return {
            "played": self._plays.get(case_id, []),
            "tried": [attempt.as_json() for attempt in self._attempts.get(case_id, ())],
        }
