"""The topics the live statistics keep for themselves: there before Faust begins.

Faust creates them too, but goes on before the broker has told everybody of them, and then passes over what it does
not see yet: its agents would wait for nothing until the next rebalance.
"""

import asyncio
import time
from datetime import timedelta

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.contracts.topics import SHARDS
from shared.runtime.kafka import connection_options
from shared.runtime.settings import KafkaSettings

HOURS_KEPT, DAYS_KEPT = timedelta(hours=25), timedelta(days=8)
"""How long a pane of an hour and one of a day are kept: one more than is shown."""

COMPACTED = {"cleanup.policy": "compact", "segment.ms": "60000", "min.cleanable.dirty.ratio": "0.1"}
"""A start reads every changelog whole, and the broker cleans only segments that are done, by default after a week.
Closed after a minute, what is read is what stands in the tables and little more."""

SEEN_WITHIN_SECONDS = 20.0
LOOK_SECONDS = 0.1


def sightings_topic(app: str) -> str:
    return f"{app}-sightings"


def own_topics(app: str) -> dict[str, dict[str, str]]:
    """Every topic of this app with its configuration. Faust names the changelogs."""

    def panes(kept: timedelta) -> dict[str, str]:
        return COMPACTED | {"cleanup.policy": "compact,delete", "retention.ms": str(int(kept.total_seconds() * 1000))}

    return {
        sightings_topic(app): {"retention.ms": str(int(timedelta(days=7).total_seconds() * 1000))},
        f"{app}-cases-changelog": COMPACTED,
        f"{app}-watched-changelog": COMPACTED,
        f"{app}-hours-changelog": panes(HOURS_KEPT),
        f"{app}-days-changelog": panes(DAYS_KEPT),
    }


async def prepare(app: str, kafka: KafkaSettings, replication: int) -> None:
    """Create what is missing, and return once the broker knows of all of it.

    Raises KafkaError where the broker refuses, TimeoutError where it does not come to know of them.
    """
    wanted = own_topics(app)
    admin = AIOKafkaAdminClient(**connection_options(kafka))
    await admin.start()
    try:
        missing = sorted(set(wanted) - set(await admin.list_topics()))
        if missing:
            made = [NewTopic(name, SHARDS, replication, topic_configs=wanted[name]) for name in missing]
            response = await admin.create_topics(made)
            for topic, code, *_ in response.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error(f"topic {topic} could not be created")
        await _seen(admin, set(wanted))
    finally:
        await admin.close()


async def _seen(admin: AIOKafkaAdminClient, wanted: set[str]) -> None:
    end = time.monotonic() + SEEN_WITHIN_SECONDS
    while missing := wanted - set(await admin.list_topics()):
        if time.monotonic() > end:
            raise TimeoutError(f"the broker does not know of {', '.join(sorted(missing))}")
        await asyncio.sleep(LOOK_SECONDS)
