"""The stranger's script, as a stranger runs it: a good export is good, and nothing that was touched is."""

import asyncio
import gzip
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.audit import anchor as anchors
from deploy.audit.export import export, heads_of
from deploy.check.live import Tables
from deploy.check.source import Head, LogRow
from deploy.local.places import PROJECT
from shared.runtime import log

SCRIPT = PROJECT / "docs" / "integrations" / "verify_audit_export.py"
SERVICES = ("intake", "router")
LONGEST = 50


class Logs:
    """Two services' logs in memory; shard 0 has rows, and the others none."""

    now = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)

    def __init__(self, rows: int = 6, *, forged: bool = False) -> None:
        self.rows_: dict[str, list[log.Row]] = {}
        for service in SERVICES:
            head = log.Head(0, 0, log.GENESIS, 0)
            found = []
            for place in range(rows):
                words = "伪造" if forged and place == 2 else "井盖破损"
                event = json.dumps({"sequence": place + 1, "says": f"{service} {words}"}, ensure_ascii=False).encode()
                found.append(log.next_row(head, UUID(int=12), place + 1, event))
                head = log.after(head, found[-1])
            self.rows_[service] = found

    async def heads(self, service: str) -> list[Head]:
        last = self.rows_[service][-1]
        return [Head(0, last.sequence, last.hash, last.sequence), *(Head(one, 0, bytes(32), 0) for one in range(1, 12))]

    async def rows(self, service: str, shard: int, after: int = 0) -> AsyncIterator[Sequence[LogRow]]:
        if shard == 0:
            yield [
                LogRow(row.shard, row.sequence, row.case_id, row.caseseq, row.event, row.digest, row.hash)
                for row in self.rows_[service][after:]
            ]

    async def hash_at(self, service: str, shard: int, sequence: int) -> bytes | None:
        return self.rows_[service][sequence - 1].hash if shard == 0 and sequence <= len(self.rows_[service]) else None

    def redact(self, service: str, place: int) -> None:
        row = self.rows_[service][place]
        self.rows_[service][place] = log.Row(
            row.shard, row.sequence, row.case_id, row.caseseq, None, row.digest, row.hash
        )


def exported(logs: Logs, path: Path, since: anchors.Anchor | None = None) -> Path:
    asyncio.run(export(cast("Tables", logs), SERVICES, path, "0.6.0", since))
    return path


def anchored(logs: Logs, path: Path, key: Ed25519PrivateKey | None = None) -> Path:
    heads = asyncio.run(heads_of(cast("Tables", logs), SERVICES))
    path.write_text(anchors.written(logs.now, "0.6.0", heads, key), encoding="utf-8")
    return path


def said(*given: Path) -> tuple[bool, str]:
    """Whether the script says it is good, and what it says."""
    done = subprocess.run([sys.executable, "-I", str(SCRIPT), *map(str, given)], capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode == 0, done.stdout + done.stderr


def test_it_fits_on_a_page_and_needs_python_alone() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    imports = {line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imports <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("name", ["export.jsonl", "export.jsonl.gz"])
def test_a_good_export_is_good(tmp_path: Path, name: str) -> None:
    logs = Logs()
    logs.redact("intake", 3)
    ok, words = said(exported(logs, tmp_path / name), anchored(logs, tmp_path / "anchor"))
    assert ok, words
    assert "12 rows of 2 logs" in words


def test_what_came_after_an_anchor_is_verified_from_there(tmp_path: Path) -> None:
    before = anchored(Logs(rows=3), tmp_path / "anchor")
    since = anchors.read(before.read_text(encoding="utf-8"))
    ok, words = said(exported(Logs(rows=6), tmp_path / "export", since), before)
    assert ok, words
    assert "6 rows" in words


def touched(path: Path, change: Callable[[list[Any]], None]) -> Path:
    """The export with its lines changed, and its own digest made to fit: who changes it can do that, too."""
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    change(lines)
    body = [json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for line in lines[:-1]]
    end = {"rows": len(body) - 1, "sha256": sha256(b"".join(body)).hexdigest()}
    path.write_bytes(b"".join(body) + json.dumps(end).encode() + b"\n")
    return path


def one_byte(lines: list[Any]) -> None:
    lines[3]["event"] = lines[3]["event"].replace("破", "损", 1)


def a_row_deleted(lines: list[Any]) -> None:
    del lines[3]


def two_rows_swapped(lines: list[Any]) -> None:
    lines[3], lines[4] = lines[4], lines[3]


def a_row_inserted(lines: list[Any]) -> None:
    lines.insert(4, {**lines[3], "sequence": lines[3]["sequence"] + 1})


def a_head_replaced(lines: list[Any]) -> None:
    lines[0]["heads"][0][3] = "00" * 32


def the_tail_cut_off(lines: list[Any]) -> None:
    del lines[6]


@pytest.mark.parametrize(
    "change", [one_byte, a_row_deleted, two_rows_swapped, a_row_inserted, a_head_replaced, the_tail_cut_off]
)
def test_whatever_was_touched_is_found(tmp_path: Path, change: Callable[[list[Any]], None]) -> None:
    path = exported(Logs(), tmp_path / "export")
    assert said(path)[0]
    ok, words = said(touched(path, change))
    assert not ok, words


def test_a_file_that_ends_too_soon_is_found(tmp_path: Path) -> None:
    path = exported(Logs(), tmp_path / "export")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert not said(path)[0]


def test_a_tail_cut_off_together_with_its_head_is_found_by_the_anchor_alone(tmp_path: Path) -> None:
    anchor, path = anchored(Logs(rows=6), tmp_path / "anchor"), exported(Logs(rows=4), tmp_path / "export")
    assert said(path)[0]
    ok, words = said(path, anchor)
    assert not ok
    assert "anchor" in words


def test_a_history_that_was_written_anew_is_found_by_the_anchor_alone(tmp_path: Path) -> None:
    """As the database's owner could do it: every digest and every hash follows."""
    anchor, path = anchored(Logs(), tmp_path / "anchor"), exported(Logs(rows=9, forged=True), tmp_path / "export.gz")
    assert said(path)[0]
    ok, words = said(path, anchor)
    assert not ok
    assert "anchor" in words


def test_an_anchor_that_was_changed_is_no_anchor(tmp_path: Path) -> None:
    anchor, path = anchored(Logs(), tmp_path / "anchor"), exported(Logs(), tmp_path / "export")
    anchor.write_text(anchor.read_text(encoding="utf-8").replace("head intake 0 6", "head intake 0 5"))
    assert not said(path, anchor)[0]


def test_a_packed_export_is_smaller(tmp_path: Path) -> None:
    packed = exported(Logs(), tmp_path / "export.gz")
    assert gzip.decompress(packed.read_bytes()) == exported(Logs(), tmp_path / "export").read_bytes()
