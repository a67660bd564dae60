"""Where things of the project and of one stack lie."""

import os
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError

PROJECT = Path(__file__).resolve().parents[2]
CACHE = PROJECT / "var" / "cache"
DEFAULT_FOLDER = Path("var/stack")


@dataclass(frozen=True)
class Places:
    """The folder of one stack; all it writes is in here (PostgreSQL's data may be elsewhere,
    see `postgresql.py`)."""

    folder: Path

    @classmethod
    def of(cls, folder: Path) -> "Places":
        """A relative folder is the project's, wherever the command was called."""
        return cls((PROJECT / folder).resolve())

    def make(self) -> None:
        """Private, but for PostgreSQL's own user on the way to its data."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.folder.stat().st_uid != os.geteuid():
            raise StackError(
                f"{self.folder} belongs to {self.folder.owner()}. Run as that user, or choose another folder."
            )
        self.folder.chmod(0o711)
        for private in (self.logs, self.records, self.programs):
            private.mkdir(mode=0o700, exist_ok=True)

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def ports(self) -> Path:
        return self.folder / "ports.json"

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets.json"

    @property
    def kafka(self) -> Path:
        return self.folder / "kafka"

    @property
    def postgresql(self) -> Path:
        return self.folder / "postgresql"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def records(self) -> Path:
        return self.folder / "run"

    @property
    def programs(self) -> Path:
        return self.folder / "programs"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def record(self, name: str) -> Path:
        return self.records / f"{name}.json"

    def program(self, name: str) -> Path:
        return self.programs / f"{name}.json"
