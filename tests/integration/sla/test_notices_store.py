"""Notices on a real PostgreSQL: noted once, told once, numbered without a gap, whoever works and whoever dies."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from uuid_utils import uuid7

from services.sla import notices_store as kept
from services.sla.domain.notice_rules import NoticeRules
from services.sla.domain.policy import Policies
from services.sla.domain.rules import Rules
from services.sla.notices import MOST_ROWS, Notifier
from services.sla.notices_store import PostgresDigests, Told
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, encode
from shared.contracts.topics import SHARDS, shard_of
from shared.contracts.units import next_version
from shared.contracts.vocabulary import Obligation, Post, Urgency
from shared.runtime import failpoints
from shared.runtime.log import after, next_row
from shared.runtime.postgres import PostgresStore, open_pool
from tests.unit.sla import builders as b

pytestmark = pytest.mark.timeout(240)

AT_ANY_HOUR: dict[str, object] = {"quiet": {"default": None}, "window": "1 clock_day", "gather": timedelta(0)}
NOON = datetime(2026, 9, 18, 4, tzinfo=UTC)


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.install(None)


def by(**written: object) -> Rules:
    notices = NoticeRules.model_validate(AT_ANY_HOUR | written)
    rules = b.rules()
    return replace(rules, policies=Policies(rules.policy.model_copy(update={"notices": notices})))


class Desk:
    """One process's notices, and what its log says."""

    def __init__(self, pool: asyncpg.Pool, url: str, rules: Rules) -> None:
        self.pool = pool
        self.rules = rules
        self.notifier = Notifier(pool, lambda: self.rules, lambda _shard: True, timedelta(days=180))
        self.digests = PostgresDigests(pool)
        self._store = PostgresStore("sla", pool, url)

    async def state(self, told: Sequence[tuple[UUID, f.Fact]]) -> None:
        """Append to the log, as the road does."""
        async with self._store.transaction() as transaction:
            heads = await transaction.lock_heads({shard_of(case_id) for case_id, _ in told})
            rows = []
            for case_id, fact in told:
                head = heads[shard_of(case_id)]
                envelope = Envelope(
                    str(uuid7()), "/chuishao/sla", case_id, NOON, fact, sequence=head.sequence + 1, caseseq=1
                )
                rows.append(next_row(head, case_id, 1, encode(envelope)))
                heads[head.shard] = after(head, rows[-1])
            await transaction.write(rows, list(heads.values()))

    async def know(self, case_id: UUID, urgency: Urgency, number: str = "C-1") -> None:
        await self.pool.execute(
            "insert into state (case_id, caseseq, state) values ($1, 1, $2)",
            case_id,
            {"urgency": urgency.value, "number": number},
        )

    async def note_all(self) -> None:
        while await self.notifier.note():
            pass

    async def release_all(self) -> None:
        while await self.notifier.release():
            pass

    async def note_and_release_all(self) -> None:
        await self.note_all()
        await self.release_all()

    async def told(self) -> list[dict[str, Any]]:
        return await self.digests.after(0, 10_000)

    async def fates(self) -> Counter[str | None]:
        found = await self.pool.fetch("select fate, count(*) as number from notice group by fate")
        return Counter({record["fate"]: record["number"] for record in found})


@asynccontextmanager
async def desk(url: str, rules: Rules | None = None) -> AsyncIterator[Desk]:
    pool = await open_pool(url)
    try:
        yield Desk(pool, url, rules or by())
    finally:
        pool.terminate()


def step(kind: type[f.DeadlineStep] = f.DeadlineOverdue, unit: str = b.WATER, **more: object) -> f.DeadlineStep:
    about: dict[str, object] = {
        "obligation": Obligation.HANDLE,
        "unit": unit,
        "generation": 1,
        "started_at": NOON,
        "due_at": NOON,
        "fired_at": NOON,
        "policy_version": "1",
    }
    return kind.model_validate(about | more)


def flood(number: int) -> list[tuple[UUID, f.Fact]]:
    return [(uuid4(), step(unit=(b.WATER, b.POWER)[case % 2])) for case in range(number)]


async def test_a_flood_is_one_digest_for_each_recipient_though_two_processes_tell(postgres_url: str) -> None:
    """Both believe that all shards are theirs: the worst case of two owners."""
    async with desk(postgres_url) as one, desk(postgres_url) as other:
        await one.state(flood(10_000))
        began = asyncio.get_running_loop().time()
        await asyncio.gather(one.note_all(), other.note_all())
        await one.note_all()  # what one left because the other was reading it
        noted = asyncio.get_running_loop().time()
        await asyncio.gather(one.release_all(), other.release_all())
        took = asyncio.get_running_loop().time() - noted
        digests = await one.told()
        assert sorted((digest["unit"], digest["post"]) for digest in digests) == sorted(
            (unit, post) for unit in (b.WATER, b.POWER) for post in ("duty", "leader")
        )
        assert [digest["number"] for digest in digests] == [1, 2, 3, 4]
        assert {len(digest["entries"]) + digest["more"] for digest in digests} == {5_000}
        assert await one.fates() == {"told": 20_000}
        print(f"\n20,000 entries noted in {noted - began:.2f} s, told in {took:.2f} s")  # noqa: T201
        await one.state(flood(10))
        await one.note_and_release_all()
        assert len(await one.told()) == 4, "within the window nobody is told anything more"


@pytest.mark.parametrize("place", ["amid_noting", "amid_telling"])
async def test_killed_in_the_middle_nothing_is_lost_or_told_twice(postgres_url: str, place: str) -> None:
    class Killed(BaseException):
        pass

    def die(name: str) -> None:
        if name == place:
            failpoints.install(None)
            raise Killed

    async with desk(postgres_url) as dying:
        await dying.state(flood(MOST_ROWS))
        failpoints.install(die)
        with pytest.raises(Killed):
            await dying.note_and_release_all()
    async with desk(postgres_url) as again:
        await again.note_and_release_all()
        digests = await again.told()
        assert [digest["number"] for digest in digests] == [1, 2, 3, 4]
        assert await again.fates() == {"told": 2 * MOST_ROWS}


@pytest.mark.parametrize("committed", [True, False])
async def test_a_number_is_seen_only_after_those_before_it(postgres_url: str, committed: bool) -> None:
    """One process has its number and not committed yet: the next waits, so that no reader passes over a number."""
    async with desk(postgres_url) as one:
        first = await asyncpg.connect(postgres_url)
        slow = first.transaction()
        await slow.start()
        (number,) = await kept.numbers(first, 1)
        await kept.tell(first, [Told(number, f.Recipient(unit=b.HUB, post=Post.DUTY), "{}")], NOON)
        await one.state(flood(1))
        await one.note_all()
        second = asyncio.create_task(one.release_all())
        while not await one.pool.fetchval("select count(*) from pg_stat_activity where wait_event_type = 'Lock'"):
            assert not second.done()
        assert await one.told() == []
        await (slow.commit() if committed else slow.rollback())
        await second
        await first.close()
        told = [(digest["number"], digest["unit"]) for digest in await one.told()]
        later = [b.WATER, b.WATER]
        assert told == list(enumerate([b.HUB, *later] if committed else later, start=1))
        assert await one.digests.last() == len(told)


async def test_at_night_only_what_is_critical_is_told(postgres_url: str) -> None:
    now = datetime.now(b.local("2026-01-01").tzinfo)
    hours = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=2):%H:%M}"
    async with desk(postgres_url, by(quiet={"default": {"hours": hours}})) as one:
        burning, quiet = uuid4(), uuid4()
        await one.know(burning, Urgency.CRITICAL, "HA-1")
        await one.know(quiet, Urgency.NORMAL)
        warned = step(f.DeadlineWarned)
        await one.state([(burning, warned), (quiet, warned), (uuid4(), warned)])  # of the last, nothing is known
        await one.note_and_release_all()
        (digest,) = await one.told()
        assert [(entry["case_id"], entry["case_number"]) for entry in digest["entries"]] == [(str(burning), "HA-1")]
        assert await one.fates() == {"told": 1, None: 2}
        waits = await one.pool.fetchval("select release_at from mailbox")
        assert waits.astimezone(now.tzinfo).strftime("%H:%M") == hours[-5:]


async def test_what_has_passed_meanwhile_is_left_out(postgres_url: str) -> None:
    met, red, gone, late = uuid4(), uuid4(), uuid4(), uuid4()
    async with desk(postgres_url) as one:
        for case_id, state, fired, ended in (
            (met, "met", None, NOON),
            (red, "overdue", NOON, None),
            (late, "met", NOON, NOON),
        ):
            await one.pool.execute(
                "insert into deadline (case_id, unit, obligation, generation, shard, next_step, started_at, due_at, "
                "fired_at, ended_at, state, granted, policy_version, provisional) "
                "values ($1, $2, 'handle', 1, $3, 1, $4, $4, $5, $6, $7, '1 clock_day', '1', false)",
                case_id,
                b.WATER,
                shard_of(case_id),
                NOON,
                fired,
                ended,
                state,
            )
        await one.state([(case_id, step(f.DeadlineWarned)) for case_id in (met, red, gone)])
        rung = step(f.DeadlineEscalated, rung=1, told=(b.WATER,), recipients=({"unit": b.WATER, "post": "duty"},))
        await one.state([(late, step()), (late, rung)])
        await one.note_and_release_all()
        duty, leader = sorted(await one.told(), key=lambda digest: str(digest["post"]))
        assert [(entry["case_id"], entry["light"], entry["over"]) for entry in duty["entries"]] == [
            (str(gone), "yellow", False),
            (str(late), "rung", True),
        ]
        assert (duty["resolved"], duty["superseded"]) == (1, 2)
        assert [entry["light"] for entry in leader["entries"]] == ["red"]
        assert await one.fates() == {"told": 3, "resolved": 1, "superseded": 2}


async def test_what_waits_for_a_unit_that_is_gone_goes_to_its_successor(postgres_url: str) -> None:
    async with desk(postgres_url) as one:
        await one.state(flood(2))
        await one.note_all()
        tree = one.rules.units
        heir = tree.units[b.POWER].model_copy(update={"succeeds": (b.WATER,)})
        units = [heir if unit.code == b.POWER else unit for unit in tree if unit.code != b.WATER]
        one.rules = replace(one.rules, units=next_version(tree, units, "2"))
        await one.release_all()
        digests = await one.told()
        assert {(digest["unit"], digest["post"]) for digest in digests} == {(b.POWER, "duty"), (b.POWER, "leader")}
        assert await one.fates() == {"told": 4}
        assert await one.pool.fetchval("select count(*) from mailbox where release_at is not null") == 0


async def test_an_event_that_cannot_be_read_keeps_nobody_else_from_being_told(postgres_url: str) -> None:
    async with desk(postgres_url) as one:
        case_id = uuid4()
        await one.state([(case_id, step()), (case_id, step(obligation=Obligation.SIGN_IN))])
        rows = await one.pool.fetch("select sequence, event from log order by sequence")
        broken = rows[0]["event"].replace(b'"handle"', b'"handel"')
        stated = [kept.Stated(shard_of(case_id), row["sequence"], case_id, row["event"]) for row in rows]
        noted = await one.notifier._noted(one.pool, [replace(stated[0], event=broken), stated[1]])
        assert {entry.obligation for _, entry in noted} == {Obligation.SIGN_IN}
        assert await one.notifier._noted(one.pool, [replace(stated[0], event=None)]) == []


async def test_a_unit_reads_its_own_and_says_so_once(postgres_url: str) -> None:
    async with desk(postgres_url) as one:
        await one.state(flood(2))
        await one.note_and_release_all()
        newest, older = await one.digests.of_unit(b.WATER, 2**62, 10)
        assert newest["number"] > older["number"]
        assert await one.digests.of_unit(b.WATER, newest["number"], 10) == [older]
        assert await one.digests.unit_told(newest["number"]) == b.WATER
        assert await one.digests.unit_told(99) is None
        first = await one.digests.mark_read(newest["number"], "li")
        assert await one.digests.mark_read(newest["number"], "li") == first
        await one.digests.mark_read(newest["number"], "wang")
        (read, _) = await one.digests.of_unit(b.WATER, 2**62, 10)
        assert [by_whom["person"] for by_whom in read["read_by"]] == ["li", "wang"]


async def test_what_was_told_long_ago_is_forgotten_and_what_waits_is_not(postgres_url: str) -> None:
    async with desk(postgres_url) as one:
        await one.state(flood(2))
        await one.note_and_release_all()
        await one.state(flood(2))
        await one.note_all()
        await one.pool.execute("update notice set decided_at = decided_at - interval '181 days' where fate is not null")
        await one.pool.execute("update notice set noted_at = noted_at - interval '400 days'")
        await one.pool.execute("update digest set released_at = released_at - interval '181 days' where number <= 2")
        await one.digests.mark_read(1, "li")
        await one.notifier.keep_house()
        assert await one.fates() == {None: 4}
        assert [digest["number"] for digest in await one.told()] == [3, 4]
        assert await one.digests.last() == 4


async def test_finding_what_waits_is_cheap_however_much_was_told(postgres_url: str) -> None:
    """Of 200,000 that were told and 200 that wait for others, one recipient's are found by a few pages."""
    async with desk(postgres_url) as one:
        await one.pool.execute(
            "insert into notice (unit, post, case_id, case_number, owed_by, obligation, generation, step, urgency, "
            "due_at, stated_at, changes, noted_at, fate, decided_at, digest) "
            "select 'util-' || number % 100, 'duty', gen_random_uuid(), '', 'util-water', 'handle', 1, 0, 'normal', "
            "now(), now(), '{}', now(), fate, case when fate is null then null else now() end, "
            "case when fate is null then null else 1 end "
            "from (select number, case when number % 1000 = 0 then null else 'told' end as fate "
            "from generate_series(1, 200000) as number)"
        )
        await one.pool.execute("analyze notice")
        explained = await one.pool.fetchval(
            f"explain (analyze, buffers, format json) {kept.queries.waiting.sql}", "util-0", "duty", 20_000
        )
        (plan,) = orjson.loads(explained)
        assert plan["Plan"]["Actual Rows"] == 200
        assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 2_000
        async with one.pool.acquire() as connection:
            waiting, _age = await kept.backlog(connection)
        assert waiting == 200


async def test_all_shards_have_a_cursor(postgres_url: str) -> None:
    async with desk(postgres_url) as one:
        assert await one.pool.fetchval("select count(*) from notice_cursor") == SHARDS
