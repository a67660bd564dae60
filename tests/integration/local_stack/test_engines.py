"""The stack on real processes: start, death of one, death of all, stop."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from deploy.local.errors import StackError
from deploy.local.files import held
from deploy.local.processes import Service
from deploy.local.stack import LocalStack

FOLDER = Path("var/test-local-stack 社区")
ENGINES = ("kafka", "postgresql")

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    stack = LocalStack(FOLDER, environment=_environment())
    stack.erase()
    stack.start_engines()
    yield stack
    stack.erase()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CHUISHAO_")}


def eventually(holds: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def put_message(stack: LocalStack, value: bytes) -> None:
    admin = AdminClient({"bootstrap.servers": stack.addresses.kafka_bootstrap})
    if "kept" not in admin.list_topics(timeout=10).topics:
        admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result()
    producer = Producer({"bootstrap.servers": stack.addresses.kafka_bootstrap, "acks": "all"})
    producer.produce("kept", value)
    assert producer.flush(20) == 0


def messages(stack: LocalStack) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": stack.addresses.kafka_bootstrap, "group.id": "test"})
    try:
        partition = TopicPartition("kept", 0, 0)
        _, end = consumer.get_watermark_offsets(partition, timeout=20)
        consumer.assign([partition])
        found = consumer.consume(end, timeout=20)
        return [value for message in found if isinstance(value := message.value(), bytes)]
    finally:
        consumer.close()


async def execute(stack: LocalStack, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(stack.addresses.postgres_admin_url)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def test_data_outlives_the_death_of_everything(stack: LocalStack) -> None:
    await execute(stack, "create table kept (word text)")
    await execute(stack, "insert into kept values ('吹哨')")
    put_message(stack, "吹哨".encode())

    before = stack.addresses
    for name in ("supervisor", *ENGINES):
        stack.kill(name, signal.SIGKILL)
    stack.start_engines()

    assert stack.addresses == before
    assert [row["word"] for row in await execute(stack, "select word from kept")] == ["吹哨"]
    assert messages(stack) == ["吹哨".encode()]


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_that_dies_is_started_again(stack: LocalStack, name: str) -> None:
    dead = stack.kill(name, signal.SIGKILL)
    eventually(lambda: stack.pid(name) not in (0, dead))
    stack.start_engines()  # returns when both are ready
    assert {one.name: one.state for one in stack.status()}[name] in ("running", "starting")


def test_processes_left_by_a_dead_supervisor_are_ended_and_no_others(stack: LocalStack) -> None:
    left = {name: psutil.Process(stack.pid(name)) for name in ENGINES}
    stack.kill("supervisor", signal.SIGKILL)
    eventually(lambda: not stack.pid("supervisor"))
    assert {one.state for one in stack.status() if one.name in ENGINES} == {"unsupervised"}

    stack.start_engines()

    assert not any(process.is_running() for process in left.values())
    assert all(stack.pid(name) for name in ENGINES)


async def test_the_database_is_utf8_sorted_by_code_point_and_durable(stack: LocalStack) -> None:
    [row] = await execute(
        stack,
        "select current_setting('server_encoding') as encoding, current_setting('fsync') as fsync, "
        "(select datcollate from pg_database where datname = current_database()) as locale",
    )
    assert dict(row) == {"encoding": "UTF8", "fsync": "on", "locale": "C"}


async def test_no_one_enters_the_database_without_the_password(stack: LocalStack) -> None:
    host, _, rest = stack.addresses.postgres_admin_url.rpartition("@")
    assert host
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://postgres:wrong@{rest}")


def test_given_engines_are_used_and_not_started(stack: LocalStack) -> None:
    given = _environment() | {
        "CHUISHAO_KAFKA_BOOTSTRAP": stack.addresses.kafka_bootstrap,
        "CHUISHAO_POSTGRES_ADMIN_URL": stack.addresses.postgres_admin_url,
    }
    guest = LocalStack(Path("var/test-local-stack-guest"), environment=given)
    try:
        addresses = guest.start_engines()
        assert addresses.kafka_bootstrap == stack.addresses.kafka_bootstrap
        assert {one.state for one in guest.status() if one.name in ENGINES} == {"external"}
    finally:
        guest.erase()
    assert all(stack.pid(name) for name in ENGINES)


def test_a_second_command_at_the_same_time_says_so(stack: LocalStack) -> None:
    with held(stack.folder / "lock", busy=""), pytest.raises(StackError, match=f"process {os.getpid()}"):
        stack.start_engines()


def test_a_service_that_does_not_come_up_is_named_with_the_end_of_its_log(stack: LocalStack) -> None:
    broken = LocalStack(
        Path("var/test-local-stack-guest"),
        environment=_environment()
        | {
            "CHUISHAO_KAFKA_BOOTSTRAP": stack.addresses.kafka_bootstrap,
            "CHUISHAO_POSTGRES_ADMIN_URL": stack.addresses.postgres_admin_url,
        },
        services=[Service("intake", "services.no_such_service.main")],
        preparations=[],
    )
    try:
        with pytest.raises(StackError, match=r"(?s)intake ends again and again.*no_such_service"):
            broken.start()
        assert not broken.pid("supervisor")
    finally:
        broken.erase()
