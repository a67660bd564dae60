"""Server-sent events: frames, watchers with bounded queues, and the response that writes to one of them."""

import asyncio
from collections.abc import Iterable

import orjson
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.workbench import metrics

logger = structlog.get_logger(__name__)

FRAMES_WAITING = 32
"""Frames a watcher may lag behind (some half a minute); past that it is cut off and comes back afresh."""
RETRY_MILLISECONDS = 2_000


def frame(event: str, data: object) -> bytes:
    """One event as it goes over the wire. JSON on one line, so no line of data can break the framing."""
    return b"event: %s\ndata: %s\n\n" % (event.encode(), orjson.dumps(data))


class Full(Exception):
    """As many boards are open as this process serves."""


class Watcher:
    """One open board."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.cut_off = asyncio.Event()
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue(FRAMES_WAITING)

    def offer(self, sent: bytes) -> bool:
        """Put a frame in line; False where the line is full, and then the watcher is cut off."""
        try:
            self._frames.put_nowait(sent)
        except asyncio.QueueFull:
            self.cut_off.set()
            return False
        return True

    def end(self) -> None:
        """Let it read what waits, then end; at once where there is no room to say so."""
        try:
            self._frames.put_nowait(None)
        except asyncio.QueueFull:
            self.cut_off.set()

    async def next(self) -> bytes | None:
        return await self._frames.get()


class Stream:
    """All open boards. `watched` is set while there is at least one."""

    def __init__(self, most: int) -> None:
        self.watched = asyncio.Event()
        self._most = most
        self._watchers: set[Watcher] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._watchers)

    def languages(self) -> set[str]:
        return {watcher.language for watcher in self._watchers}

    def join(self, language: str, first: Iterable[bytes]) -> Watcher:
        """Open one more board, with the frames it begins with. Raises `Full`."""
        if self._closed or len(self._watchers) >= self._most:
            raise Full
        watcher = Watcher(language)
        for sent in first:
            watcher.offer(sent)
        self._watchers.add(watcher)
        self._count()
        return watcher

    def leave(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        self._count()

    def publish(self, language: str, sent: bytes) -> None:
        """Offer a frame to every board in that language; who does not keep up is cut off."""
        for watcher in [one for one in self._watchers if one.language == language]:
            if not watcher.offer(sent):
                logger.info("a board reads too slowly and is cut off")
                metrics.WATCHERS_DROPPED.inc()
                self.leave(watcher)

    def close(self) -> None:
        """End every board and open no more: the process is about to stop."""
        self._closed = True
        for watcher in list(self._watchers):
            watcher.end()

    def _count(self) -> None:
        metrics.WATCHERS.set(len(self._watchers))
        if self._watchers:
            self.watched.set()
        else:
            self.watched.clear()


class EventStream(Response):
    """Writes a watcher's frames until it leaves, is cut off, or the stream closes."""

    media_type = "text/event-stream"

    def __init__(self, stream: Stream, watcher: Watcher) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._stream = stream
        self._watcher = watcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ways_out = [
            asyncio.create_task(self._write(send)),
            asyncio.create_task(_gone(receive)),
            asyncio.create_task(self._watcher.cut_off.wait()),
        ]
        try:
            await asyncio.wait(ways_out, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stream.leave(self._watcher)
            for task in ways_out:
                task.cancel()
            await asyncio.gather(*ways_out, return_exceptions=True)

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        opening = b"retry: %d\n\n" % RETRY_MILLISECONDS
        await send({"type": "http.response.body", "body": opening, "more_body": True})
        while (sent := await self._watcher.next()) is not None:
            await send({"type": "http.response.body", "body": sent, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
