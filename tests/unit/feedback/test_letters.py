"""What reporters are told: every letter once, in order, from any place; and what stands in it."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from services.feedback.domain.review import Review
from services.feedback.letters.letters import LONGEST_TEXT, Letter, letter_of
from services.feedback.letters.letters_api import add_letter_routes
from services.feedback.letters.letters_log import BEGINNING, page, read_cursor, write_cursor
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope
from shared.contracts.topics import CASES, SHARDS, shard_of
from shared.contracts.vocabulary import ActorKind, ReworkCause, Satisfaction, Source, Stage
from shared.runtime import problems
from shared.runtime.decision import DoorKey, FromDoor, Input
from shared.runtime.identity import ApiKey, Gatekeeper, Identity, issue
from tests.unit.feedback.histories import (
    CASE,
    COMMUNITY,
    HUB,
    MARKET,
    NOW,
    NUMBER,
    RULE,
    TREE,
    WATER,
    answered,
    closed,
    followed_by,
    handled,
    opened,
    passed,
    rated,
    rework,
)
from tests.unit.feedback.memory import MemoryFeedback
from tests.unit.feedback.memory_letters import MemoryLog
from tests.unit.feedback.wire import OtherLog, arrived

SIGNING_KEY = "0123456789abcdef0123456789abcdef"
KEY = "a gateway's key"
BEIJING = timezone(timedelta(hours=8))
DISSATISFIED = Satisfaction.UNSATISFIED


def done(unit: str = WATER, result: str = "已更换水管") -> f.CaseUnitDone:
    return f.CaseUnitDone(
        number=NUMBER,
        source=Source.RESIDENT,
        stage=Stage.HANDLING,
        actor=RULE,
        assignment_id=UUID(int=7),
        unit=unit,
        result=result,
    )


def confidential() -> f.CaseOpened:
    told = opened()
    return told.model_copy(update={"matter": told.matter.model_copy(update={"confidential": True})})


class Told:
    """Feedback, what it is told, and the letters that follow."""

    def __init__(self) -> None:
        self.feedback = MemoryFeedback(followed_by())
        self.router = OtherLog("router", CASES)
        self.log = MemoryLog(self.feedback, NOW)
        self._keys = 0

    async def tell(self, *messages: object, case_id: UUID = CASE) -> "Told":
        for message in messages:
            self._keys += 1
            if isinstance(message, f.Fact):
                item = arrived(self.router.append(case_id, message))
            else:
                item = Input(case_id, message, str(self._keys), FromDoor((DoorKey("http", str(self._keys)),)))
            (outcome,) = await self.feedback.road.travel([item])
            assert outcome.refusal is None, outcome
        return self

    async def letters(self) -> Sequence[Letter]:
        return (await page(self.log, BEGINNING, 100, worded)).letters


def worded(told: Envelope, review: Review, now: datetime) -> Letter | None:
    return letter_of(told, review, lambda unit, english: TREE.name_of(unit, english=english), link_for, BEIJING, now)


def link_for(case_id: UUID, number: int, until: datetime) -> str:
    return f"https://answer.example/{case_id}/{number}/{until:%Y%m%d}"


async def told(*messages: object) -> Told:
    return await Told().tell(*messages)


HANDLED = (opened(), done(), handled())
CONCLUDED = (*HANDLED, passed(), rated(), answered())


async def test_a_resident_is_asked() -> None:
    (letter,) = await (await told(*HANDLED)).letters()
    water = TREE.name_of(WATER)
    assert letter.until is not None
    day = letter.until.astimezone(BEIJING)
    assert letter.zh == (
        f"您反映的“楼道水管漏水”（编号 {NUMBER}）已办结。办理结果：{water}：已更换水管。"
        f"请在 {day.month} 月 {day.day} 日 {day:%H:%M} 前评价：是否与您联系、是否解决、是否满意。"
    )
    assert letter.en.startswith(f"Your matter “楼道水管漏水” ({NUMBER}) has been handled. Result: ")
    assert (letter.kind, letter.number, letter.source, letter.resident, letter.over) == (
        "asked",
        NUMBER,
        Source.RESIDENT,
        True,
        False,
    )
    assert letter.link == link_for(CASE, 1, letter.until)


async def test_a_closed_case_is_answered() -> None:
    letters = await (await told(*CONCLUDED, closed())).letters()
    assert [(letter.kind, letter.over) for letter in letters] == [("asked", True), ("closed", False)]
    assert letters[0].link is None, "there is nothing left to answer"
    assert letters[1].zh == f"您反映的“楼道水管漏水”（编号 {NUMBER}）已结案。答复：{closed().answer}。"
    assert letters[1].en == f"Your matter “楼道水管漏水” ({NUMBER}) is closed. Answer: {closed().answer}."


async def test_one_reopened_by_right_is_told_so_and_asked_again() -> None:
    case = await told(*HANDLED, passed(), rated(), answered(DISSATISFIED))
    letters = await case.letters()
    assert [(letter.kind, letter.over) for letter in letters] == [("asked", True), ("reopened", False)]
    assert "现依规重新办理一次" in letters[1].zh
    await case.tell(rework(2, ReworkCause.RESIDENT_UNSATISFIED), done(result="已换整段水管"), handled(2))
    letters = await case.letters()
    assert [(letter.kind, letter.over) for letter in letters] == [("asked", True), ("reopened", True), ("asked", False)]
    assert "已换整段水管" in letters[2].zh


async def test_the_letter_of_a_closing_waits_for_the_answer_but_not_for_long() -> None:
    case = await told(*CONCLUDED)
    assert [letter.kind for letter in await case.letters()] == ["asked"], "the router has not closed it yet"
    case.log.time = NOW + timedelta(minutes=10)
    assert [letter.kind for letter in await case.letters()] == ["asked", "closed"]


async def test_one_that_waits_holds_up_its_shard_alone_and_is_not_lost() -> None:
    case = await told(*CONCLUDED)
    mine, other = shard_of(CASE), next(UUID(int=n) for n in range(1, 99) if shard_of(UUID(int=n)) != shard_of(CASE))
    await case.tell(*HANDLED, case_id=other)
    first = await page(case.log, BEGINNING, 100, worded)
    assert [letter.case_id for letter in first.letters] == [CASE, other] or [
        letter.case_id for letter in first.letters
    ] == [other, CASE]
    assert not first.more
    await case.tell(closed())
    second = await page(case.log, first.positions, 100, worded)
    assert [(letter.case_id, letter.kind) for letter in second.letters] == [(CASE, "closed")]
    assert second.positions[mine] > first.positions[mine]


async def test_of_a_confidential_case_the_number_alone_is_told() -> None:
    letters = await (await told(confidential(), done(), handled(), passed(), rated(), answered(), closed())).letters()
    assert [letter.kind for letter in letters] == ["asked", "closed"]
    for letter in letters:
        for text in (letter.zh, letter.en):
            assert NUMBER in text
            assert "水" not in text.replace("供水", "")
            assert closed().answer not in text
    assert letters[1].zh.endswith("答复内容请向受理单位了解。")


async def test_nothing_is_asked_where_there_is_nobody_to_ask() -> None:
    case = await told(opened(resident_to_ask=False), handled(resident_to_ask=False), passed(), rated(), closed())
    assert [(letter.kind, letter.resident) for letter in await case.letters()] == [("closed", False)]


@pytest.mark.parametrize("length", [1, 100, 299, 300, 4000])
async def test_texts_are_short_and_whole_at_their_ends(length: int) -> None:
    case = await told(opened(), done(result="修" * length), done(MARKET, "查" * length), handled(1, WATER, MARKET))
    (letter,) = await case.letters()
    assert max(len(letter.zh), len(letter.en)) <= LONGEST_TEXT
    assert letter.zh.endswith("是否满意。")
    assert letter.en.endswith("you are satisfied.")


async def test_the_answer_comes_in_one_line() -> None:
    final = closed().model_copy(update={"answer": "首先修好水管。\n其次补种树木！"})
    letters = await (await told(*CONCLUDED, final)).letters()
    assert letters[1].zh.endswith("答复：首先修好水管。 其次补种树木！")


# --- page by page -------------------------------------------------------------------------------------------


async def many(count: int) -> Told:
    case = Told()
    for number in range(count):
        about = f"HA-{number}"
        await case.tell(opened(number_of_case=about), handled(number_of_case=about), case_id=UUID(int=number + 1))
    return case


@pytest.mark.parametrize("most", [1, 7, 40, 100])
async def test_page_by_page_every_letter_comes_once(most: int) -> None:
    case = await many(40)
    positions, seen, pages = BEGINNING, [], 0
    while True:
        found = await page(case.log, positions, most, worded)
        assert len(found.letters) <= most
        seen += [letter.number for letter in found.letters]
        positions, pages = read_cursor(write_cursor(found.positions)), pages + 1
        if not found.more:
            break
    assert sorted(seen) == sorted(f"HA-{number}" for number in range(40))
    assert pages <= 40 // most + 1
    await case.tell(*HANDLED, case_id=UUID(int=999))
    later = await page(case.log, positions, most, worded)
    assert [letter.case_id for letter in later.letters] == [UUID(int=999)]


async def test_what_is_read_past_is_more_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page may hold no letter and yet not be the last."""
    monkeypatch.setattr("services.feedback.letters.letters_log.MOST_ROWS", 1)
    case = await told(opened(resident_to_ask=False), handled(resident_to_ask=False), passed(), rated(), closed())
    found = await page(case.log, BEGINNING, 10, worded)
    assert (found.letters, found.more) == ([], True)


async def test_letters_are_told_in_the_order_of_their_time() -> None:
    case = await many(30)
    times = [letter.stated_at for letter in await case.letters()]
    assert times == sorted(times)


# --- the door -----------------------------------------------------------------------------------------------


def shown(unit: str | None, operator: bool = False, kind: ActorKind = ActorKind.STAFF) -> dict[str, str]:
    identity = Identity(kind=kind, person="p-1", unit=unit, operator=operator)
    return {"Authorization": f"Bearer {issue(identity, SIGNING_KEY, datetime.now(UTC), timedelta(hours=1))}"}


AS_GATEWAY = {"X-API-Key": KEY}


def app_over(log: MemoryLog) -> FastAPI:
    app = FastAPI()
    problems.install(app)
    gateway = Identity(kind=ActorKind.STAFF, person="sms-gateway", unit=HUB)
    keys = [ApiKey("sms-gateway", sha256(KEY.encode()).hexdigest(), gateway)]
    add_letter_routes(app, Gatekeeper(SIGNING_KEY, keys), lambda: TREE, log, link_for, BEIJING)
    return app


@pytest.fixture
async def door() -> AsyncIterator[httpx.AsyncClient]:
    app = app_over((await many(25)).log)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://feedback") as client:
        yield client


async def test_the_gateway_goes_on_from_its_cursor(door: httpx.AsyncClient) -> None:
    seen: list[dict[str, Any]] = []
    where: str | None = "/letters?limit=10"
    sizes: list[int] = []
    cursor = ""
    while where is not None:
        answer = await door.get(where, headers=AS_GATEWAY)
        cursor = answer.json()["cursor"]
        sizes.append(len(answer.json()["letters"]))
        seen += answer.json()["letters"]
        where = answer.links["next"]["url"] if "next" in answer.links else None
    assert sizes == [10, 10, 5]
    assert len({letter["id"] for letter in seen}) == 25
    again = await door.get("/letters", params={"after": cursor}, headers=AS_GATEWAY)
    assert (again.json()["letters"], again.json()["more"]) == ([], False)


async def test_one_may_begin_now(door: httpx.AsyncClient) -> None:
    begun = (await door.get("/letters?after=now", headers=AS_GATEWAY)).json()
    assert begun["letters"] == []
    following = await door.get("/letters", params={"after": begun["cursor"]}, headers=AS_GATEWAY)
    assert following.json()["letters"] == []


async def test_links_are_for_systems_and_not_for_people(door: httpx.AsyncClient) -> None:
    """Whoever has the link speaks as the resident."""
    for_gateway = (await door.get("/letters", headers=AS_GATEWAY)).json()["letters"]
    assert all(letter["link"].startswith("https://answer.example/") for letter in for_gateway)
    for person in (shown(HUB), shown(None, operator=True)):
        for_person = (await door.get("/letters", headers=person)).json()["letters"]
        assert [letter["link"] for letter in for_person] == [None] * 25


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-API-Key": "another"}, 401),
        (shown(COMMUNITY), 403),
        (shown(None), 403),
        (shown(None, kind=ActorKind.HOTLINE), 403),
        (shown(NUMBER, kind=ActorKind.RESIDENT), 403),
    ],
)
async def test_the_others_are_told_no(door: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    assert (await door.get("/letters", headers=headers)).status_code == status


@pytest.mark.parametrize("after", ["x", "AAAA", "漏", write_cursor(BEGINNING)[:-4], "_" * 128, "A" * 129, "A" * 500])
async def test_a_cursor_that_is_none_is_refused(door: httpx.AsyncClient, after: str) -> None:
    answer = await door.get("/letters", params={"after": after}, headers=AS_GATEWAY)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_a_cursor_is_what_it_was() -> None:
    positions = {shard: shard * 2**40 for shard in range(SHARDS)}
    assert read_cursor(write_cursor(positions)) == positions
