"""Prometheus beside a stack: not installed, or failing, it never stops the stack from starting."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.processes import Addresses
from deploy.local.prometheus import NOT_INSTALLED
from deploy.local.stack import LocalStack

FOLDER = Path("var/test-beside-a-stack")


@pytest.fixture
def environment(engines: Addresses) -> Iterator[dict[str, str]]:
    """Of a stack that starts nothing but its supervisor and what watches it."""
    yield {
        "CHUISHAO_KAFKA_BOOTSTRAP": engines.kafka_bootstrap,
        "CHUISHAO_POSTGRES_ADMIN_URL": engines.postgres_admin_url,
    }
    LocalStack(FOLDER).erase()


def small(environment: dict[str, str], path: str, watched: bool = True) -> LocalStack:
    given = environment | {"PATH": path}
    return LocalStack(FOLDER, environment=given, services=(), preparations=(), watched=watched)


def test_where_it_is_not_installed_a_line_says_so(environment: dict[str, str], tmp_path: Path) -> None:
    stack = small(environment, str(tmp_path))
    stack.start()
    assert stack.watching() == [NOT_INSTALLED]
    assert {one.name for one in stack.status()} == {"kafka", "postgresql"}


def test_one_that_fails_is_told_of_with_the_end_of_its_log(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.prometheus.READY_WITHIN_SECONDS", 3.0)
    broken = tmp_path / "prometheus"
    broken.write_text("#!/bin/sh\necho 'the disk is full' >&2\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    stack = small(environment, str(tmp_path))
    stack.start()
    (said,) = stack.watching()
    assert said.startswith("Prometheus does not answer")
    assert "the disk is full" in said
    assert {one.name: one.state for one in stack.status()}["prometheus"] in ("restarting", "starting")
    stack.stop()
    assert stack.watching() == []


def test_a_stack_that_nobody_asked_to_watch_is_not_watched(environment: dict[str, str]) -> None:
    stack = small(environment, os.environ["PATH"], watched=False)
    stack.start()
    assert {one.name for one in stack.status()} == {"kafka", "postgresql"}
