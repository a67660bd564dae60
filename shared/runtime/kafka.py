"""Kafka as this system uses it: connection settings, a publisher that heals itself, a consumer's making."""

import asyncio
import re
import ssl
from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaTimeoutError, TopicAlreadyExistsError, for_code
from aiokafka.helpers import create_ssl_context

from shared.contracts.envelope import MAXIMUM_BYTES
from shared.contracts.topics import topic_named
from shared.runtime.relay import Message
from shared.runtime.settings import KafkaSettings

logger = structlog.get_logger(__name__)

PUBLISH_SECONDS = 15
STOP_SECONDS = 5
BATCH_RECORDS = 500
POLL_MS, FOLLOWS_MS = 200, 5
"""How long to wait where nothing has come, and for what follows on something that has."""


def connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """What every aiokafka client needs to reach the broker."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap,
        "security_protocol": settings.security_protocol,
    }
    if "SSL" in settings.security_protocol:
        options["ssl_context"] = _ssl_context(settings)
    if settings.sasl_username:
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.get_secret_value()
    return options


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    as_text = [str(path) if path else None for path in (settings.ca_file, settings.cert_file, settings.key_file)]
    context: ssl.SSLContext = create_ssl_context(cafile=as_text[0], certfile=as_text[1], keyfile=as_text[2])
    return context


def partitions_of(topic: str) -> int:
    """How many partitions a topic of ours has; case-keyed ones have one for each shard."""
    declared = topic_named(topic)
    return declared.partitions if declared else 1


def _retention(topic: str) -> str:
    declared = topic_named(topic)
    return str((declared.retention_days if declared else 30) * 86_400_000)


async def create_topics(settings: KafkaSettings, names: Sequence[str]) -> list[str]:
    """Create the topics that do not exist yet and return their names. Raises if the broker refuses."""
    admin = AIOKafkaAdminClient(**connection_options(settings))
    await admin.start()
    try:
        missing = sorted(set(names) - set(await admin.list_topics()))
        wanted = [
            NewTopic(
                name=name,
                num_partitions=partitions_of(name),
                replication_factor=settings.replication_factor,
                topic_configs={"retention.ms": _retention(name)},
            )
            for name in missing
        ]
        response = await admin.create_topics(wanted) if wanted else None
        for topic, code, *_ in response.topic_errors if response else ():
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error(f"topic {topic} could not be created")
        return missing
    finally:
        await admin.close()


class KafkaPublisher:
    """Publishes in order with an idempotent producer; after any failure a new producer is built.

    A producer that has seen an error may silently refuse to go on (out-of-order sequence), so it is not
    trusted again: the relay starts once more from the last row known published.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._known: set[str] = set()

    async def publish(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        sent: list[asyncio.Future[Any]] = []
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                producer = await self._ready()
                await self._ensure({message.topic for message in messages} - self._known)
                for message in messages:
                    future = await producer.send(
                        message.topic,
                        value=message.value,
                        key=message.key,
                        partition=message.partition,
                        headers=list(message.headers),
                    )
                    sent.append(future)
                await asyncio.gather(*sent)
        except BaseException:
            for future in sent:
                future.add_done_callback(_look_at)
            await self.close()
            raise

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        self._known.clear()
        if producer is not None:
            await give_up(producer)

    async def _ready(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **connection_options(self._settings),
                    enable_idempotence=True,
                    acks="all",
                    linger_ms=0,
                    # A partition has one batch under way at a time: what is published at once should fit in one.
                    max_batch_size=MAXIMUM_BYTES,
                    max_request_size=4 * MAXIMUM_BYTES,
                    request_timeout_ms=10_000,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _ensure(self, unknown: set[str]) -> None:
        """A topic that is missing would hold up every shard: create it."""
        if unknown:
            created = await create_topics(self._settings, sorted(unknown))
            if created:
                logger.warning("topics created while publishing", topics=created)
            self._known |= unknown


def _look_at(future: asyncio.Future[Any]) -> None:
    """Its failure is known; asyncio need not report it again."""
    if not future.cancelled():
        future.exception()


async def give_up(producer: AIOKafkaProducer) -> None:
    """Stop a producer. Whoever waits for what it cannot deliver any more is told so, by a `KafkaTimeoutError`."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await producer.stop()
    except Exception as error:  # noqa: BLE001 - it ends in any case
        logger.warning("producer given up", error=repr(error))
        await _end(producer)


async def _end(producer: AIOKafkaProducer) -> None:
    """aiokafka has no public way."""
    sender = producer._sender.sender_task
    sender.cancel()
    await asyncio.wait({sender}, timeout=STOP_SECONDS)
    producer._message_accumulator.fail_all(KafkaTimeoutError())
    await producer.client.close()


async def leave(client: Any) -> None:
    """Stop a consumer, whatever it makes of that.

    aiokafka's `stop` may end as cancelled, because a task of its own was, and then leaves its connections open;
    so it runs as a task of its own, and the connections are closed in any case.
    """
    for close in (client.stop, client._client.close):
        closing = asyncio.ensure_future(close())
        done, _ = await asyncio.wait({closing}, timeout=STOP_SECONDS)
        if not done:
            closing.cancel()
        elif not closing.cancelled() and closing.exception() is not None:
            logger.info("the client stopped with an error", error=repr(closing.exception()))


def make_consumer(settings: KafkaSettings, group: str) -> AIOKafkaConsumer:
    """A consumer of a group that commits by hand and begins at the start of a topic it does not know."""
    return AIOKafkaConsumer(
        **connection_options(settings),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * MAXIMUM_BYTES,
        fetch_max_wait_ms=100,
        # What a broker accepts at least: so long a dead process's partitions, and its deadlines, wait for another.
        session_timeout_ms=6_000,
        heartbeat_interval_ms=1_500,
        metadata_max_age_ms=15_000,
        max_poll_interval_ms=600_000,
    )


async def poll(consumer: Any, patience_ms: int = POLL_MS) -> dict[TopicPartition, list[ConsumerRecord]]:
    """What has come, at most a batch of it; waits so long where nothing has.

    The client asks the broker for more only once what it holds is taken, and the broker answers as soon as it has one
    message. So while a batch is at work, the client holds the first that came, and all that came after it waits at the
    broker: taken by itself, every other batch would be of one message. What is held is taken, then what follows on it.
    """
    held: dict[TopicPartition, list[ConsumerRecord]] = await consumer.getmany(timeout_ms=0, max_records=BATCH_RECORDS)
    room = BATCH_RECORDS - sum(map(len, held.values()))
    if room:
        more = await consumer.getmany(timeout_ms=FOLLOWS_MS if held else patience_ms, max_records=room)
        for at, records in more.items():
            held[at] = [*held.get(at, ()), *records]
    return held


def subscription(topics: Sequence[str]) -> str:
    """One pattern for all topics a service reads; `reports.<unit>` stands for every unit's."""
    parts = [r"reports\.[0-9A-Za-z-]+" if "<unit>" in topic else re.escape(topic) for topic in topics]
    return f"^({'|'.join(parts)})$"
