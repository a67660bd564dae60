"""Everybody who takes part, played: communities, the hub, streets and departments, residents, 12345.

Each acts when a topic says it is their turn: units on `assignments.<unit>`, the others on `cases`. They may be
told twice; each acts once, by the event's id, and their requests carry keys made from it. What takes several of
them in turn is a scene (`scenes.py`).
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from itertools import count, cycle
from typing import Any
from uuid import UUID, uuid5

from uuid_utils import uuid7

from deploy.demo.doors import Doors
from deploy.demo.people import CHECK_FAILED, DECLINED, REFUSAL_BASIS, REFUSAL_REASON, RESULTS, Habits
from deploy.demo.scenes import PLAYS, Merging, Play, Scene, fits, merged, unmerged
from deploy.demo.seen import Seen, Sight
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, decode, encode
from shared.contracts.topics import reporting_unit, reports_topic
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import Role, Satisfaction, Source, Stage, UnitKind, Urgency

Send = Callable[[str, UUID, bytes], Coroutine[Any, Any, None]]
"""`(topic, case id, value)`: hand a report to Kafka."""

TRIES = 3
"""How often a unit says that it is done, where the router says it is too early."""


class Cast:
    """All actors of one rehearsal. `spawn` runs an action in the background and keeps its error.

    `tree` is who there is; whoever leaves it puts the work down some time before.
    """

    def __init__(
        self, doors: Doors, tree: UnitTree, send: Send, spawn: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        self.doors = doors
        self.sight = Sight()
        self.tree = tree
        self.leaving: frozenset[str] = frozenset()
        self._put_down: set[tuple[UUID, str]] = set()
        self._send = send
        self._spawn = spawn
        self._habits = Habits()
        self._plays = cycle(PLAYS)
        self._acted: set[str] = set()
        self._refusals: dict[UUID, int] = {}
        self._held_back: set[tuple[UUID, str]] = set()
        self._by_scene: set[UUID] = set()
        self._places: dict[tuple[str, str], UUID] = {}
        self._undecided: defaultdict[UUID, list[asyncio.Event]] = defaultdict(list)
        self._turns = count()
        self._matters: dict[UUID, f.Matter] = {}
        self._handled: dict[UUID, tuple[tuple[str, ...], int]] = {}

    @property
    def hub(self) -> str:
        return self.tree.hub.code

    def on_assignment(self, envelope: Envelope) -> None:
        """A unit read its own topic."""
        case_id, fact = envelope.subject, envelope.fact
        if envelope.id in self._acted or not isinstance(fact, f.AssignmentFact):
            return
        self._acted.add(envelope.id)
        match fact:
            case f.AssignmentCreated():
                self._spawn(self._take_on(case_id, fact, envelope.caseseq))
            case f.AssignmentKept():
                self._spawn(self._work(case_id, fact.unit, envelope.caseseq))
            case _:
                pass

    def on_refused_report(self, topic: str, value: bytes) -> None:
        """A unit read that its report was refused: too late to refuse the case, or too early to be done."""
        envelope = decode(value)
        unit = reporting_unit(topic.removesuffix(".dlq"))
        if not unit or envelope.id in self._acted or not isinstance(envelope.fact, f.Report):
            return
        self._acted.add(envelope.id)
        self.sight.refused(envelope.subject, envelope.fact)
        if (envelope.subject, unit) in self._held_back:
            return
        match envelope.fact:
            case f.ReportRefused():
                self._spawn(self._work(envelope.subject, unit))
            case f.ReportDone() if self.sight.of(envelope.subject).refused[f.ReportDone] < TRIES:
                self._spawn(self._finish(envelope.subject, unit))
            case _:
                pass

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
            case f.CaseRefused() if case_id not in self._by_scene:
                designates = fact.stage is Stage.CONSULTATION
                self._spawn((self._designate if designates else self._rule)(case_id, fact, key))
            case f.CaseHandled():
                self._handled[case_id] = (fact.units, fact.round)
                self._spawn(self._check(case_id, fact, key))
            case f.CaseChecked(passed=True):
                self._spawn(self._rate(case_id, self._matters[case_id], *self._handled[case_id], key))
            case f.CaseAnswered():
                self._spawn(self._rate_answered(case_id, self._matters[case_id], fact, key))
            case f.CaseArchived() | f.CaseDeclined() | f.CaseWithdrawn():
                self._matters.pop(case_id, None)
                self._handled.pop(case_id, None)
            case _:
                pass
        if isinstance(fact, f.CaseFact):
            self.sight.take(case_id, fact, envelope.caseseq)

    # --- what scenes need

    def another(self, case_id: UUID) -> str:
        """A unit that could handle this case and has no part in it: neither leaving nor whom the case is about."""
        parts = self.sight.of(case_id).parts
        matter = self._matters.get(case_id)
        about = self.tree.named(matter.respondent) if matter and matter.respondent else None
        candidates = [
            unit.code
            for unit in self.tree
            if unit.kind in (UnitKind.DEPARTMENT, UnitKind.STREET, UnitKind.UTILITY)
            and unit.code not in parts
            and unit.code not in self.leaving
            and not (about and self.tree.is_within(unit.code, about.code))
        ]
        return candidates[(case_id.int + next(self._turns)) % len(candidates)]

    async def report(self, case_id: UUID, unit: str, report: f.Report) -> None:
        envelope = Envelope(
            id=str(uuid7()), source=f"/units/{unit}", subject=case_id, time=datetime.now(UTC), fact=report
        )
        await self._send(reports_topic(unit), case_id, encode(envelope))

    def has_put_down(self, unit: str) -> bool:
        """Whether a unit that leaves has work that only its successor will finish."""
        return any(who == unit and who in self.sight.of(case_id).parts for case_id, who in self._put_down)

    def hold_back(self, case_id: UUID, unit: str) -> None:
        self._held_back.add((case_id, unit))

    def let_go(self, case_id: UUID, unit: str) -> None:
        self._held_back.discard((case_id, unit))
        self._spawn(self._work(case_id, unit))

    # --- streets, departments, utilities, communities that handle

    async def _take_on(self, case_id: UUID, fact: f.AssignmentCreated, caseseq: int) -> None:
        seen = await self.sight.until(case_id, lambda seen: seen.caseseq >= caseseq)
        part = seen.parts.get(fact.unit)
        if part is None or (case_id, fact.unit) in self._held_back:
            return
        if not part.signed_in and not fact.final:
            play = self._play(case_id, fact) if fact.role is Role.LEAD and fact.round == 1 else None
            if play is not None:
                self._by_scene.add(case_id)
                await play(Scene(self, case_id, fact.matter, fact.unit))
                now = self.sight.of(case_id).parts.get(fact.unit)
                if now is None or now.assignment_id != fact.assignment_id:
                    return
            elif self._refuses(case_id, fact):
                refusal = f.ReportRefused(reason=REFUSAL_REASON, basis=REFUSAL_BASIS)
                await self.report(case_id, fact.unit, refusal)
                return
            elif self._is_late(case_id, fact):
                await self._let_time_pass(case_id, fact.unit)
        await self._work(case_id, fact.unit)

    def _play(self, case_id: UUID, fact: f.AssignmentCreated) -> Play | None:
        """The scene that is played on this case, if one is. The second case of one place and title is a duplicate."""
        matter = fact.matter
        if case_id in self._by_scene:
            return None
        other = self._places.get((matter.region, matter.title))
        self._places[matter.region, matter.title] = case_id
        if other is not None and other != case_id and self.sight.of(other).may_be_joined:
            play = unmerged if self._habits.duplicate_is_none.strikes() else merged
            return partial(self._merging, play, other)
        return next(self._plays) if fits(matter) and self._habits.case_has_a_scene.strikes() else None

    async def _merging(self, play: Merging, into: UUID, scene: Scene) -> None:
        """Nobody checks the other case before it is decided whether this one is about the same."""
        decided = asyncio.Event()
        self._undecided[into].append(decided)
        try:
            await play(scene, into)
        finally:
            decided.set()

    def _refuses(self, case_id: UUID, fact: f.AssignmentCreated) -> bool:
        unit = self.tree.get(fact.unit)
        if case_id in self._by_scene or unit is None or unit.kind is UnitKind.COMMUNITY:
            return False
        before = self._refusals.get(case_id, 0)
        habit = self._habits.unit_refuses if before == 0 else self._habits.second_unit_refuses_too
        if not habit.strikes():
            return False
        self._refusals[case_id] = before + 1
        return True

    def _is_late(self, case_id: UUID, fact: f.AssignmentCreated) -> bool:
        if fact.matter.urgency is not Urgency.CRITICAL or fact.round > 1 or fact.role is not Role.LEAD:
            return False
        return case_id not in self._refusals and self._habits.critical_unit_is_late.strikes()

    async def _let_time_pass(self, case_id: UUID, unit: str) -> None:
        """Until it is overdue, until the ladder begins, or until the unit is put under supervision, or relieved."""
        habits = self._habits
        if not habits.late_unit_waits_for_the_ladder.strikes():
            await self.sight.until(case_id, lambda seen: seen.facts[f.CaseOverdue] > 0)
        elif not habits.late_unit_waits_for_supervision.strikes():
            await self.sight.until(case_id, lambda seen: seen.facts[f.CaseEscalated] > 0)
        elif not habits.late_unit_waits_to_be_relieved.strikes():
            await self.sight.until(case_id, lambda seen: seen.facts[f.CaseSupervised] > 0)
        else:
            await self.sight.until(case_id, lambda seen: unit not in seen.parts or unit in seen.to_be_relieved)

    async def _work(self, case_id: UUID, unit: str, caseseq: int = 0) -> None:
        """Sign in, get in touch, finish; what was done before is not done again. Whoever leaves puts it down."""
        seen = await self.sight.until(case_id, lambda seen: seen.caseseq >= caseseq)
        part = seen.parts.get(unit)
        if part is None:
            return
        if unit in self.leaving:
            self._put_down.add((case_id, unit))
            return
        if not part.signed_in:
            await self.report(case_id, unit, f.ReportSignedIn(person=f"staff-of-{unit}"))
        if not part.done:
            await self.report(case_id, unit, f.ReportProgressed(note="已与诉求人取得联系，正在处理。", contacted=True))
            await self._finish(case_id, unit)

    async def _finish(self, case_id: UUID, unit: str) -> None:
        """Once it is this unit's turn to; not at all where it has lost its part."""

        def settled(seen: Seen) -> bool:
            part = seen.parts.get(unit)
            return part is None or part.done or seen.may_finish(unit)

        while True:
            seen = await self.sight.until(case_id, settled)
            part = seen.parts.get(unit)
            if part is None or part.done:
                return
            if seen.may_finish(unit):
                break
            # Between the refusal that was upheld and the unit that follows it looked so for a moment.
        photo = f.Evidence(name="处理后照片.jpg", media_type="image/jpeg", url=f"evidence/{case_id}.jpg")
        await self.report(case_id, unit, f.ReportDone(result=RESULTS[case_id.int % len(RESULTS)], evidence=(photo,)))

    # --- the community

    async def _verify(self, case_id: UUID, matter: f.Matter, key: str) -> None:
        staff = self.doors.staff(matter.whistle_blower)
        if self._habits.community_declines.strikes():
            body: dict[str, Any] = {"reason": "untrue", "explanation": DECLINED}
            await self.doors.post("intake", f"/orders/{case_id}/decline", staff, body, key=key)
        else:
            body = {"note": "社区已上门核实，情况属实。"}
            await self.doors.post("intake", f"/orders/{case_id}/verify", staff, body, key=key)

    async def _check(self, case_id: UUID, fact: f.CaseHandled, key: str) -> None:
        for decided in self._undecided.pop(case_id, ()):
            await decided.wait()
        fails = fact.round == 1 and self._habits.check_fails.strikes()
        body = {"passed": not fails, "note": CHECK_FAILED if fails else "现场核查，已处理到位。"}
        staff = self.doors.staff(fact.whistle_blower)
        await self.doors.post("feedback", f"/reviews/{case_id}/check", staff, body, key=key)

    async def _rate(self, case_id: UUID, matter: f.Matter, units: tuple[str, ...], round_: int, key: str) -> None:
        if not self._habits.whistle_blower_stays_silent.strikes():
            await self._rate_units(case_id, matter, units, key)
        if matter.resident_to_ask and not self._habits.resident_stays_silent.strikes():
            await self._answer(case_id, matter, round_, key)

    async def _rate_answered(self, case_id: UUID, matter: f.Matter, fact: f.CaseAnswered, key: str) -> None:
        """A merged case has its own whistle-blower and its own resident; both speak."""
        await self._rate_units(case_id, matter, fact.units, key)
        if matter.resident_to_ask:
            await self._answer(case_id, matter, fact.round, key)

    async def _rate_units(self, case_id: UUID, matter: f.Matter, units: tuple[str, ...], key: str) -> None:
        staff = self.doors.staff(matter.whistle_blower)
        for unit in units:
            body = {"unit": unit, "contact": 5, "speed": 3 + case_id.int % 3, "result": 4 + case_id.int % 2}
            path, own_key = f"/reviews/{case_id}/rate", str(uuid5(UUID(key), unit))
            await self.doors.post("feedback", path, staff, body, key=own_key, may_be_late=True)

    # --- the resident, by 12345's call-back where the order came from there

    async def _answer(self, case_id: UUID, matter: f.Matter, round_: int, key: str) -> None:
        unhappy = round_ == 1 and self._habits.resident_is_not_satisfied.strikes()
        satisfaction = Satisfaction.UNSATISFIED if unhappy else list(Satisfaction)[case_id.int % 2]
        body = {"contacted": True, "solved": not unhappy, "satisfaction": satisfaction.value}
        by_hotline = matter.source is Source.HOTLINE_12345
        who = self.doors.hotline() if by_hotline else self.doors.staff(matter.whistle_blower)
        await self.doors.post("feedback", f"/reviews/{case_id}/resident-answer", who, body, key=key, may_be_late=True)

    # --- the hub

    async def _decide(self, case_id: UUID, what: str, body: dict[str, Any], key: str, late: bool = False) -> None:
        path = f"/cases/{case_id}/{what}"
        await self.doors.post("router", path, self.doors.staff(self.hub), body, key=key, may_be_late=late)

    async def _dispatch(self, case_id: UUID, key: str) -> None:
        """Where the desk took it over while a consultation was to be ended, one decision serves both."""
        body = {"units": [self.another(case_id)], "reason": "经研判，由该单位牵头办理。"}
        await self._decide(case_id, "dispatch", body, key, late=True)

    async def _rule(self, case_id: UUID, fact: f.CaseRefused, key: str) -> None:
        """Where another unit refuses meanwhile, both are settled in consultation."""
        if self._habits.hub_dismisses.strikes():
            body: dict[str, Any] = {"upheld": False, "reason": "按职责清单仍属该单位职责，退单不成立。"}
        else:
            body = {"upheld": True, "reason": "退单理由成立，改派。", "units": [self.another(case_id)]}
        await self._decide(case_id, "rule-on-refusal", body, key, late=True)

    async def _designate(self, case_id: UUID, fact: f.CaseRefused, key: str) -> None:
        same = self._habits.hub_designates_the_same.strikes()
        unit = fact.unit if same else self.another(case_id)
        body = {"units": [unit], "reason": "经会商，指定该单位办理，不得再退。"}
        await self._decide(case_id, "dispatch", body, key, late=True)
