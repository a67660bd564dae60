"""Become one process of the stack: `python -m deploy.local.launch <program file> [--detached]`.

The supervisor starts this instead of the process itself, so that at every start and restart the
process is recorded before it begins, writes into its own log (and goes on doing so should the
supervisor die), and runs as the user it must run as.
"""

import json
import os
import pwd
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from deploy.local import records
from deploy.local.files import read_json, write_private

LARGEST_LOG_BYTES = 20_000_000
DETACHED = "--detached"


@dataclass(frozen=True)
class Program:
    """What to run. `user` is a name, or None for the caller's own; `data` is a PostgreSQL data
    folder whose stale lock is to be cleared first, or None. Paths are absolute."""

    name: str
    stack: str
    command: list[str]
    environment: dict[str, str]
    folder: str
    log: str
    record: str
    user: str | None = None
    data: str | None = None

    def save(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self), indent=2) + "\n")


def launch(program: Program) -> None:
    _write_into(Path(program.log))
    records.write(Path(program.record), Path(program.stack), os.getpid())
    if program.data:
        clear_stale_lock(Path(program.data))
    os.chdir(program.folder)
    if program.user:
        _become(program.user)
    os.execvpe(program.command[0], program.command, program.environment)  # noqa: S606


def clear_stale_lock(data: Path) -> None:
    """Remove PostgreSQL's lock file where the process id in it now belongs to something else.

    Only then: where that process has ended PostgreSQL clears the lock itself, after making sure
    that none of its workers is left on the data.
    """
    lock = data / "postmaster.pid"
    try:
        process = psutil.Process(int(lock.read_text(encoding="utf-8").split("\n", 1)[0]))
    except (OSError, ValueError, psutil.NoSuchProcess):
        return
    if not records.works_in(process, data):
        lock.unlink()


def detach() -> None:
    """Leave the terminal and the parent; the parent ends when the process has become another."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.setsid()


def _write_into(log: Path) -> None:
    if log.exists() and log.stat().st_size > LARGEST_LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, sys.stdout.fileno())
    os.dup2(descriptor, sys.stderr.fileno())


def _become(user: str) -> None:
    account = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def main(arguments: list[str]) -> None:
    if DETACHED in arguments:
        detach()
    launch(Program(**read_json(Path(arguments[0]))))


if __name__ == "__main__":
    main(sys.argv[1:])
