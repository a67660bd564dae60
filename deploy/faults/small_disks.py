"""A ground whose PostgreSQL and whose Kafka each lie on a small disk of their own (tmpfs), which can be filled."""

import contextlib
import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

from deploy.faults.ground import Ground
from deploy.local import kafka, postgresql
from deploy.local.places import Places

MEGABYTES = {postgresql.NAME: 1024, kafka.NAME: 640}
"""More than a round writes: a disk is full only where it was filled."""
FILLING = "filling"
BLOCK = bytes(1024 * 1024)


def missing(_ground: object = None) -> str:
    """Why no small disk can be had here; empty where one can."""
    if os.geteuid() != 0:
        return "需要 root 才能挂载小磁盘 · only root can mount a small disk"
    if not Path("/proc/filesystems").is_file() or "tmpfs" not in Path("/proc/filesystems").read_text("ascii"):
        return "此系统没有 tmpfs · this system has no tmpfs"
    return _cannot_mount()


def _cannot_mount() -> str:
    """Being root may not be enough: containers often may not mount."""
    bits = int(next(line for line in Path("/proc/self/status").read_text().splitlines() if "CapEff" in line)[7:], 16)
    may_mount = bits >> 21 & 1  # CAP_SYS_ADMIN
    return "" if may_mount else "此容器不允许挂载 · this container may not mount anything"


def _done(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


class SmallDisks(Ground):
    """`full` fills the disk of an engine to its last byte until the block ends."""

    def disk(self, engine: str) -> Path:
        places = Places.of(self.folder)
        return places.kafka if engine == kafka.NAME else postgresql.settle(places.postgresql).data.parent

    def lay_out(self) -> None:
        Places.of(self.folder).make()
        account = pwd.getpwnam(postgresql.UNPRIVILEGED)
        for engine, megabytes in MEGABYTES.items():
            owner = f",uid={account.pw_uid},gid={account.pw_gid}" if engine == postgresql.NAME else ""
            self.disk(engine).mkdir(exist_ok=True)
            options = f"size={megabytes}m,mode=0700{owner}"
            _done(["mount", "-t", "tmpfs", "-o", options, "chuishao", str(self.disk(engine))])

    def take_away(self) -> None:
        if not self.folder.exists():
            return
        for engine in MEGABYTES:
            while os.path.ismount(self.disk(engine)):
                _done(["umount", str(self.disk(engine))])

    @contextlib.contextmanager
    def full(self, engine: str) -> Iterator[None]:
        """Nothing can be written on that disk any more; then all that was filled is free again."""
        file = self.disk(engine) / FILLING
        try:
            with file.open("wb", buffering=0) as filling, contextlib.suppress(OSError):
                while filling.write(BLOCK):
                    pass
            yield
        finally:
            file.unlink(missing_ok=True)

    def free_bytes(self, engine: str) -> int:
        found = os.statvfs(self.disk(engine))
        return found.f_bavail * found.f_frsize
