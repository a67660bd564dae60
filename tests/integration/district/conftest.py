"""A database with the set-up's schema, and the roles of two services in it: the router's may add, intake's read."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from deploy.local.processes import Addresses, role_url
from deploy.migrate import migrate, migrate_district

PASSWORD = "district"


@dataclass(frozen=True)
class District:
    admin_url: str

    def url(self, service: str) -> str:
        return role_url(self.admin_url, f"chuishao_{service}", PASSWORD)


@pytest.fixture
async def district(engines: Addresses) -> AsyncIterator[District]:
    name = f"district_{uuid4().hex}"
    admin = await asyncpg.connect(engines.postgres_admin_url)
    await admin.execute(f"create database {name}")
    district = District(urlunsplit(urlsplit(engines.postgres_admin_url)._replace(path=f"/{name}")))
    connection = await asyncpg.connect(district.admin_url)
    for service in ("router", "intake"):
        await migrate(connection, service, PASSWORD)
    await migrate_district(connection)
    await connection.close()
    yield district
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()
