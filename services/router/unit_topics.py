"""Keeps the topics of the units in force: those of a unit that was imported while the router runs, too."""

import asyncio
from typing import Any

import structlog
from aiokafka.errors import KafkaError

from shared.contracts.units import unit_topics
from shared.runtime.district import LOOK_SECONDS, UNITS, InForce, Setup
from shared.runtime.kafka import create_topics
from shared.runtime.settings import KafkaSettings

logger = structlog.get_logger(__name__)


async def keep_topics(setup: Setup, kafka: KafkaSettings, _running: Any) -> None:
    """For as long as the service lives: whenever other units are in force, create what topics they lack."""
    kept: InForce | None = None
    while True:
        held = setup.held(UNITS)
        if held is not None and held is not kept:
            try:
                created = await create_topics(kafka, unit_topics(held.value))
            except (KafkaError, OSError) as error:
                logger.warning("topics of units not created yet", error=repr(error))
            else:
                kept = held
                if created:
                    logger.info("topics of units created", topics=created)
        await asyncio.sleep(LOOK_SECONDS)
