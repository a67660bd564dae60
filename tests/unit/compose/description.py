"""docker-compose.yml and what goes with it, read for the tests."""

import re
from pathlib import Path
from typing import Any

import yaml

from deploy.local.places import PROJECT

COMPOSE = PROJECT / "docker-compose.yml"
EXAMPLE = PROJECT / "deploy" / "compose" / "example.env"
DOCKERFILE = PROJECT / "deploy" / "Dockerfile"
SCHEMA = Path(__file__).parent / "compose-spec.json"

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<what>[^}]*))?\}")


def description() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return found


def example() -> dict[str, str]:
    """The variables of example.env and their values."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def interpolated(text: str) -> dict[str, set[str]]:
    """The variables a text takes from the environment, and how each is asked for: `-default`, `?message` or ``."""
    found: dict[str, set[str]] = {}
    for match in _VARIABLE.finditer(text):
        found.setdefault(match["name"], set()).add((match["how"] or "") + (match["what"] or ""))
    return found


def with_defaults(text: str) -> str:
    """The text as compose reads it where no variable is set; a required one becomes its own name."""
    return _VARIABLE.sub(lambda match: match["what"] if match["how"] == "-" else match["name"], text)
