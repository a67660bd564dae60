"""A ground whose PostgreSQL has a clock of its own (libfaketime), which can be moved while it runs."""

from pathlib import Path

from deploy.faults.ground import Ground
from deploy.local import postgresql
from deploy.local.places import Places

LIBRARIES = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
    "/opt/homebrew/lib/faketime/libfaketimeMT.so.1",
)
SETTLES_SECONDS = 10
"""How long the clock must run evenly here before anything fires: a minute in production."""


def library() -> Path | None:
    return next((found for one in LIBRARIES for found in Path("/").glob(one.lstrip("/"))), None)


def missing(_ground: object = None) -> str:
    """Why no clock can be moved here; empty where one can."""
    return "" if library() else "没有安装 libfaketime · libfaketime is not installed (Debian: apt install libfaketime)"


def told(**besides: str) -> dict[str, str]:
    """What a program is told that sees another wall clock. Intervals stay what they are."""
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DISABLE_SHM": "1",
        "NO_FAKE_STAT": "1",
    } | besides


class Clocked(Ground):
    """`move` sets how far the database's clock is off, for all its processes in the same moment."""

    def lay_out(self) -> None:
        """The file lies where the server's user can read it."""
        places = Places.of(self.folder)
        places.make()
        self._clock = postgresql.settle(places.postgresql).data.with_name("clock")
        self.move(0)
        self._told_besides = {
            postgresql.NAME: told(FAKETIME_TIMESTAMP_FILE=str(self._clock), FAKETIME_NO_CACHE="1"),
        }
        self.tell({"CHUISHAO_CLOCK_SETTLE_SECONDS": str(SETTLES_SECONDS)})

    def move(self, seconds: int) -> None:
        """Whole or not at all: it is read again and again."""
        fresh = self._clock.with_name("clock.new")
        fresh.write_text(f"{seconds:+d}\n", encoding="ascii")
        fresh.chmod(0o644)
        fresh.replace(self._clock)
