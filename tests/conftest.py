"""The engines that tests share: one Kafka and one PostgreSQL for a session, a database of its own for a module.

What needs them is marked `engines`, and runs in one process; all the rest may run in several (`make test`).
"""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import hypothesis
import pytest

from deploy.local.processes import Addresses, role_url
from deploy.local.stack import LocalStack
from deploy.migrate import migrate
from shared.runtime.settings import KafkaSettings

TOY_SERVICES = ("alpha", "beta")
TOY_PASSWORD = "toy"
HERE = Path(__file__).parent
ON_ENGINES = ("integration", "e2e", "contract", "faults")
"""Folders in which tests need engines, or start some themselves. Elsewhere it is seen by the fixtures they use."""

EXPLORE = "CHUISHAO_EXPLORE"
"""Set, random examples are other ones in every run. Otherwise a test that passed on a commit passes there again."""
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.load_profile("default" if os.environ.get(EXPLORE) else "repeatable")

os.environ.pop("COLUMNS", None)  # a console would keep the width that it finds when it is made; tests say their own


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        if folder in ON_ENGINES or "engines" in getattr(item, "fixturenames", ()):
            item.add_marker("engines")


@dataclass(frozen=True)
class Database:
    """A database in which each toy service has its schema, role and the runtime's tables."""

    admin_url: str

    def url(self, service: str) -> str:
        return role_url(self.admin_url, f"chuishao_{service}", TOY_PASSWORD)


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """For tests that kill an engine: they start it again before they end."""
    stack = LocalStack(Path("var/test-stack"))
    yield stack
    stack.stop()


@pytest.fixture(scope="session")
def engines(stack: LocalStack) -> Addresses:
    """Kafka and PostgreSQL, ready."""
    return stack.start_engines()


@pytest.fixture(scope="session")
def kafka_settings(engines: Addresses) -> KafkaSettings:
    return KafkaSettings(bootstrap=engines.kafka_bootstrap)


@pytest.fixture(scope="module")
def database(engines: Addresses) -> Iterator[Database]:
    name = f"test_{uuid4().hex}"
    asyncio.run(_execute(engines.postgres_admin_url, f"create database {name}"))
    database = Database(urlunsplit(urlsplit(engines.postgres_admin_url)._replace(path=f"/{name}")))
    asyncio.run(_migrate(database.admin_url))
    yield database
    asyncio.run(_execute(engines.postgres_admin_url, f"drop database {name} with (force)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def _migrate(url: str) -> None:
    connection = await asyncpg.connect(url)
    for service in TOY_SERVICES:
        await migrate(connection, service, TOY_PASSWORD)
    await connection.close()


async def empty_toys(database: Database) -> None:
    """As freshly migrated."""
    for service in TOY_SERVICES:
        await _execute(
            database.admin_url,
            f"set search_path = {service}; truncate log, progress, state, door, dead_letter restart identity;"
            "update head set sequence = 0, published = 0, hash = decode(repeat('00', 32), 'hex')",
        )
