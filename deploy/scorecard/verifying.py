"""`chuishao scorecard verify`: a scorecard computed again from the logs, and held against what is stored."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import asyncpg
import orjson

from deploy.scorecard.replay import Replay, Replayed, Telling
from services.feedback.domain.measuring import scorecard
from services.feedback.domain.measuring.issuing import Card, Frozen
from services.feedback.domain.measuring.measures import Counting
from services.feedback.domain.measuring.periods import period_named
from services.feedback.domain.measuring.scorecard import METHOD, Scorecard
from services.feedback.scorecards.compute import InForceThen, make
from services.feedback.scorecards.scorecards import to_card
from services.feedback.setup import SCORING
from shared.runtime.district import UNITS, Kind
from shared.runtime.postgres import prepare

_CARDS = """
select id, rhythm, period, starts_at, ends_at, edition, status, asked_by, asked_at, done, total, failure, hash, inputs,
       computed_at, published_by, published_at, content
from feedback.scorecard
where content is not null and ($1::bigint is null or id = $1) and ($1 is not null or status = 'published')
order by id"""
_VERSION = "select content, digest from district.version where kind = $1 and number = $2"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`differences`: none, and it holds; else the first, in words."""

    card: Card
    replayed: Replayed | None
    differences: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return not self.differences


@asynccontextmanager
async def snapshot_of(postgres_url: str) -> AsyncIterator[Any]:
    """One read-only view of the whole database, with the operator's rights."""
    settings = {"application_name": "chuishao-verify", "default_transaction_read_only": "on", "jit": "off"}
    connection = await asyncpg.connect(postgres_url, timeout=10, server_settings=settings)
    await prepare(connection)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection
    finally:
        await connection.close()


async def cards_to_verify(connection: Any, number: int | None) -> list[tuple[Card, bytes]]:
    """That scorecard, or every published one, each with its stored bytes."""
    found = []
    for row in await connection.fetch(_CARDS, number):
        columns = dict(row)
        content: bytes = columns.pop("content")
        found.append((to_card(columns), content))
    return found


async def verify(connection: Any, card: Card, stored: bytes, telling: Telling) -> Verdict:
    """Compute it again from the logs, and say what differs first."""
    frozen = card.inputs
    if frozen is None or card.computed_at is None:
        return Verdict(card, None, ("it has no frozen inputs 没有冻结的输入",))
    if card.hash != sha256(stored).hexdigest():
        return Verdict(card, None, ("the stored hash is not that of the stored content 哈希与内容不符",))
    method = scorecard.read(stored).inputs.method
    if method != METHOD:
        said = f"computed by method {method}, this release computes by {METHOD}; verify it with that release"
        return Verdict(card, None, (f"{said} 计算方法版本不同，请用当时的版本校验",))
    try:
        standards = await _standards(connection, frozen)
        former = await _former(connection, frozen)
    except ValueError as error:
        return Verdict(card, None, (str(error),))
    period = period_named(card.rhythm, card.period, standards.scoring)
    replayed = await Replay(connection, frozen.positions, card.computed_at).count(Counting(period), telling)
    made = scorecard.content(make(replayed.counting, standards, frozen.positions, card.edition, former))
    if made == stored:
        return Verdict(card, replayed)
    return Verdict(card, replayed, tuple(differences(orjson.loads(stored), orjson.loads(made))))


async def _standards(connection: Any, frozen: Frozen) -> InForceThen:
    scoring = await _version(connection, SCORING, frozen.scoring)
    units = await _version(connection, UNITS, frozen.units)
    return InForceThen(SCORING.read(scoring), frozen.scoring, UNITS.read(units), frozen.units)


async def _version(connection: Any, kind: Kind[Any], number: int) -> bytes:
    stored = await connection.fetchrow(_VERSION, kind.name, number)
    if stored is None:
        raise ValueError(f"version {number} of {kind.name} is gone 版本缺失")
    content: bytes = stored["content"]
    if sha256(content).digest() != stored["digest"]:
        raise ValueError(f"version {number} of {kind.name} was changed 版本内容被改动")
    return content


async def _former(connection: Any, frozen: Frozen) -> Scorecard | None:
    if frozen.former is None:
        return None
    content: bytes | None = await connection.fetchval(
        "select content from feedback.scorecard where id = $1", frozen.former
    )
    if content is None or sha256(content).hexdigest() != frozen.former_hash:
        raise ValueError(f"the former scorecard {frozen.former} is not the one it was compared with 上期考核表已变动")
    return scorecard.read(content)


# --- what differs -------------------------------------------------------------------------------------------------

MOST_DIFFERENCES = 20


def differences(stored: Any, made: Any) -> list[str]:
    """What differs, in the order of the units and their figures: `unit util-water · raw · handle · value: …`."""
    found: list[str] = []
    _compare((), stored, made, found.append)
    # A unit's own figures say most, so they come first.
    found.sort(key=lambda said: not said.startswith("units "))
    return found[:MOST_DIFFERENCES]


def _compare(path: tuple[str, ...], stored: Any, made: Any, tell: Callable[[str], None]) -> None:
    if isinstance(stored, dict) and isinstance(made, dict):
        for key in sorted({*stored, *made}):
            _compare((*path, key), stored.get(key), made.get(key), tell)
    elif isinstance(stored, list) and isinstance(made, list):
        old, new = _by_name(stored), _by_name(made)
        for key in [*old, *(key for key in new if key not in old)]:
            _compare((*path[:-1], f"{path[-1]} {key}"), old.get(key), new.get(key), tell)
    elif stored != made:
        tell(f"{' · '.join(path)}: stored 已存 {_written(stored)}, from the logs 由日志重算 {_written(made)}")


def _by_name(entries: list[Any]) -> dict[str, Any]:
    """Entries by what names them: a unit's code, a group's key, else their place."""
    return {
        str(entry.get("unit") or entry.get("key") or place) if isinstance(entry, dict) else str(place): entry
        for place, entry in enumerate(entries)
    }


def _written(value: Any) -> str:
    if value is None:
        return "—"
    return value if isinstance(value, str) else orjson.dumps(value).decode()[:200]
