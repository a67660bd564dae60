"""The checker on a real stack: in order it says so; tampered with behind the services' back, it names the place."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
import pytest
import typer
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from deploy.check.command import check, register
from deploy.check.drained import NotDrained, wait_until_drained
from deploy.check.report import Report, Violation
from deploy.local.stack import LocalStack
from shared.contracts.vocabulary import ActorKind
from shared.runtime.identity import Identity, issue

FOLDER = Path("var/test-check")
COMMUNITY, WATER = "110199001001", "util-water"
CASES = 6
PATIENCE = 60.0

pytestmark = pytest.mark.timeout(240)


class District:
    """A stack with some cases on it, one of them closed, and the client's ledger of them."""

    def __init__(self, stack: LocalStack, ledger: Path) -> None:
        self.stack = stack
        self.ledger = ledger
        self.url = stack.addresses.postgres_admin_url
        self.kafka = {"bootstrap_servers": stack.addresses.kafka_bootstrap}

    @property
    def first(self) -> dict[str, Any]:
        """The ledger's first line."""
        line: dict[str, Any] = orjson.loads(self.ledger.read_bytes().splitlines()[0])
        return line

    async def check(self, drained: bool = False, quiet: bool = True, strict: bool = False) -> Report:
        return await check(self.url, self.kafka, self.ledger, drained=drained, quiet=quiet, strict=strict)

    async def drained(self, within: float = PATIENCE, final: bool = False) -> None:
        await wait_until_drained(self.url, self.kafka, within=within, final=final)

    @asynccontextmanager
    async def tampered(self, *statements: str) -> AsyncIterator[None]:
        """The router's tables with something changed; afterwards they are as they were."""
        kept = ("log", "head", "progress")
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute("set search_path = router")
            for table in kept:
                await connection.execute(f"create temp table kept_{table} as table {table}")
            for statement in statements:
                await connection.execute(statement)
            yield
        finally:
            for table in kept:
                await connection.execute(f"delete from {table}")
                await connection.execute(f"insert into {table} select * from kept_{table}")
            await connection.close()

    async def longest_shard(self) -> int:
        connection = await asyncpg.connect(self.url)
        try:
            shard: int = await connection.fetchval("select shard from router.head order by sequence desc limit 1")
        finally:
            await connection.close()
        return shard


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("CHUISHAO_")}
    stack = LocalStack(FOLDER, environment=given)
    stack.erase()
    stack.start()
    try:
        ledger = tmp_path_factory.mktemp("client") / "accepted.jsonl"
        made = District(stack, ledger)
        _blow_whistles(stack, ledger)
        asyncio.run(made.drained())
        yield made
    finally:
        stack.erase()


def _blow_whistles(stack: LocalStack, ledger: Path) -> None:
    """Some cases from a community; each is repeated under its key, the first is taken to its end."""
    services = stack.addresses.services
    with httpx.Client(trust_env=False, timeout=20) as client, ledger.open("wb") as lines:
        for number, status in product(range(CASES), ("accepted", "repeat")):
            key = f"key-{number}"
            headers = _token(stack, COMMUNITY) | {"Idempotency-Key": key}
            answer = client.post(f"{services['intake']}/whistles", headers=headers, json=_whistle(number))
            assert answer.is_success, answer.text
            said = {name: answer.json()[name] for name in ("case_id", "number")}
            told = {"door": "whistles", "source": "community", "source_ref": None, "idempotency_key": key}
            lines.write(orjson.dumps(told | said | {"status": status}) + b"\n")
            if number == 0 and status == "repeat":
                _take_to_its_end(stack, client, said["case_id"])


def _take_to_its_end(stack: LocalStack, client: httpx.Client, case_id: str) -> None:
    services, unit, community = stack.addresses.services, _token(stack, WATER), _token(stack, COMMUNITY)
    case, review = f"{services['router']}/cases/{case_id}", f"{services['feedback']}/reviews/{case_id}"
    scores = {"unit": WATER, "contact": 5, "speed": 5, "result": 4}
    for url, who, body in (
        (f"{case}/sign-in", unit, {}),
        (f"{case}/progress", unit, {"note": "已联系", "contacted": True}),
        (f"{case}/done", unit, {"result": "已修好"}),
        (f"{review}/check", community, {"passed": True}),
        (f"{review}/rate", community, scores),
    ):
        _eventually(client, url, who, body)


def _eventually(client: httpx.Client, url: str, headers: dict[str, str], body: dict[str, Any]) -> None:
    """Each service hears of what the one before decided in its own time."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := client.post(url, headers=headers, json=body)).is_success:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)


def _whistle(number: int) -> dict[str, Any]:
    return {
        "title": "湖畔路水管漏水",
        "content": f"{number} 号楼前水管漏水",
        "appeal_type": "help",
        "urgency": "normal",
        "category": ["城乡建设", "供水"],
        "region": COMMUNITY,
        "address": f"湖畔路 {number} 号",
        "source": "community",
    }


def _token(stack: LocalStack, unit: str) -> dict[str, str]:
    identity = Identity(kind=ActorKind.STAFF, person=f"p-{unit}", unit=unit)
    key = stack.environment("intake")["CHUISHAO_SIGNING_KEY"]
    return {"Authorization": "Bearer " + issue(identity, key, datetime.now(UTC), timedelta(hours=1))}


def places(violations: list[Violation]) -> list[tuple[str | None, int | None, int | None]]:
    return [(one.service, one.shard, one.sequence) for one in violations]


# --- in order


async def test_in_order(district: District) -> None:
    report = await district.check()
    assert report.ok, report.as_json()
    assert report.I1.checked == 2 * CASES
    assert report.I1.measured == {"whistles": CASES, "ledger": {"accepted": CASES, "repeat": CASES}}
    assert report.I2.measured["stages"]["closed"] == 1
    assert report.I4.measured["owed"] == report.I4.measured["ids"] > CASES
    assert report.I5.checked > 5 * CASES
    assert (await district.check(quiet=False)).ok


async def test_what_is_not_final_is_named_where_all_should_be(district: District) -> None:
    report = await district.check(drained=True)
    assert report.I2.broken == CASES
    assert district.first["number"] in {one.number for one in report.I2.violations}
    with pytest.raises(NotDrained, match=f"{CASES} cases are not final, the oldest is"):
        await district.drained(within=0.1, final=True)


async def test_the_commands(district: District, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHUISHAO_POSTGRES_ADMIN_URL", raising=False)
    monkeypatch.delenv("CHUISHAO_KAFKA_BOOTSTRAP", raising=False)
    app = typer.Typer()
    register(app)

    async def run(*arguments: str) -> tuple[int, str]:
        """In a thread: the command has a loop of its own."""
        result = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--folder", str(FOLDER)])
        return result.exit_code, result.stdout

    code, shown = await run("check", "--json", "--accepted", str(district.ledger), "--within", "30")
    assert code == 0, shown
    assert [name for name, found in orjson.loads(shown).items() if name.startswith("I") and found["ok"]] == [
        f"I{number}" for number in range(1, 8)
    ]
    code, shown = await run("audit", "verify", "--service", "router", "--json")
    assert (code, orjson.loads(shown)["services"]) == (0, ["router"])
    async with district.tampered("update log set digest = hash where shard = (select min(shard) from log)"):
        assert (await run("audit", "verify"))[0] == 1
        assert (await run("audit", "verify", "--service", "intake"))[0] == 0
        code, shown = await run("check")
        assert code == 1
        assert "否 no" in shown
    monkeypatch.setenv("CHUISHAO_POSTGRES_ADMIN_URL", "postgresql://127.0.0.1:1/nothing")
    assert (await run("check"))[0] == 2


# --- tables


@pytest.mark.parametrize(
    "change",
    [
        "event = set_byte(event, 300, get_byte(event, 300) # 1)",
        "digest = set_byte(digest, 31, get_byte(digest, 31) # 1)",
        "hash = set_byte(hash, 0, get_byte(hash, 0) # 1)",
        "caseseq = caseseq + 1",
        "case_id = gen_random_uuid()",
    ],
    ids=lambda change: change.partition(" ")[0],
)
async def test_one_byte_of_one_row_is_named(district: District, change: str) -> None:
    shard = await district.longest_shard()
    async with district.tampered(f"update log set {change} where shard = {shard} and sequence = 2"):
        assert places((await district.check()).I5.violations) == [("router", shard, 2)]
    assert (await district.check()).ok


async def test_a_deleted_row_is_named(district: District) -> None:
    shard = await district.longest_shard()
    async with district.tampered(f"delete from log where shard = {shard} and sequence = 2"):
        report = await district.check()
        assert places(report.I5.violations) == [("router", shard, 2)]
        assert not report.I6.ok
        assert not report.I7.ok


async def test_two_swapped_rows_are_named(district: District) -> None:
    shard = await district.longest_shard()
    columns = ("case_id", "caseseq", "event", "digest", "hash")
    swap = f"""
        update log set {", ".join(f"{column} = other.{column}" for column in columns)} from log as other
        where log.shard = {shard} and other.shard = {shard}
          and (log.sequence, other.sequence) in ((1, 3), (3, 1))"""
    async with district.tampered(swap):
        named = {sequence for _, _, sequence in places((await district.check()).I5.violations)}
        assert {1, 3} <= named <= {1, 2, 3, 4}


async def test_a_head_that_is_not_published_is_named(district: District) -> None:
    shard = await district.longest_shard()
    async with district.tampered(f"update head set published = published - 1 where shard = {shard}"):
        report = await district.check()
        (violation,) = report.I7.violations
        assert (violation.service, violation.shard) == ("router", shard)
        assert "published up to" in violation.why
        with pytest.raises(NotDrained, match="router has published"):
            await district.drained(within=0.1)
    await district.drained()


async def test_a_reader_that_is_behind_is_named(district: District) -> None:
    async with district.tampered("update progress set sequence = sequence - 1 where log = 'whistles'"):
        report = await district.check()
        assert {one.service for one in report.I7.violations} == {"router"}
        assert all("has consumed whistles up to" in one.why for one in report.I7.violations)
        assert (await district.check(quiet=False)).ok


async def test_a_case_that_was_acknowledged_and_is_gone_is_named(district: District, tmp_path: Path) -> None:
    line = district.first | {"case_id": str(UUID(int=5))}
    ledger = tmp_path / "accepted.jsonl"
    ledger.write_bytes(orjson.dumps(line) + b"\n")
    report = await check(district.url, district.kafka, ledger)
    assert [(one.number, one.line) for one in report.I1.violations] == [(line["number"], 1)]


# --- topics: last, for they cannot be put back


async def test_a_message_to_a_unit_that_no_decision_made_is_named(district: District) -> None:
    producer = Producer({"bootstrap.servers": district.kafka["bootstrap_servers"], "acks": "all"})
    producer.produce(f"assignments.{WATER}", b'{"specversion": "1.0"}', partition=0)
    assert producer.flush(20) == 0
    (violation,) = (await district.check()).I4.violations
    assert violation.topic == f"assignments.{WATER}"
    assert violation.offset is not None


async def test_a_report_that_nobody_has_handled_is_seen_until_it_is(district: District) -> None:
    producer = Producer({"bootstrap.servers": district.kafka["bootstrap_servers"], "acks": "all"})
    producer.produce(f"reports.{WATER}", b"no event at all", partition=0)
    assert producer.flush(20) == 0
    await district.drained()
    letters = (await district.check()).dead_letters
    assert letters["waiting"] == 1
    assert letters["listed"][0]["topic"] == f"reports.{WATER}"
    assert not (await district.check(strict=True)).I7.ok


async def test_messages_that_the_topic_lost_are_named(district: District) -> None:
    shard = await district.longest_shard()
    admin = AdminClient({"bootstrap.servers": district.kafka["bootstrap_servers"]})
    for deleted in admin.delete_records([TopicPartition("cases", shard, 2)]).values():
        deleted.result()
    (violation,) = (await district.check()).I7.violations
    assert (violation.topic, violation.shard, violation.sequence) == ("cases", shard, 1)
    assert "rows 1 to 2 are not on the topic" in violation.why
