"""The live board: asks the router while somebody watches, and says in each language what there is to see."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from services.workbench.clients import Away, NotFound, Services
from services.workbench.feed import Feed, Item, RedLamp
from services.workbench.languages import Speech
from services.workbench.lately import Lately, case_path, surge_rows, unit_rows
from services.workbench.stream import Stream, frame
from services.workbench.words import APPOINTED, sentence, title_of, tone
from shared.contracts.facts import SurgeFact, SurgeFound
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import Obligation, Stage, UnitKind

logger = structlog.get_logger(__name__)

STEPS: dict[str, tuple[Stage, ...]] = {
    "intake": (Stage.RECEIVED, Stage.VERIFYING, Stage.DECLINED, Stage.WITHDRAWN),
    "dispatch": (
        Stage.TO_DISPATCH,
        Stage.DISPATCHED,
        Stage.REFUSAL_REVIEW,
        Stage.CONSULTATION,
        Stage.HANDLING,
        Stage.EXTENSION_REVIEW,
        Stage.SUSPENDED,
        Stage.MERGED,
        Stage.REWORK,
    ),
    "check": (Stage.HANDLED, Stage.CHECKING),
    "rate": (Stage.RATING,),
    "close": (Stage.CLOSED, Stage.ARCHIVED),
}
"""The steps of the loop and the stages a case has in each. Every stage is in exactly one."""
NOT_OPEN = frozenset({Stage.DECLINED, Stage.WITHDRAWN, Stage.CLOSED, Stage.ARCHIVED})
KINDS = (UnitKind.HUB, UnitKind.STREET, UnitKind.COMMUNITY, UnitKind.DEPARTMENT, UnitKind.UTILITY)

MOST_UNITS = 12
MOST_OVERDUE = 8
MOST_IN_TICKER = 40
MOST_IN_FRAME = 20
STATE_SECONDS = 1.0
HEALTH_SECONDS = 2.0
BEAT_SECONDS = 5.0
GATHER_SECONDS = 0.25
PAGE_PATIENCE_SECONDS = 1.5
SPARK_BUCKETS = 60
BUSY_IN_FIVE_MINUTES = 20
SPARK_HEIGHT = 24
LIVE = "live"
"""The live statistics: the board goes on without them, and says where they are missing that they are."""
CLOCK = ("as_of", "as_of_text")
"""What changes every second and is no news."""


class UnitCounts(BaseModel):
    model_config = ConfigDict(extra="ignore")

    unit: str
    open: int = 0
    overdue: int = 0
    done: int = 0


class Statistics(BaseModel):
    """The router's counts, as far as the board shows them."""

    model_config = ConfigDict(extra="ignore")

    total: int = 0
    open: int = 0
    overdue: int = 0
    supervised: int = 0
    by_stage: dict[str, int] = {}
    by_unit: list[UnitCounts] = []
    by_level: dict[str, int] = {}
    today: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Outage:
    since: datetime
    why: str


class Board:
    """What the board shows, kept fresh while it is watched."""

    def __init__(
        self,
        services: Services,
        feed: Feed,
        stream: Stream,
        units: Callable[[], UnitTree],
        speeches: Mapping[str, Speech],
        broker: Callable[[], Outage | None],
        now: Callable[[], datetime],
    ) -> None:
        self._services = services
        self._feed = feed
        self._stream = stream
        self._units = units
        self._speeches = speeches
        self._broker = broker
        self._now = now
        self._counted: Statistics | None = None
        self._red: dict[Obligation, int] = {}
        self._lately: Lately | None = None
        self._as_of: datetime | None = None
        self._asked: datetime | None = None
        self._asking: asyncio.Task[None] | None = None
        self._outages: dict[str, Outage] = {}
        self._shown: dict[str, tuple[dict[str, Any], float]] = {}

    # --- keeping fresh

    async def run(self) -> None:
        """Serve the watchers until cancelled."""
        loops = [asyncio.create_task(one()) for one in (self._run_state, self._run_health, self._run_facts)]
        try:
            await asyncio.gather(*loops)
        finally:
            for task in loops:
                task.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    async def fresh(self) -> None:
        """Before a page is drawn: ask again if the last answer is old, and wait for it only so long."""
        if self._asked is not None and self._now() - self._asked < timedelta(seconds=2 * STATE_SECONDS):
            return
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_all())
        await asyncio.wait({self._asking}, timeout=PAGE_PATIENCE_SECONDS)

    def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    async def _ask_all(self) -> None:
        await asyncio.gather(self._count(), self._check_health())

    async def _count(self) -> None:
        async def ask() -> None:
            try:
                self._counted = Statistics.model_validate(await self._services.statistics())
            except ValidationError as error:
                raise Away("router", f"/statistics: {error.errors()[0]['msg']}") from error
            except NotFound as error:
                raise Away("router", "has no /statistics") from error
            self._as_of = self._now()

        await self._noting("router", ask())
        self._asked = self._now()

    async def _check_health(self) -> None:
        others = [name for name in self._services.names if name not in ("router", "sla")]
        checks = [self._noting(name, self._services.lives(name)) for name in others]
        await asyncio.gather(self._noting("sla", self._count_red()), self._noting(LIVE, self._ask_lately()), *checks)

    async def _ask_lately(self) -> None:
        try:
            self._lately = Lately.model_validate(await self._services.lately())
        except ValidationError as error:
            raise Away(LIVE, f"/live: {error.errors()[0]['msg']}") from error

    async def _count_red(self) -> None:
        """What is overdue at this moment: sla knows, and in answering shows that it lives."""
        running = await self._services.running_deadlines()
        try:
            self._red = {
                one: int(running.get(one.value, {}).get("overdue", 0)) for one in Obligation if one not in APPOINTED
            }
        except (AttributeError, TypeError, ValueError) as error:
            raise Away("sla", f"/deadlines/summary: {error!r}") from error

    async def _noting(self, service: str, answer: Awaitable[None]) -> None:
        """Wait for an answer and note since when the service is away, or that it is back."""
        try:
            await answer
        except (Away, NotFound) as error:
            if service not in self._outages:
                logger.warning("a service is away", away=service, why=str(error))
                self._outages[service] = Outage(self._now(), str(error))
        else:
            if self._outages.pop(service, None):
                logger.info("a service is back", back=service)

    async def _run_state(self) -> None:
        while True:
            await self._stream.watched.wait()
            await self._count()
            for language in self._stream.languages():
                self._publish_state(language)
            await asyncio.sleep(STATE_SECONDS)

    def _publish_state(self, language: str) -> None:
        """Send what there is to see if it is new; else, now and then, that we are still here."""
        clock = asyncio.get_running_loop().time()
        state = self.state(language)
        shown, at = self._shown.get(language, ({}, 0.0))
        if _without_clock(state) != _without_clock(shown):
            self._stream.publish(language, frame("state", state))
        elif clock - at >= BEAT_SECONDS:
            self._stream.publish(language, frame("beat", {name: state[name] for name in CLOCK}))
        else:
            return
        self._shown[language] = (state, clock)

    async def _run_health(self) -> None:
        while True:
            await self._stream.watched.wait()
            await self._check_health()
            await asyncio.sleep(HEALTH_SECONDS)

    async def _run_facts(self) -> None:
        sent = self._feed.serial
        while True:
            await self._feed.taken.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._feed.taken.clear()
            new, skipped = self._feed.since(sent), self._feed.serial - sent
            sent = self._feed.serial
            for language in self._stream.languages():
                if new:
                    items = [self.item(item, language) for item in reversed(new[-MOST_IN_FRAME:])]
                    facts = {"items": items, "skipped": max(0, skipped - MOST_IN_FRAME)}
                    self._stream.publish(language, frame("facts", facts))

    # --- what is seen

    def opening(self, language: str) -> list[bytes]:
        """The frames a board begins with."""
        return [
            frame("state", self.state(language)),
            frame("facts", {"items": self.items(language), "skipped": 0}),
        ]

    def items(self, language: str) -> list[dict[str, Any]]:
        """The ticker's lines, newest first."""
        return [self.item(item, language) for item in self._feed.latest(MOST_IN_TICKER)]

    def item(self, item: Item, language: str) -> dict[str, Any]:
        say = self._speeches[language]
        return {
            "key": item.id,
            "at": item.at.isoformat(),
            "time": say.clock(item.at),
            "tone": tone(item.fact, say).value,
            "text": sentence(item.fact, say, item.about),
            "number": item.about.number or "",
            "href": _where(item),
        }

    def state(self, language: str) -> dict[str, Any]:
        """Everything on the board but the ticker, ready to show: the page and the stream show the same."""
        say = self._speeches[language]
        counted = self._counted or Statistics()
        shown, others = self._ranked(counted)
        red = sum(self._red.values())
        return {
            "as_of": say.clock(self._as_of) if self._as_of else "",
            "as_of_text": say("as_of", time=say.clock(self._as_of)) if self._as_of else "",
            "away": self._away(say),
            "figures": self._figures(counted, say),
            "stages": {stage.value: say.number(counted.by_stage.get(stage.value, 0)) for stage in Stage},
            "empty": {stage.value: counted.by_stage.get(stage.value, 0) == 0 for stage in Stage},
            "steps": self._steps(counted, say),
            "kinds": self._kinds(counted, say),
            "units": [self._unit(unit, shown[0].open, say) for unit in shown],
            "more_units": say(
                "units.more",
                n=len(others),
                open=sum(unit.open for unit in others),
                overdue=sum(unit.overdue for unit in others),
            )
            if others
            else "",
            "overdue": [self._lamp(lamp, say) for lamp in self._feed.overdue(MOST_OVERDUE)],
            "red": [
                {"key": one.value, "name": say.word(one), "count": say.number(count)}
                for one, count in self._red.items()
                if count
            ],
            "overdue_any": red > 0,
            "overdue_more": say("overdue.more", total=say.number(red)) if red else "",
            "spark": self._spark(say),
            "surges": surge_rows(self._lately, say, self._now()) if self._lately else [],
            "day": unit_rows(self._lately, say) if self._lately else [],
            "day_none": self._lately is not None and not unit_rows(self._lately, say),
            "day_away": self._away_text(LIVE, self._outages[LIVE], say) if LIVE in self._outages else "",
        }

    def _away(self, say: Speech) -> list[dict[str, str]]:
        outages = {name: outage for name, outage in self._outages.items() if name != LIVE}
        broker = self._broker()
        if broker is not None:
            outages["broker"] = broker
        return [{"key": name, "text": self._away_text(name, outage, say)} for name, outage in outages.items()]

    def _away_text(self, name: str, outage: Outage, say: Speech) -> str:
        return say("away.since", service=say(f"service.{name}"), since=say.moment(outage.since, self._now()))

    def _figures(self, counted: Statistics, say: Speech) -> dict[str, str]:
        closed = sum(counted.by_stage.get(stage.value, 0) for stage in (Stage.CLOSED, Stage.ARCHIVED))
        suspended = counted.by_stage.get(Stage.SUSPENDED.value, 0)
        known = self._counted is not None
        share = f"{100 * counted.overdue / counted.open:.0f}%" if counted.open else "—"
        today = {name: value for name, value in counted.today.items() if isinstance(value, int)}
        received = today.get("received", today.get("opened"))
        return {
            "open": say.number(counted.open) if known else "—",
            "overdue": say.number(counted.overdue) if known else "—",
            "overdue_share": say("figure.share", share=share),
            "lamp": "red" if counted.overdue else "off",
            "closed": say.number(closed) if known else "—",
            "total": say("figure.of", total=say.number(counted.total)),
            "supervised": say.number(counted.supervised) if counted.supervised else "",
            "suspended": say.number(suspended) if suspended else "",
            "today": say.number(received) if received is not None else "",
            "today_closed": say.number(today["closed"]) if "closed" in today else "",
        }

    def _steps(self, counted: Statistics, say: Speech) -> dict[str, dict[str, str]]:
        now = self._now()
        found = {}
        for step, stages in STEPS.items():
            counting = stages if step == "close" else [stage for stage in stages if stage not in NOT_OPEN]
            pace = self._feed.pace.within(step, now, 60)
            found[step] = {
                "count": say.number(sum(counted.by_stage.get(stage.value, 0) for stage in counting)),
                "pace": say("step.rate_per_minute", n=say.number(pace)) if pace else "",
            }
        return found

    def _ranked(self, counted: Statistics) -> tuple[list[UnitCounts], list[UnitCounts]]:
        """Units that have something open, most overdue first; the longest bar sets the scale."""
        busy = [unit for unit in counted.by_unit if unit.open or unit.overdue]
        busy.sort(key=lambda unit: (-unit.overdue, -unit.open, unit.unit))
        shown = sorted(busy[:MOST_UNITS], key=lambda unit: (-unit.open, -unit.overdue, unit.unit))
        return shown, busy[MOST_UNITS:]

    def _unit(self, unit: UnitCounts, longest: int, say: Speech) -> dict[str, Any]:
        return {
            "key": unit.unit,
            "name": say.unit(unit.unit),
            "open": say.number(unit.open),
            "overdue": say.number(unit.overdue) if unit.overdue else "",
            "open_width": _percent(unit.open, longest),
            "overdue_width": _percent(min(unit.overdue, unit.open), longest),
            "label": say("units.label", unit=say.unit(unit.unit), open=unit.open, overdue=unit.overdue),
        }

    def _kinds(self, counted: Statistics, say: Speech) -> list[dict[str, str]]:
        units = self._units()
        opened: Counter[UnitKind] = Counter()
        overdue: Counter[UnitKind] = Counter()
        for counts in counted.by_unit:
            unit = units.get(counts.unit)
            if unit is not None:
                opened[unit.kind] += counts.open
                overdue[unit.kind] += counts.overdue
        return [
            {
                "key": kind.value,
                "name": say.word(kind),
                "open": say.number(opened[kind]),
                "overdue": say.number(overdue[kind]) if overdue[kind] else "",
            }
            for kind in KINDS
        ]

    def _lamp(self, lamp: RedLamp, say: Speech) -> dict[str, str]:
        return {
            "key": f"{lamp.case_id}/{lamp.obligation}/{lamp.unit}",
            "title": title_of(lamp.about, say) if lamp.about.title or lamp.about.confidential else "",
            "number": lamp.about.number or "",
            "what": f"{say.unit(lamp.unit)} · {say.word(lamp.obligation)}" if lamp.unit else say.word(lamp.obligation),
            "due": say("overdue.due", due=say.moment(lamp.due_at, self._now())),
            "href": case_path(lamp.about.number or str(lamp.case_id)),
        }

    def _spark(self, say: Speech) -> dict[str, str]:
        """Two lines over five minutes where it is busy, over an hour where it is not."""
        now = self._now()
        pace = self._feed.pace
        width = 5 if pace.within("intake", now, 300) >= BUSY_IN_FIVE_MINUTES else 60
        arrivals = pace.buckets("intake", now, width, SPARK_BUCKETS)
        closings = pace.buckets("close", now, width, SPARK_BUCKETS)
        highest = max(4, *arrivals, *closings)
        minute = [pace.within(step, now, 60) for step in ("intake", "close")]
        return {
            "span": say(f"spark.width.{width}"),
            "arrivals": _points(arrivals, highest),
            "closings": _points(closings, highest),
            "closings_area": f"0,{SPARK_HEIGHT} {_points(closings, highest)} {SPARK_BUCKETS - 1},{SPARK_HEIGHT}",
            "arrivals_minute": say.number(minute[0]),
            "closings_minute": say.number(minute[1]),
            "label": say("spark.label", arrivals=minute[0], closings=minute[1]),
        }


def _without_clock(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name not in CLOCK}


def _where(item: Item) -> str:
    """What a line of the ticker leads to: its case; of a surge, the first of its cases while they are told."""
    if isinstance(item.fact, SurgeFound) and item.fact.cases:
        return case_path(str(item.fact.cases[0]))
    if isinstance(item.fact, SurgeFact):
        return "/board"
    return case_path(item.about.number or str(item.case_id))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "0"


def _points(counts: list[int], highest: int) -> str:
    return " ".join(f"{x},{SPARK_HEIGHT - SPARK_HEIGHT * count / highest:.1f}" for x, count in enumerate(counts))
