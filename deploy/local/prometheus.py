"""Prometheus and Alertmanager beside a local stack, where they are installed (`PATH`).

They watch and are not watched for: a stack is whole without them, so nothing here stops it from starting. What is
wrong with them is said in `Watch.lines`.
"""

import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deploy.local.errors import StackError
from deploy.local.files import last_lines, write_private
from deploy.local.places import PROJECT, Places
from deploy.local.processes import HOST
from deploy.local.supervise import Supervisor

NAME = "prometheus"
ALERTS = "alertmanager"
NAMES = (NAME, ALERTS)
BINARIES = {NAME: ("prometheus",), ALERTS: ("prometheus-alertmanager", "alertmanager")}
RULES = PROJECT / "deploy" / "prometheus" / "rules"
ALERTMANAGER = PROJECT / "deploy" / "prometheus" / "alertmanager.yml"
SCRAPE_SECONDS = 5
READY_WITHIN_SECONDS = 15.0
POLL_SECONDS = 0.1
NOT_INSTALLED = "Prometheus is not installed: nothing watches this stack (Debian: prometheus, prometheus-alertmanager)."


class Watch:
    """What watches one stack. `port` gives the port of a name, once there is one; `path` is the user's PATH."""

    def __init__(self, places: Places, supervisor: Supervisor, port: Callable[[str], int], path: str | None) -> None:
        self._places = places
        self._supervisor = supervisor
        self._port = port
        self._path = path
        self._problem = ""

    def start(self, services: Mapping[str, str], save: Callable[..., None], alive: Callable[[str], bool]) -> None:
        """Let Prometheus scrape these services (base URLs by name). `save` writes a program down for the supervisor."""
        found = {name: binary for name in NAMES if (binary := _executable(name, self._path))}
        if NAME not in found:
            return
        try:
            for name, binary in reversed(found.items()):
                if not alive(name):
                    folder = self._places.folder / name
                    folder.mkdir(mode=0o700, exist_ok=True)
                    prepare = self._prometheus if name == NAME else self._alertmanager
                    save(name, [binary, *prepare(folder, services, ALERTS in found)], environment(), folder=folder)
                self._supervisor.start_program(name)
            self._settle()
        except (StackError, OSError) as error:
            self._problem = f"Prometheus could not be started: {error}"

    def addresses(self) -> dict[str, str]:
        """Base URLs of what was ever started here, by name."""
        return {name: self._url(name) for name in NAMES if self._places.program(name).exists()}

    def lines(self) -> list[str]:
        """What to tell whoever asks how the stack is: targets up and in all, or what is wrong."""
        if self._problem:
            return [self._problem]
        if not _executable(NAME, self._path):
            return [NOT_INSTALLED]
        if not self._supervisor.pid or NAME not in self.addresses():
            return []
        try:
            states = targets(self._url(NAME))
        except (OSError, ValueError, http.client.HTTPException) as error:
            log = self._places.log(NAME)
            return [f"Prometheus does not answer ({error}). The end of its log, {log}:\n{last_lines(log)}"]
        up = sum(state == "up" for state in states.values())
        others = [f"{name}: {state}" for name, state in states.items() if state != "up"]
        said = f"Prometheus: {up}/{len(states)} targets up"
        return [f"{said} ({', '.join(others)})" if others else said]

    def _url(self, name: str) -> str:
        return f"http://{HOST}:{self._port(name)}"

    def _settle(self) -> None:
        """Until each target was scraped, but not for ever; how it stands then is `lines`' to say."""
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while time.monotonic() < deadline:
            try:
                states = targets(self._url(NAME))
            except (OSError, ValueError, http.client.HTTPException):
                states = {}
            if states and set(states.values()) == {"up"}:
                return
            time.sleep(POLL_SECONDS)

    def _prometheus(self, folder: Path, services: Mapping[str, str], alerts: bool) -> list[str]:
        # Imported here: a stack that nothing watches needs none of it.
        from deploy.prometheus.scraping import configuration

        rules = folder / "rules"
        rules.unlink(missing_ok=True)
        rules.symlink_to(RULES, target_is_directory=True)
        hosts = {name: [urlsplit(url).netloc] for name, url in services.items()}
        # Relative: what stands between Prometheus and its rules may hold characters of a glob.
        alertmanager = f"{HOST}:{self._port(ALERTS)}" if alerts else None
        write_private(
            folder / "prometheus.yml", configuration(hosts, "rules/*.yml", alertmanager, every_seconds=SCRAPE_SECONDS)
        )
        return [
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--storage.tsdb.retention.time=7d",
            "--storage.tsdb.retention.size=512MB",
            f"--web.listen-address={HOST}:{self._port(NAME)}",
            "--log.level=warn",
        ]

    def _alertmanager(self, folder: Path, _services: Mapping[str, str], _alerts: bool) -> list[str]:
        """As committed it shows alerts on its page and calls nobody, which is right for a developer's machine."""
        shutil.copyfile(ALERTMANAGER, folder / "alertmanager.yml")
        return [
            "--config.file=alertmanager.yml",
            "--storage.path=data",
            f"--web.listen-address={HOST}:{self._port(ALERTS)}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]


def _executable(name: str, path: str | None) -> str | None:
    return next(filter(None, (shutil.which(binary, path=path) for binary in BINARIES[name])), None)


def environment() -> dict[str, str]:
    """Nothing of the user's: no proxy stands between Prometheus and this machine."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def targets(url: str) -> dict[str, str]:
    """How each target is that the Prometheus at `url` scrapes: `up`, `down`, or `unknown` before the first time.

    Raises OSError or HTTPException where Prometheus does not answer, ValueError where it answers something else.
    """
    with _direct.open(f"{url}/api/v1/targets?state=active", timeout=5) as answer:
        told: Any = json.load(answer)
    try:
        return {
            f"{target['labels']['service']} {target['labels']['instance']}": target["health"]
            for target in told["data"]["activeTargets"]
        }
    except (KeyError, TypeError) as error:
        raise ValueError(f"Prometheus at {url} answered what it should not: {error!r}") from error
