"""Scorecards in memory: the twin of `PostgresScorecards`, with a clock that stands where it is put."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from services.feedback.domain.measuring import issuing
from services.feedback.domain.measuring.issuing import Appeal, Card, Frozen, Ruling, Status
from services.feedback.domain.measuring.part import Part
from services.feedback.domain.measuring.periods import Period
from services.feedback.domain.measuring.scoring import Scoring
from services.feedback.scorecards.scorecards import PartPlace, Which, allowed, appeal_unknown, unknown
from shared.contracts.facts import Actor
from shared.contracts.vocabulary import Measure
from shared.runtime.problems import Refused


class MemoryScorecards:
    def __init__(self, now: datetime, parts: Sequence[Part] = ()) -> None:
        self.at = now
        self._cards: dict[int, Card] = {}
        self._contents: dict[int, bytes] = {}
        self._appeals: dict[int, Appeal] = {}
        self._parts = sorted(parts, key=lambda part: (part.case_id, part.round))

    async def now(self) -> datetime:
        return self.at

    async def page(self, which: Which, before: int, most: int) -> list[Card]:
        found = [
            card
            for card in reversed(self._cards.values())
            if card.id < before
            and which.rhythm in (None, card.rhythm)
            and which.period in (None, card.period)
            and which.status in (None, card.status)
        ]
        return found[:most]

    async def card(self, card_id: int) -> Card | None:
        return self._cards.get(card_id)

    async def content(self, card_id: int) -> bytes | None:
        return self._contents.get(card_id)

    async def ask(self, period: Period, by: Actor) -> Card:
        latest = self._latest(period.rhythm, period.name)
        upheld = latest is not None and any(
            appeal.upheld for appeal in self._appeals.values() if appeal.scorecard == latest.id
        )
        edition = allowed(issuing.edition_to_ask(latest, upheld, period, self.at))
        if latest is not None and edition == latest.edition:
            if latest.status is Status.ASKED:
                return latest
            self._contents.pop(latest.id, None)
            again = {"status": Status.ASKED, "asked_by": by, "asked_at": self.at}
            gone = {"hash": None, "inputs": None, "computed_at": None, "failure": None, "done": 0, "total": 0}
            return self._keep(latest.model_copy(update=again | gone))
        return self._keep(
            Card(
                id=len(self._cards) + 1,
                rhythm=period.rhythm,
                period=period.name,
                starts_at=period.start,
                ends_at=period.end,
                edition=edition,
                status=Status.ASKED,
                asked_by=by,
                asked_at=self.at,
            )
        )

    async def publish(self, card_id: int, scoring: Scoring, by: Actor) -> Card:
        card = self._cards.get(card_id)
        if card is None:
            raise Refused(unknown(card_id))
        refusal = issuing.may_publish(card, scoring, self.at)
        if refusal is not None:
            raise Refused(refusal)
        published = {"status": Status.PUBLISHED, "published_by": by, "published_at": self.at}
        return self._keep(card.model_copy(update=published))

    async def appeal(
        self, card_id: int, unit: str, measure: Measure, figures: frozenset[Measure] | None, reason: str, by: Actor
    ) -> Appeal:
        card = self._cards.get(card_id)
        if card is None:
            raise Refused(unknown(card_id))
        latest = self._latest(card.rhythm, card.period)
        assert latest is not None
        before = [
            one for one in self._appeals.values() if (one.scorecard, one.unit, one.measure) == (card_id, unit, measure)
        ]
        refusal = issuing.may_appeal(card, latest, figures, before)
        if refusal is not None:
            raise Refused(refusal)
        number = len(self._appeals) + 1
        self._appeals[number] = Appeal(
            number=number,
            scorecard=card_id,
            unit=unit,
            measure=measure,
            reason=reason,
            asked_by=by,
            asked_at=self.at,
        )
        return self._appeals[number]

    async def appeals(
        self, unit: str | None, scorecard: int | None, open_only: bool, before: int, most: int
    ) -> list[Appeal]:
        found = [
            one
            for one in reversed(self._appeals.values())
            if one.number < before
            and unit in (None, one.unit)
            and scorecard in (None, one.scorecard)
            and not (open_only and one.ruled_at is not None)
        ]
        return found[:most]

    async def appeal_of(self, number: int) -> Appeal | None:
        return self._appeals.get(number)

    async def rule(self, number: int, ruling: Ruling, by: Actor) -> Appeal:
        appeal = self._appeals.get(number)
        if appeal is None:
            raise Refused(appeal_unknown(number))
        refusal = issuing.may_rule(appeal, ruling, by)
        if refusal is not None:
            raise Refused(refusal)
        ruled = {
            "upheld": ruling.upheld,
            "ruling": ruling.reason,
            "remedy": ruling.remedy,
            "exclusion": ruling.exclusion,
            "ruled_by": by,
            "ruled_at": self.at,
        }
        self._appeals[number] = appeal.model_copy(update=ruled)
        return self._appeals[number]

    async def parts(self, unit: str, starts_at: datetime, ends_at: datetime, after: PartPlace, most: int) -> list[Part]:
        return [
            part
            for part in self._parts
            if part.unit == unit and (part.case_id, part.round) > (after.case_id, after.round)
        ][:most]

    # --- what the computing process does

    def computed(self, card_id: int, content: bytes) -> Card:
        self._contents[card_id] = content
        made = {
            "status": Status.COMPUTED,
            "computed_at": self.at,
            "hash": sha256(content).hexdigest(),
            "inputs": Frozen(positions={}, scoring=1, units=1),
        }
        return self._keep(self._cards[card_id].model_copy(update=made))

    def _keep(self, card: Card) -> Card:
        self._cards[card.id] = card
        return card

    def _latest(self, rhythm: str, period: str) -> Card | None:
        editions = [card for card in self._cards.values() if (card.rhythm, card.period) == (rhythm, period)]
        return max(editions, key=lambda card: card.edition, default=None)
