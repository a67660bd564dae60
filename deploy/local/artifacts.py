"""Kafka's jars: those of kafka.lock, fetched once, each checked against its hash."""

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.local.errors import StackError
from deploy.local.files import held
from deploy.local.places import CACHE

LOCK = Path(__file__).with_name("kafka.lock")
AT_ONCE = 8
ATTEMPTS = 3


@dataclass(frozen=True)
class Jar:
    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


def locked_jars(lock: Path = LOCK) -> list[Jar]:
    """The lock's lines: `group:artifact:version sha256:<hex>`."""
    jars = []
    for line in lock.read_text(encoding="utf-8").splitlines():
        coordinates, _, digest = line.partition(" sha256:")
        group, artifact, version = coordinates.split(":")
        jars.append(Jar(group, artifact, version, digest.strip()))
    return jars


def kafka_version() -> str:
    return next(jar.version for jar in locked_jars() if jar.artifact == "kafka_2.13")


def kafka_jars(console: Console, cache: Path = CACHE) -> Path:
    """The folder that holds exactly the locked jars, fetching what is missing.

    A jar gets into the folder only whole and checked, so an interrupted run costs nothing but
    the jars under way. Raises StackError naming the jar and what to set.
    """
    jars = locked_jars()
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    folder = cache / f"kafka-{kafka_version()}-{digest}"
    if _missing(jars, folder):
        with held(cache / "kafka.lock", busy="", wait=True):
            folder.mkdir(parents=True, exist_ok=True)
            _fetch_all(_missing(jars, folder), folder, cache / "maven", console, of=len(jars))
    return folder


def _missing(jars: list[Jar], folder: Path) -> list[Jar]:
    return [jar for jar in jars if not (folder / jar.file_name).exists()]


def _fetch_all(missing: list[Jar], folder: Path, downloads: Path, console: Console, of: int) -> None:
    progress = Progress(
        TextColumn("Kafka's jars"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[jar]}"),
        console=console,
    )
    if not console.is_terminal:
        console.print(f"Fetching {len(missing)} of Kafka's {of} jars (some 42 MB in all) …")
    with progress, ThreadPoolExecutor(AT_ONCE) as pool:
        task = progress.add_task("jars", total=of, completed=of - len(missing), jar="")
        fetches = {pool.submit(_fetch, jar, folder, downloads): jar for jar in missing}
        try:
            for fetch in as_completed(fetches):
                fetch.result()
                progress.update(task, advance=1, jar=fetches[fetch].file_name)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch(jar: Jar, folder: Path, downloads: Path) -> None:
    # Imported here because a warm start needs none of it, and it takes a third of a second.
    import requests
    from jgo.maven import MavenContext

    mirror = os.environ.get("CHUISHAO_MAVEN_REPOSITORY")
    context = MavenContext(
        repo_cache=downloads, remote_repos={"mirror": mirror.rstrip("/")} if mirror else None, timeout=30
    )
    problem = ""
    for attempt in range(ATTEMPTS):
        # Spread what failed together: the repository may be refusing just because of the burst.
        time.sleep(attempt * 0.5)
        try:
            downloaded = Path(context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve())
        except (requests.RequestException, RuntimeError, OSError, AssertionError) as error:
            problem = str(error) or type(error).__name__
            _discard(downloads, jar)
            continue
        if hashlib.sha256(downloaded.read_bytes()).hexdigest() == jar.sha256:
            downloaded.replace(folder / jar.file_name)
            return
        problem = "its content is not what kafka.lock says (cut off on the way, or altered)"
        downloaded.unlink()
    raise StackError(
        f"Could not fetch Kafka's jar {jar}: {problem}\n"
        "  Behind a proxy set HTTPS_PROXY; with a certificate authority of your own set SSL_CERT_FILE to\n"
        "  its PEM file; for a mirror of Maven's repository set CHUISHAO_MAVEN_REPOSITORY to its address;\n"
        "  or use a Kafka that is there already: CHUISHAO_KAFKA_BOOTSTRAP=host:port.\n"
        "  Then run the same command again; it goes on from what is there."
    )


def _discard(downloads: Path, jar: Jar) -> None:
    """A download that broke off leaves half a file where the next attempt expects a whole one."""
    version = downloads.joinpath(*jar.group.split("."), jar.artifact, jar.version)
    for part in version.glob("*.jar"):
        part.unlink(missing_ok=True)
