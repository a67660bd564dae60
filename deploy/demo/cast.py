"""Everybody who takes part, played: communities, the hub, streets and departments, residents, 12345.

Each acts when a topic says it is their turn: units on `assignments.<unit>`, the others on `cases`. They may be
told twice; each acts once, by the event's id, and their requests carry keys made from it.
"""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from uuid_utils import uuid7

from deploy.demo.doors import Doors
from deploy.demo.people import CHECK_FAILED, DECLINED, REFUSAL_BASIS, REFUSAL_REASON, RESULTS, Habits
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, decode, encode
from shared.contracts.topics import reporting_unit, reports_topic
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import Obligation, Satisfaction, Source, Stage, UnitKind, Urgency

Send = Callable[[str, UUID, bytes], Coroutine[Any, Any, None]]
"""`(topic, case id, value)`: hand a report to Kafka."""


class Cast:
    """All actors of one rehearsal. `spawn` runs an action in the background and keeps its error."""

    def __init__(
        self, doors: Doors, tree: UnitTree, send: Send, spawn: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        self._doors = doors
        self._tree = tree
        self._send = send
        self._spawn = spawn
        self._habits = Habits()
        self._acted: set[str] = set()
        self._refused: dict[UUID, int] = {}
        self._waits_for_overdue: dict[UUID, str] = {}
        self._waits_for_ladder: dict[UUID, str] = {}
        self._matters: dict[UUID, f.Matter] = {}
        self._handled: dict[UUID, tuple[tuple[str, ...], int]] = {}
        self._others = [
            unit.code for unit in tree if unit.kind in (UnitKind.DEPARTMENT, UnitKind.STREET, UnitKind.UTILITY)
        ]

    def on_assignment(self, envelope: Envelope) -> None:
        """A unit read its own topic."""
        fact = envelope.fact
        if envelope.id in self._acted or not isinstance(fact, f.AssignmentFact):
            return
        self._acted.add(envelope.id)
        match fact:
            case f.AssignmentCreated():
                self._spawn(self._take_on(envelope.subject, fact))
            case f.AssignmentKept():
                self._spawn(self._work(envelope.subject, fact.unit))
            case f.AssignmentOverdue(obligation=Obligation.SIGN_IN):
                if self._waits_for_overdue.pop(envelope.subject, None):
                    self._spawn(self._work(envelope.subject, fact.unit))
            case _:
                pass

    def on_refused_report(self, topic: str, value: bytes) -> None:
        """A unit read that its report was refused: too late to refuse the case, so it does it."""
        envelope = decode(value)
        unit = reporting_unit(topic.removesuffix(".dlq"))
        if unit and isinstance(envelope.fact, f.ReportRefused) and envelope.id not in self._acted:
            self._acted.add(envelope.id)
            self._spawn(self._work(envelope.subject, unit))

    def on_case(self, envelope: Envelope) -> None:
        """Communities, the hub and residents read what became of a case."""
        case_id, fact = envelope.subject, envelope.fact
        key = envelope.id
        match fact:
            case f.CaseOpened():
                self._matters[case_id] = fact.matter
                if fact.stage is Stage.VERIFYING:
                    self._spawn(self._verify(case_id, fact.matter, key))
            case f.CaseSentToDesk():
                self._spawn(self._dispatch(case_id, key))
            case f.CaseRefused(stage=Stage.REFUSAL_REVIEW):
                self._spawn(self._rule(case_id, fact, key))
            case f.CaseRefused():
                self._spawn(self._designate(case_id, fact, key))
            case f.CaseHandled():
                self._handled[case_id] = (fact.units, fact.round)
                self._spawn(self._check(case_id, fact, key))
            case f.CaseChecked(passed=True):
                self._spawn(self._rate(case_id, self._matters[case_id], *self._handled[case_id], key))
            case f.CaseEscalated():
                unit = self._waits_for_ladder.pop(case_id, None)
                if unit:
                    self._spawn(self._work(case_id, unit))
            case _:
                if isinstance(fact, f.CaseArchived | f.CaseDeclined):
                    self._matters.pop(case_id, None)
                    self._handled.pop(case_id, None)

    # --- streets, departments, utilities, communities that handle

    async def _take_on(self, case_id: UUID, fact: f.AssignmentCreated) -> None:
        unit = self._tree.get(fact.unit)
        may_refuse = not fact.final and unit is not None and unit.kind is not UnitKind.COMMUNITY
        refused = self._refused.get(case_id, 0)
        if may_refuse and (
            self._habits.unit_refuses.strikes() if refused == 0 else self._habits.second_unit_refuses_too.strikes()
        ):
            self._refused[case_id] = refused + 1
            await self._report(case_id, fact.unit, f.ReportRefused(reason=REFUSAL_REASON, basis=REFUSAL_BASIS))
            return
        critical = fact.matter.urgency is Urgency.CRITICAL and fact.round == 1
        if critical and not refused and self._habits.critical_unit_is_late.strikes():
            ladder = self._habits.late_unit_waits_for_the_ladder.strikes()
            (self._waits_for_ladder if ladder else self._waits_for_overdue)[case_id] = fact.unit
            return
        await self._work(case_id, fact.unit)

    async def _work(self, case_id: UUID, unit: str) -> None:
        result = RESULTS[case_id.int % len(RESULTS)]
        await self._report(case_id, unit, f.ReportSignedIn(person=f"staff-of-{unit}"))
        await self._report(case_id, unit, f.ReportProgressed(note="已与诉求人取得联系，正在处理。", contacted=True))
        photo = f.Evidence(name="处理后照片.jpg", media_type="image/jpeg", url=f"evidence/{case_id}.jpg")
        await self._report(case_id, unit, f.ReportDone(result=result, evidence=(photo,)))

    async def _report(self, case_id: UUID, unit: str, report: f.Report) -> None:
        envelope = Envelope(
            id=str(uuid7()), source=f"/units/{unit}", subject=case_id, time=datetime.now(UTC), fact=report
        )
        await self._send(reports_topic(unit), case_id, encode(envelope))

    # --- the community

    async def _verify(self, case_id: UUID, matter: f.Matter, key: str) -> None:
        staff = self._doors.staff(matter.whistle_blower)
        if self._habits.community_declines.strikes():
            body: dict[str, Any] = {"reason": "untrue", "explanation": DECLINED}
            await self._doors.post("intake", f"/orders/{case_id}/decline", staff, body, key=key)
        else:
            body = {"note": "社区已上门核实，情况属实。"}
            await self._doors.post("intake", f"/orders/{case_id}/verify", staff, body, key=key)

    async def _check(self, case_id: UUID, fact: f.CaseHandled, key: str) -> None:
        fails = fact.round == 1 and self._habits.check_fails.strikes()
        body = {"passed": not fails, "note": CHECK_FAILED if fails else "现场核查，已处理到位。"}
        staff = self._doors.staff(fact.whistle_blower)
        await self._doors.post("feedback", f"/reviews/{case_id}/check", staff, body, key=key)

    async def _rate(self, case_id: UUID, matter: f.Matter, units: tuple[str, ...], round_: int, key: str) -> None:
        if not self._habits.whistle_blower_stays_silent.strikes():
            staff = self._doors.staff(matter.whistle_blower)
            for unit in units:
                body: dict[str, Any] = {
                    "unit": unit,
                    "contact": 5,
                    "speed": 3 + case_id.int % 3,
                    "result": 4 + case_id.int % 2,
                }
                await self._doors.post(
                    "feedback",
                    f"/reviews/{case_id}/rate",
                    staff,
                    body,
                    key=str(uuid5(UUID(key), unit)),
                    may_be_late=True,
                )
        if matter.resident_to_ask and not self._habits.resident_stays_silent.strikes():
            await self._answer(case_id, matter, round_, key)

    # --- the resident, by 12345's call-back where the order came from there

    async def _answer(self, case_id: UUID, matter: f.Matter, round_: int, key: str) -> None:
        unhappy = round_ == 1 and self._habits.resident_is_not_satisfied.strikes()
        satisfaction = Satisfaction.UNSATISFIED if unhappy else list(Satisfaction)[case_id.int % 2]
        body = {"contacted": True, "solved": not unhappy, "satisfaction": satisfaction.value}
        by_hotline = matter.source is Source.HOTLINE_12345
        who = self._doors.hotline() if by_hotline else self._doors.staff(matter.whistle_blower)
        await self._doors.post("feedback", f"/reviews/{case_id}/resident-answer", who, body, key=key, may_be_late=True)

    # --- the hub

    def _hub(self) -> dict[str, str]:
        return self._doors.staff(self._tree.hub.code)

    def _another(self, case_id: UUID, not_this: str | None) -> str:
        candidates = [code for code in self._others if code != not_this]
        return candidates[case_id.int % len(candidates)]

    async def _dispatch(self, case_id: UUID, key: str) -> None:
        body = {"units": [self._another(case_id, None)], "reason": "经研判，由该单位牵头办理。"}
        await self._doors.post("router", f"/cases/{case_id}/dispatch", self._hub(), body, key=key)

    async def _rule(self, case_id: UUID, fact: f.CaseRefused, key: str) -> None:
        if self._habits.hub_dismisses.strikes():
            body: dict[str, Any] = {"upheld": False, "reason": "按职责清单仍属该单位职责，退单不成立。"}
        else:
            units = [self._another(case_id, fact.unit)]
            body = {"upheld": True, "reason": "退单理由成立，改派。", "units": units}
        await self._doors.post("router", f"/cases/{case_id}/rule-on-refusal", self._hub(), body, key=key)

    async def _designate(self, case_id: UUID, fact: f.CaseRefused, key: str) -> None:
        same = self._habits.hub_designates_the_same.strikes()
        unit = fact.unit if same else self._another(case_id, fact.unit)
        body = {"units": [unit], "reason": "经会商，指定该单位办理，不得再退。"}
        await self._doors.post("router", f"/cases/{case_id}/dispatch", self._hub(), body, key=key)
