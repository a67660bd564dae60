"""The small parts: settings, health, failpoints."""

import asyncio

import pytest

from shared.contracts.topics import SHARDS
from shared.runtime import failpoints, health
from shared.runtime.kafka import partitions_of, subscription
from shared.runtime.settings import ServiceSettings


@pytest.mark.parametrize(("given", "level"), [("info", "INFO"), ("WARNING", "WARNING"), ("Debug", "DEBUG")])
def test_the_log_level_may_be_written_either_way(monkeypatch: pytest.MonkeyPatch, given: str, level: str) -> None:
    monkeypatch.setenv("CHUISHAO_LOG_LEVEL", given)

    assert ServiceSettings().log_level == level


async def _well() -> None:
    return None


async def _behind() -> str:
    return "12 messages behind"


async def _broken() -> None:
    raise OSError("refused")


async def _hangs() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("check", "well", "found"),
    [
        (_well, True, "ok"),
        (_behind, False, "12 messages behind"),
        (_broken, False, "OSError: refused"),
        (_hangs, False, "no answer within 0 s"),
    ],
)
async def test_readiness_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, check: health.Check, well: bool, found: str
) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)

    assert await health.readiness({"checked": check, "other": _well}) == (well, {"checked": found, "other": "ok"})


def test_a_failpoint_does_nothing_unless_armed() -> None:
    reached: list[str] = []
    failpoints.reach("after_commit")
    failpoints.install(reached.append)
    failpoints.reach("after_commit")
    failpoints.install(None)
    failpoints.reach("after_commit")

    assert reached == ["after_commit"]


def test_an_unknown_failpoint_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUISHAO_FAILPOINT", "after_lunch")
    with pytest.raises(ValueError, match="after_lunch"):
        failpoints.arm_from_environment()


@pytest.mark.parametrize(
    ("topic", "partitions"),
    [("cases", SHARDS), ("hotline.replies", SHARDS), ("reports.310105", 1), ("assignments.x-1", 1), ("cases.dlq", 1)],
)
def test_topics_are_made_as_the_table_says(topic: str, partitions: int) -> None:
    assert partitions_of(topic) == partitions


def test_a_subscription_matches_the_topics_meant_and_no_others() -> None:
    import re

    pattern = re.compile(subscription(["whistles", "reports.<unit>"]))
    topics = ["whistles", "reports.310105", "reports.a-b", "whistles.dlq", "reports.x.dlq", "reports.", "awhistles"]

    assert [topic for topic in topics if pattern.match(topic)] == ["whistles", "reports.310105", "reports.a-b"]
