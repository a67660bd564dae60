"""The hash chain, written down a second time: I5.

`digest = SHA-256(event)`, `hash = SHA-256(previous hash + digest)`, before the first row 32 zero bytes; the
head repeats the last row's sequence and hash. A row whose event was redacted keeps its digest and its link.
"""

from hashlib import sha256
from typing import Any

import orjson

from deploy.check.report import Finding, Violation
from deploy.check.source import Head, LogRow

BEFORE_THE_FIRST = bytes(32)


class Chain:
    """Follows one shard's chain, row by row in order; every break is named once."""

    def __init__(self, service: str, shard: int, finding: Finding) -> None:
        self._service = service
        self._shard = shard
        self._finding = finding
        self._sequence = 0
        # The row before as it stands, and as it should be: a row that was changed is named, not the one after it.
        self._stands = self._due = BEFORE_THE_FIRST
        self._known = True

    def take(self, row: LogRow) -> None:
        self._finding.checked += 1
        if row.sequence != self._sequence + 1:
            self._known = False
            self._say(self._sequence + 1, missing(self._sequence + 1, row.sequence - 1))
        wrong: list[str] = []
        if row.event is not None:
            if sha256(row.event).digest() != row.digest:
                wrong.append("the event is not the one its digest was taken of")
            wrong.extend(_other_columns(row, row.event))
        due = sha256(self._stands + row.digest).digest()
        if self._known and row.hash not in (due, sha256(self._due + row.digest).digest()):
            wrong.append("its hash does not follow from the row before: one of the two was changed")
        if wrong:
            self._say(row.sequence, "; ".join(wrong), row)
        self._sequence, self._stands, self._due, self._known = row.sequence, row.hash, due, True

    def end(self, head: Head) -> None:
        if self._sequence < head.sequence:
            self._say(self._sequence + 1, missing(self._sequence + 1, head.sequence))
        elif self._sequence > head.sequence:
            self._say(head.sequence + 1, f"the head says {head.sequence}, the rows go on to {self._sequence}")
        elif head.hash != self._stands:
            self._say(head.sequence, "the head's hash is not the last row's")

    def _say(self, sequence: int, why: str, row: LogRow | None = None) -> None:
        self._finding.violate(
            Violation(
                why,
                service=self._service,
                shard=self._shard,
                sequence=sequence,
                case_id=row.case_id if row else None,
            )
        )


def missing(first: int, last: int) -> str:
    if last < first:
        return f"row {first} comes out of order"
    return f"row {first} is missing" if first == last else f"rows {first} to {last} are missing"


def _other_columns(row: LogRow, event: bytes) -> list[str]:
    """The hash covers the event alone; what stands beside it must be what the event says of itself."""
    try:
        said: Any = orjson.loads(event)
        own = {
            "case_id": (said["subject"], str(row.case_id)),
            "sequence": (int(said["sequence"]), row.sequence),
            "caseseq": (said["caseseq"], row.caseseq),
        }
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        return [f"the event cannot be read: {error!r}"]
    return [f"its {name} is {stands}, the event says {says}" for name, (says, stands) in own.items() if says != stands]
