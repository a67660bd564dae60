"""Intake's doors over the in-memory store: the same routes, decisions and road that production has."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
from fastapi import FastAPI

from services.intake.domain.mapping import gazetteer
from services.intake.domain.whistle import Whistle
from services.intake.doors import Doors
from services.intake.ids import case_number
from services.intake.main import HANDLERS, open_doors
from services.intake.reporter import ReporterVault
from services.intake.setup import read_catalogue, read_mapping
from shared.contracts.envelope import Envelope, decode
from shared.contracts.vocabulary import ActorKind, Source
from shared.runtime import problems
from shared.runtime.door import Door
from shared.runtime.identity import ApiKey, Gatekeeper, Identity, issue
from shared.runtime.log import Row
from shared.runtime.memory import MemoryStates, MemoryStore
from shared.runtime.road import Road
from shared.runtime.service import decide_with
from shared.runtime.setup_files import read_units

SETUP = Path("deploy/district")
NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)  # Monday 09:00 in the district
ZONE = ZoneInfo("Asia/Shanghai")
SIGNING_KEY = "a-key-for-tests-that-is-long-enough-to-sign"
HOTLINE_KEY = "the-hotline's-key"
REPORTER_KEY = bytes(range(32))

HUB = "110199"
STREET = "110199001"
HUPAN = "110199001001"
LIUYIN = "110199001002"
GRID = "110199001001001"
WATER = "util-water"


class NoOutlet:
    """Nothing is published here."""

    def holds(self, _shard: int) -> bool:
        return True

    def published(self, _shard: int) -> int:
        return 0

    def offer(self, _rows: Sequence[Row]) -> None: ...

    def look(self) -> None: ...


class MemoryRecords:
    """What the doors read outside the road, from the in-memory tables."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._serial = 0

    async def numbers(self, many: int) -> Sequence[str]:
        self._serial += many
        return [case_number("HA", serial, NOW) for serial in range(self._serial - many + 1, self._serial + 1)]

    async def find(self, case_id: UUID) -> Whistle | None:
        return next((one for one in self._whistles() if one.case_id == case_id), None)

    async def find_by_ref(self, source: Source, source_ref: str) -> Whistle | None:
        wanted = (source, source_ref)
        return next((one for one in self._whistles() if (one.matter.source, one.matter.source_ref) == wanted), None)

    async def verifying(self, region: str, after: UUID, most: int) -> Sequence[Whistle]:
        found = [one for one in self._whistles() if one.matter.region == region and one.stage == "verifying"]
        return [one for one in found if one.case_id > after][:most]

    def _whistles(self) -> list[Whistle]:
        states = [versioned.state for versioned in self._store.tables.states.values()]
        return sorted((one for one in states if isinstance(one, Whistle)), key=lambda one: one.case_id)


@dataclass
class Intake:
    """Intake, running in memory; `as_…` give who asks."""

    app: FastAPI
    client: httpx.AsyncClient
    store: MemoryStore
    vault: ReporterVault
    now: datetime = field(default=NOW)

    def token(self, kind: ActorKind, person: str, unit: str | None, lasting: timedelta = timedelta(hours=1)) -> str:
        return issue(Identity(kind=kind, person=person, unit=unit), SIGNING_KEY, self.now, lasting)

    def as_staff(self, unit: str | None, person: str = "staff-7") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(ActorKind.STAFF, person, unit)}"}

    def as_resident(self, person: str = "resident-1") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(ActorKind.RESIDENT, person, None)}"}

    def as_hotline(self) -> dict[str, str]:
        return {"X-API-Key": HOTLINE_KEY}

    async def post(self, path: str, who: dict[str, str], body: Any = None, **more: str) -> httpx.Response:
        headers = who | {name.replace("_", "-"): value for name, value in more.items()}
        return await self.client.post(path, json=body, headers=headers)

    async def get(self, path: str, who: dict[str, str]) -> httpx.Response:
        return await self.client.get(path, headers=who)

    async def send_csv(self, content: bytes, who: dict[str, str] | None = None, **params: str) -> httpx.Response:
        headers = (self.as_hotline() if who is None else who) | {"Content-Type": "text/csv"}
        return await self.client.post("/hotline/orders/csv", content=content, headers=headers, params=params)

    def log(self) -> list[Envelope]:
        """Every event stated so far, in the order of their ids."""
        rows = [row for rows in self.store.tables.log.values() for row in rows]
        return sorted((decode(row.event) for row in rows), key=lambda event: event.id)

    def whistles(self) -> list[Whistle]:
        return [one.state for one in self.store.tables.states.values() if isinstance(one.state, Whistle)]


UNITS = read_units(SETUP / "units.yaml")
PLACES = gazetteer(UNITS)
CATALOGUE = read_catalogue(SETUP / "categories.csv")
MAPPING = read_mapping(SETUP / "hotline_mapping.yaml")


@asynccontextmanager
async def running() -> AsyncIterator[Intake]:
    store = MemoryStore(clock=lambda: NOW)
    road = Road("intake", store, MemoryStates[Whistle](), decide_with(HANDLERS), NoOutlet())
    door = Door(road)
    vault = ReporterVault(REPORTER_KEY)
    keys = [
        ApiKey(
            "city-12345",
            sha256(HOTLINE_KEY.encode()).hexdigest(),
            Identity(kind=ActorKind.HOTLINE, person="city-12345"),
        )
    ]
    app = FastAPI(title="chuishao intake")
    problems.install(app)
    open_doors(
        app,
        Doors(
            door=door,
            gatekeeper=Gatekeeper(SIGNING_KEY, keys, lambda: NOW),
            records=MemoryRecords(store),
            in_force=lambda: PLACES,
            catalogue=CATALOGUE,
            mapping=MAPPING,
            vault=vault,
            zone=ZONE,
        ),
    )
    serving = asyncio.create_task(door.run())
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://intake") as client:
        try:
            yield Intake(app, client, store, vault)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


def whistle(**changes: Any) -> dict[str, Any]:
    """A whistle's body that every door of ours takes; `changes` replace fields, ... removes one."""
    body: dict[str, Any] = {
        "title": "湖畔小区3号楼水管爆裂",
        "content": "今早六点起门前主管道漏水，地下室已经进水。",
        "appeal_type": "help",
        "urgency": "urgent",
        "category": ["供水", "管道漏损"],
        "region": HUPAN,
        "address": "湖畔路12号",
        "reporter": {"name": "王女士", "phone": "13800000000"},
    }
    body |= changes
    return {name: value for name, value in body.items() if value is not ...}


def hotline_order(**changes: Any) -> dict[str, Any]:
    """An order as 12345 pushes it."""
    order: dict[str, Any] = {
        "orderNum": "GD20261102000123",
        "callerName": "李先生",
        "contactPhone": "13900000000",
        "appealType": "投诉",
        "appealSubject": "夜间施工噪声扰民",
        "appealContent": "工地连续三晚施工至凌晨两点。",
        "category": "噪声污染->施工噪声",
        "incidentAddress": "南桥路88号工地",
        "communityCode": "110199003001",
        "urgencyLevel": "一般",
        "callTime": "2026-11-02 08:15:00",
        "expectedDeadline": "2026-11-09",
    }
    order |= changes
    return {name: value for name, value in order.items() if value is not ...}
