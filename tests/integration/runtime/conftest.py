"""What the runtime's integration tests share."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from shared.runtime.settings import KafkaSettings
from tests.conftest import Database, empty_toys
from tests.integration.runtime.toys import District


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """What is tested is expected to complain a lot."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    yield
    structlog.reset_defaults()


@pytest.fixture
async def district(database: Database, kafka_settings: KafkaSettings) -> District:
    await empty_toys(database)
    district = District(database, kafka_settings)
    await district.create_topics()
    return district
