"""A report of the rehearsal's units reaches Kafka, whatever becomes of the producer it was handed to."""

import asyncio
from typing import ClassVar
from uuid import UUID

import pytest
from aiokafka.errors import KafkaTimeoutError

from deploy.demo import rehearsal
from deploy.demo.rehearsal import Sender, _place_of
from shared.runtime.settings import KafkaSettings

CASE = UUID(int=1)


class Producer:
    """`answers`: what becomes of each message by each producer that is made, one after the other."""

    answers: ClassVar[list[str]] = []
    made: ClassVar[list["Producer"]] = []
    sent: ClassVar[list[bytes]] = []

    def __init__(self, **_options: object) -> None:
        self.answer = Producer.answers.pop(0)
        self.stopped = False
        Producer.made.append(self)

    async def start(self) -> None:
        await asyncio.sleep(0)

    async def stop(self) -> None:
        self.stopped = True

    async def send_and_wait(self, _topic: str, value: bytes, key: bytes) -> None:
        if self.answer == "silent":
            await asyncio.Event().wait()
        if self.answer == "fails":
            raise KafkaTimeoutError
        Producer.sent.append(value)


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> Sender:
    monkeypatch.setattr(rehearsal, "AIOKafkaProducer", Producer)
    monkeypatch.setattr(rehearsal, "SENT_WITHIN_SECONDS", 0.05)
    Producer.made, Producer.sent = [], []
    return Sender(KafkaSettings())


@pytest.mark.parametrize("answers", [["takes"], ["fails", "takes"], ["silent", "takes"], ["silent", "fails", "takes"]])
async def test_it_is_sent_until_a_producer_takes_it(sender: Sender, answers: list[str]) -> None:
    Producer.answers = [*answers]
    async with asyncio.timeout(20):
        await sender.send("reports.x", CASE, b"done")

    assert Producer.sent == [b"done"]
    assert [one.stopped for one in Producer.made] == [True] * (len(answers) - 1) + [False]


async def test_where_somebody_waits_is_said() -> None:
    async def inner() -> None:
        await asyncio.Event().wait()

    async def outer() -> None:
        await inner()

    task = asyncio.create_task(outer())
    await asyncio.sleep(0)
    place = _place_of(task.get_coro())
    task.cancel()
    assert place.replace("test_where_somebody_waits_is_said.<locals>.", "") == "outer > inner > Event.wait"
