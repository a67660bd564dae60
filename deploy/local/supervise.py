"""The supervisor (supervisord) of one stack: its configuration, its start, its commands.

It starts nothing by itself; `stack.py` says what starts when. What was started once, it starts
again whenever it ends, until it is told to stop it.
"""

import configparser
import http.client
import io
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from xmlrpc.client import Fault, ServerProxy

from deploy.local import records
from deploy.local.errors import StackError
from deploy.local.files import last_lines, write_private
from deploy.local.launch import DETACHED, Program
from deploy.local.places import PROJECT, Places

NAME = "supervisor"
ANSWERS_WITHIN_SECONDS = 15.0
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Supervised:
    """A process to watch over, and how it is stopped: signal, then patience in seconds."""

    name: str
    stop_signal: signal.Signals
    stop_seconds: int


@dataclass(frozen=True)
class State:
    """What the supervisor says of a process: its own word for the state, and the id (0: none)."""

    word: str
    pid: int


class Supervisor:
    def __init__(self, places: Places) -> None:
        self._places = places
        self._record = places.record(NAME)
        self._url = ""

    @property
    def pid(self) -> int:
        """0 where no supervisor of this stack lives."""
        process = records.living(self._record, self._places.folder)
        return process.pid if process else 0

    def start(self, port: int, password: str, programs: Sequence[Supervised]) -> None:
        """Start it detached from this terminal; returns when it answers."""
        configuration = self._places.folder / "supervisor.conf"
        write_private(configuration, _configuration(port, password, programs, self._places))
        Program(
            name=NAME,
            stack=str(self._places.folder),
            command=[sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)],
            environment=dict(os.environ) | {"PYTHONUTF8": "1"},
            folder=str(PROJECT),
            log=str(self._places.log(NAME)),
            record=str(self._record),
        ).save(self._places.program(NAME))
        subprocess.run(
            [*_launch(self._places.program(NAME)), DETACHED],
            check=True,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + ANSWERS_WITHIN_SECONDS
        while not self.answers(port, password):
            if not self.pid or time.monotonic() > deadline:
                raise StackError(
                    f"The supervisor did not start. The end of its log, {self._places.log(NAME)}:\n"
                    + last_lines(self._places.log(NAME))
                )
            time.sleep(POLL_SECONDS)

    def answers(self, port: int, password: str) -> bool:
        """Connect to a supervisor that runs; False where it does not answer (yet)."""
        self._url = f"http://chuishao:{password}@127.0.0.1:{port}/RPC2"
        try:
            return bool(self._call("getPID") == self.pid)
        except (OSError, http.client.HTTPException):
            return False

    def _call(self, method: str, *arguments: object) -> Any:
        with ServerProxy(self._url, allow_none=True) as proxy:
            return getattr(cast(Any, proxy).supervisor, method)(*arguments)

    def states(self) -> dict[str, State]:
        return {
            info["name"]: State(word=info["statename"], pid=info["pid"]) for info in self._call("getAllProcessInfo")
        }

    def start_program(self, name: str) -> None:
        """Returns at once; a process that is already there or on its way stays as it is."""
        try:
            self._call("startProcess", name, False)
        except Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise StackError(f"The supervisor could not start {name}: {fault.faultString}") from fault

    def stop_programs(self, names: Sequence[str]) -> None:
        """Signal all of them, then wait until each has ended (the supervisor ends the slow ones)."""
        for name in names:
            try:
                self._call("stopProcess", name, False)
            except Fault as fault:
                if "NOT_RUNNING" not in fault.faultString:
                    raise StackError(f"The supervisor could not stop {name}: {fault.faultString}") from fault
        while any(self.states()[name].pid for name in names):
            time.sleep(POLL_SECONDS)

    def shut_down(self) -> None:
        """It also stops what it still watches over."""
        process = records.living(self._record, self._places.folder)
        if process:
            records.end(process, signal.SIGTERM, patience=60)


def _launch(program_file: Path) -> list[str]:
    return [sys.executable, "-X", "utf8", "-m", "deploy.local.launch", str(program_file)]


def _configuration(port: int, password: str, programs: Sequence[Supervised], places: Places) -> str:
    parser = configparser.RawConfigParser()
    parser["supervisord"] = {
        "nodaemon": "true",
        "silent": "true",
        "logfile": _literal(str(places.logs / "supervisord.log")),
        "logfile_maxbytes": "2MB",
        "logfile_backups": "1",
        "pidfile": _literal(str(places.records / "supervisord.pid")),
        "childlogdir": _literal(str(places.logs)),
    }
    parser["inet_http_server"] = {
        "port": f"127.0.0.1:{port}",
        "username": "chuishao",
        "password": password,
    }
    parser["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    for priority, program in enumerate(programs, start=1):
        parser[f"program:{program.name}"] = {
            "command": _literal(shlex.join(_launch(places.program(program.name)))),
            "directory": _literal(str(PROJECT)),
            "priority": str(priority),
            "autostart": "false",
            "autorestart": "true",
            "startsecs": "1",
            # Never give up: a database that is away for an hour must find its services when back.
            "startretries": "1000000",
            "stopsignal": program.stop_signal.name.removeprefix("SIG"),
            "stopwaitsecs": str(program.stop_seconds),
            "killasgroup": "true",
            "stdout_logfile": "NONE",
            "stderr_logfile": "NONE",
        }
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def _literal(text: str) -> str:
    """supervisord expands %(name)s in every value."""
    return text.replace("%", "%%")
