"""抽查: which closed cases the hub checks itself. The share is policy; who is drawn is a lot anybody can draw again.

The lot is a hash of the case, its round, the policy's version and the moment of the verdict (to the microsecond, as
feedback's log has it). Whoever has the logs finds the same cases drawn; before the verdict nobody can know that moment,
so no unit can know which of its cases will be looked at, nor choose. Hashes are spread evenly, so the share is kept.
"""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from uuid import UUID

from services.feedback.domain.measuring.scoring import Scoring
from services.feedback.domain.review import Review
from shared.contracts.facts import Reason

_BITS = 64


def share_of(review: Review, scoring: Scoring) -> tuple[Decimal, Reason]:
    """The highest share that fits the case, and why; where two are equal, the more particular one is named."""
    policy, present, record = scoring.sampling, review.round, review.record
    fitting = [(policy.share, "share", "按基本比例抽取", "drawn at the base share")]
    if present is not None and present.conclusion is not None and present.conclusion.resident_silent:
        fitting.append((policy.silent, "silent", "居民未评价", "the resident did not answer"))
    category = record.category[0] if record is not None and record.category else None
    if category in policy.categories:
        share = policy.categories[category]
        fitting.append((share, "category", f"类别“{category}”", f"its category, “{category}”"))
    if present is not None and present.number > 1:
        fitting.append((policy.reworked, "reworked", "曾返工或重办", "it was reworked"))
    share, rule, zh, en = max(reversed(fitting), key=lambda one: one[0])
    shown = f"{share * 100:f}%"
    return share, Reason(
        zh=f"抽查：{zh}，比例 {shown}。",
        en=f"Sampled: {en}; share {shown}.",
        rule=f"sampling.{rule}",
        version=scoring.version,
    )


def drawn(case_id: UUID, number: int, concluded_at: datetime | None, share: Decimal, version: str) -> bool:
    """Whether the lot falls on this round of the case. `concluded_at` None: it closed without a verdict from here."""
    moment = concluded_at.astimezone(UTC).isoformat(timespec="microseconds") if concluded_at is not None else ""
    digest = sha256(f"{case_id}\n{number}\n{version}\n{moment}".encode()).digest()
    return Fraction(int.from_bytes(digest[: _BITS // 8]), 1 << _BITS) < Fraction(share)


def draw(case_id: UUID, review: Review, scoring: Scoring) -> Reason | None:
    """Why the case that has just closed is to be checked by the hub; None: it is not drawn, or was for this round."""
    present = review.round
    if present is None or (review.sample is not None and review.sample.round == present.number):
        return None
    share, reason = share_of(review, scoring)
    return reason if drawn(case_id, present.number, review.concluded_at, share, scoring.version) else None
