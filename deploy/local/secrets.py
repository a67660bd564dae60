"""Passwords and keys of one stack: random, made once, readable by their owner alone."""

import base64
import json
import secrets
from collections.abc import Iterable
from pathlib import Path

from deploy.local.files import read_json, write_private


def known(path: Path) -> dict[str, str]:
    """The secrets of an earlier start; empty before the first."""
    return {str(name): str(value) for name, value in (read_json(path) or {}).items()}


def settle(path: Path, names: Iterable[str]) -> dict[str, str]:
    """One secret a name, 32 random bytes as base64url without padding; those already there stay."""
    kept = known(path)
    missing = [name for name in names if name not in kept]
    if missing:
        kept |= {name: _random() for name in missing}
        write_private(path, json.dumps(kept, indent=2) + "\n")
    return kept


def _random() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
