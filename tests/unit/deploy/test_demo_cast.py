"""The rehearsal's actors against the real router: whatever is late on the way, every case comes to its end."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from deploy.demo import cast as acting
from deploy.demo import command
from deploy.demo.cast import Cast
from deploy.demo.people import Habit, Habits
from deploy.demo.rehearsal import Rehearsal
from deploy.demo.scenes import PLAYS, Play, Scene, co_handler_refuses, suspended
from services.router.api import DOORWAYS
from services.router.domain.case import Case
from services.router.main import with_district
from services.router.projection import project
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, decode
from shared.contracts.topics import CASES, dead_letter_topic, reports_topic
from shared.contracts.vocabulary import Obligation, Stage
from shared.runtime.consumer import to_input
from shared.runtime.decision import Decision, FromTimer, Input
from shared.runtime.settings import KafkaSettings
from tests.unit.router.stories import CASE, DISTRICT, FOR_SHOPS, MARKET, PARKS, TREE, matter, staff_of, whistle

COMMANDS = {doorway.path: doorway.command for doorway in DOORWAYS}
SECONDS = 20.0
"""More than any course needs; what needs more is stuck."""


class Router:
    """The router on one case, without its engines: what it says waits on its topics until it is read."""

    def __init__(self) -> None:
        self.handlers: Any = with_district(lambda: DISTRICT)
        self.case: Case | None = None
        self.caseseq = 0
        self.known: set[str] = set()
        self.topics: dict[str, deque[Any]] = {}

    def put(self, topic: str, record: Any) -> None:
        self.topics.setdefault(topic, deque()).append(record)

    def take(self, item: Input[Any]) -> Decision[Any]:
        decision: Decision[Any] = self.handlers[type(item.message)](self.case, item, datetime.now(UTC))
        self.case = decision.state or self.case
        for fact in decision.facts:
            self.caseseq += 1
            told = Envelope(
                str(uuid4()), "/chuishao/router", CASE, datetime.now(UTC), fact, self.caseseq, caseseq=self.caseseq
            )
            self.put(CASES, told)
            for message in project(told):
                self.put(message.topic, decode(message.value or b""))
        return decision

    def hear(self, topic: str, value: bytes) -> None:
        """A report, once in effect; what is refused is a dead letter."""
        record = SimpleNamespace(topic=topic, partition=0, offset=0, value=value, headers=())
        item = to_input(record)
        if item.id in self.known:
            return
        self.known.add(item.id)
        refusal = self.take(item).refusal
        if refusal is not None:
            self.put(dead_letter_topic(topic), (value, refusal.en))

    def open(self, category: tuple[str, ...]) -> None:
        self.take(Input(CASE, whistle(matter(category)), str(uuid4()), FromTimer()))

    def review(self) -> None:
        """The date until which the case is suspended has come."""
        assert self.case is not None
        assert self.case.pause is not None
        fact = f.DeadlineOverdue(
            number=self.case.number,
            obligation=Obligation.REVIEW,
            unit=None,
            generation=1,
            started_at=self.case.pause.until,
            due_at=self.case.pause.until,
            fired_at=self.case.pause.until,
            policy_version="1",
        )
        self.take(Input(CASE, fact, str(uuid4()), FromTimer()))

    @property
    def stage(self) -> Stage | None:
        return self.case.stage if self.case else None


class Doors:
    """The router's HTTP door, which decides at once, though its answer may take a while; others take everything."""

    def __init__(self, router: Router, dice: random.Random) -> None:
        self._router = router
        self._dice = dice

    def staff(self, unit: str) -> dict[str, str]:
        return {"unit": unit}

    def hotline(self) -> dict[str, str]:
        return {"unit": ""}

    async def post(
        self, service: str, path: str, who: dict[str, str], body: dict[str, Any], **_: object
    ) -> dict[str, Any]:
        if service != "router":
            return {"ok": True}
        await pauses(self._dice)
        asked = COMMANDS[path.rsplit("/", 1)[1]].model_validate({"actor": staff_of(who["unit"]), **body})
        decision = self._router.take(Input(CASE, asked, str(uuid4()), FromTimer(), who["unit"]))
        await pauses(self._dice)
        return {} if decision.refusal is not None else {"ok": True}


async def pauses(dice: random.Random) -> None:
    for _ in range(dice.choice((0, 1, 5, 40))):
        await asyncio.sleep(0)


class World:
    """Everybody and the router; `slow` topics are read only when nothing else is left, or rarely."""

    def __init__(self, seed: int, plays: tuple[Play, ...], habits: Habits) -> None:
        self.dice = random.Random(seed)
        self.router = Router()
        self.tasks: set[asyncio.Task[None]] = set()
        doors: Any = Doors(self.router, self.dice)
        self.cast = Cast(doors, TREE, self.send, self.spawn, plays, habits)
        self.slow: Callable[[str], bool] = lambda _: False

    async def send(self, topic: str, case_id: UUID, value: bytes) -> None:
        assert case_id == CASE
        await pauses(self.dice)
        self.router.put(topic, value)
        await pauses(self.dice)

    def spawn(self, action: Coroutine[Any, Any, None]) -> None:
        self.tasks.add(asyncio.create_task(action))

    def deliver(self, topic: str) -> None:
        record = self.router.topics[topic].popleft()
        if topic == CASES:
            self.cast.on_case(record)
        elif topic.startswith("assignments."):
            self.cast.on_assignment(record)
        elif topic.endswith(".dlq"):
            self.cast.on_refused_report(topic, *record)
        elif topic.startswith("reports."):
            self.router.hear(topic, record)

    async def goes_on(self, ends: Callable[[], bool]) -> None:
        """Topics are read in any order among each other. Raises `TimeoutError` where it never ends."""
        try:
            async with asyncio.timeout(SECONDS):
                while not ends():
                    waiting = [topic for topic, records in self.router.topics.items() if records]
                    ready = [topic for topic in waiting if not self.slow(topic) or self.dice.random() < 0.02]
                    if ready:
                        self.deliver(self.dice.choice(ready))
                    elif self.router.stage is Stage.SUSPENDED and self.dice.random() < 0.02:
                        self.router.review()
                    for task in [task for task in self.tasks if task.done()]:
                        self.tasks.discard(task)
                        task.result()
                    await pauses(self.dice)
        except TimeoutError:
            raise AssertionError(f"stuck: {self.cast.explain(CASE)}") from None
        finally:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)


def is_handled(world: World) -> bool:
    return world.router.stage in (Stage.CHECKING, Stage.WITHDRAWN)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost here, so a report is sent again only where the test is slow."""
    monkeypatch.setattr(acting, "AGAIN_SECONDS", 0.5)
    monkeypatch.setattr(acting, "PAUSE_SECONDS", 0.002)


async def test_a_sign_in_that_meets_a_suspended_case_is_made_again_when_it_goes_on() -> None:
    """Two units have the case; the lead has it suspended before the other's sign-in is read."""
    world = World(1, (suspended,), Habits(case_has_a_scene=Habit(1)))
    world.slow = lambda topic: topic == reports_topic(PARKS) and world.router.stage is not Stage.SUSPENDED
    world.router.open(FOR_SHOPS)
    await world.goes_on(lambda: is_handled(world))
    assert world.router.case is not None
    assert {one.unit: one.part.value for one in world.router.case.present} == {MARKET: "done", PARKS: "done"}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize("play", PLAYS)
async def test_every_scene_comes_to_its_end_whatever_is_read_late(play: Play, refuses: bool, seed: int) -> None:
    habits = Habits(case_has_a_scene=Habit(1), unit_refuses=Habit(1 if refuses else 1000, 0 if refuses else 999))
    world = World(seed, (play,), habits)
    late = world.dice.choice((CASES, "reports.", "assignments.", ".dlq", MARKET, PARKS))
    world.slow = lambda topic: late in topic
    world.router.open(FOR_SHOPS)
    await world.goes_on(lambda: is_handled(world))


async def test_who_refused_before_the_scene_began_is_ruled_on_by_the_hub() -> None:
    """The co-handler acts first; what it refuses is not the scene's, though the scene is about refusing."""
    habits = Habits(case_has_a_scene=Habit(1), unit_refuses=Habit(1), second_unit_refuses_too=Habit(1000, 999))
    world = World(1, (co_handler_refuses,), habits)
    world.slow = lambda topic: topic == f"assignments.{MARKET}" and world.router.stage is Stage.DISPATCHED
    world.router.open(FOR_SHOPS)
    await world.goes_on(lambda: is_handled(world))


async def test_a_scene_that_did_not_come_off_is_played_again_on_the_next_case() -> None:
    played: list[str] = []

    async def first(_: Scene) -> bool:
        played.append("first")
        return len(played) > 1

    async def second(_: Scene) -> bool:
        played.append("second")
        return True

    plays: deque[Play] = deque((first, second))
    for _ in range(3):
        world = World(1, (), Habits(case_has_a_scene=Habit(1)))
        world.cast._plays = plays  # it goes on where it was
        world.router.open(FOR_SHOPS)
        await world.goes_on(lambda world=world: is_handled(world))  # type: ignore[misc]
    assert played == ["first", "first", "second"]


def test_what_came_too_late_happens_on_the_next_occasion() -> None:
    habit = Habit(3)
    happened = [habit.strikes()]
    habit.missed()
    happened += [habit.strikes() for _ in range(5)]
    assert happened == [True, True, False, True, False, False]


async def test_a_case_that_stands_still_explains_itself() -> None:
    world = World(1, PLAYS, Habits(case_has_a_scene=Habit(1000, 999), unit_refuses=Habit(1000, 999)))
    world.cast.leaving = frozenset({PARKS})
    world.router.open(FOR_SHOPS)
    await world.goes_on(lambda: bool(world.cast.sight.of(CASE).caseseq > 4 and world.cast.has_put_down(PARKS)))
    found = world.cast.explain(CASE)
    assert found["number"] == matter().number
    assert found["units"][PARKS] == "co_handler, leaving, to report report.signed_in.v1"
    assert found["units"][MARKET].startswith("lead, signed in")
    assert any("case.dispatched.v1 by rule → dispatched" in fact for fact in found["last_facts"])
    assert {"who": MARKET, "did": "report.signed_in.v1", "got": "heard"}.items() <= found["tried"][0].items()


async def test_a_report_of_which_nothing_is_heard_is_sent_again_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "AGAIN_SECONDS", 0.01)
    world = World(1, PLAYS, Habits(case_has_a_scene=Habit(1000, 999), unit_refuses=Habit(1000, 999)))
    sent: list[bytes] = []

    async def lost(topic: str, case_id: UUID, value: bytes) -> None:
        sent.append(value)

    cast = Cast(world.cast.doors, TREE, lost, world.spawn)
    assert not await cast.say(CASE, PARKS, f.ReportSignedIn(person="p-1"), lambda seen: seen.caseseq > 0)
    assert len(sent) == acting.SENT_AT_MOST
    assert len({decode(value).id for value in sent}) == 1


async def test_a_rehearsal_in_which_nothing_moves_says_which_cases_stand_and_who_waits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "QUIET_SECONDS", -1.0)
    world = World(1, PLAYS, Habits(case_has_a_scene=Habit(1000, 999), unit_refuses=Habit(1000, 999)))
    rehearsal = Rehearsal(Any, TREE, KafkaSettings(), tmp_path / "accepted.jsonl", 1.0)  # type: ignore[arg-type]
    rehearsal.cast = world.cast
    rehearsal.tally.accepted = 2
    rehearsal.tally.stages[CASE] = Stage.HANDLING
    rehearsal.spawn(asyncio.sleep(60))
    watcher = command._Watcher(rehearsal, None, 0.0, "")
    with pytest.raises(command.Stuck, match="accepted 2, standing in: handling 1") as stuck:
        watcher.drained(rehearsal.tally)
    assert stuck.value.found["never_opened"] == 1
    assert [one["case_id"] for one in stuck.value.found["cases"]] == [str(CASE)]
    assert stuck.value.found["waiting"] == {"sleep": 1}
    for task in rehearsal._tasks:
        task.cancel()
