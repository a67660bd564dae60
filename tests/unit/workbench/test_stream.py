"""Server-sent events: how they are framed, and what becomes of who reads too slowly."""

import asyncio
from typing import Any

import orjson
import pytest
from starlette.types import Message

from services.workbench.stream import FRAMES_WAITING, EventStream, Full, Stream, frame


def test_a_frame_is_one_event_however_many_lines_are_in_the_text() -> None:
    sent = frame("facts", {"text": "一行\n二行\r\n\ndata: {}\n\nevent: forged"})
    lines = sent.decode().split("\n")
    assert lines[0] == "event: facts"
    assert lines[1].startswith("data: ")
    assert lines[2:] == ["", ""]
    assert orjson.loads(lines[1][6:]) == {"text": "一行\n二行\r\n\ndata: {}\n\nevent: forged"}


class Reader:
    """The other end of one connection. `open` cleared = its network takes nothing more."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.open = asyncio.Event()
        self.open.set()
        self.left = asyncio.Event()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.open.wait()
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


def connect(stream: Stream, reader: Reader, language: str = "en") -> asyncio.Task[None]:
    response = EventStream(stream, stream.join(language, [frame("state", {})]))
    scope: dict[str, Any] = {"type": "http"}
    return asyncio.create_task(response(scope, reader.receive, reader.send))


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_watcher_gets_the_opening_then_what_is_published_in_its_language() -> None:
    stream, reader = Stream(10), Reader()
    task = connect(stream, reader)
    stream.publish("en", frame("facts", ["new"]))
    stream.publish("zh-CN", frame("facts", ["新"]))
    await settle()
    start = dict(reader.sent[0]["headers"])
    assert start[b"content-type"].startswith(b"text/event-stream")
    assert start[b"cache-control"] == b"no-store"
    assert b"content-length" not in start
    assert reader.body == b"retry: 2000\n\n" + frame("state", {}) + frame("facts", ["new"])
    reader.left.set()
    await task
    assert len(stream) == 0
    assert not stream.watched.is_set()


async def test_a_slow_watcher_is_cut_off_and_the_others_are_not() -> None:
    stream, slow, quick = Stream(10), Reader(), Reader()
    slow_task, quick_task = connect(stream, slow), connect(stream, quick)
    await settle()
    slow.open.clear()
    for number in range(FRAMES_WAITING + 2):
        stream.publish("en", frame("state", number))
        await settle()
    await asyncio.wait_for(slow_task, 1)
    assert len(stream) == 1
    assert frame("state", FRAMES_WAITING + 1) in quick.body
    assert not quick_task.done()
    stream.close()
    await asyncio.wait_for(quick_task, 1)


async def test_closing_ends_every_watcher_at_once_and_lets_none_in() -> None:
    stream, reader, stuck = Stream(10), Reader(), Reader()
    tasks = [connect(stream, reader), connect(stream, stuck)]
    await settle()
    stuck.open.clear()
    for number in range(FRAMES_WAITING):
        stream.publish("en", frame("state", number))
    await settle()
    stream.publish("en", frame("state", 99))
    stream.close()
    await asyncio.wait_for(asyncio.gather(*tasks), 1)
    assert reader.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    with pytest.raises(Full):
        stream.join("en", [])


async def test_no_more_watchers_than_there_is_room_for() -> None:
    stream = Stream(2)
    watchers = [stream.join("en", []) for _ in range(2)]
    with pytest.raises(Full):
        stream.join("en", [])
    stream.leave(watchers[0])
    stream.join("zh-CN", [])
    assert stream.languages() == {"en", "zh-CN"}
