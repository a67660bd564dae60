"""A database of its own for each test, brought to this release, reached with sla's own role."""

from collections.abc import AsyncIterator
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
    name = f"sla_{uuid4().hex}"
    admin = await asyncpg.connect(engines.postgres_admin_url)
    await admin.execute(f"create database {name}")
    admin_url = urlunsplit(urlsplit(engines.postgres_admin_url)._replace(path=f"/{name}"))
    connection = await asyncpg.connect(admin_url)
    await migrate(connection, "sla", PASSWORD)
    await migrate_district(connection)
    await begin_with(connection, PROJECT / "deploy" / "district")
    await connection.close()
    yield role_url(admin_url, "chuishao_sla", PASSWORD)
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()
