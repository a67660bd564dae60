"""Where timers are measured: private engines, one real case, and as many copies of it as are wanted.

The case is made by sla itself from the facts a router would state, so that what is copied is what production has.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosql
import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from uuid_utils import uuid7

from deploy.bench.figures import Phase
from deploy.local.errors import StackError
from deploy.local.files import last_lines
from deploy.local.places import PROJECT
from deploy.local.processes import SERVICES, Addresses
from deploy.local.stack import LocalStack
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, encode
from shared.contracts.topics import CASES, DEADLINES, SHARDS, shard_of
from shared.contracts.vocabulary import (
    ActorKind,
    AppealType,
    Ledger,
    Level,
    Obligation,
    Role,
    Source,
    Stage,
    Urgency,
)
from shared.runtime.kafka import KafkaPublisher, create_topics
from shared.runtime.relay import Message
from shared.runtime.settings import KafkaSettings

queries: Any = aiosql.from_path(Path(__file__).with_name("queries.sql"), "asyncpg", mandatory_parameters=False)

SLA = next(service for service in SERVICES if service.name == "sla")
TEMPLATE = UUID(int=(3 << 32) << 64)
UNIT, COMMUNITY = "util-water", "110199001001"
FIRES = Obligation.SIGN_IN
"""The obligation whose red is measured; the case's others stand beside it as in any case."""
IDLES = Obligation.HANDLE
AT_ONCE = 100_000
READY_SECONDS = 60.0
STOP_SECONDS = 15.0
TOPIC_SECONDS = 60.0


class Service:
    """sla as a process."""

    def __init__(self, stack: LocalStack) -> None:
        self._log = stack.folder / "sla.log"
        self._environment = stack.environment(SLA.name) | {
            "CHUISHAO_API_KEYS_FILE": str(PROJECT / "deploy" / "district" / "api_keys.yaml"),
            "CHUISHAO_LOG_LEVEL": "WARNING",
        }
        self._url = stack.addresses.services[SLA.name]
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> "Service":
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", SLA.module, cwd=PROJECT, env=self._environment, stdout=log, stderr=log
            )
        try:
            await self._ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    async def _ready(self) -> None:
        assert self._process is not None
        until = asyncio.get_running_loop().time() + READY_SECONDS
        async with httpx.AsyncClient(trust_env=False) as client:
            while self._process.returncode is None and asyncio.get_running_loop().time() < until:
                try:
                    if (await client.get(f"{self._url}/health/ready", timeout=2)).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
        raise StackError(f"sla is not ready. The end of its log, {self._log}:\n{last_lines(self._log)}")


class Scene:
    """Engines, the schema of sla, and the case that is copied. `connection` sees sla's tables."""

    def __init__(self, stack: LocalStack, connection: asyncpg.Connection, kafka: KafkaSettings) -> None:
        self.stack = stack
        self.connection = connection
        self.kafka = kafka
        self._groups = 0

    async def make_template(self) -> None:
        """The router's facts of one case go to its topic; sla reads them."""
        publisher = KafkaPublisher(self.kafka)
        try:
            await publisher.publish([_message(place, fact) for place, fact in enumerate(_story(), start=1)])
        finally:
            await publisher.close()
        async with Service(self.stack), asyncio.timeout(READY_SECONDS):
            while await queries.template_waits(self.connection, case_id=TEMPLATE) < len(_OWED):
                await asyncio.sleep(0.1)

    async def fill(self, armed: int, progress: Callable[[int], None]) -> None:
        """So many deadlines that come due in a year, of cases that have no clock: they must never be touched."""
        now: datetime = await queries.now(self.connection)
        due = now + timedelta(days=365)
        for first in range(0, armed, AT_ONCE):
            count = min(AT_ONCE, armed - first)
            await self._copy_deadlines(0, first, count, due, timedelta(milliseconds=1), only=IDLES)
            progress(first + count)
        await self.connection.execute("vacuum (analyze) deadline", timeout=1800)

    async def arm(self, phases: list[Phase], base: datetime) -> tuple[UUID, UUID]:
        """Copies of the whole case, one for each step of the schedule. Returns their first and last id."""
        self._groups += 1
        group = 3 * self._groups
        for phase in phases:
            apart = timedelta(seconds=1 / phase.rate) if phase.rate else timedelta(microseconds=1)
            due = base + timedelta(seconds=phase.start)
            await self._copy_deadlines(group, phase.first, phase.count, due, apart)
            await self._copy_states(group, phase.first, phase.count)
        await self.connection.execute("vacuum (analyze) deadline, state", timeout=1800)
        last = phases[-1].first + phases[-1].count - 1
        return _case(group, 0), _case(group, last)

    async def _copy_deadlines(
        self, group: int, first: int, count: int, due: datetime, apart: timedelta, only: Obligation | None = None
    ) -> None:
        own = ["case_id", "shard", "due_at", "next_at", "next_step"]
        rest = await queries.columns(self.connection, table="deadline", but=own)
        await self.connection.execute(
            f"""
            insert into deadline (case_id, shard, due_at, next_at, next_step, {rest})
            select {_CASE_ID}, number % {SHARDS},
                   case when fires then at else due_at end,
                   case when fires then at when next_at is not null then at + interval '1 year' end,
                   case when fires then 0 else next_step end, {rest}
            from deadline, generate_series($2::bigint, $2 + $3::bigint - 1) as number,
                 lateral (select obligation = $6 as fires, $4::timestamptz + (number - $2) * $5::interval as at) as this
            where case_id = $7 and ($8 or fires)
            order by number
            """,  # noqa: S608 - columns by the catalogue, the rest by this module
            *(group, first, count, due, apart, (only or FIRES).value, TEMPLATE, only is None),
            timeout=1800,
        )

    async def _copy_states(self, group: int, first: int, count: int) -> None:
        await self.connection.execute(
            f"""
            insert into state (case_id, caseseq, state)
            select {_CASE_ID}, caseseq, state from state, generate_series($2::bigint, $2 + $3::bigint - 1) as number
            where case_id = $4
            """,  # noqa: S608
            *(group, first, count, TEMPLATE),
            timeout=1800,
        )

    async def topic_ends(self) -> dict[int, int]:
        """Up to where each shard's topic goes."""
        async with _topic(self.kafka) as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
        return {at.partition: end for at, end in ends.items()}

    async def on_the_topic(self, number: int, since: Mapping[int, int]) -> dict[tuple[int, int], datetime]:
        """When the broker took each row of the log, by (shard, sequence); waits until there are so many."""
        found: dict[tuple[int, int], datetime] = {}
        async with _topic(self.kafka) as consumer, asyncio.timeout(TOPIC_SECONDS):
            for shard, offset in since.items():
                consumer.seek(TopicPartition(DEADLINES, shard), offset)
            while len(found) < number:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        sequence = int(dict(record.headers)["sequence"])
                        found.setdefault(
                            (record.partition, sequence), datetime.fromtimestamp(record.timestamp / 1000, UTC)
                        )
        return found


_CASE_ID = "(lpad(to_hex($1::bigint), 16, '0') || lpad(to_hex(number), 16, '0'))::uuid"


def _case(group: int, number: int) -> UUID:
    """Cases of a group go round the shards: 2^64 is 4 modulo 12, and groups are multiples of 3."""
    return UUID(int=(group << 64) + number)


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """Everything new, in a folder of its own; it goes when this ends."""
    stack = LocalStack(folder, services=(SLA,))
    async with fresh_engines(stack) as addresses:
        kafka = KafkaSettings(bootstrap=addresses.kafka_bootstrap)
        await _make_topics(kafka)
        connection = await asyncpg.connect(
            addresses.postgres_admin_url, server_settings={"search_path": SLA.name, "jit": "off"}
        )
        try:
            yield Scene(stack, connection, kafka)
        finally:
            connection.terminate()


@asynccontextmanager
async def fresh_engines(stack: LocalStack) -> AsyncIterator[Addresses]:
    """Engines with every schema and nothing else; all of it goes when this ends."""
    _only_ours(stack.folder)
    stack.erase()
    try:
        addresses = stack.start_engines()
        (stack.folder / MARK).touch()
        _migrate(stack)
        yield addresses
    finally:
        stack.erase()


MARK = "made-by-bench"


def _only_ours(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise StackError(f"{folder} holds something else, and this would erase it. Choose another --folder.")


def _migrate(stack: LocalStack) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "deploy.migrate"],
        cwd=PROJECT,
        env=stack.environment(),
        check=False,
        capture_output=True,
    )
    if result.returncode != 0:
        raise StackError(f"deploy.migrate failed:\n{(result.stdout + result.stderr).decode('utf-8', 'replace')}")


# --- the case -------------------------------------------------------------------------------------------------

_OWED = (
    Obligation.ACCEPT,
    Obligation.DISPATCH,
    Obligation.SIGN_IN,
    Obligation.FIRST_CONTACT,
    Obligation.HANDLE,
)
"""What a case owes, or has owed, once it is with a unit."""


def _story() -> list[f.CaseFact]:
    """Opened, accepted, dispatched; the unit has not signed in yet."""
    who = f.Actor(kind=ActorKind.RULE)
    about = {"number": "BENCH-1", "source": Source.COMMUNITY, "actor": who}
    matter = f.Matter(
        number="BENCH-1",
        source=Source.COMMUNITY,
        appeal_type=AppealType.HELP,
        urgency=Urgency.NORMAL,
        title="井盖缺失",
        content="小区门口井盖缺失",
        region=COMMUNITY,
        whistle_blower=COMMUNITY,
        received_at=datetime.now(UTC),
    )
    part = f.AssignmentMade(assignment_id=UUID(int=1), unit=UNIT, role=Role.LEAD)
    return [
        f.CaseOpened(stage=Stage.VERIFYING, matter=matter, **about),
        f.CaseAccepted(stage=Stage.TO_DISPATCH, urgency=Urgency.NORMAL, **about),
        f.CaseDispatched(
            stage=Stage.DISPATCHED,
            level=Level.DEPARTMENT,
            matter=matter,
            assignments=(part,),
            ledger=Ledger.FIXED_DEADLINE,
            reason=f.Reason(zh="测速", en="to measure"),
            **about,
        ),
    ]


def _message(place: int, fact: f.CaseFact) -> Message:
    envelope = Envelope(
        id=str(uuid7()),
        source="/chuishao/router",
        subject=TEMPLATE,
        time=datetime.now(UTC),
        fact=fact,
        sequence=place,
        caseseq=place,
    )
    return Message(CASES, shard_of(TEMPLATE), str(TEMPLATE).encode(), encode(envelope), ())


# --- the topic ------------------------------------------------------------------------------------------------


async def _make_topics(kafka: KafkaSettings) -> None:
    """Records of the timer's topic carry the time the broker took them, not the time somebody sent them."""
    stamped = {"message.timestamp.type": "LogAppendTime"}
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(DEADLINES, SHARDS, 1, topic_configs=stamped)])
    finally:
        await admin.close()
    await create_topics(kafka, [CASES, DEADLINES])


@asynccontextmanager
async def _topic(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(DEADLINES, shard) for shard in range(SHARDS)])
        yield consumer
    finally:
        await consumer.stop()
