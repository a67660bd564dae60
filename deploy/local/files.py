"""Small files that must be whole or absent, and locks that die with their holder."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.local.errors import StackError


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step, readable by its owner alone."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read_json(path: Path) -> Any:
    """The content, or None where the file is missing."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StackError(f"{path} is not readable as JSON ({error}). Remove it and start again.") from error


def last_lines(path: Path, count: int = 15) -> str:
    """The end of a log, for an error message. Empty where there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64_000))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in lines[-count:])


@contextmanager
def held(path: Path, busy: str, wait: bool = False) -> Iterator[None]:
    """Hold a lock file; StackError(busy) where another process holds it and we do not wait.

    `{pid}` in `busy` becomes the holder's process id.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.seek(0)
            raise StackError(busy.format(pid=file.read().strip() or "?")) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
