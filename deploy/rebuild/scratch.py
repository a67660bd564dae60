"""Tables of our own beside the live ones, filled by the services' own code, and what differs between the two.

They are temporary tables with the live ones' columns, generated ones included; whoever writes `state` without naming a
schema writes here. So what is compared is what the service would have written, whatever form it writes it in.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from shared.contracts.words import WORDS
from shared.runtime.ports import Versioned
from shared.runtime.postgres import PostgresTransaction

_KEY = """
select array_agg(attname order by place) from pg_index
cross join unnest(indkey) with ordinality as key (attnum, place)
join pg_attribute on attrelid = indrelid and pg_attribute.attnum = key.attnum
where indrelid = $1::regclass and indisprimary"""
_DIFFERENT = """
select to_jsonb(live) as live, to_jsonb(made) as made
from (select * from {schema}.{table} where case_id = any($1::uuid[])) as live
full join (select * from pg_temp.{table}) as made using ({key})
where live is distinct from made"""
_TOKEN = re.compile(r"[A-Za-z0-9_.:+-]{1,40}")
MOST_NAMED = 100


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not the same: of which row, in which column, what stands there and what should."""

    table: str
    key: str
    column: str
    live: str
    made: str

    def __str__(self) -> str:
        return f"{self.table} {self.key} {self.column}: 现存 stands {self.live}, 应为 follows {self.made}"


class _At(PostgresTransaction):
    """A transaction whose time is the snapshot's."""

    def __init__(self, connection: Any, now: datetime) -> None:
        super().__init__(connection, "")
        self._now = now


class Scratch:
    """The scratch tables of one service."""

    def __init__(self, connection: Any, schema: str, tables: Sequence[str], now: datetime) -> None:
        self._connection = connection
        self._schema = schema
        self._tables = tables
        self._now = now
        self._keys: dict[str, list[str]] = {}

    async def open(self) -> None:
        await self._connection.execute(f"set local search_path = pg_temp, {self._schema}")
        for table in self._tables:
            self._keys[table] = await self._connection.fetchval(_KEY, f"{self._schema}.{table}")
            await self._connection.execute(
                f"create temporary table {table} (like {self._schema}.{table} including all) on commit drop"
            )

    async def close(self) -> None:
        for table in self._tables:
            await self._connection.execute(f"drop table pg_temp.{table}")

    async def fill(self, states: Any, made: Mapping[UUID, Versioned[Any]]) -> None:
        """Let the service's own store write these states, into tables emptied before."""
        for table in self._tables:
            await self._connection.execute(f"truncate pg_temp.{table}")
        if made:
            await states.save(_At(self._connection, self._now), made)

    async def live(self, states: Any, cases: Sequence[UUID]) -> Mapping[UUID, Versioned[Any]]:
        """The live states of these cases, read by the service's own store."""
        await self._connection.execute(f"set local search_path = {self._schema}, pg_temp")
        try:
            found: Mapping[UUID, Versioned[Any]] = await states.load(_At(self._connection, self._now), cases)
        finally:
            await self._connection.execute(f"set local search_path = pg_temp, {self._schema}")
        return {UUID(int=case_id.int): versioned for case_id, versioned in found.items()}

    async def counts(self) -> Mapping[str, int]:
        """How many rows were made."""
        return {
            table: await self._connection.fetchval(f"select count(*) from pg_temp.{table}")  # noqa: S608
            for table in self._tables
        }

    async def different(self, cases: Sequence[UUID]) -> list[tuple[str, UUID, dict[str, Any], dict[str, Any]]]:
        """Rows that are not alike: of which table and case, as they stand and as they follow ({} = there is none)."""
        found = []
        for table in self._tables:
            key = ", ".join(self._keys[table])
            statement = _DIFFERENT.format(schema=self._schema, table=table, key=key)
            for record in await self._connection.fetch(statement, list(cases)):
                live, made = _row(record["live"]), _row(record["made"])
                found.append((table, UUID((live or made)["case_id"]), live, made))
        return found

    def named(self, table: str, live: Mapping[str, Any], made: Mapping[str, Any]) -> Iterator[Difference]:
        """Each value that is not alike, without anybody's words."""
        row = live or made
        key = "/".join(str(row[name]) for name in self._keys[table])
        for column, stands, follows in _differences((), live or None, made or None):
            yield Difference(
                f"{self._schema}.{table}", key, ".".join(column), _shown(column, stands), _shown(column, follows)
            )


def _row(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(value) if isinstance(value, str) else (value or {})
    return found


def _differences(path: tuple[str, ...], live: Any, made: Any) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if isinstance(live, dict) and isinstance(made, dict):
        for name in sorted({*live, *made}):
            yield from _differences((*path, name), live.get(name), made.get(name))
    elif isinstance(live, list) and isinstance(made, list) and len(live) == len(made):
        for place, (one, other) in enumerate(zip(live, made, strict=True)):
            yield from _differences((*path, str(place)), one, other)
    elif live != made:
        yield path or ("row",), live, made


def _shown(path: tuple[str, ...], value: Any) -> str:
    """The value where it is a number, a time or a code; of anything that may be somebody's words, its digest."""
    if value is None:
        return "—"
    if isinstance(value, bool | int | float):
        return str(value)
    may_be_words = any(name in WORDS for name in path) or not isinstance(value, str) or not _TOKEN.fullmatch(value)
    if not may_be_words:
        return str(value)
    return f"sha256 {sha256(orjson.dumps(value)).hexdigest()[:16]}"
