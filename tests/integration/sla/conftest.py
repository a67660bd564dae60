"""A database of its own for each test, brought to this release, reached with sla's own role."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import copyfile, copytree
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from deploy.local.places import PROJECT
from deploy.local.processes import Addresses, role_url
from deploy.migrate import begin_with, migrate, migrate_district

PASSWORD = "sla"


@pytest.fixture
async def postgres_url(engines: Addresses) -> AsyncIterator[str]:
    async with _database(engines, PROJECT / "deploy" / "district") as url:
        yield url


@pytest.fixture
async def hurried_url(engines: Addresses, tmp_path: Path) -> AsyncIterator[str]:
    """With the rehearsal's policy, whose limits are seconds."""
    setup = tmp_path / "setup"
    copytree(PROJECT / "deploy" / "district", setup)
    copyfile(PROJECT / "deploy" / "demo" / "policy.yaml", setup / "policy.yaml")
    async with _database(engines, setup) as url:
        yield url


@asynccontextmanager
async def _database(engines: Addresses, setup: Path) -> AsyncIterator[str]:
    name = f"sla_{uuid4().hex}"
    admin = await asyncpg.connect(engines.postgres_admin_url)
    await admin.execute(f"create database {name}")
    admin_url = urlunsplit(urlsplit(engines.postgres_admin_url)._replace(path=f"/{name}"))
    connection = await asyncpg.connect(admin_url)
    await migrate(connection, "sla", PASSWORD)
    await migrate_district(connection)
    await begin_with(connection, setup)
    await connection.close()
    yield role_url(admin_url, "chuishao_sla", PASSWORD)
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()
