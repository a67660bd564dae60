"""Everybody who takes part, played: communities, the hub, streets and departments, residents, 12345.

Each acts when a topic says it is their turn: units on `assignments.<unit>`, the others on `cases`. They may be
told twice; each acts once, by the event's id, and their requests carry keys made from it. Whoever has work then goes
by what the case shows now (`seen.py`), and acts again where that came to nothing. What takes several of them in turn
is a scene (`scenes.py`).
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID, uuid5

from uuid_utils import uuid7

from deploy.demo.audience import Audience
from deploy.demo.diary import Attempt, Diary
from deploy.demo.doors import Doors
from deploy.demo.people import CHECK_FAILED, DECLINED, REFUSAL_BASIS, REFUSAL_REASON, RESULTS, Habits
from deploy.demo.scenes import PLAYS, Merging, Play, Scene, fits, merged, unmerged
from deploy.demo.seen import AtHub, Owed, Seen, Sight
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, decode, encode
from shared.contracts.topics import reporting_unit, reports_topic
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import Role, Satisfaction, Source, Stage, UnitKind, Urgency

Send = Callable[[str, UUID, bytes], Coroutine[Any, Any, None]]
"""`(topic, case id, value)`: hand a report to Kafka."""

AGAIN_SECONDS = 15.0
"""A report of which nothing has come after so long is sent again, as it is."""
SENT_AT_MOST = 4
PAUSE_SECONDS = 1.0
"""Where the router said no, and nothing else happens to the case, it is asked again after so long."""


class Cast:
    """All actors of one rehearsal. `spawn` runs an action in the background and keeps its error.

    `tree` is who there is; whoever leaves it puts the work down some time before.
    """

    def __init__(
        self,
        doors: Doors,
        tree: UnitTree,
        send: Send,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        plays: Sequence[Play] = PLAYS,
        habits: Habits | None = None,
        counted: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.doors = doors
        self.audience = Audience(doors, lambda: self.hub, spawn, self._tries, counted)
        self.sight = Sight()
        self.diary = Diary()
        self.tree = tree
        self.leaving: frozenset[str] = frozenset()
        self._put_down: set[tuple[UUID, str]] = set()
        self._send = send
        self._spawn = spawn
        self._habits = habits or Habits()
        self._plays = deque(plays)
        self._acted: set[str] = set()
        self._refusals: dict[UUID, int] = {}
        self._held_back: set[tuple[UUID, str]] = set()
        self._at_work: set[tuple[UUID, str]] = set()
        self._deciding: set[UUID] = set()
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
        if isinstance(fact, f.AssignmentCreated):
            self._spawn(self._take_on(case_id, fact, envelope.caseseq))

    def on_refused_report(self, topic: str, value: bytes, reason: str) -> None:
        """A unit read that its report was refused."""
        envelope = decode(value)
        if reporting_unit(topic.removesuffix(".dlq")) and isinstance(envelope.fact, f.Report):
            self.sight.refused(envelope.subject, envelope.id, reason)

    def on_case(self, envelope: Envelope) -> None:
        """Communities, the hub and residents read what became of a case."""
        case_id, fact = envelope.subject, envelope.fact
        key = envelope.id
        match fact:
            case f.CaseOpened():
                self._matters[case_id] = fact.matter
                if fact.stage is Stage.VERIFYING:
                    self._spawn(self._verify(case_id, fact.matter, key))
            case f.CaseSentToDesk() | f.CaseRefused():
                self._spawn(self._decide(case_id))
            case f.CaseHandled():
                self._handled[case_id] = (fact.units, fact.round)
                self._spawn(self._check(case_id, fact, key))
            case f.CaseChecked(passed=True):
                self._spawn(self._rate(case_id, self._matters[case_id], *self._handled[case_id], key))
            case f.CaseClosed():
                self.audience.on_closed(case_id, fact, key)
            case f.CaseAnswered():
                self._spawn(self._rate_answered(case_id, self._matters[case_id], fact, key))
            case f.CaseArchived() | f.CaseDeclined() | f.CaseWithdrawn():
                self._matters.pop(case_id, None)
                self._handled.pop(case_id, None)
            case _:
                pass
        if isinstance(fact, f.CaseFact):
            self.sight.take(case_id, fact, envelope.caseseq, envelope.time)
            if self.sight.of(case_id).over:
                self.diary.forget(case_id)

    def explain(self, case_id: UUID) -> dict[str, Any]:
        """How an open case stands, what happened to it last, and what was tried for it."""
        seen = self.sight.of(case_id)
        return {
            "case_id": str(case_id),
            "number": seen.number,
            "stage": seen.stage,
            **self.diary.of(case_id),
            "units": {unit: self._standing(case_id, unit, seen) for unit in seen.parts},
            "milestones_left": list(seen.milestones),
            "last_facts": list(seen.recent),
            "refused_reports": list(seen.refused.values()),
        }

    def _standing(self, case_id: UUID, unit: str, seen: Seen) -> str:
        part, owed = seen.parts[unit], seen.owes(unit)
        marks = {
            "signed in": part.signed_in,
            "contacted": part.contacted,
            "refusal argued": part.argued,
            "done": part.done,
            "at work": (case_id, unit) in self._at_work,
            "held back": (case_id, unit) in self._held_back,
            "leaving": unit in self.leaving,
            f"to report {owed.report.NAME}" if owed else "": owed is not None,
        }
        return ", ".join((part.role.value, *(mark for mark, holds in marks.items() if holds)))

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

    async def say(self, case_id: UUID, unit: str, report: f.Report, heard: Callable[[Seen], bool]) -> bool:
        """A unit reports on its own topic, until the case shows that it was heard. False where the router refused
        it, or nothing came of it."""
        envelope = Envelope(
            id=str(uuid7()), source=f"/units/{unit}", subject=case_id, time=datetime.now(UTC), fact=report
        )
        value = encode(envelope)
        attempt = self._tries(case_id, unit, report.NAME)
        for _ in range(SENT_AT_MOST):
            await self._send(reports_topic(unit), case_id, value)
            attempt.answered("sent")
            if await self.sight.within(case_id, AGAIN_SECONDS, lambda seen: heard(seen) or envelope.id in seen.refused):
                refused = self.sight.of(case_id).refused.get(envelope.id)
                attempt.answered("heard" if refused is None else f"refused: {refused}")
                return refused is None
        attempt.answered(f"sent {SENT_AT_MOST} times, and neither heard nor refused")
        return False

    async def ask(self, case_id: UUID, unit: str, what: str, body: dict[str, Any]) -> bool:
        """Somebody's command at the router's door. False where something else was faster."""
        told = await self.doors.post(
            "router",
            f"/cases/{case_id}/{what}",
            self.doors.staff(unit),
            body,
            may_be_late=True,
            attempt=self._tries(case_id, unit, f"{what} {body}"),
        )
        return bool(told)

    def _tries(self, case_id: UUID, who: str, what: str) -> Attempt:
        return Attempt(who, what) if self.sight.of(case_id).over else self.diary.tries(case_id, who, what)

    def has_put_down(self, unit: str) -> bool:
        """Whether a unit that leaves has work that only its successor will finish."""
        return any(who == unit and who in self.sight.of(case_id).parts for case_id, who in self._put_down)

    def hold_back(self, case_id: UUID, unit: str) -> None:
        self._held_back.add((case_id, unit))

    def let_go(self, case_id: UUID, unit: str) -> None:
        self._held_back.discard((case_id, unit))
        self._spawn(self._decide(case_id))
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
                self.diary.plays(case_id, f"scene {getattr(play, '__name__', 'merging')} led by {fact.unit}")
                if not await play(Scene(self, case_id, fact.matter, fact.unit)) and play in self._plays:
                    self._plays.remove(play)
                    self._plays.appendleft(play)
                now = self.sight.of(case_id).parts.get(fact.unit)
                if now is None or now.assignment_id != fact.assignment_id:
                    return
            elif self._refuses(case_id, fact):
                self.diary.plays(case_id, f"{fact.unit} refuses")
                await self.refuse(case_id, fact.unit)
            elif self._is_late(case_id, fact):
                self.diary.plays(case_id, f"{fact.unit} is late")
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
        if not fits(matter) or not self._habits.case_has_a_scene.strikes():
            return None
        self._plays.rotate(-1)
        return self._plays[-1]

    async def _merging(self, play: Merging, into: UUID, scene: Scene) -> bool:
        """Nobody checks the other case before it is decided whether this one is about the same."""
        decided = asyncio.Event()
        self._undecided[into].append(decided)
        try:
            return await play(scene, into)
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
        """Until it is overdue, until the ladder begins, or until the unit is put under supervision, or relieved: who
        has the case with others would not be."""
        habits = self._habits
        alone = len(self.sight.of(case_id).parts) == 1
        if not habits.late_unit_waits_for_the_ladder.strikes():
            await self.sight.until(case_id, lambda seen: seen.facts[f.CaseOverdue] > 0)
        elif not habits.late_unit_waits_for_supervision.strikes():
            await self.sight.until(case_id, lambda seen: seen.facts[f.CaseEscalated] > 0)
        elif not alone or not habits.late_unit_waits_to_be_relieved.strikes():
            await self.sight.until(case_id, lambda seen: seen.facts[f.CaseSupervised] > 0)
        else:
            await self.sight.until(case_id, lambda seen: unit not in seen.parts or unit in seen.to_be_relieved)

    async def refuse(self, case_id: UUID, unit: str) -> bool:
        """退单; False where it is too late to."""
        return await self.say(
            case_id,
            unit,
            f.ReportRefused(reason=REFUSAL_REASON, basis=REFUSAL_BASIS),
            lambda seen: unit not in seen.parts or seen.parts[unit].argued,
        )

    async def _work(self, case_id: UUID, unit: str) -> None:
        """Sign in, get in touch, finish: what the case shows that this unit owes, until it is through with it.

        Whoever leaves puts it down; whoever is held back by a scene is let go later.
        """
        if (case_id, unit) in self._at_work:
            return
        self._at_work.add((case_id, unit))
        try:
            while True:
                seen = await self.sight.until(
                    case_id, lambda seen: seen.is_through(unit) or seen.owes(unit) is not None
                )
                if seen.is_through(unit) or (case_id, unit) in self._held_back:
                    return
                if unit in self.leaving:
                    self._put_down.add((case_id, unit))
                    return
                owed = seen.owes(unit)
                if owed is not None:
                    await self._report(case_id, unit, owed, seen.caseseq)
        finally:
            self._at_work.discard((case_id, unit))

    async def _report(self, case_id: UUID, unit: str, owed: Owed, caseseq: int) -> None:
        """One thing that a unit owes. Where the router says no, the case may be further than was seen."""
        report = _report_of(case_id, unit, owed)
        if not await self.say(case_id, unit, report, lambda seen: seen.owes(unit) != owed):
            await self.sight.within(case_id, PAUSE_SECONDS, lambda seen: seen.caseseq > caseseq)

    # --- the community

    async def _verify(self, case_id: UUID, matter: f.Matter, key: str) -> None:
        if self._habits.community_declines.strikes():
            what, body = "decline", {"reason": "untrue", "explanation": DECLINED}
        else:
            what, body = "verify", {"note": "社区已上门核实，情况属实。"}
        blower = matter.whistle_blower
        attempt = self._tries(case_id, blower, what)
        path, staff = f"/orders/{case_id}/{what}", self.doors.staff(blower)
        await self.doors.post("intake", path, staff, body, key=key, attempt=attempt)

    async def _check(self, case_id: UUID, fact: f.CaseHandled, key: str) -> None:
        attempt = self._tries(case_id, fact.whistle_blower, "check")
        for decided in self._undecided.pop(case_id, ()):
            await decided.wait()
        fails = fact.round == 1 and self._habits.check_fails.strikes()
        body: dict[str, Any] = {"passed": not fails, "note": CHECK_FAILED if fails else "现场核查，已处理到位。"}
        if self._habits.check_is_unit_by_unit.strikes():
            body["verdicts"] = [_verdict(case_id, unit, fails and not place) for place, unit in enumerate(fact.units)]
        path, staff = f"/reviews/{case_id}/check", self.doors.staff(fact.whistle_blower)
        await self.doors.post("feedback", path, staff, body, key=key, attempt=attempt)

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
            attempt = self._tries(case_id, matter.whistle_blower, f"rate {unit}")
            await self.doors.post("feedback", path, staff, body, key=own_key, may_be_late=True, attempt=attempt)

    # --- the resident, by 12345's call-back where the order came from there, else by link or on the phone

    async def _answer(self, case_id: UUID, matter: f.Matter, round_: int, key: str) -> None:
        unhappy = round_ == 1 and self._habits.resident_is_not_satisfied.strikes()
        satisfaction = Satisfaction.UNSATISFIED if unhappy else list(Satisfaction)[case_id.int % 2]
        body = {"contacted": True, "solved": not unhappy, "satisfaction": satisfaction.value}
        if matter.source is Source.HOTLINE_12345 and matter.source_ref:
            told = await self.audience.by_call_back(case_id, matter.source_ref, body)
        elif self._habits.resident_answers_on_the_phone.strikes():
            attempt = self._tries(case_id, matter.whistle_blower, "answer on the phone")
            path, staff = f"/reviews/{case_id}/resident-answer", self.doors.staff(matter.whistle_blower)
            told = bool(
                await self.doors.post("feedback", path, staff, body, key=key, may_be_late=True, attempt=attempt)
            )
        else:
            told = await self.audience.by_link(case_id, round_, body)
        if unhappy and not told:
            self._habits.resident_is_not_satisfied.missed()

    # --- the hub

    async def _decide(self, case_id: UUID) -> None:
        """What waits for the hub, by what the case shows, until nothing does. A refusal of a unit that a scene holds
        back is the scene's."""
        if case_id in self._deciding:
            return
        self._deciding.add(case_id)
        try:
            while (waits := self._awaits_hub(case_id)) is not None:
                caseseq = self.sight.of(case_id).caseseq
                what, body = self._decision(case_id, waits)
                if await self.ask(case_id, self.hub, what, body):
                    settled, seconds = partial(_is_settled, waits), AGAIN_SECONDS
                else:
                    settled, seconds = partial(_is_further, caseseq), PAUSE_SECONDS
                await self.sight.within(case_id, seconds, settled)
        finally:
            self._deciding.discard(case_id)

    def _awaits_hub(self, case_id: UUID) -> AtHub | None:
        waits = self.sight.of(case_id).at_hub
        if waits is not None and waits.refusing and all((case_id, unit) in self._held_back for unit in waits.refusing):
            return None
        return waits

    def _decision(self, case_id: UUID, waits: AtHub) -> tuple[str, dict[str, Any]]:
        """派单、会商指定、退单审核."""
        if waits.stage is Stage.TO_DISPATCH:
            return "dispatch", {"units": [self.another(case_id)], "reason": "经研判，由该单位牵头办理。"}
        refusing = waits.refusing[-1]
        if waits.stage is Stage.CONSULTATION:
            same = self._habits.hub_designates_the_same.strikes() and refusing not in self.leaving
            unit = refusing if same else self.another(case_id)
            return "dispatch", {"units": [unit], "reason": "经会商，指定该单位办理，不得再退。"}
        if self._habits.hub_dismisses.strikes():
            reason = "按职责清单仍属该单位职责，退单不成立。"
            return "rule-on-refusal", {"unit": refusing, "upheld": False, "reason": reason}
        units = [self.another(case_id)]
        return "rule-on-refusal", {"unit": refusing, "upheld": True, "reason": "退单理由成立，改派。", "units": units}


def _verdict(case_id: UUID, unit: str, fails: bool) -> dict[str, Any]:
    """What the whistle-blower says of one unit's part, and the photo that shows it."""
    photo = {"name": "核查照片.jpg", "media_type": "image/jpeg", "url": f"evidence/{case_id}-{unit}.jpg"}
    note = CHECK_FAILED if fails else "该单位部分已处理到位。"
    return {"unit": unit, "passed": not fails, "note": note, "evidence": [photo]}


def _is_settled(waits: AtHub, seen: Seen) -> bool:
    return seen.at_hub != waits


def _is_further(caseseq: int, seen: Seen) -> bool:
    return seen.caseseq > caseseq


def _report_of(case_id: UUID, unit: str, owed: Owed) -> f.Report:
    """What a unit says when it does what it owes."""
    match owed:
        case Owed(f.ReportSignedIn):
            return f.ReportSignedIn(person=f"staff-of-{unit}")
        case Owed(f.ReportProgressed):
            return f.ReportProgressed(note="已与诉求人取得联系，正在处理。", contacted=True)
        case Owed(f.ReportMilestoneReached, int() as number):
            return f.ReportMilestoneReached(milestone=number, note="该阶段已按计划完成。")
        case _:
            photo = f.Evidence(name="处理后照片.jpg", media_type="image/jpeg", url=f"evidence/{case_id}.jpg")
            return f.ReportDone(result=RESULTS[case_id.int % len(RESULTS)], evidence=(photo,))
