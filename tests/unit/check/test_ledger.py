"""The client's ledger: what can be read, and what a line that cannot be is told."""

from pathlib import Path
from uuid import UUID

import pytest

from deploy.check.ledger import LedgerUnreadable, read_ledger

CASE = UUID(int=12)
ACCEPTED = f'{{"at": "2026-09-01T09:00Z", "door": "push", "status": "accepted", "case_id": "{CASE}", "number": "C-1"}}'
UNKNOWN = '{"at": "2026-09-01T09:00:00Z", "door": "push", "status": "unknown", "case_id": null, "idempotency_key": "k"}'


def ledger(folder: Path, text: str) -> Path:
    path = folder / "accepted.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


def test_lines(tmp_path: Path) -> None:
    first, second = read_ledger(ledger(tmp_path, f"{ACCEPTED}\n\n{UNKNOWN}\n"))
    assert (first.line, first.status, first.case_id, first.number) == (1, "accepted", CASE.bytes, "C-1")
    assert (second.line, second.status, second.case_id, second.idempotency_key) == (3, "unknown", None, "k")


def test_a_last_line_that_was_not_finished_is_passed_over(tmp_path: Path) -> None:
    assert len(list(read_ledger(ledger(tmp_path, f"{ACCEPTED}\n{ACCEPTED[:40]}")))) == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("no JSON", "line 2: line: Invalid JSON"),
        ('{"status": "perhaps"}', "line 2: status: Input should be 'accepted', 'repeat' or 'unknown'"),
        ('{"status": "accepted", "case_id": "7"}', "line 2: case_id: Input should be a valid UUID"),
        ('{"status": "repeat"}', "line 2: line: Value error, repeat without a case_id"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(LedgerUnreadable) as refused:
        list(read_ledger(ledger(tmp_path, f"{ACCEPTED}\n{line}\n")))
    assert why in str(refused.value)
