"""The topics: who writes, who reads, by what they are keyed. `docs/reference/topics.md` is generated from here."""

import re
from dataclasses import dataclass
from uuid import UUID

SHARDS = 12
"""Shards of every log = partitions of every case-keyed topic. One number for an installation's life."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic or, with `<unit>` in its name, one topic for each unit that handles cases."""

    name: str
    writer: str
    readers: tuple[str, ...]
    carries: str
    partitions: int
    retention_days: int


WHISTLES = "whistles"
CASES = "cases"
DEADLINES = "deadlines"
FEEDBACK = "feedback"
HOTLINE_REPLIES = "hotline.replies"
SURGES = "surges"

TOPICS: tuple[Topic, ...] = (
    Topic(WHISTLES, "intake", ("router",), "intake's log: whistles received, verified, declined", SHARDS, 30),
    Topic(CASES, "router", ("sla", "feedback"), "the router's log: the official record of every case", SHARDS, 30),
    Topic(DEADLINES, "sla", ("router", "feedback"), "sla's log: warnings, overdue, escalations", SHARDS, 30),
    Topic(FEEDBACK, "feedback", ("router",), "feedback's log: checks, ratings, verdicts", SHARDS, 30),
    Topic(HOTLINE_REPLIES, "router", ("12345",), "what 12345 is told about its own orders", SHARDS, 30),
    Topic(SURGES, "live", ("workbench",), "what the live statistics find: many whistles of one kind at once", 1, 30),
    Topic("assignments.<unit>", "router", ("the unit",), "what a unit is told about its assignments", 1, 30),
    Topic("reports.<unit>", "the unit", ("router",), "what a unit reports: sign-in, refusal, progress, done", 1, 30),
    Topic("<topic>.dlq", "its reader", ("operators",), "what could not be handled, with the reason", 1, 90),
)

REPORTS_PATTERN = re.compile(r"^reports\.([0-9A-Za-z-]+)$")


def shard_of(case_id: UUID, shards: int = SHARDS) -> int:
    """The shard of a case in every log, and its partition in every case-keyed topic."""
    return case_id.int % shards


def assignments_topic(unit: str) -> str:
    return f"assignments.{unit}"


def reports_topic(unit: str) -> str:
    return f"reports.{unit}"


def topic_named(name: str) -> Topic | None:
    """The row of the table that a real topic belongs to, None for a topic that is not ours."""
    if name.endswith(".dlq"):
        declared = "<topic>.dlq"
    else:
        declared = re.sub(r"^(assignments|reports)\.[0-9A-Za-z-]+$", r"\1.<unit>", name)
    return next((topic for topic in TOPICS if topic.name == declared), None)


def dead_letter_topic(topic: str) -> str:
    return f"{topic}.dlq"


def topics_of(unit: str) -> tuple[str, ...]:
    """The topics a unit has that handles cases."""
    return assignments_topic(unit), reports_topic(unit), dead_letter_topic(reports_topic(unit))


def reporting_unit(topic: str) -> str | None:
    """The unit a reports topic belongs to, or None for any other topic."""
    match = REPORTS_PATTERN.match(topic)
    return match.group(1) if match else None
