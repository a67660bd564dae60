"""Which documents there are, and what to do with them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.documents import asyncapi, events, lifecycle, metrics, openapi, schemas, settings, topics
from deploy.grafana import catalogue as dashboards
from deploy.prometheus import objectives, scraping

PROJECT = Path(__file__).resolve().parents[2]
REFERENCE = PROJECT / "docs" / "reference"

PAGES: Mapping[str, Callable[[], str]] = {
    "topics.md": topics.page,
    "events.md": events.page,
    "lifecycle.md": lifecycle.page,
    "metrics.md": metrics.page,
    "settings.md": settings.page,
    "asyncapi.yaml": asyncapi.document,
}
FOLDERS = ("openapi", "schemas", "deploy/grafana/dashboards")
"""What lies directly in these is generated, all of it; a file nobody makes any more is stale."""


def documents() -> dict[str, str]:
    """Every generated document: its path below docs/reference and its text."""
    made = {name: page() for name, page in PAGES.items()}
    made |= {f"openapi/{name}.json": text for name, text in openapi.documents().items()}
    return made | {f"schemas/{name}.json": text for name, text in schemas.documents().items()}


def elsewhere() -> dict[str, str]:
    """What is generated for those who watch: its path in the project and its text."""
    return dashboards.documents() | {
        "deploy/prometheus/prometheus.yml": scraping.compose(),
        "deploy/prometheus/rules/objectives.yml": objectives.rules(),
    }


def write(wanted: Mapping[str, str], folder: Path) -> list[str]:
    """Write what differs, remove what is made no more; return what changed."""
    changed = stale(wanted, folder)
    for name, text in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in _left_over(wanted, folder):
        path.unlink()
    return changed


def stale(wanted: Mapping[str, str], folder: Path) -> list[str]:
    """Each document that is not as it should be, with the reason."""
    found = []
    shown = "" if folder == PROJECT else "docs/reference/"
    for name, text in wanted.items():
        path = folder / name
        if not path.exists():
            found.append(f"{shown}{name}: missing")
        elif path.read_text(encoding="utf-8") != text:
            found.append(f"{shown}{name}: not what the code says")
    found += [f"{shown}{path.relative_to(folder)}: made no more" for path in _left_over(wanted, folder)]
    return found


def _left_over(wanted: Mapping[str, str], folder: Path) -> list[Path]:
    present = [path for name in FOLDERS for path in (folder / name).glob("*.json")]
    return [path for path in present if path.relative_to(folder).as_posix() not in wanted]
