"""Scenes: what the plain road of a case does not show, played in order by those it takes.

A scene begins when a case's first lead is told of it, before it has signed in. It plays the hub, the whistle-blower
and the lead; whoever joins acts by itself as on any case, unless the scene holds it back. When the scene has ended
the lead goes on as on any case. Units speak on their topics, the others at the router's door.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from deploy.demo.people import EXPLANATION, REQUEST_BASIS, REQUEST_REASON
from deploy.demo.seen import Seen, Sight
from shared.contracts import facts as f
from shared.contracts.vocabulary import CaseList, RequestKind, Stage, Urgency

PAUSE = timedelta(seconds=4)
"""How long a case is suspended in the rehearsal."""
PAUSES = (PAUSE, 3 * PAUSE, 9 * PAUSE)
"""A date that had passed before it was read is named anew, further ahead."""
SUSPENDED = {"approved": True, "reason": "同意挂账，到期复核。"}
FOUND_WITHIN_SECONDS = 20.0
"""A duplicate that is proposed later is not merged any more."""


class Company(Protocol):
    """What a scene needs of the others."""

    sight: Sight

    @property
    def hub(self) -> str: ...

    def another(self, case_id: UUID) -> str:
        """A unit that could handle this case and has no part in it."""
        ...

    async def say(self, case_id: UUID, unit: str, report: f.Report, heard: Callable[[Seen], bool]) -> bool:
        """What a unit reports on its own topic, until the case shows it. False where the router took it back."""
        ...

    async def refuse(self, case_id: UUID, unit: str) -> bool:
        """退单; False where it is too late to."""
        ...

    async def ask(self, case_id: UUID, unit: str, what: str, body: dict[str, Any]) -> bool:
        """A command at the router's door. False where something else was faster."""
        ...

    def hold_back(self, case_id: UUID, unit: str) -> None:
        """This unit does nothing about this case until it is let go."""
        ...

    def let_go(self, case_id: UUID, unit: str) -> None:
        """Now it acts as on any case."""
        ...


@dataclass(frozen=True, slots=True)
class Scene:
    """One case with its first lead, and the means to play on it."""

    company: Company
    case_id: UUID
    matter: f.Matter
    lead: str

    @property
    def now(self) -> Seen:
        return self.company.sight.of(self.case_id)

    async def ask(self, what: str, body: dict[str, Any], who: str | None = None) -> bool:
        """At the router's door, by the hub or another unit. False where something else was faster."""
        return await self.company.ask(self.case_id, who or self.company.hub, what, body)

    async def say(self, report: f.Report, brings: type[f.CaseFact]) -> bool:
        """The lead's report, until the fact that it brings about is there. False where the router took it back."""
        before = self.now.facts[brings]
        return await self.company.say(self.case_id, self.lead, report, lambda seen: seen.facts[brings] > before)

    async def after(self, kind: type[f.CaseFact]) -> None:
        await self.company.sight.until(self.case_id, lambda seen: seen.facts[kind] > 0)

    async def sign_in(self) -> None:
        """Where the router takes it back, the lead does so when the scene has ended."""
        part = self.now.parts.get(self.lead)
        if part is None or part.signed_in:
            return
        await self.company.say(
            self.case_id,
            self.lead,
            f.ReportSignedIn(person=f"staff-of-{self.lead}"),
            lambda seen: self.lead not in seen.parts or seen.parts[self.lead].signed_in,
        )

    async def dispatched(self, what: str, body: dict[str, Any]) -> bool:
        """The hub asks for another distribution, and the case shows it. False where something else was faster."""
        before = self.now.facts[f.CaseDispatched]
        if not await self.ask(what, body):
            return False
        await self.company.sight.until(self.case_id, lambda seen: seen.facts[f.CaseDispatched] > before)
        return True

    async def join(self, unit: str) -> bool:
        """The hub brings in a co-handler."""
        return await self.dispatched("join", {"units": [unit], "reason": "涉及多个单位职责，增加协办单位。"})

    @contextmanager
    def held_back(self, unit: str) -> Iterator[None]:
        """Meanwhile this unit acts as the scene says."""
        self.company.hold_back(self.case_id, unit)
        try:
            yield
        finally:
            self.company.let_go(self.case_id, unit)


Play: TypeAlias = Callable[[Scene], Coroutine[Any, Any, bool]]
"""Returns whether it came off: something else may have been faster, or a date that was named has passed meanwhile."""
Merging: TypeAlias = Callable[[Scene, UUID], Coroutine[Any, Any, bool]]


# --- joint handling ---------------------------------------------------------------------------------------


async def joint_by_hub(scene: Scene) -> bool:
    await scene.sign_in()
    return await scene.join(scene.company.another(scene.case_id))


async def co_handler_released(scene: Scene) -> bool:
    helper = scene.company.another(scene.case_id)
    with scene.held_back(helper):
        await scene.sign_in()
        release = {"unit": helper, "reason": "不再需要协办。"}
        return await scene.join(helper) and await scene.dispatched("release", release)


async def transferred(scene: Scene) -> bool:
    """The lead's place goes to another unit, which acts by itself."""
    await scene.sign_in()
    other = scene.company.another(scene.case_id)
    return await scene.dispatched("transfer", {"to": other, "reason": "管辖范围调整，转由该单位办理。"})


async def lead_changed(scene: Scene) -> bool:
    other = scene.company.another(scene.case_id)
    with scene.held_back(other):
        await scene.sign_in()
        change = {"unit": other, "reason": "主要责任在该单位，变更牵头。"}
        return await scene.join(other) and await scene.dispatched("lead", change)


async def co_handler_refuses(scene: Scene) -> bool:
    """While its refusal is argued the lead signs in as if nothing were; then the hub brings in another.

    Where the case was refused before, this is the second time: the hub designates.
    """
    helper = scene.company.another(scene.case_id)
    with scene.held_back(helper):
        if not await scene.join(helper) or not await scene.company.refuse(scene.case_id, helper):
            return False
        await scene.sign_in()
        other = scene.company.another(scene.case_id)
        if scene.now.stage is Stage.CONSULTATION:
            designation = {"reason": "经会商，指定这些单位办理。", "units": [scene.lead, other]}
            return await scene.dispatched("dispatch", designation)
        ruling = {"unit": helper, "upheld": True, "reason": "退单理由成立，改派。", "units": [other]}
        return await scene.dispatched("rule-on-refusal", ruling)


# --- time -------------------------------------------------------------------------------------------------


async def _asked(
    scene: Scene, kind: RequestKind, ruling: dict[str, Any], share: float | None = None, pause: timedelta | None = None
) -> bool:
    await scene.sign_in()
    until = datetime.now(UTC) + pause if pause is not None else None
    request = f.ReportAsked(kind=kind, reason=REQUEST_REASON, basis=REQUEST_BASIS, share=share, until=until)
    if not await scene.say(request, f.CaseRequested) or not await scene.ask("rule-on-request", ruling):
        return False
    await scene.after(f.CaseRequestRuled)
    return True


async def extension_approved(scene: Scene) -> bool:
    return await _asked(scene, RequestKind.EXTENSION, {"approved": True, "reason": "情况属实，同意延期。"}, share=0.5)


async def extension_not_approved(scene: Scene) -> bool:
    return await _asked(
        scene, RequestKind.EXTENSION, {"approved": False, "reason": "理由不充分，请按期办结。"}, share=1
    )


async def suspended(scene: Scene) -> bool:
    for pause in PAUSES:
        if await _asked(scene, RequestKind.SUSPENSION, SUSPENDED, pause=pause):
            await scene.after(f.CaseResumed)
            return True
    return False


async def resumed_by_order(scene: Scene) -> bool:
    if not await _asked(scene, RequestKind.SUSPENSION, SUSPENDED, pause=timedelta(days=30)):
        return False
    ordered = await scene.ask("resume", {"reason": "配件已到货，恢复办理。"})
    await scene.after(f.CaseResumed)
    return ordered


async def understanding(scene: Scene) -> bool:
    await scene.sign_in()
    for pause in PAUSES:
        now = datetime.now(UTC)
        body = {
            "case_list": CaseList.UNDERSTANDING.value,
            "reason": "目前不具备实施条件。",
            "explanation": EXPLANATION,
            "explained_at": (now - timedelta(minutes=5)).isoformat(),
            "review_at": (now + pause).isoformat(),
        }
        if await scene.ask("list", body):
            await scene.after(f.CaseResumed)
            return True
    return False


async def phased(scene: Scene) -> bool:
    """The lead reports its milestones when the scene has ended, before it finishes."""
    await scene.sign_in()
    now = datetime.now(UTC)
    steps = [
        {"number": number, "title": title, "due_at": (now + number * 5 * PAUSE).isoformat()}
        for number, title in enumerate(("完成现场勘测和方案", "完成施工和验收"), start=1)
    ]
    body = {"case_list": CaseList.PHASED.value, "reason": "须分阶段实施。", "milestones": steps}
    if not await scene.ask("list", body):
        return False
    await scene.after(f.CaseListed)
    return True


# --- what is said about a case -----------------------------------------------------------------------------


async def supervised(scene: Scene) -> bool:
    """It ends when the unit has finished."""
    await scene.sign_in()
    return await scene.ask("supervise", {"reason": "群众反映强烈，列入督办。"})


async def supervision_lifted(scene: Scene) -> bool:
    await scene.sign_in()
    beginning = {"unit": scene.lead, "reason": "进展缓慢，列入督办。"}
    end = {"unit": scene.lead, "reason": "整改到位，解除督办。"}
    return await scene.ask("supervise", beginning) and await scene.ask("end-supervision", end)


async def raised(scene: Scene) -> bool:
    body = {"urgency": Urgency.URGENT.value, "reason": "影响范围扩大。"}
    return await scene.ask("priority", body, who=scene.matter.whistle_blower)


async def corrected(scene: Scene) -> bool:
    body = {"address": f"{scene.matter.address}（西侧）", "reason": "现场核对后更正地址。"}
    return await scene.ask("correct", body, who=scene.matter.whistle_blower)


async def commented(scene: Scene) -> bool:
    await scene.ask("comment", {"text": "居民希望周末上门。"}, who=scene.matter.whistle_blower)
    await scene.sign_in()
    return await scene.say(f.ReportCommented(text="已与物业约定周六上午入户。"), f.CaseCommented)


async def withdrawn(scene: Scene) -> bool:
    """By the whistle-blower, while nobody has signed in."""
    if not await scene.ask("withdraw", {"reason": "问题已自行解决。"}, who=scene.matter.whistle_blower):
        return False
    await scene.after(f.CaseWithdrawn)
    return True


# --- duplicates ---------------------------------------------------------------------------------------------


async def merged(scene: Scene, into: UUID) -> bool:
    """It is proposed, the hub merges, and it waits for the other's answer."""
    body = {"into": str(into), "reason": "同一地点同一问题，合并办理。"}
    if not await _proposed(scene, into) or not await scene.ask("merge", body):
        return False
    await scene.after(f.CaseMerged)
    return True


async def _proposed(scene: Scene, into: UUID) -> bool:
    """Whether the two were found alike: that stands on the newer of them, whichever that is."""

    def shows(seen: Seen) -> bool:
        return seen.facts[f.CaseDuplicateFound] > 0

    sight = scene.company.sight
    looking = [asyncio.create_task(sight.until(one, shows)) for one in (scene.case_id, into)]
    done, waiting = await asyncio.wait(looking, timeout=FOUND_WITHIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    return any(shows(task.result()) for task in done)


async def unmerged(scene: Scene, into: UUID) -> bool:
    """It turns out to be another matter: it is dispatched again."""
    if not await merged(scene, into):
        return False
    if not await scene.ask("unmerge", {"reason": "经核对不是同一问题，撤销并案。"}):
        return False
    await scene.after(f.CaseUnmerged)
    return True


PLAYS: tuple[Play, ...] = (
    joint_by_hub,
    extension_approved,
    transferred,
    suspended,
    co_handler_refuses,
    phased,
    raised,
    lead_changed,
    understanding,
    withdrawn,
    extension_not_approved,
    supervised,
    co_handler_released,
    corrected,
    resumed_by_order,
    commented,
    supervision_lifted,
)
"""In this order, over and over; what did not come off is played again next."""


def fits(matter: f.Matter) -> bool:
    """Whether there is time for a scene: what is critical or urgent is done at once, and is never extended."""
    return matter.urgency in (Urgency.NORMAL, Urgency.COMPLEX)
