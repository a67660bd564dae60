"""重算 on real Kafka and PostgreSQL: a year is published, a process is killed amid it, a stricter policy is applied."""

import asyncio
import re
import signal
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from services.sla import reckonings
from services.sla.domain import calendar
from services.sla.domain.calendars import Calendars
from services.sla.domain.limit import Limit
from services.sla.domain.reckoning import Reckoning
from services.sla.domain.rules import Rules
from services.sla.setup import PARTS
from shared.contracts import facts as f
from shared.contracts.envelope import decode
from shared.contracts.topics import CASES, DEADLINES
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import ActorKind, LimitCause, Obligation
from shared.runtime.district import UNITS, present
from shared.runtime.identity import Identity, issue
from shared.runtime.kafka import create_topics
from shared.runtime.postgres import open_pool
from shared.runtime.settings import KafkaSettings
from shared.runtime.setup_parts import File, import_file
from tests.integration.sla.processes import KEY, Sla, routing, service
from tests.unit.sla import builders as b

pytestmark = pytest.mark.timeout(240)

CASES_OPEN = 40
POLICY = Path("deploy/district/policy.yaml").read_text(encoding="utf-8")


def policy(version: str, handle: str) -> str:
    """The shipped one but for the time to handle a case."""
    text = re.sub(r"^version: .*$", f'version: "{version}"', POLICY, count=1, flags=re.MULTILINE)
    return re.sub(r"^  handle: .*$", f"  handle: {handle}", text, count=1, flags=re.MULTILINE)


def published(years: range) -> str:
    """Every year begins with ten days off."""
    days = [date(year, 1, day) for year in years for day in range(1, 11)]
    return "\n".join(["date,kind,name", *(f"{day},off,元旦" for day in days)])


async def put_in_force(url: str, part: str, text: str, form: Any = "yaml") -> None:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await import_file(connection, PARTS[part], File(text, form, f"{part}.{form}"), "test")
    finally:
        await connection.close()


class Table:
    """What the database says."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def handling(self) -> dict[UUID, asyncpg.Record]:
        found = await self._connection.fetch("select * from deadline where obligation = 'handle' and ended_at is null")
        return {row["case_id"]: row for row in found}

    async def until_finished(self, number: int) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while True:
                found = (await reckonings.shown(self._connection, number) or [{"finished_at": None}])[0]
                if found["finished_at"] is not None:
                    return found
                await asyncio.sleep(0.1)

    async def stated(self, cause: LimitCause) -> list[tuple[UUID, f.DeadlineSet]]:
        envelopes = [decode(row["event"]) for row in await self._connection.fetch("select event from log")]
        return [
            (one.subject, one.fact)
            for one in envelopes
            if isinstance(one.fact, f.DeadlineSet) and one.fact.cause is cause
        ]

    async def calendars(self) -> Calendars:
        found = await present(self._connection, PARTS["calendar"].kind)
        assert isinstance(found, Calendars)
        return found

    async def units(self) -> UnitTree:
        found = await present(self._connection, UNITS)
        assert found is not None
        return found


async def test_each_is_reckoned_once_though_the_process_is_killed_amid_it(
    postgres_url: str, kafka_settings: KafkaSettings
) -> None:
    """Deadlines rest on a year without holidays; the year is published; later the limit becomes a stricter one."""
    await create_topics(kafka_settings, [CASES, DEADLINES])
    await put_in_force(postgres_url, "policy", policy("long", "300 working_day"))
    pool = await open_pool(postgres_url)
    async with (
        pool.acquire() as connection,
        routing(kafka_settings) as router,
        service(postgres_url, kafka_settings) as sla,
    ):
        table = Table(connection)
        await sla.start()
        await sla.ready()
        cases = {uuid4() for _ in range(CASES_OPEN)}
        for case_id in cases:
            await router.state(case_id, b.opened(), b.accepted(), b.dispatched("util-water"))
        async with asyncio.timeout(60):
            while len(provisional := await table.handling()) < CASES_OPEN:
                await asyncio.sleep(0.1)
        assert all(row["provisional"] for row in provisional.values())
        await sla.stop()
        due = next(iter(provisional.values()))["due_at"]
        years = range(datetime.now(UTC).year, due.year + 1)
        await put_in_force(postgres_url, "calendar", published(years), "csv")
        await sla.start("after_commit:3")
        assert await sla.ended() == -signal.SIGKILL
        halfway = [row["provisional"] for row in (await table.handling()).values()]
        assert 0 < sum(halfway) < CASES_OPEN
        await sla.start()
        await sla.ready()
        finished = await table.until_finished(1)
        assert (finished["provisional_only"], finished["total"], finished["done"]) == (True, CASES_OPEN, CASES_OPEN)
        assert (finished["later"], finished["earlier"], finished["failed"]) == (CASES_OPEN, 0, 0)
        assert finished["asked_by"]["kind"] == ActorKind.CLOCK
        await _are_as_the_calendar_says(table, provisional)
        await _the_policy_is_applied(sla, table, postgres_url)
        async with asyncio.timeout(10):
            await sla.stop()
    await pool.close()


async def _are_as_the_calendar_says(table: Table, before: dict[UUID, asyncpg.Record]) -> None:
    calendars = await table.calendars()
    own = calendars.of_unit("util-water", await table.units())
    for case_id, row in (await table.handling()).items():
        expected = calendar.due(row["started_at"], Limit.parse("300 working_day"), own)
        assert (row["due_at"], row["provisional"], row["calendar_version"]) == (expected.at, False, calendars.version)
        assert row["due_at"] > before[case_id]["due_at"]
    entries = await table.stated(LimitCause.CALENDAR)
    assert Counter(case_id for case_id, _ in entries) == Counter(before.keys())
    for _, entry in entries:
        assert (entry.by, entry.unit, entry.actor) == (calendars.version, "util-water", reckonings.CLOCK)
        assert [limit.obligation for limit in entry.limits] == [Obligation.HANDLE]


async def _the_policy_is_applied(sla: Sla, table: Table, url: str) -> None:
    before = await table.handling()
    await put_in_force(url, "policy", policy("strict", "100 working_day"))
    person = Identity(kind=ActorKind.STAFF, person="p-9", operator=True)
    token = issue(person, KEY, datetime.now(UTC), timedelta(hours=1))
    async with httpx.AsyncClient(base_url=sla.url, trust_env=False, timeout=30) as client:
        assert (await client.get("/reckonings")).status_code == 401
        client.headers["Authorization"] = f"Bearer {token}"
        wanted = {"kind": "policy", "note": "提速"}
        preview = (await client.post("/reckonings", params={"dry_run": True}, json=wanted)).json()
        assert (preview["version"], preview["deadlines"]["earlier"]) == ("strict", CASES_OPEN)
        assert await table.handling() == before
        for wrong, status, field in (
            (wanted, 422, "version"),
            (wanted | {"version": "long"}, 409, "version"),
            (wanted | {"version": "strict", "note": ""}, 422, "note"),
            (wanted | {"kind": "case"}, 422, "kind"),
        ):
            no = await client.post("/reckonings", json=wrong)
            assert (no.status_code, no.json()["field"]) == (status, field)
        asked = (await client.post("/reckonings", json=wanted | {"version": "strict"})).json()
        done = await table.until_finished(asked["id"])
        shown = (await client.get(f"/reckonings/{asked['id']}")).json()
        listed = (await client.get("/reckonings")).json()["reckonings"]
        assert (await client.get("/reckonings/99")).status_code == 404
    assert [one["id"] for one in listed] == [asked["id"], 1]
    assert (shown["done"], shown["changed"], shown["kept"]) == (CASES_OPEN, CASES_OPEN, 0)
    assert {name: preview["deadlines"].get(name, 0) for name in ("earlier", "later", "kept")} == {
        name: done[name] for name in ("earlier", "later", "kept")
    }
    after = await table.handling()
    for example in preview["examples"]:
        row = after[UUID(example["case_id"])]
        assert abs(row["due_at"] - datetime.fromisoformat(example["after"])) < timedelta(minutes=5)
    assert {(row["granted"], row["policy_version"]) for row in after.values()} == {("100 working_day", "strict")}
    entries = await table.stated(LimitCause.POLICY)
    assert Counter(case_id for case_id, _ in entries) == Counter(before.keys())
    assert {(entry.by, entry.note, entry.actor) for _, entry in entries} == {("strict", "提速", person.actor)}


async def test_there_is_one_of_a_kind_at_a_time(postgres_url: str) -> None:
    """The store by itself: what a second request is told, and what is read of nothing."""
    pool = await open_pool(postgres_url)
    async with pool.acquire() as connection:
        first = await _ask(connection, LimitCause.POLICY)
        with pytest.raises(reckonings.AlreadyRunning):
            await _ask(connection, LimitCause.POLICY)
        other = await _ask(connection, LimitCause.CALENDAR)
        shown = await reckonings.shown(connection, most=10)
        assert [(one["id"], one["kind"], one["total"], one["done"]) for one in shown] == [
            (other, "calendar", 0, 0),
            (first, "policy", 0, 0),
        ]
        calendars = await Table(connection).calendars()
        policies = await present(connection, PARTS["policy"].kind)
        assert policies is not None
        rules = Rules(policies, await Table(connection).units(), calendars)
    asked = Reckoning(first, LimitCause.POLICY, rules.policy.version, False, reckonings.CLOCK, "一次")
    assert (await reckonings.preview(pool, asked, rules)).cases == 0
    await pool.close()


async def _ask(connection: Any, kind: LimitCause) -> int:
    async with connection.transaction():
        return await reckonings.ask(connection, kind, "1", False, reckonings.CLOCK, "一次")
