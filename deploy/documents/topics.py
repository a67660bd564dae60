"""docs/reference/topics.md, from the topic catalogue."""

from deploy.documents.facts import SUBJECTS, facts_on
from deploy.documents.markdown import code, table
from deploy.documents.markdown import page as whole_page
from shared.contracts.topics import SHARDS, TOPICS, Topic

INTRODUCTION = f"""\
Every event is one JSON value (CloudEvents 1.0, structured mode). `subject` is the case id, and so is the message
key. **Case-keyed topics have {SHARDS} partitions, and the partition is the shard**: the case id, read as
a number, modulo {SHARDS}, set explicitly by the producer and never by a hash of the client's choice. A unit's topics
have one partition, so what one unit is told and says stays in order. `<unit>` is the unit's code in `units.yaml`.

Delivery is at least once. On the four logs (`whistles`, `cases`, `deadlines`, `feedback`) the attribute `sequence`
is contiguous per partition: a lower one than expected is a repeat, a higher one means that something is missing.
On what outsiders get, repeats carry the same `id`."""


def page() -> str:
    rows = [
        (
            code(topic.name),
            topic.writer,
            ", ".join(topic.readers),
            topic.carries,
            str(topic.partitions),
            f"{topic.retention_days} d",
        )
        for topic in TOPICS
    ]
    return whole_page(
        "Topics · 主题",
        "shared/contracts/topics.py",
        INTRODUCTION,
        table(("topic", "written by", "read by", "carries", "partitions", "kept"), rows),
        "The workbench also reads the four logs, for the live board; it has no part in any decision.",
        "## What travels where",
        *(_carried(topic) for topic in TOPICS if topic.name in SUBJECTS),
        "### " + code("<topic>.dlq"),
        "A message that could not be handled, byte for byte as it came, keyed by the case id where one could be read. "
        "Headers: `dead-letter` (its number in the reader's table), `reason`, and `cut-from-bytes` where the value was "
        "too large for a message and only its beginning is here. The reader keeps it whole, and can replay it.",
    )


def _carried(topic: Topic) -> str:
    listed = "\n".join(
        f"- [`{fact.type_name()}`](events.md#{fact.type_name().replace('.', '')})" for fact in facts_on(topic.name)
    )
    return f"### {code(topic.name)}\n\n{listed}"
