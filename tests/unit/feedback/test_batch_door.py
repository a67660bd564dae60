"""Checking and rating many cases with one request: every row is tried, and sent again it counts once."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.feedback.batch_api import MOST_ROWS, add_batch_routes
from services.feedback.main import HANDLERS
from shared.contracts import facts as f
from tests.unit.feedback.histories import CASE, MARKET, NUMBER, WATER, handled, opened
from tests.unit.feedback.test_door import BLOWER, FOUR, HANDLER, PASSED, Counter, door_open

PATH = "/reviews/batch"
OTHER = UUID(int=CASE.int + 12)
BOTH = {"ratings": [FOUR, FOUR | {"unit": MARKET}], "check": PASSED}


@pytest.fixture
async def counter() -> AsyncIterator[Counter]:
    async with door_open(HANDLERS, add_batch_routes) as counter:
        await counter.case(opened(), handled(1, WATER, MARKET))
        yield counter


def told(response: httpx.Response) -> list[tuple[int, str | None, str, str | None]]:
    assert response.status_code == 200, response.text
    return [(one["place"], one["unit"], one["became"], one["code"]) for one in response.json()["said"]]


def counted(response: httpx.Response) -> tuple[int, int, int]:
    found: dict[str, Any] = response.json()
    return found["accepted"], found["repeated"], found["refused"]


async def test_each_row_is_tried_whatever_becomes_of_the_others(counter: Counter) -> None:
    await counter.case(opened(), case_id=OTHER)
    rows = [
        {"case": str(OTHER), "check": PASSED},
        {"case": str(CASE)} | BOTH,
        {"case": "HA20991231-9999", "check": PASSED},
    ]
    response = await counter.post(PATH, rows, BLOWER)
    assert told(response) == [
        (0, None, "refused", "not_handled_yet"),
        (1, WATER, "accepted", None),
        (1, MARKET, "accepted", None),
        (1, None, "accepted", None),
        (2, None, "refused", "review_unknown"),
    ]
    assert counted(response) == (3, 0, 2)
    rated, rated_too, checked = counter.said()[:3]
    assert isinstance(rated, f.FeedbackUnitRated)
    assert isinstance(rated_too, f.FeedbackUnitRated)
    assert isinstance(checked, f.FeedbackChecked)


async def test_sent_again_under_its_key_it_counts_once_and_what_was_refused_is_tried(counter: Counter) -> None:
    await counter.case(opened(), case_id=OTHER)
    rows = [{"case": str(OTHER), "check": PASSED}, {"case": str(CASE)} | BOTH]
    keyed = BLOWER | {"Idempotency-Key": "batch-1"}
    assert counted(await counter.post(PATH, rows, keyed)) == (3, 0, 1)
    before = counter.said()
    await counter.case(handled(1, WATER, MARKET), case_id=OTHER)
    assert counted(await counter.post(PATH, rows, keyed)) == (1, 3, 0)
    assert counter.said() == before
    other = await counter.post(PATH, rows[1:], keyed)
    assert {one[3] for one in told(other)} == {"idempotency_key_reused"}


async def test_who_may_not_check_is_told_so_for_each_row(counter: Counter) -> None:
    response = await counter.post(PATH, [{"case": NUMBER} | BOTH], HANDLER)
    assert counted(response) == (0, 0, 3)
    assert counter.said() == []
    assert (await counter.post(PATH, [{"case": NUMBER} | BOTH], {})).status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        ([{"case": NUMBER, "check": PASSED}] * (MOST_ROWS + 1), "body"),
        ([{"case": NUMBER, "check": {"passed": "yes"}}], "0.check.passed"),
        ([{"case": NUMBER, "ratings": [FOUR | {"speed": 6}]}], "0.ratings.0.speed"),
        ([{"case": NUMBER, "verdict": True}], "0.verdict"),
        ([{"case": NUMBER}], "0"),
        ([{"check": PASSED}], "0.case"),
    ],
)
async def test_a_body_that_is_wrong_names_its_field_and_nothing_is_taken(
    counter: Counter, body: object, field: str
) -> None:
    response = await counter.post(PATH, body, BLOWER)
    assert response.status_code == 422, response.text
    assert field in {error["field"] for error in response.json()["errors"]}
    assert counter.said() == []
