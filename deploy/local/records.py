"""Which process is ours: its id and the moment it started, written down before it begins.

An id alone is reused by the system; id and start together name one process for ever, so nothing
is ever signalled that this stack did not start. The record also names the stack's folder: a copy
of the folder must not take the original's processes for its own.
"""

import json
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from deploy.local.files import read_json, write_private

# Start times are counted in ticks of 1/100 s from the machine's start, whose own time is rounded.
SAME_START_SECONDS = 1.5
POLL_SECONDS = 0.03


@dataclass(frozen=True)
class Record:
    pid: int
    started: float

    def process(self) -> psutil.Process | None:
        """The process if it is still the one recorded and has not ended."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < SAME_START_SECONDS
            return process if same and not has_ended(process) else None
        return None


def write(path: Path, folder: Path, pid: int) -> None:
    started = psutil.Process(pid).create_time()
    write_private(path, json.dumps({"pid": pid, "started": started, "folder": str(folder)}) + "\n")


def read(path: Path, folder: Path) -> Record | None:
    found = read_json(path)
    if not found or found["folder"] != str(folder):
        return None
    return Record(int(found["pid"]), float(found["started"]))


def living(path: Path, folder: Path) -> psutil.Process | None:
    record = read(path, folder)
    return record.process() if record else None


def has_ended(process: psutil.Process) -> bool:
    """Also one that nobody has buried yet: where no init does it, that may be never. But not
    while one of its threads still holds its ports and files."""
    try:
        if not process.is_running():
            return True
        return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1
    except psutil.NoSuchProcess:
        return True


def end(process: psutil.Process, stop: signal.Signals, patience: float) -> None:
    """Ask the process to stop; after `patience` seconds end it and what it started."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(stop)
    if _ends_within(process, patience):
        return
    with suppress(psutil.NoSuchProcess):
        for child in process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
        process.kill()
    _ends_within(process, 5)


def _ends_within(process: psutil.Process, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not has_ended(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def works_in(process: psutil.Process, folder: Path) -> bool:
    """Whether that is the process's working folder, as a PostgreSQL server's is its data."""
    try:
        return Path(process.cwd()).samefile(folder)
    except (psutil.Error, OSError):
        return False
