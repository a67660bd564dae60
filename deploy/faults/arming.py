"""Arms failpoints in processes that run: see `shared/runtime/failpoints.py`."""

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from deploy.faults.kind import NotInjected
from deploy.faults.waiting import POLL_SECONDS

ANSWERS_WITHIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Arming:
    """What was armed in one process, and from which line of the telling on its strikes count."""

    pid: int
    written: str
    since: int

    @property
    def name(self) -> str:
        return self.written.partition(":")[0]


class Failpoints:
    """The file that processes read their failpoints from, and what they tell of them."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._told = file.with_name(file.name + ".told")
        self._lines: list[tuple[int, str]] = []
        self._read_to = 0
        self._writing = asyncio.Lock()

    def listens(self, pid: int) -> bool:
        """Whether this process may be sent SIGUSR1 already."""
        return (pid, "listening") in self._lines or (pid, "listening") in self._hear()

    async def arm(self, pid: int, written: str) -> Arming:
        """Arm `name:count:action` in a process, in place of what it had. `NotInjected` where it does not answer."""
        async with self._writing:
            self._hear()
            since = len(self._lines)
            if not self.listens(pid):
                raise NotInjected(f"process {pid} does not listen for failpoints yet")
            self.file.write_text(written + "\n", encoding="utf-8")
            try:
                os.kill(pid, signal.SIGUSR1)
            except ProcessLookupError:
                raise NotInjected(f"process {pid} is gone") from None
            deadline = time.monotonic() + ANSWERS_WITHIN_SECONDS
            while not (answer := self._said(pid, since, "armed", "refused")):
                if time.monotonic() > deadline:
                    raise NotInjected(f"process {pid} did not arm {written} within {ANSWERS_WITHIN_SECONDS:g} s")
                await asyncio.sleep(POLL_SECONDS)
        if answer.startswith("refused"):
            raise ValueError(f"{written}: {answer}")
        return Arming(pid, written, since)

    async def disarm(self, pid: int) -> None:
        """Nothing strikes in this process any more. A process that is gone needs none."""
        with contextlib.suppress(NotInjected):
            await self.arm(pid, "")

    def struck(self, armed: Arming) -> bool:
        return self.strikes(armed) > 0

    def strikes(self, armed: Arming) -> int:
        """How often it has struck so far."""
        self._hear()
        return sum(pid == armed.pid and text.startswith(f"{armed.name} ") for pid, text in self._lines[armed.since :])

    def _said(self, pid: int, since: int, *beginnings: str) -> str:
        """The first line of this process since then that begins so; empty where there is none."""
        self._hear()
        return next((text for one, text in self._lines[since:] if one == pid and text.startswith(beginnings)), "")

    def _hear(self) -> list[tuple[int, str]]:
        """Read what was told since the last time."""
        new: list[tuple[int, str]] = []
        with contextlib.suppress(FileNotFoundError), self._told.open("rb") as lines:
            lines.seek(self._read_to)
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                self._read_to += len(line)
                pid, _, text = line.decode().strip().partition(" ")
                new.append((int(pid), text))
        self._lines += new
        return new
