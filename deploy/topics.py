"""Creates the topics this release uses: the case-keyed ones, and those of the units a district begins with.

Those of units that are imported later, the router creates.
"""

import asyncio
import sys
from pathlib import Path

from aiokafka.errors import KafkaError

from shared.contracts.topics import TOPICS, dead_letter_topic
from shared.contracts.units import UnitTree, unit_topics
from shared.runtime.kafka import create_topics
from shared.runtime.settings import KafkaSettings, ServiceSettings
from shared.runtime.setup_files import read_units


def topic_names(tree: UnitTree) -> list[str]:
    """Every topic of a district with these units."""
    shared = [topic.name for topic in TOPICS if "<" not in topic.name]
    read_by_us = [topic.name for topic in TOPICS if "<" not in topic.name and topic.name != "hotline.replies"]
    return [*shared, *map(dead_letter_topic, read_by_us), *unit_topics(tree)]


def apply(setup: Path) -> list[str]:
    """Create what is missing and return its names."""
    return asyncio.run(create_topics(KafkaSettings(), topic_names(read_units(setup / "units.yaml"))))


def main() -> int:
    if sys.argv[1:] != ["apply"]:
        print("usage: python -m deploy.topics apply", file=sys.stderr)
        return 2
    try:
        created = apply(ServiceSettings().setup)
    except (KafkaError, OSError, ValueError) as error:
        print(f"topics: {error}", file=sys.stderr)
        return 1
    print(f"topics: {len(created)} created" if created else "topics: all there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
