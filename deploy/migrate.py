"""Brings the database to this release: a schema and a role for each service, then its migrations in order.

Migrations are SQL files, run once each in a transaction of their own and remembered with their hash; a file
that was changed after it ran is refused. Two migrations at once wait for each other.

The schema `district` has the district's set-up for all services. A new installation begins with the files of the
set-up folder; later versions are imported (`chuishao org import`, `chuishao policy import`, …), and the files are
looked at no more. So it is with a part that a release adds. A folder without a calendar begins with the one that is
shipped, as the holidays are the whole country's, and one without a way of measuring with the shipped one.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg

from services.feedback.setup import PARTS as MEASURES_PARTS
from services.feedback.setup import SCORING
from services.router.setup import PARTS as ROUTERS_PARTS
from services.sla.calendar_import import CALENDAR
from services.sla.setup import PARTS as CLOCKS_PARTS
from shared.contracts.faults import SetupInvalid
from shared.contracts.units_file import text_of
from shared.runtime.district import begin_import, present
from shared.runtime.settings import ServiceSettings
from shared.runtime.setup_parts import File, import_file

SERVICES = ("intake", "router", "sla", "feedback", "workbench")
DISTRICT = "district"
ROOT = Path(__file__).resolve().parent.parent
PARTS = (*ROUTERS_PARTS.values(), *CLOCKS_PARTS.values(), *MEASURES_PARTS.values())
IMPORTERS = ("chuishao_router", "chuishao_sla", "chuishao_feedback")
SHIPPED = {kind.name: ROOT / "deploy" / "district" / f"{kind.name}.yaml" for kind in (CALENDAR, SCORING)}
DISTRICT_MIGRATIONS = ROOT / "shared" / "runtime" / "sql" / "district" / "migrations"
LOCK = 7_301_199


class MigrationRefused(Exception):
    """The database cannot be brought to this release; the message says what to do."""


def migrations_of(service: str) -> list[Path]:
    """The runtime's migrations, then the service's own; a service without a log has neither."""
    own = sorted((ROOT / "services" / service / "sql" / "migrations").glob("*.sql"))
    if service == "workbench":
        return own
    return sorted((ROOT / "shared" / "runtime" / "sql" / "migrations").glob("*.sql")) + own


async def migrate(connection: Any, service: str, password: str) -> list[str]:
    """Bring one service's schema to this release and return the names of what was run."""
    role = f"chuishao_{service}"
    await _ensure_role(connection, role, service, password)
    run = await _bring(connection, service, {f"{path.parts[-4]}/{path.name}": path for path in migrations_of(service)})
    await _grant(connection, service, role)
    return run


async def migrate_district(connection: Any) -> list[str]:
    """Bring the set-up's schema to this release. All services' roles may read it; its importers' may add to it."""
    run = await _bring(
        connection, DISTRICT, {f"{DISTRICT}/{path.name}": path for path in sorted(DISTRICT_MIGRATIONS.glob("*.sql"))}
    )
    for service in SERVICES:
        role = f"chuishao_{service}"
        if await connection.fetchval("select 1 from pg_roles where rolname = $1", role):
            await connection.execute(f'grant usage on schema {DISTRICT} to "{role}"')
            await connection.execute(f'grant select on {DISTRICT}.version, {DISTRICT}.in_force to "{role}"')
    for role in IMPORTERS:
        if await connection.fetchval("select 1 from pg_roles where rolname = $1", role):
            await connection.execute(f"grant insert on {DISTRICT}.version to {role}")
            await connection.execute(f"grant insert, update on {DISTRICT}.in_force to {role}")
    return run


async def begin_with(connection: Any, folder: Path) -> list[str]:
    """Put the set-up folder's files in force where nothing is yet, and return what was imported."""
    imported = []
    for part in PARTS:
        own = folder / part.file
        path = own if own.exists() else SHIPPED.get(part.kind.name, own)
        async with connection.transaction():
            await begin_import(connection)
            if path.exists() and await present(connection, part.kind) is None:
                file = File(text_of(path.read_bytes()), "csv" if path.suffix == ".csv" else "yaml", part.file)
                prepared, _ = await import_file(connection, part, file, "deploy.migrate", "the set-up folder")
                imported.append(f"{part.kind.name} {prepared.label}")
    return imported


async def _bring(connection: Any, schema: str, migrations: Mapping[str, Path]) -> list[str]:
    """Run what was not run yet in a schema."""
    await connection.execute(f"create schema if not exists {schema}")
    await connection.execute(f"set search_path = {schema}")
    await connection.execute(
        "create table if not exists migration (name text primary key, sha256 text not null, "
        "run_at timestamptz not null default clock_timestamp())"
    )
    ran = dict(await connection.fetch("select name, sha256 from migration"))
    run: list[str] = []
    for name, path in migrations.items():
        text = path.read_text(encoding="utf-8")
        digest = sha256(text.encode()).hexdigest()
        if name in ran:
            if ran[name] != digest:
                raise MigrationRefused(
                    f"{name} was changed after it ran in schema {schema}: put it back and add a new file instead"
                )
            continue
        async with connection.transaction():
            await connection.execute(text)
            await connection.execute("insert into migration (name, sha256) values ($1, $2)", name, digest)
        run.append(name)
    return run


async def _ensure_role(connection: Any, role: str, service: str, password: str) -> None:
    if not await connection.fetchval("select 1 from pg_roles where rolname = $1", role):
        await connection.execute(f'create role "{role}" login')
    quoted = await connection.fetchval("select quote_literal($1::text)", password)
    await connection.execute(f'alter role "{role}" password {quoted}')
    await connection.execute(f'alter role "{role}" set search_path = {service}')


async def _grant(connection: Any, service: str, role: str) -> None:
    """A service may use its own schema and no other; its log is append-only even for itself."""
    for statement in (
        f'grant usage on schema {service} to "{role}"',
        f'grant select, insert, update, delete on all tables in schema {service} to "{role}"',
        f'grant usage on all sequences in schema {service} to "{role}"',
        f'revoke insert, update, delete on {service}.migration from "{role}"',
    ):
        await connection.execute(statement)
    if await connection.fetchval("select to_regclass($1)", f"{service}.log"):
        await connection.execute(f'revoke update, delete, truncate on {service}.log from "{role}"')


async def migrate_all(admin_url: str, passwords: dict[str, str], setup: Path) -> None:
    """Bring every schema to this release, and put a set-up in force where there is none."""
    connection = await asyncpg.connect(admin_url, timeout=10)
    try:
        await connection.execute("select pg_advisory_lock($1)", LOCK)
        for service in SERVICES:
            run = await migrate(connection, service, passwords[service])
            print(f"{service}: {', '.join(run) or 'up to date'}")
        print(f"{DISTRICT}: {', '.join(await migrate_district(connection)) or 'up to date'}")
        for imported in await begin_with(connection, setup):
            print(f"in force: {imported}")
    finally:
        await connection.close()


def main() -> int:
    try:
        admin_url = os.environ["CHUISHAO_POSTGRES_ADMIN_URL"]
        passwords = {name: os.environ[f"CHUISHAO_{name.upper()}_POSTGRES_PASSWORD"] for name in SERVICES}
    except KeyError as missing:
        print(f"migrate: set {missing.args[0]}", file=sys.stderr)
        return 2
    try:
        asyncio.run(migrate_all(admin_url, passwords, ServiceSettings().setup))
    except (MigrationRefused, SetupInvalid, OSError, asyncpg.PostgresError) as error:
        print(f"migrate: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
