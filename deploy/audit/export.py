"""审计导出: the rows of the logs as one file of JSON lines, which a stranger verifies without us.

The first line is the manifest: of which release, from where on (`starts`) and up to where (`heads`, as the database
has them). A line for each row follows, shard by shard in the order of the sequences; the last says how many there were
and the SHA-256 of all lines before it. `docs/integrations/verify_audit_export.py` verifies all of it.
"""

import gzip
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from deploy.audit.anchor import Anchor, AnchorInvalid, End, Place, passes_through
from deploy.check.live import Tables
from deploy.check.report import Finding
from deploy.check.source import LogRow
from shared.contracts.topics import SHARDS

FORMAT = "chuishao-audit-export/1"
Telling = Callable[[int, int], None]
"""Hears how many rows of how many are written."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What the file holds. `sha256` is that of all lines but the last, which says it too."""

    rows: int
    redacted: int
    sha256: str


async def heads_of(tables: Tables, services: Sequence[str]) -> dict[Place, End]:
    """Where each shard of these logs ends."""
    return {
        (service, head.shard): (head.sequence, head.hash)
        for service in services
        for head in await tables.heads(service)
    }


async def export(
    tables: Tables,
    services: Sequence[str],
    path: Path,
    release: str,
    since: Anchor | None = None,
    telling: Telling = lambda _done, _of: None,
) -> Exported:
    """Write the rows after `since`, or all of them. Raises `AnchorInvalid` where the logs do not lead through it."""
    starts = await _starts(tables, services, since)
    heads = await heads_of(tables, services)
    of = sum(max(0, end - starts[place][0]) for place, (end, _) in heads.items())
    manifest = {
        "format": FORMAT,
        "release": release,
        "taken_at": tables.now.isoformat(),
        "starts": _places(starts),
        "heads": _places(heads),
    }
    digest, rows, redacted = sha256(), 0, 0
    with _written_whole(path) as file:

        def write(line: Mapping[str, Any]) -> None:
            content = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
            digest.update(content)
            file.write(content)

        write(manifest)
        async for service, batch in _rows(tables, starts):
            for row in batch:
                write(_line(service, row))
                redacted += row.event is None
            rows += len(batch)
            telling(rows, max(of, rows))
        found = digest.hexdigest()
        write({"rows": rows, "sha256": found})
    return Exported(rows, redacted, found)


async def _starts(tables: Tables, services: Sequence[str], since: Anchor | None) -> dict[Place, End]:
    starts: dict[Place, End] = {(service, shard): (0, bytes(32)) for service in services for shard in range(SHARDS)}
    if since is not None:
        finding = Finding()
        await passes_through(tables, since, services, finding)
        if not finding.ok:
            raise AnchorInvalid(f"the logs do not lead through it: {finding.violations[0]}")
        starts |= {place: end for place, end in since.heads.items() if place in starts}
    return starts


async def _rows(tables: Tables, starts: Mapping[Place, End]) -> AsyncIterator[tuple[str, Sequence[LogRow]]]:
    for (service, shard), (sequence, _) in sorted(starts.items()):
        async for batch in tables.rows(service, shard, after=sequence):
            yield service, batch


def _line(service: str, row: LogRow) -> dict[str, Any]:
    """`event` is the text whose UTF-8 the digest was taken of; null where it was redacted."""
    return {
        "log": service,
        "shard": row.shard,
        "sequence": row.sequence,
        "case_id": str(row.case_id),
        "caseseq": row.caseseq,
        "digest": row.digest.hex(),
        "hash": row.hash.hex(),
        "event": None if row.event is None else row.event.decode(),
    }


def _places(ends: Mapping[Place, End]) -> list[list[Any]]:
    return [[service, shard, end, digest.hex()] for (service, shard), (end, digest) in sorted(ends.items())]


@contextmanager
def _written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file that is there under its name only once all of it is; packed where the name ends in .gz."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as plain:
            if path.suffix == ".gz":
                with gzip.GzipFile(fileobj=plain, mode="wb", compresslevel=6) as packed:
                    yield cast("BinaryIO", packed)
            else:
                yield plain
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
