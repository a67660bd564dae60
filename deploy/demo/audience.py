"""Those who judge, played: residents by their links, 12345 by calling back, the hub by samples and rulings.

Some try what must not work: a link used twice, altered, guessed. They get a clear no, and nothing changes.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_urlsafe
from typing import Any
from uuid import UUID, uuid5

from deploy.demo.diary import Attempt
from deploy.demo.doors import Doors, Unanswered
from deploy.demo.people import Habit
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope
from shared.contracts.vocabulary import Measure, Obligation, Satisfaction

ASKED_WITHIN_SECONDS = 60.0
FALSE_LINKS = 5
"""So many links are altered, and guessed, in a rehearsal: who tries more has to wait."""
SAID_BEFORE, UNKNOWN = 409, 404
SAMPLE_WANTING = "抽查发现问题反复，责令重办。"
EXCLUSION_REASON = "居民两次约定时间均未在场，有通话记录。"
EXCLUSION_BASIS = "《和安区考核办法（2026年版）》第九条"
_SATISFIED_ZH = {
    Satisfaction.SATISFIED: "满意",
    Satisfaction.BASICALLY_SATISFIED: "基本满意",
    Satisfaction.UNSATISFIED: "不满意",
}


@dataclass(slots=True)
class Audience:
    """`tries` notes what is tried for a case; `counted` is told of a branch that was played at a door."""

    doors: Doors
    hub: Callable[[], str]
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    tries: Callable[[UUID, str, str], Attempt]
    counted: Callable[[str], None]
    sample_is_wanting: Habit = field(default_factory=lambda: Habit(5, 2))
    exclusion_is_asked: Habit = field(default_factory=lambda: Habit(3, 0))
    exclusion_is_turned_down: Habit = field(default_factory=lambda: Habit(4, 1))
    entry_is_withheld: Habit = field(default_factory=lambda: Habit(40, 7))
    link_is_used_again: Habit = field(default_factory=lambda: Habit(5, 1))
    _asked: dict[tuple[UUID, int], "asyncio.Future[datetime]"] = field(default_factory=dict)
    _false_links: int = 0

    def on_feedback(self, envelope: Envelope) -> None:
        """What feedback's log says: who is asked, which case is drawn, what is to be ruled on."""
        case_id, fact = envelope.subject, envelope.fact
        match fact:
            case f.FeedbackResidentAsked():
                asked = self._invitation(case_id, fact.round)
                if not asked.done():
                    asked.set_result(fact.until)
            case f.FeedbackSampled():
                self.spawn(self._check_sample(case_id, envelope.id))
            case f.FeedbackExclusionAsked():
                self.spawn(self._rule(case_id, fact, envelope.id))
            case f.FeedbackPublished():
                if self.entry_is_withheld.strikes():
                    self.spawn(self._withhold(case_id, envelope.id))
            case _:
                pass

    def on_closed(self, case_id: UUID, closed: f.CaseClosed, key: str) -> None:
        """A unit that was late once asks that it be left out, with what it has to say for itself."""
        late = [
            account.unit
            for account in closed.accounts
            if Obligation.HANDLE in account.missed and account.rounds == 1 and account.role is not None
        ]
        if late and self.exclusion_is_asked.strikes():
            self.spawn(self._ask_exclusion(case_id, late[0], key))

    # --- residents, by the link they were sent

    async def by_link(self, case_id: UUID, round_: int, answer: dict[str, Any]) -> bool:
        """The resident opens the link and answers. False where the round was over before."""
        async with asyncio.timeout(ASKED_WITHIN_SECONDS):
            until = await self._invitation(case_id, round_)
        path = "/answer/" + self.doors.links.link_for(case_id, round_, until).rpartition("/")[2]
        attempt = self.tries(case_id, "resident", "answer by link")
        if self._false_links < FALSE_LINKS:
            self._false_links += 1
            await self._tries_false_links(path, answer)
        told = await self.doors.knock("POST", "feedback", path, json=answer, attempt=attempt)
        if told.is_success:
            self.counted("answered_by_link")
            if self.link_is_used_again.strikes():
                again = await self.doors.knock("POST", "feedback", path, json=answer | {"solved": False})
                self._refused(again.status_code, SAID_BEFORE, "link_used_twice", again.text)
            return True
        if told.status_code != SAID_BEFORE:
            raise Unanswered(f"answer by link: {told.status_code} {told.text[:300]}")
        return False

    async def _tries_false_links(self, path: str, answer: dict[str, Any]) -> None:
        place = len(path) // 2
        altered = path[:place] + ("A" if path[place] != "A" else "B") + path[place + 1 :]
        for false, branch in ((altered, "link_altered"), (f"/answer/{token_urlsafe(70)}", "link_guessed")):
            told = await self.doors.knock("POST", "feedback", false, json=answer)
            self._refused(told.status_code, UNKNOWN, branch, told.text)

    def _refused(self, status: int, expected: int, branch: str, said: str) -> None:
        if status != expected:
            raise Unanswered(f"{branch}: expected {expected}, told {status} {said[:300]}")
        self.counted(branch)

    def _invitation(self, case_id: UUID, round_: int) -> "asyncio.Future[datetime]":
        if (case_id, round_) not in self._asked:
            self._asked[case_id, round_] = asyncio.get_running_loop().create_future()
        return self._asked[case_id, round_]

    # --- 12345, which calls its own callers

    async def by_call_back(self, case_id: UUID, source_ref: str, answer: dict[str, Any]) -> bool:
        """One row of its feed, in its own words. False where the round was over before."""
        row = {
            "工单编号": source_ref,
            "是否联系": "是" if answer["contacted"] else "否",
            "是否解决": "是" if answer["solved"] else "否",
            "是否满意": _SATISFIED_ZH[Satisfaction(answer["satisfaction"])],
        }
        attempt = self.tries(case_id, "12345", "call-back")
        report = await self.doors.post("feedback", "/hotline/callbacks", self.doors.hotline(), [row], attempt=attempt)
        (told,) = report["rows"]
        attempt.answered(f"{told}")
        if report["accepted"]:
            self.counted("called_back_by_12345")
        return bool(report["accepted"] or report["repeated"])

    # --- the hub

    async def _check_sample(self, case_id: UUID, key: str) -> None:
        wanting = self.sample_is_wanting.strikes()
        body = {"passed": not wanting, "note": SAMPLE_WANTING if wanting else "抽查属实，处理到位。"}
        told = await self._by_hub(case_id, "sample-check", body, key)
        if wanting and not told:
            self.sample_is_wanting.missed()

    async def _rule(self, case_id: UUID, asked: f.FeedbackExclusionAsked, key: str) -> None:
        approved = not self.exclusion_is_turned_down.strikes()
        reason = "证据充分，同意剔除。" if approved else "证据不足，不予剔除。"
        body = {"approved": approved, "reason": reason}
        await self._by_hub(case_id, f"exclusions/{asked.exclusion}/ruling", body, key)

    async def _withhold(self, case_id: UUID, key: str) -> None:
        await self._by_hub(case_id, "withhold", {"reason": "涉及正在协商的事项，暂不公示。"}, key)

    async def _by_hub(self, case_id: UUID, what: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        hub = self.hub()
        return await self.doors.post(
            "feedback",
            f"/reviews/{case_id}/{what}",
            self.doors.staff(hub),
            body,
            key=str(uuid5(UUID(key), what)),
            may_be_late=True,
            attempt=self.tries(case_id, hub, what),
        )

    # --- units

    async def _ask_exclusion(self, case_id: UUID, unit: str, key: str) -> None:
        body = {
            "unit": unit,
            "round": 1,
            "measures": [Measure.HANDLE.value],
            "reason": EXCLUSION_REASON,
            "basis": EXCLUSION_BASIS,
        }
        await self.doors.post(
            "feedback",
            f"/reviews/{case_id}/exclusions",
            self.doors.staff(unit),
            body,
            key=str(uuid5(UUID(key), f"exclusion {unit}")),
            may_be_late=True,
            attempt=self.tries(case_id, unit, "exclusion"),
        )
