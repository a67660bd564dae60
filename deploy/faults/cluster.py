"""Three Kafka nodes (KRaft), each broker and controller, and the ground whose topics lie on all of them."""

import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka.admin import AdminClient
from rich.console import Console

from deploy.faults.ground import Ground
from deploy.local import artifacts, kafka, ports, records
from deploy.local.errors import StackError
from deploy.local.launch import Program
from deploy.local.places import PROJECT

NODES = (1, 2, 3)
ANSWERS_WITHIN_SECONDS = 90.0
STOPS_WITHIN_SECONDS = 20.0
POLL_SECONDS = 0.2
ASKED_SECONDS = 3.0

PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=data
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
replica.lag.time.max.ms=5000
auto.create.topics.enable=false
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
"""


class Cluster:
    """The nodes, one folder each. They are started by `start` alone: what ends stays away until then."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports: dict[str, int] = {}

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{self._ports[f'node_{node}']}" for node in NODES)

    def lay_out(self) -> None:
        """Everything anew, and all nodes on their way. Raises StackError."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)
        names = [f"{kind}_{node}" for kind in ("node", "controller") for node in NODES]
        self._ports = ports.settle(self.folder / "ports.json", names, seed=str(self.folder))
        jars = artifacts.kafka_jars(Console(stderr=True, quiet=True))
        cluster = kafka.new_cluster()
        voters = ",".join(f"{node}@127.0.0.1:{self._ports[f'controller_{node}']}" for node in NODES)
        for node in NODES:
            kafka.prepare_node(
                self._place(node),
                jars,
                PROPERTIES.format(
                    node=node,
                    voters=voters,
                    port=self._ports[f"node_{node}"],
                    controller_port=self._ports[f"controller_{node}"],
                ),
                cluster,
            )
            self.start(node)
        self.wait()

    def _place(self, node: int) -> Path:
        return self.folder / f"node-{node}"

    def _record(self, node: int) -> Path:
        return self.folder / f"node-{node}.json"

    def start(self, node: int) -> None:
        """Returns at once; a node that runs stays as it is."""
        if self.pid(node):
            return
        program = Program(
            name=f"node-{node}",
            stack=str(self.folder),
            command=kafka.command(),
            environment=kafka.environment(),
            folder=str(self._place(node)),
            log=str(self.folder / f"node-{node}.log"),
            record=str(self._record(node)),
        )
        program.save(self.folder / f"program-{node}.json")
        subprocess.Popen(
            [sys.executable, "-m", "deploy.local.launch", str(self.folder / f"program-{node}.json")],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait(self) -> None:
        """Until every node is there. Raises StackError with what is wrong."""
        deadline = time.monotonic() + ANSWERS_WITHIN_SECONDS
        while len(self.nodes()) < len(NODES):
            if time.monotonic() > deadline:
                raise StackError(f"The three Kafka nodes are not ready; see the logs in {self.folder}.")
            time.sleep(POLL_SECONDS)

    def pid(self, node: int) -> int:
        """0 where the node does not live."""
        process = records.living(self._record(node), self.folder)
        return process.pid if process else 0

    def kill(self, node: int) -> int:
        """By SIGKILL; returns its process id."""
        process = records.living(self._record(node), self.folder)
        if process is None:
            raise StackError(f"node {node} does not run.")
        process.kill()
        return process.pid

    def stop(self) -> None:
        """End all, also those of an earlier run, and remove what they wrote."""
        for node in NODES:
            process = records.living(self._record(node), self.folder)
            if process is not None:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)
                records.end(process, signal.SIGKILL, STOPS_WITHIN_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- what the cluster says of itself

    def nodes(self) -> list[int]:
        """Those that the cluster counts among its brokers now; empty where nobody answers."""
        found = self._described()
        return sorted(found.brokers) if found is not None else []

    def leaders(self, topic: str) -> dict[int, int]:
        """Who leads each partition; -1 where nobody does."""
        found = self._described(topic)
        partitions = found.topics[topic].partitions if found is not None and topic in found.topics else {}
        return {number: one.leader for number, one in partitions.items()}

    def is_whole(self) -> bool:
        """Whether every partition of every topic has all its replicas in sync."""
        found = self._described()
        if found is None or len(found.brokers) < len(NODES):
            return False
        return all(
            len(one.isrs) == len(one.replicas) and one.leader > 0
            for topic in found.topics.values()
            for one in topic.partitions.values()
        )

    def _described(self, topic: str | None = None) -> Any:
        """The cluster's metadata; None where nobody answers."""
        options: dict[str, Any] = {"bootstrap.servers": self.bootstrap, "log_level": 0, "error_cb": lambda _: None}
        client = AdminClient(options)
        try:
            return client.list_topics(topic=topic, timeout=ASKED_SECONDS)
        except Exception:  # noqa: BLE001 - whatever it is, nobody answers
            return None


class ThreeNodes(Ground):
    """Three nodes, three replicas of everything, two of which must have what is acknowledged."""

    @cached_property
    def cluster(self) -> Cluster:
        return Cluster(self.folder.with_name(self.folder.name + "-nodes"))

    def lay_out(self) -> None:
        self.cluster.lay_out()
        self.tell(
            {
                "CHUISHAO_KAFKA_BOOTSTRAP": self.cluster.bootstrap,
                "CHUISHAO_KAFKA_REPLICATION_FACTOR": str(len(NODES)),
            }
        )

    def take_away(self) -> None:
        self.cluster.stop()
