"""Every action of a loop as a request at a door: whistle, sign-in, progress, done, the resident's answer, rate, check.

The topics are only watched, for whose turn it is: a community is told by nobody else that its check is due.
"""

from collections.abc import Mapping
from typing import Any, TextIO

from deploy.bench.load import Watch
from deploy.bench.plays import (
    ARCHIVED,
    ASKED,
    ASSIGNED,
    CHECK,
    CREATED,
    NOTE,
    PHOTO,
    RESULT,
    STAGES,
    Http,
    Play,
    rating_of,
)
from shared.contracts.topics import CASES, FEEDBACK, SHARDS

_ANSWER = {"contacted": True, "solved": True, "satisfaction": "satisfied"}
_PROGRESS = {"note": NOTE, "contacted": True}
_DONE = {"result": RESULT, "evidence": [PHOTO]}


class ByDoors(Play):
    """A community whistles, checks and rates; a unit signs in, progresses and finishes; the resident is phoned."""

    def __init__(self, spec: Mapping[str, Any], watch: Watch, http: Http, producer: Any, ledger: TextIO) -> None:
        super().__init__(spec, watch, http, producer, ledger)
        self._community_of: dict[bytes, str] = {}
        self._unit_of: dict[bytes, str] = {}
        self._asked: set[bytes] = set()

    def topics(self) -> dict[str, int]:
        return super().topics() | {FEEDBACK: SHARDS}

    async def start(self, number: int, due: float) -> None:
        for _ in range(number):
            self.spawn(self._whistle(due))

    async def _whistle(self, due: float) -> None:
        matter = self.matter()
        community = matter["region"]
        told = await self.http.post("whistle", "intake", "/whistles", self.staff(community), _whistle_of(matter))
        if told is None:
            return
        case = told["case_id"].encode()
        self._community_of[case] = community
        self.watch.known(case, due)
        self.accepted(told, "community", matter["number"], "whistle")

    def seen(self, topic: str, case: bytes, event: bytes, now: float) -> None:
        if topic == CASES:
            stage = STAGES.get(event)
            if stage is not None and self.moves_on(case, stage) and stage == ARCHIVED:
                self.forget(case)
                del self._community_of[case], self._unit_of[case]
        elif topic == FEEDBACK:
            if event == ASKED and case not in self._asked:
                self._asked.add(case)
                self.spawn(self._judge(case))
        elif event == CREATED and self.moves_on(case, ASSIGNED):
            self.watch.assigned(case, now)
            self._unit_of[case] = topic.partition(".")[2]
            self.spawn(self._work(case))

    async def _work(self, case: bytes) -> None:
        path, staff = f"/cases/{case.decode()}", self.staff(self._unit_of[case])
        await self.http.post("sign-in", "router", f"{path}/sign-in", staff, None)
        await self.http.post("progress", "router", f"{path}/progress", staff, _PROGRESS)
        await self.http.post("done", "router", f"{path}/done", staff, _DONE)

    async def _judge(self, case: bytes) -> None:
        path, staff = f"/reviews/{case.decode()}", self.staff(self._community_of[case])
        await self.http.post("resident-answer", "feedback", f"{path}/resident-answer", staff, _ANSWER)
        await self.http.post("rate", "feedback", f"{path}/rate", staff, rating_of(self._unit_of[case]))
        await self.http.post("check", "feedback", f"{path}/check", staff, CHECK)


def _whistle_of(matter: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source_ref": matter["number"],
        "title": matter["title"],
        "content": matter["content"],
        "category": matter["category"].split("->"),
        "address": matter["address"],
        "region": matter["region"],
        "appeal_type": "help",
        "urgency": "normal",
        "reporter": {"name": "李先生", "phone": "13900000000"},
    }
