"""A process that holds alpha's relay and stops itself (SIGSTOP) with rows in hand that it has not published.

python -m tests.integration.runtime.stopping_relay <database url> <bootstrap> <service> <topic>
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from shared.contracts.topics import SHARDS
from shared.runtime.kafka import KafkaPublisher
from shared.runtime.postgres import PostgresStore, open_pool
from shared.runtime.relay import Message, Relay, no_projection
from shared.runtime.settings import KafkaSettings


class StopsWithRowsInHand(KafkaPublisher):
    _stopped = False

    async def publish(self, messages: Sequence[Message]) -> None:
        if not self._stopped:
            self._stopped = True
            os.kill(os.getpid(), signal.SIGSTOP)
        await super().publish(messages)


async def main(url: str, bootstrap: str, service: str, topic: str) -> None:
    pool = await open_pool(url)
    publisher = StopsWithRowsInHand(KafkaSettings(bootstrap=bootstrap))
    relay = Relay(service, topic, PostgresStore(service, pool, url), publisher, no_projection)
    relay.want(range(SHARDS))
    await relay.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
