"""Scorecards on a real PostgreSQL: computed from rows, frozen by the database itself, made again from the logs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from typer.testing import CliRunner

from deploy.check.command import CANNOT_CHECK
from deploy.cli import app
from deploy.local.places import PROJECT
from deploy.local.processes import Addresses
from deploy.migrate import migrate, migrations_of
from deploy.scorecard.verifying import Verdict, cards_to_verify, snapshot_of, verify
from services.feedback.domain.measuring import scorecard
from services.feedback.domain.measuring.issuing import Card, Status
from services.feedback.domain.measuring.judged import parts, whole
from services.feedback.domain.measuring.part import Part
from services.feedback.domain.measuring.periods import Period, last_ended, period_named
from services.feedback.domain.measuring.scoring import Rhythm, Scoring
from services.feedback.domain.review import Review
from services.feedback.domain.standards import Standards
from services.feedback.main import handlers_by
from services.feedback.scorecards import compute, schedule
from services.feedback.scorecards.compute import ClaimLost, compute_claimed
from services.feedback.scorecards.measured_rows import to_part, to_whole
from services.feedback.scorecards.schedule import Schedule
from services.feedback.scorecards.scorecards import NEWEST, PartPlace, PostgresScorecards, Scorecards, Which, queries
from services.feedback.settings import FeedbackSettings
from services.feedback.store import PostgresReviews, ReviewStates, measured
from shared.contracts import facts as f
from shared.contracts.topics import CASES, shard_of
from shared.contracts.vocabulary import Measure, Satisfaction
from shared.runtime.decision import DoorKey, FromDoor, Input
from shared.runtime.log import GENESIS, Head
from shared.runtime.postgres import PostgresStore, each, open_pool
from shared.runtime.road import Road
from shared.runtime.service import decide_with
from tests.integration.feedback.conftest import Feedback, OtherLogs, eventually
from tests.unit.feedback.histories import (
    CASE,
    HUB,
    MARKET,
    NOW,
    TREE,
    WATER,
    History,
    answered,
    asks,
    closed,
    dispatched,
    failed,
    handled,
    opened,
    passed,
    rated,
    rework,
    rules,
)
from tests.unit.feedback.issuing_suite import SUITE, WANG, Finish
from tests.unit.feedback.memory import NoRelay
from tests.unit.feedback.wire import OtherLog, arrived

SCORING = Scoring(version="1", settle_hours=0)
STANDARDS = Standards(TREE, SCORING)
YEAR = period_named(Rhythm.YEAR, str(NOW.year), SCORING)
NUMBERED = [UUID(int=CASE.int + place * 7) for place in range(4)]


def done(unit: str, place: int) -> f.CaseUnitDone:
    given = UUID(int=100 + place)
    return f.CaseUnitDone(
        **_about(),
        assignment_id=given,
        unit=unit,
        result="已修复",
        evidence=(),
    )


def _about() -> dict[str, Any]:
    told = handled()
    return {"number": told.number, "source": told.source, "stage": told.stage, "actor": told.actor}


HISTORIES: list[list[object]] = [
    [opened(), dispatched(WATER, MARKET), done(WATER, 0), handled(1, WATER, MARKET)],
    [opened(), dispatched(), done(WATER, 0), handled(), passed(), rated(score=3), answered(), closed()],
    [opened(), dispatched(), done(WATER, 0), handled(), failed(), rework(2), handled(2)],
    [
        *[opened(), dispatched(), done(WATER, 0), handled(), passed(), rated(score=1)],
        *[answered(Satisfaction.UNSATISFIED, solved=False), asks(Measure.SOLVED), rules()],
    ],
]


@dataclass
class District:
    """Feedback's road on a database, beside the router's log as it would be there."""

    pool: asyncpg.Pool
    url: str
    admin_url: str
    router: OtherLog

    @property
    def cards(self) -> PostgresScorecards:
        return PostgresScorecards(self.pool)

    async def tell(self, histories: list[list[object]] = HISTORIES, cases: list[UUID] = NUMBERED) -> None:
        store = PostgresStore("feedback", self.pool, self.url)
        handlers = handlers_by(lambda: STANDARDS)
        road = Road[Review]("feedback", store, ReviewStates(), decide_with(handlers), NoRelay())
        admin = await asyncpg.connect(self.admin_url)
        for case_id, history in zip(cases, histories, strict=True):
            for place, message in enumerate(history):
                if isinstance(message, f.Fact):
                    head = self.router.heads.get(shard_of(case_id), Head(shard_of(case_id), 0, GENESIS, 0))
                    told = self.router.append(case_id, message)
                    await _log(admin, case_id, head.sequence + 1, self.router.caseseqs[case_id], told.value)
                    item = arrived(told)
                else:
                    key = f"{case_id} {place}"
                    item = Input(case_id, message, key, FromDoor((DoorKey("http", key),)))
                (outcome,) = await road.travel([item])
                assert outcome.refusal is None, (history, outcome)
        await admin.close()

    async def parts(self) -> list[Part]:
        async with self.pool.acquire() as connection:
            rows = measured.parts_in(connection, starts_at=YEAR.start, ends_at=NEVER)
            return sorted([to_part(row) async for row in each(rows)], key=lambda part: (part.case_id, part.round))

    async def by_admin(self, statement: str, *given: object) -> None:
        admin = await asyncpg.connect(self.admin_url, server_settings={"search_path": "feedback"})
        try:
            await admin.execute(statement, *given)
        finally:
            await admin.close()

    async def compute(self, card_id: int, claim: UUID) -> None:
        """As the process does it, here."""
        settings = FeedbackSettings.model_construct()
        async with self._connected(settings) as reading, self._connected(settings) as writing:
            await compute_claimed(reading, writing, card_id, claim)

    async def computed(self, period: Period = YEAR) -> Card:
        card = await self.cards.ask(period, WANG)
        claim = uuid4()
        async with self.pool.acquire() as connection:
            assert await queries.claim(connection, claim=claim, lease=compute.LEASE) == card.id
        await self.compute(card.id, claim)
        found = await self.cards.card(card.id)
        assert found is not None
        return found

    async def content(self, card: Card) -> bytes:
        content = await self.cards.content(card.id)
        assert content is not None
        return content

    async def verified(self, card: Card) -> Verdict:
        async with snapshot_of(self.admin_url) as connection:
            ((same, stored),) = await cards_to_verify(connection, card.id)
            return await verify(connection, same, stored, lambda _done, _of: None)

    @asynccontextmanager
    async def _connected(self, settings: FeedbackSettings) -> AsyncIterator[Any]:
        connection = await compute.connect(self.url, settings)
        try:
            yield connection
        finally:
            await connection.close()


NEVER = datetime.fromisoformat("9999-01-01T00:00:00+00:00")


async def _log(admin: Any, case_id: UUID, sequence: int, caseseq: int, event: bytes | None) -> None:
    await admin.execute(
        "insert into router.log (shard, sequence, case_id, caseseq, event, digest, hash) "
        "values ($1, $2, $3, $4, $5, '', '')",
        *(shard_of(case_id), sequence, case_id, caseseq, event),
    )


@pytest.fixture
async def district(postgres_url: str, engines: Addresses) -> AsyncIterator[District]:
    path = urlsplit(postgres_url).path
    admin_url = urlunsplit(urlsplit(engines.postgres_admin_url)._replace(path=path))
    admin = await asyncpg.connect(admin_url)
    await migrate(admin, "router", "router")
    await admin.close()
    pool = await open_pool(postgres_url)
    yield District(pool, postgres_url, admin_url, OtherLog("router", CASES))
    await pool.close()


# --- the rows -----------------------------------------------------------------------------------------------------


async def test_the_rows_are_what_the_states_say(district: District) -> None:
    await district.tell()
    reviews, stored = PostgresReviews(district.pool), await district.parts()
    expected: set[Part] = set()
    for case_id in NUMBERED:
        review = await reviews.review(case_id)
        assert review is not None
        assert review.record is not None
        expected |= set(parts(case_id, review.record, review.judged))
        async with district.pool.acquire() as connection:
            rows = [row async for row in each(measured.wholes_in(connection, starts_at=YEAR.start, ends_at=NEVER))]
        assert whole(case_id, review.record, review.judged) in [to_whole(row) for row in rows]
    assert set(stored) == expected
    assert len(stored) == len(expected)
    assert any(part.excluded for part in stored)
    assert any(part.answered for part in stored)
    assert {part.unit for part in stored} == {WATER, MARKET}


async def test_a_case_is_found_by_what_its_source_calls_it(district: District) -> None:
    told = opened()
    await district.tell([[told.model_copy(update={"source_ref": "GD-1"})], [told]], NUMBERED[:2])
    reviews = PostgresReviews(district.pool)
    found = await reviews.reviews_by_source_ref(["GD-1", "GD-2"])
    assert {name: case_id for name, (case_id, _) in found.items()} == {"GD-1": NUMBERED[0]}


async def test_cases_from_before_this_release_have_no_rows_and_go_on(engines: Addresses) -> None:
    """A database of 0.1: a review without a record. It is migrated, read and judged, and measured nowhere."""
    name = f"feedback_{uuid4().hex}"
    admin = await asyncpg.connect(engines.postgres_admin_url)
    await admin.execute(f"create database {name}")
    old = await asyncpg.connect(urlunsplit(urlsplit(engines.postgres_admin_url)._replace(path=f"/{name}")))
    names = [path.name for path in migrations_of("feedback")]
    migrations = migrations_of("feedback")[: names.index("0002_measured.sql") + 1]
    for path in migrations[:-1]:
        await old.execute(path.read_text(encoding="utf-8"))
    review = History(opened(), handled()).review
    assert review is not None
    said = review.model_dump_json(exclude={"record", "judged"})
    await old.execute("insert into state (case_id, caseseq, state) values ($1, 0, $2)", CASE, said)
    await old.execute(migrations[-1].read_text(encoding="utf-8"))

    assert await old.fetchval("select count(*) from state where coalesce(state -> 'record', 'null') = 'null'") == 1
    assert await old.fetchval("select count(*) from part") == 0
    read = Review.model_validate_json(await old.fetchval("select state::text from state"))
    assert (read.record, read.waiting) == (None, review.waiting)
    await old.close()
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


# --- keeping ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", SUITE)
async def test_the_keeper_in_postgresql(
    district: District, told: Callable[[Scorecards, Finish], Awaitable[None]]
) -> None:
    cards = district.cards

    async def finish(card_id: int, content: bytes) -> Card:
        claim = uuid4()
        async with district.pool.acquire() as connection:
            assert await queries.claim(connection, claim=claim, lease=timedelta(minutes=1)) == card_id
            card = await cards.card(card_id)
            assert card is not None
            saved = await queries.save_computed(
                connection,
                id=card_id,
                claim=claim,
                starts_at=card.starts_at,
                ends_at=card.ends_at,
                content=content,
                hash=scorecard.content_hash(content),
                inputs={"positions": {}, "scoring": 1, "units": 1},
                computed_at=await cards.now(),
            )
            assert saved == card_id
        found = await cards.card(card_id)
        assert found is not None
        return found

    await told(cards, finish)


@pytest.mark.parametrize(
    "statement",
    [
        "update scorecard set content = 'x', hash = encode(sha256('x'), 'hex')",
        "update scorecard set hash = null",
        "update scorecard set inputs = '{}'",
        "update scorecard set status = 'computed', published_at = null",
        "update scorecard set done = done + 1",
        "delete from scorecard",
    ],
)
async def test_the_database_itself_keeps_what_is_published(district: District, statement: str) -> None:
    await district.tell()
    card = await district.computed()
    before = await district.content(card)
    await district.by_admin("update scorecard set status = 'published', published_at = clock_timestamp()")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="is published"):
        await district.by_admin(statement)
    assert await district.content(card) == before


# --- computing ----------------------------------------------------------------------------------------------------


async def test_the_same_rows_give_the_same_bytes(district: District) -> None:
    await district.tell()
    first = await district.computed()
    bytes_before = await district.content(first)
    second = await district.computed()
    assert (second.id, second.hash) == (first.id, first.hash)
    assert await district.content(second) == bytes_before
    assert second.status is Status.COMPUTED
    assert second.done == second.total > 0
    read = scorecard.read(bytes_before)
    water = read.unit(WATER)
    assert water is not None
    assert (water.raw[Measure.HANDLE].denominator, read.cases.received) == (4, 4)
    assert second.inputs is not None
    assert second.inputs.positions["cases"] == {
        str(shard): head.sequence for shard, head in district.router.heads.items()
    }
    found = await district.cards.parts(WATER, read.start, read.end, PartPlace(), 100)
    assert {part.number for part in found} == {opened().number}


async def test_a_claim_that_was_lost_changes_nothing(district: District) -> None:
    await district.tell()
    card = await district.cards.ask(YEAR, WANG)
    first, second = uuid4(), uuid4()
    async with district.pool.acquire() as connection:
        assert await queries.claim(connection, claim=first, lease=timedelta(0)) == card.id
        assert await queries.claim(connection, claim=second, lease=timedelta(minutes=1)) == card.id
        assert await queries.claim(connection, claim=uuid4(), lease=timedelta(minutes=1)) is None
    with pytest.raises(ClaimLost):
        await district.compute(card.id, first)
    await district.compute(card.id, second)
    found = await district.cards.card(card.id)
    assert found is not None
    assert found.status is Status.COMPUTED


# --- the schedule -------------------------------------------------------------------------------------------------


def scheduled(district: District, computed: list[int]) -> Schedule:
    async def here(card_id: int, claim: UUID) -> None:
        computed.append(card_id)
        await district.compute(card_id, claim)

    return Schedule(lambda: STANDARDS, here)


async def test_two_processes_compute_and_publish_what_is_due_once(district: District) -> None:
    """The case was received a while ago, so that a week is over since."""
    await district.tell()
    await district.by_admin("update whole set received_at = clock_timestamp() - interval '16 days'")
    computed: list[int] = []
    one, other = scheduled(district, computed), scheduled(district, computed)
    await asyncio.gather(*(each_one.look(district.pool, behind=False) for each_one in (one, other)))
    await asyncio.gather(*(each_one.look(district.pool, behind=False) for each_one in (one, other)))

    cards = await district.cards.page(Which(), NEWEST, 100)
    assert sorted(computed) == sorted(card.id for card in cards)
    names = [(card.rhythm, card.period) for card in cards]
    assert len(names) == len(set(names))
    days = [card for card in cards if card.rhythm is Rhythm.DAY]
    weeks = [card for card in cards if card.rhythm is Rhythm.WEEK]
    assert (len(days), len(weeks)) in ((7, 2), (7, 3))
    assert {card.status for card in (*days, *weeks)} == {Status.PUBLISHED}
    assert {card.published_by and card.published_by.kind for card in days} == {schedule.CLOCK.kind}
    assert all(card.status is Status.COMPUTED for card in cards if card.rhythm is Rhythm.MONTH)


async def test_what_was_computed_too_early_is_computed_and_published_once_more(district: District) -> None:
    await district.tell()
    await district.by_admin("update whole set received_at = clock_timestamp() - interval '3 days'")
    yesterday = last_ended(Rhythm.DAY, await district.cards.now(), SCORING)
    card = await district.computed(yesterday)
    await district.by_admin("update scorecard set computed_at = ends_at - interval '1 hour'")
    computed: list[int] = []
    await scheduled(district, computed).look(district.pool, behind=True)
    assert computed == []
    await scheduled(district, computed).look(district.pool, behind=False)
    found = await district.cards.card(card.id)
    assert found is not None
    assert (computed.count(card.id), found.status) == (1, Status.PUBLISHED)


async def test_while_facts_wait_nothing_is_asked_for_by_itself(district: District) -> None:
    await district.tell()
    await district.by_admin("update whole set received_at = clock_timestamp() - interval '3 days'")
    computed: list[int] = []
    asked = await district.cards.ask(YEAR, WANG)
    await scheduled(district, computed).look(district.pool, behind=True)
    assert computed == [asked.id]


async def test_what_dies_again_and_again_is_given_up_with_a_reason(
    district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute, "LEASE", timedelta(0))
    deaths: list[int] = []

    async def dies(card_id: int, _claim: UUID) -> None:
        deaths.append(card_id)

    card = await district.cards.ask(YEAR, WANG)
    await Schedule(lambda: STANDARDS, dies).look(district.pool, behind=True)
    found = await district.cards.card(card.id)
    assert found is not None
    assert (found.status, len(deaths)) == (Status.FAILED, compute.MOST_ATTEMPTS)
    assert "died" in (found.failure or "")


async def test_the_process_computes_it(district: District, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUISHAO_POSTGRES_URL", district.url)
    monkeypatch.chdir(PROJECT)
    await district.tell()
    card = await district.cards.ask(YEAR, WANG)
    await Schedule(lambda: STANDARDS).look(district.pool, behind=True)
    found = await district.cards.card(card.id)
    assert found is not None
    assert (found.status, found.failure) == (Status.COMPUTED, None)


# --- verifying ----------------------------------------------------------------------------------------------------


async def test_the_logs_give_the_same_bytes(district: District) -> None:
    await district.tell()
    card = await district.computed()
    verdict = await district.verified(card)
    assert verdict.differences == ()
    assert verdict.replayed is not None
    assert (verdict.replayed.cases, verdict.replayed.unmeasured) == (4, 0)


async def test_what_was_said_since_changes_nothing_of_it(district: District) -> None:
    await district.tell(HISTORIES[:3], NUMBERED[:3])
    card = await district.computed()
    await district.tell(HISTORIES[3:], NUMBERED[3:])
    assert (await district.verified(card)).holds
    assert (await district.verified(await district.computed())).holds


async def test_a_row_that_was_tampered_with_is_found_and_named(district: District) -> None:
    await district.tell()
    await district.by_admin("update part set handle_late = true where unit = $1 and round = 1", WATER)
    verdict = await district.verified(await district.computed())
    assert not verdict.holds
    assert verdict.differences[0].startswith(f"units {WATER} ")
    assert any("handle" in said for said in verdict.differences)


async def test_content_and_versions_that_were_tampered_with_are_found(district: District) -> None:
    await district.tell()
    card = await district.computed()
    content = orjson.loads(await district.content(card))
    content["units"][0]["rank"] = 1
    forged = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    await district.by_admin(
        "update scorecard set content = $1, hash = encode(sha256($1), 'hex')",
        forged,
    )
    verdict = await district.verified(card)
    assert [said.partition(":")[0] for said in verdict.differences] == [f"units {MARKET} · rank"]

    await district.by_admin("update district.version set content = content || ' '::bytea where kind = 'scoring'")
    assert "scoring was changed" in (await district.verified(card)).differences[0]


async def test_a_case_that_was_never_measured_is_left_out(district: District) -> None:
    """One that was opened before release 0.2 has no record."""
    await district.tell()
    first = NUMBERED[0]
    await district.by_admin("update state set state = state - 'record' where case_id = $1", first)
    await district.by_admin("delete from part where case_id = $1", first)
    await district.by_admin("delete from whole where case_id = $1", first)
    verdict = await district.verified(await district.computed())
    assert verdict.differences == ()
    assert verdict.replayed is not None
    assert (verdict.replayed.cases, verdict.replayed.unmeasured) == (3, 1)


async def test_the_command_says_what_holds_and_ends_with_1_where_something_does_not(
    district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHUISHAO_POSTGRES_ADMIN_URL", district.admin_url)
    monkeypatch.setenv("CHUISHAO_KAFKA_BOOTSTRAP", "127.0.0.1:1")

    async def said(*given: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, app, ["scorecard", "verify", *given])
        return result.exit_code, result.output

    await district.tell()
    card = await district.computed()
    code, output = await said(str(card.id))
    assert (code, f"OK {card.hash}" in output, "4 cases" in output) == (0, True, True)
    assert await said("--all") == (0, "0 of 0 hold 一致\n")
    assert (await said("999"))[0] == CANNOT_CHECK

    await district.by_admin("update part set rated_at = null, contact_score = null")
    await district.computed()
    await district.by_admin("update scorecard set status = 'published', published_at = clock_timestamp()")
    code, output = await said("--all")
    assert (code, "DIFFERS" in output, f"units {WATER} · " in output) == (1, True, True)
    code, output = await said("--all", "--json")
    assert (code, [one["ok"] for one in orjson.loads(output)]) == (1, [False])


# --- the service --------------------------------------------------------------------------------------------------


async def test_the_service_computes_what_it_is_asked_for_and_goes_on(
    feedback: Feedback, logs: OtherLogs, district: District
) -> None:
    await logs.case(CASE, opened(), dispatched(), done(WATER, 0), handled())
    await feedback.start()
    async with feedback.asked_by(HUB) as hub, feedback.asked_by(WATER) as water:

        async def is_measured() -> bool:
            return len(await district.parts()) == 1

        await eventually(is_measured, "the case's row")
        asked = await hub.post("/scorecards", json={"rhythm": "year", "period": str(NOW.year)})
        assert asked.status_code == 202, asked.text
        path = f"/scorecards/{asked.json()['id']}"

        async def is_computed() -> bool:
            return bool((await hub.get(path)).json()["status"] == "computed")

        await eventually(is_computed, "the scorecard")
        found = (await hub.get(path)).json()
        assert found["content"]["units"][0]["raw"]["handle"]["denominator"] == 1
        behind = await hub.get(f"{path}/cases", params={"unit": WATER, "measure": "handle"})
        assert [one["number"] for one in behind.json()["cases"]] == [opened().number]
        for form in ("xlsx", "csv", "html", "json"):
            assert (await hub.get(f"{path}/export", params={"format": form})).status_code == 200
        assert (await water.get(path)).status_code == 404
        assert (await hub.post(f"{path}/publish")).json()["title"] == "publish too early"
