"""A resident's link on the running service: an answer by it closes or reopens the case, a second changes nothing."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import httpx
import pytest
from uuid_utils import uuid7

from services.feedback.answers.links import Links
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, Satisfaction
from shared.runtime.settings import KafkaSettings
from tests.integration.feedback.conftest import SIGNING_KEY, Feedback, OtherLogs, eventually, published
from tests.unit.feedback.histories import COMMUNITY, WATER, handled, opened

pytestmark = pytest.mark.timeout(180)

LINKS = Links(SIGNING_KEY, "")
PERSON = {"Accept": "text/html"}
SATISFIED = {"contacted": "yes", "solved": "yes", "satisfaction": "satisfied"}
UNSATISFIED = {"contacted": "yes", "solved": "no", "satisfaction": "unsatisfied", "words": "还在漏水"}


async def test_an_answer_by_link_closes_or_reopens_and_the_second_use_changes_nothing(
    feedback: Feedback, logs: OtherLogs, kafka_settings: KafkaSettings, postgres_url: str
) -> None:
    content, objecting = (UUID(str(uuid7())) for _ in range(2))
    for case_id in (content, objecting):
        await logs.case(case_id, opened(), handled())
    await feedback.start()
    async with feedback.asked_by(COMMUNITY) as community:
        for case_id in (content, objecting):
            await eventually(lambda case_id=case_id: _checked(community, case_id), "the case's check")  # type: ignore[misc]
            rating = {"unit": WATER, "contact": 5, "speed": 4, "result": 3}
            assert (await community.post(f"/reviews/{case_id}/rate", json=rating)).status_code == 200
    said = await published(kafka_settings, 6)
    until = {event.subject: event.fact.until for event in said if isinstance(event.fact, f.FeedbackResidentAsked)}
    assert set(until) == {content, objecting}
    assert min(until.values()) > datetime.now(UTC)

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{feedback.port}", trust_env=False) as resident:
        links = {case_id: LINKS.link_for(case_id, 1, until[case_id]) for case_id in until}
        assert (await resident.get(links[content], headers=PERSON)).status_code == 200
        first = await resident.post(links[content], data=SATISFIED, headers=PERSON, follow_redirects=True)
        at_once = await asyncio.gather(
            *(resident.post(links[objecting], data=UNSATISFIED, headers=PERSON) for _ in range(5))
        )
        assert (first.status_code, "谢谢" in first.text) == (200, True)
        assert sorted(each.status_code for each in at_once) == [303] + [409] * 4
        before = await _everything(postgres_url)
        for link in links.values():
            second = await resident.post(link, data=SATISFIED, headers=PERSON)
            assert (second.status_code, "已评价" in second.text) == (409, True)
        altered = await resident.post(links[content][:-2] + "AA", data=SATISFIED, headers=PERSON)
        assert altered.status_code == 404
        assert await _everything(postgres_url) == before

    said = await published(kafka_settings, 10)
    answers = {event.subject: event.fact for event in said if isinstance(event.fact, f.FeedbackResidentAnswered)}
    verdicts = {event.subject: event.fact for event in said if isinstance(event.fact, f.FeedbackConcluded)}
    assert answers[objecting].satisfaction is Satisfaction.UNSATISFIED
    assert answers[objecting].actor == f.Actor(kind=ActorKind.RESIDENT, person=str(objecting))
    assert (verdicts[content].close, verdicts[objecting].close) == (True, False)


async def _checked(community: httpx.AsyncClient, case_id: UUID) -> bool:
    return (await community.post(f"/reviews/{case_id}/check", json={"passed": True})).status_code in (200, 409)


async def _everything(url: str) -> list[object]:
    connection = await asyncpg.connect(url)
    try:
        log = await connection.fetch("select * from log order by shard, sequence")
        return [*log, *await connection.fetch("select * from state order by case_id")]
    finally:
        await connection.close()
