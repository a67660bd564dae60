"""One private stack: start it, look at it, stop it. Its folder holds all of it.

    stack = LocalStack(Path("var/stack"))
    addresses = stack.start_engines()        # Kafka and PostgreSQL
    addresses = stack.start()                # … and, after the preparations, the services
    stack.stop()

Starting what runs already changes nothing; starting what a crash left behind first ends it in
order, then starts again on the same data.
"""

import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from rich.console import Console

from deploy.local import artifacts, kafka, ports, postgresql, prometheus, records, secrets, supervise
from deploy.local.errors import StackError
from deploy.local.files import held, last_lines
from deploy.local.launch import Program
from deploy.local.places import DEFAULT_FOLDER, PROJECT, Places
from deploy.local.processes import (
    HOST,
    HOTLINE_KEY,
    PREPARATIONS,
    SECRETS,
    SERVICES,
    Addresses,
    Service,
    Telling,
    api_keys,
)
from deploy.local.supervise import Supervised, Supervisor

ENGINES_READY_WITHIN_SECONDS = 90.0
SERVICES_READY_WITHIN_SECONDS = 60.0
POLL_SECONDS = 0.05
GIVEN_BY = {kafka.NAME: "CHUISHAO_KAFKA_BOOTSTRAP", postgresql.NAME: "CHUISHAO_POSTGRES_ADMIN_URL"}
# A process that ends this often before it was ever ready will not become ready by waiting.
STARTS_BEFORE_GIVING_UP = 3

BUSY = "Another command is starting or stopping this stack (process {pid}). Let it finish, then try again."


class ProcessStatus(NamedTuple):
    """`state`: running, starting, restarting, stopped, unsupervised (alive, but its supervisor is
    not), external (not ours). `pid` is 0 and `address` empty where there is none."""

    name: str
    state: str
    pid: int
    address: str


WORDS = {
    "RUNNING": "running",
    "STARTING": "starting",
    "BACKOFF": "restarting",
    "EXITED": "restarting",
    "STOPPING": "stopping",
    "FATAL": "failed",
}


@dataclass(frozen=True)
class Awaited:
    """A process on its way: why it is not ready yet (empty: it is)."""

    name: str
    problem: Callable[[], str]


class LocalStack:
    """See the module. `environment` is the user's: CHUISHAO_KAFKA_BOOTSTRAP and
    CHUISHAO_POSTGRES_ADMIN_URL in it name engines to use instead of starting them; every other
    CHUISHAO_… goes to the services. `watched`: by Prometheus and Alertmanager, where they are installed.
    `told_besides`: what an engine's or a service's environment holds besides, by its name.
    Every method raises StackError with what to do next."""

    def __init__(
        self,
        folder: Path = DEFAULT_FOLDER,
        environment: Mapping[str, str] | None = None,
        console: Console | None = None,
        services: Sequence[Service] = SERVICES,
        preparations: Sequence[Sequence[str]] = PREPARATIONS,
        watched: bool = False,
        told_besides: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._places = Places.of(folder)
        self._user = dict(os.environ if environment is None else environment)
        self._console = console or Console(stderr=True)
        self._services = services
        self._preparations = preparations
        self._supervisor = Supervisor(self._places)
        self._watched = watched
        self._told_besides = dict(told_besides or {})
        self._watch = prometheus.Watch(self._places, self._supervisor, self._port, self._user.get("PATH"))

    @property
    def folder(self) -> Path:
        return self._places.folder

    # ---- start ----

    def start_engines(self) -> Addresses:
        """Kafka and PostgreSQL, ready to use."""
        return self.start(services=False)

    def start(self, services: bool = True) -> Addresses:
        """Everything, ready to use. If it fails or is interrupted, what it started is stopped."""
        self._places.make()
        with held(self._places.lock, BUSY):
            was_running = self._connect()
            try:
                if not was_running:
                    self._end_leftovers()
                    self._start_supervisor()
                self._start_engines()
                if services:
                    if not all(self._alive(service.name) for service in self._services):
                        self._prepare()
                        self._start_services()
                    self.wait_ready()
                    if self._watched:
                        self._watch.start(self.addresses.services, self._save, self._alive)
            except BaseException:
                if not was_running:
                    self._stop_all()
                raise
        return self.addresses

    def _connect(self) -> bool:
        """Whether this stack's supervisor runs; if so, its programs must still be those wanted."""
        if not self._supervisor_answers():
            return False
        if set(self._supervisor.states()) != {program.name for program in self._programs()}:
            raise StackError(
                "The stack runs with other engines or services than those asked for now "
                "(CHUISHAO_KAFKA_BOOTSTRAP, CHUISHAO_POSTGRES_ADMIN_URL). Run `make down` first."
            )
        return True

    def _supervisor_answers(self) -> bool:
        return self._supervisor.pid != 0 and self._supervisor.answers(
            self._port(supervise.NAME), self._secrets["supervisor"]
        )

    def _start_supervisor(self) -> None:
        ports.settle(self._places.ports, self._port_names(), seed=str(self.folder))
        secrets.settle(self._places.secrets, SECRETS)
        self._supervisor.start(self._port(supervise.NAME), self._secrets["supervisor"], self._programs())

    def _start_engines(self) -> None:
        # Kafka first: it takes longest, and PostgreSQL is prepared meanwhile.
        for name, settle in ((kafka.NAME, self._settle_kafka), (postgresql.NAME, self._settle_postgresql)):
            if self._is_external(name):
                continue
            if not self._alive(name):
                settle()
            self._supervisor.start_program(name)
        where = self.addresses
        self._await(
            [
                Awaited(postgresql.NAME, partial(postgresql.problem, where.postgres_admin_url)),
                Awaited(kafka.NAME, partial(kafka.problem, where.kafka_bootstrap, self._user)),
            ],
            ENGINES_READY_WITHIN_SECONDS,
        )

    def _settle_postgresql(self) -> None:
        place = postgresql.settle(self._places.postgresql)
        if not place.data.exists():
            self._console.print("Preparing PostgreSQL …")
        postgresql.prepare(place, self._secrets["postgres"])
        self._save(
            postgresql.NAME,
            postgresql.command(place, self._port(postgresql.NAME)),
            postgresql.environment(),
            folder=place.data,
            user=place.user,
            data=place.data,
        )

    def _settle_kafka(self) -> None:
        jars = artifacts.kafka_jars(self._console)
        kafka.prepare(self._places.kafka, jars, self._port(kafka.NAME), self._port(f"{kafka.NAME}_controller"))
        self._save(kafka.NAME, kafka.command(), kafka.environment(), folder=self._places.kafka)

    def _prepare(self) -> None:
        """The one-shot commands: database migrations, then topics."""
        for module, *arguments in self._preparations:
            result = subprocess.run(
                [sys.executable, "-m", module, *arguments],
                cwd=PROJECT,
                env=self._telling.preparation(),
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            output = result.stdout.decode("utf-8", "replace")
            with self._places.log("preparation").open("a", encoding="utf-8") as log:
                log.write(output)
            if result.returncode != 0:
                raise StackError(f"`python -m {' '.join([module, *arguments])}` failed:\n{output}")

    def _start_services(self) -> None:
        (self._places.folder / "api_keys.yaml").write_text(api_keys(self._secrets), encoding="utf-8")
        for service in self._services:
            if not self._alive(service.name):
                command = [sys.executable, "-m", service.module]
                self._save(service.name, command, self._telling.service(service), folder=PROJECT)
            self._supervisor.start_program(service.name)

    def _save(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str],
        folder: Path,
        user: str | None = None,
        data: Path | None = None,
    ) -> None:
        Program(
            name=name,
            stack=str(self.folder),
            command=command,
            environment=environment | dict(self._told_besides.get(name, {})),
            folder=str(folder),
            log=str(self._places.log(name)),
            record=str(self._places.record(name)),
            user=user,
            data=str(data) if data else None,
        ).save(self._places.program(name))

    # ---- wait ----

    def wait_ready(self, timeout: float = SERVICES_READY_WITHIN_SECONDS) -> None:
        """Until /health/ready of each service answers 200; `timeout` in seconds. A service that
        keeps ending, or is late, is a StackError with the end of its log."""
        self._await(
            [
                Awaited(service.name, partial(_not_ready, self.addresses.services[service.name]))
                for service in self._services
            ],
            timeout,
        )

    def _await(self, awaited: Sequence[Awaited], timeout: float) -> None:
        begun = time.time() - records.SAME_START_SECONDS
        deadline = time.monotonic() + timeout
        starts: dict[str, set[int]] = {one.name: set() for one in awaited}
        problems = {one.name: "not started" for one in awaited}
        waiting = list(awaited)
        while waiting:
            for one in list(waiting):
                problems[one.name] = one.problem()
                if not problems[one.name]:
                    waiting.remove(one)
                    continue
                record = records.read(self._places.record(one.name), self.folder)
                if record and record.started > begun:
                    starts[one.name].add(record.pid)
                if len(starts[one.name]) >= STARTS_BEFORE_GIVING_UP:
                    raise StackError(self._failure(one.name, "ends again and again"))
                if time.monotonic() > deadline:
                    raise StackError(
                        self._failure(one.name, f"is not ready after {timeout:.0f} s: {problems[one.name]}")
                    )
            if waiting:
                time.sleep(POLL_SECONDS)

    def _failure(self, name: str, what: str) -> str:
        if self._is_external(name):
            return f"The given {name} {what}.\n  Check {GIVEN_BY[name]} and what goes with it."
        log = self._places.log(name)
        return f"{name} {what}. The end of its log, {log}:\n{last_lines(log)}"

    # ---- stop ----

    def stop(self) -> None:
        """In order: the services (10 s to finish what they do), Kafka, PostgreSQL. Also ends what
        a crash left behind. Stopping what does not run changes nothing."""
        if not self.folder.exists():
            return
        with held(self._places.lock, BUSY):
            self._stop_all()

    def erase(self) -> None:
        """Stop, then remove the stack's folder and PostgreSQL's place outside it: all data."""
        self.stop()
        elsewhere = postgresql.remembered(self._places.postgresql)
        for folder in filter(None, (elsewhere, self.folder)):
            if folder.exists():
                shutil.rmtree(folder)

    def _stop_all(self) -> None:
        if self._supervisor_answers():
            states = self._supervisor.states()
            for stage in self._stages():
                self._supervisor.stop_programs([one.name for one in stage if one.name in states])
        self._end_leftovers()

    def _end_leftovers(self) -> None:
        """Processes of this stack without a living supervisor over them, in the order of a stop."""
        self._supervisor.shut_down()
        for stage in self._stages():
            for one in stage:
                process = records.living(self._places.record(one.name), self.folder)
                if process:
                    self._console.print(f"Stopping {one.name} (process {process.pid}), left by an earlier run …")
                    records.end(process, one.stop_signal, one.stop_seconds)

    # ---- look ----

    def status(self) -> list[ProcessStatus]:
        """The engines, the services, what watches them. Empty where this stack was never started."""
        if not self._places.secrets.exists():
            return []
        where = self.addresses
        supervised = self._supervisor.states() if self._supervisor_answers() else {}
        shown = {
            postgresql.NAME: urlsplit(where.postgres_admin_url).netloc.rpartition("@")[2],
            kafka.NAME: where.kafka_bootstrap,
        }
        shown |= dict(where.services) | self._watch.addresses()
        result = []
        for name, address in shown.items():
            alive = records.living(self._places.record(name), self.folder)
            if self._is_external(name):
                state = "external"
            elif name in supervised:
                state = WORDS.get(supervised[name].word, "stopped")
            else:
                state = "unsupervised" if alive else "stopped"
            result.append(ProcessStatus(name, state, alive.pid if alive else 0, address))
        return result

    def watching(self) -> list[str]:
        """Lines on what watches this stack: targets up and in all, or what is wrong."""
        return self._watch.lines() if self._places.secrets.exists() else []

    @property
    def addresses(self) -> Addresses:
        """Where everything is; StackError before the first start."""
        return Addresses(
            kafka_bootstrap=self._user.get("CHUISHAO_KAFKA_BOOTSTRAP") or f"{HOST}:{self._port(kafka.NAME)}",
            postgres_admin_url=self._user.get("CHUISHAO_POSTGRES_ADMIN_URL")
            or postgresql.admin_url(self._port(postgresql.NAME), self._secrets["postgres"]),
            services={service.name: f"http://{HOST}:{self._port(service.name)}" for service in self._services},
        )

    def environment(self, service: str | None = None) -> dict[str, str]:
        """What a service of this stack is told or, without a name, what the preparations are:
        for commands and tests that work on this stack."""
        if service is None:
            return self._telling.preparation()
        return self._telling.service(next(one for one in self._services if one.name == service))

    @property
    def hotline_key(self) -> str:
        """The API key of this stack's 12345 feed."""
        return self._secrets[HOTLINE_KEY]

    def log(self, name: str) -> Path:
        return self._places.log(name)

    def pid(self, name: str) -> int:
        """0 where the process does not live."""
        process = records.living(self._places.record(name), self.folder)
        return process.pid if process else 0

    def kill(self, name: str, signal_: int = signal.SIGKILL) -> int:
        """Signal one process of this stack (also "supervisor"); returns its id."""
        process = records.living(self._places.record(name), self.folder)
        if process is None:
            raise StackError(f"{name} does not run in this stack.")
        process.send_signal(signal_)
        return process.pid

    def stop_one(self, name: str) -> None:
        """Stop one process of this stack in order, and leave it stopped until `start_one`; the rest runs on."""
        self._supervise()
        self._supervisor.stop_programs([name])

    def start_one(self, name: str) -> None:
        """Start it again. Returns at once; where it runs already, nothing changes."""
        self._supervise()
        self._supervisor.start_program(name)

    def _supervise(self) -> None:
        if not self._supervisor_answers():
            raise StackError("This stack does not run. Run `make up`.")

    # ---- what it consists of ----

    def _is_external(self, name: str) -> bool:
        return bool(self._user.get(GIVEN_BY.get(name, "")))

    def _programs(self) -> list[Supervised]:
        """In the order of a start."""
        return [one for stage in reversed(self._stages()) for one in stage if not self._is_external(one.name)]

    def _stages(self) -> list[list[Supervised]]:
        """In the order of a stop; those of one stage stop together."""
        return [
            [Supervised(name, signal.SIGTERM, 10) for name in self._service_names() + prometheus.NAMES],
            [Supervised(kafka.NAME, signal.SIGTERM, 30)],
            [Supervised(postgresql.NAME, postgresql.STOP_SIGNAL, 30)],
        ]

    def _port_names(self) -> list[str]:
        return [
            supervise.NAME,
            kafka.NAME,
            f"{kafka.NAME}_controller",
            postgresql.NAME,
            *self._service_names(),
            *prometheus.NAMES,
        ]

    def _service_names(self) -> tuple[str, ...]:
        return tuple(service.name for service in self._services)

    def _port(self, name: str) -> int:
        known = ports.known(self._places.ports)
        if name not in known:
            raise StackError("This stack has never been started. Run `make up`.")
        return known[name]

    @property
    def _secrets(self) -> dict[str, str]:
        return secrets.known(self._places.secrets)

    @property
    def _telling(self) -> Telling:
        return Telling(self.addresses, self._secrets, self._user, self._places.folder / "api_keys.yaml")

    def _alive(self, name: str) -> bool:
        return records.living(self._places.record(name), self.folder) is not None


def stacks_under_var() -> list[LocalStack]:
    """Every stack that was started in the project's usual place for them."""
    return [LocalStack(found.parent) for found in (PROJECT / "var").glob("*/secrets.json")]


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _not_ready(url: str) -> str:
    try:
        with _direct.open(f"{url}/health/ready", timeout=2) as answer:
            return "" if answer.status == 200 else f"it answers {answer.status}"
    except urllib.error.HTTPError as error:
        with error:
            return f"it answers {error.code}: {error.read(500).decode('utf-8', 'replace')}"
    except (OSError, http.client.HTTPException) as error:
        return str(error)
