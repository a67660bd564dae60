"""Feedback on the road: what is said once whatever the wire does."""

import random
from uuid import UUID

import pytest
from uuid_utils import uuid7

from services.feedback.domain.commands import AnswerAsResident, CheckResult, RateUnit
from shared.contracts import facts as f
from shared.contracts.topics import CASES, DEADLINES, shard_of
from shared.contracts.vocabulary import Obligation, Satisfaction
from shared.runtime.decision import DoorKey, Fate, FromDoor, Input, Outcome
from tests.unit.feedback.histories import (
    CASE,
    COMMUNITY,
    MARKET,
    OTHER_COMMUNITY,
    WATER,
    answered,
    closed,
    handled,
    opened,
    overdue,
    passed,
    rated,
    staff,
)
from tests.unit.feedback.memory import MemoryFeedback
from tests.unit.feedback.wire import OtherLog, arrived


def asked(message: CheckResult | RateUnit | AnswerAsResident, key: str, case_id: UUID = CASE) -> Input[object]:
    return Input(case_id, message, key, FromDoor((DoorKey("http", key),)))


async def only(feedback: MemoryFeedback, item: Input[object]) -> Outcome:
    (outcome,) = await feedback.road.travel([item])
    return outcome


async def test_a_case_is_checked_rated_answered_and_concluded() -> None:
    feedback, router = MemoryFeedback(), OtherLog("router", CASES)
    await feedback.road.travel([arrived(router.append(CASE, fact)) for fact in (opened(), handled())])

    outcomes = [
        await only(feedback, asked(passed(), "check")),
        await only(feedback, asked(rated(), "rate")),
        await only(feedback, asked(answered(), "answer")),
    ]

    assert [outcome.fate for outcome in outcomes] == [Fate.DONE] * 3
    logged = feedback.logged(CASE)
    assert [type(envelope.fact) for envelope in logged] == [
        f.FeedbackChecked,
        f.FeedbackUnitRated,
        f.FeedbackResidentAnswered,
        f.FeedbackConcluded,
    ]
    assert [(envelope.sequence, envelope.caseseq) for envelope in logged] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert [envelope.cause for envelope in logged] == ["check", "rate", "answer", "answer"]
    assert outcomes[0].answer is not None
    assert outcomes[0].answer["waiting"] == ["rating", "resident"]
    assert outcomes[2].answer is not None
    assert outcomes[2].answer["conclusion"]["close"] is True


async def test_one_batch_may_hold_a_whole_history() -> None:
    feedback, router, sla = MemoryFeedback(), OtherLog("router", CASES), OtherLog("sla", DEADLINES)
    outcomes = await feedback.road.travel(
        [
            arrived(sla.append(CASE, overdue(Obligation.RATE))),
            arrived(router.append(CASE, opened())),
            arrived(router.append(CASE, handled())),
            asked(passed(), "check"),
            arrived(router.append(CASE, closed())),
        ]
    )
    assert [outcome.fate for outcome in outcomes] == [Fate.DONE] * 5
    verdict = feedback.logged(CASE)[-1].fact
    assert isinstance(verdict, f.FeedbackConcluded)
    assert (verdict.unrated, verdict.resident_silent) == ((WATER,), True)


@pytest.mark.parametrize("seed", range(20))
async def test_repeats_and_disorder_on_the_wire_change_nothing(seed: int) -> None:
    """Each log is delivered three times over, in random order, until all of it has arrived in order once."""
    chance = random.Random(seed)
    feedback, router, sla = MemoryFeedback(), OtherLog("router", CASES), OtherLog("sla", DEADLINES)
    case_ids = [UUID(str(uuid7())) for _ in range(5)]
    history = [opened(), handled()]
    messages = [router.append(case_id, fact) for fact in history for case_id in case_ids]
    late = [sla.append(case_id, overdue(Obligation.RATE)) for case_id in case_ids]
    wire = [arrived(message) for message in [*messages, *late] * 3]
    chance.shuffle(wire)
    wire += [arrived(message) for message in [*messages, *late]]

    while wire:
        size = chance.randint(1, 7)
        batch, wire = wire[:size], wire[size:]
        await feedback.road.travel(batch)
    for case_id in case_ids:
        for _ in range(2):
            await only(feedback, asked(passed(), f"check of {case_id}", case_id))

    for case_id in case_ids:
        said = [envelope.fact.NAME for envelope in feedback.logged(case_id)]
        assert said == [f.FeedbackChecked.NAME, f.FeedbackConcluded.NAME]
    heads = {shard: head.sequence for shard, head in router.heads.items()}
    assert {shard: feedback.store.tables.progress[CASES, shard] for shard in heads} == heads
    assert feedback.store.tables.burials == []


async def test_the_same_request_twice_counts_once_and_is_told_the_same() -> None:
    feedback, router = MemoryFeedback(), OtherLog("router", CASES)
    await feedback.road.travel([arrived(router.append(CASE, fact)) for fact in (opened(), handled())])

    first = await only(feedback, asked(rated(), "the same key"))
    again = await only(feedback, asked(rated(), "the same key"))

    assert (first.fate, again.fate) == (Fate.DONE, Fate.REPEAT)
    assert again.answer == first.answer
    assert len(feedback.logged(CASE)) == 1


async def test_a_refused_command_leaves_no_trace() -> None:
    feedback, router = MemoryFeedback(), OtherLog("router", CASES)
    await feedback.road.travel([arrived(router.append(CASE, fact)) for fact in (opened(), handled())])
    before = dict(feedback.states)
    refused: list[CheckResult | RateUnit] = [passed(staff(OTHER_COMMUNITY)), rated(MARKET, by=staff(COMMUNITY))]

    for number, command in enumerate(refused):
        outcome = await only(feedback, asked(command, str(number)))
        assert outcome.fate is Fate.REFUSED

    assert feedback.states == before
    assert feedback.logged(CASE) == []
    assert feedback.store.tables.kept == {}
    assert feedback.store.tables.heads[shard_of(CASE)].sequence == 0


async def test_two_residents_answers_in_one_batch_count_once() -> None:
    feedback, router = MemoryFeedback(), OtherLog("router", CASES)
    await feedback.road.travel([arrived(router.append(CASE, fact)) for fact in (opened(), handled())])

    outcomes = await feedback.road.travel(
        [asked(answered(), "by link"), asked(answered(Satisfaction.UNSATISFIED), "by phone")]
    )

    assert [outcome.fate for outcome in outcomes] == [Fate.DONE, Fate.REFUSED]
    (said,) = feedback.logged(CASE)
    assert isinstance(said.fact, f.FeedbackResidentAnswered)
    assert said.fact.satisfaction is Satisfaction.SATISFIED
