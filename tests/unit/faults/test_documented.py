"""docs/faults.md names every kind, and what each is about."""

from pathlib import Path

from deploy.faults.kinds import KINDS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "faults.md"


def test_every_kind_is_in_the_table_as_it_is() -> None:
    written = {line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")}
    rows = {
        f"| `{kind.name}` {kind.zh} | {kind.en}; {len(kind.variants)} variant{'s' if len(kind.variants) > 1 else ''} "
        f"| {' '.join(kind.invariants)} |"
        for kind in KINDS
    }

    assert written == rows
