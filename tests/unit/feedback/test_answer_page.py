"""The resident's door: what is shown, what is taken, and a clear page for every link that is worth nothing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from html.parser import HTMLParser
from uuid import UUID

import pytest

from services.feedback.answers.answer_page import MOST_WORDS
from services.feedback.answers.guesses import MOST_FAILURES, WHILE_SECONDS
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, Satisfaction
from tests.unit.feedback.answering import (
    PERSON,
    PROGRAM,
    SATISFIED,
    UNSATISFIED,
    Answering,
    open_doors,
    unit_done,
)
from tests.unit.feedback.histories import (
    CASE,
    MARKET,
    NOW,
    NUMBER,
    WATER,
    case_checked,
    closed,
    handled,
    opened,
    rework,
)

TITLE, RESULT = "楼道水管漏水", "已更换阀门 <b>&"
GUESSED = "/answer/eyJhbGciOiJIUzI1NiJ9.AZOAAAAAcACAAAAAAAAAAQABaxFxwg." + "A" * 43


@pytest.fixture
async def answering() -> AsyncIterator[Answering]:
    async with open_doors() as doors:
        yield doors


async def asked(answering: Answering) -> str:
    """A case whose resident was asked; the path of their link."""
    await answering.case(opened(), unit_done(result=RESULT), handled(1, WATER, MARKET))
    return answering.path()


class Fields(HTMLParser):
    """What a page lets one fill in, and what is chosen in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.choices: dict[str, list[str]] = {}
        self.chosen: dict[str, str] = {}
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        assert not [name for name in given if name.startswith("on") or name == "style"], given
        if tag == "input":
            name, value = str(given["name"]), str(given["value"])
            self.choices.setdefault(name, []).append(value)
            if "checked" in given:
                self.chosen[name] = value


async def test_the_page_shows_the_case_and_asks_three_questions(answering: Answering) -> None:
    page = await answering.get(await asked(answering))

    assert page.status_code == 200
    for shown in (NUMBER, TITLE, "和安供水公司", "区市场监督管理局", "已更换阀门 &lt;b&gt;&amp;", "2026-12-03 17:30"):
        assert shown in page.text
    assert '<html lang="zh-CN">' in page.text
    assert Fields(page.text).choices == {
        "contacted": ["yes", "no"],
        "solved": ["yes", "no"],
        "satisfaction": ["satisfied", "basically_satisfied", "unsatisfied"],
    }
    assert Fields(page.text).chosen == {}


@pytest.mark.parametrize(
    ("query", "accepted", "language"),
    [("", "en-GB,zh;q=0.5", "en"), ("?lang=en", "zh", "en"), ("?lang=zh", "en", "zh-CN"), ("?lang=xx", "fr", "zh-CN")],
)
async def test_the_page_speaks_the_readers_language(
    answering: Answering, query: str, accepted: str, language: str
) -> None:
    page = await answering.get(await asked(answering) + query, accepted)
    assert f'<html lang="{language}">' in page.text
    assert page.headers["content-language"] == language
    assert ("He&#39;an Water" in page.text) == (language == "en")


async def test_of_a_confidential_case_nothing_but_its_number_is_shown(answering: Answering) -> None:
    begun = opened()
    confidential = begun.matter.model_copy(update={"confidential": True})
    await answering.case(begun.model_copy(update={"matter": confidential}), unit_done(result=RESULT), handled())

    page, document = (
        await answering.get(answering.path()),
        await answering.client.get(answering.path(), headers=PROGRAM),
    )

    assert NUMBER in page.text
    for hidden in (TITLE, "已更换阀门", "和安供水公司"):
        assert hidden not in page.text
        assert hidden not in document.text
    assert document.json()["confidential"] is True
    assert (await answering.send(answering.path(), SATISFIED)).status_code == 303


async def test_an_answer_is_recorded_once_as_the_residents(answering: Answering) -> None:
    path = await asked(answering)

    sent = await answering.send(path, UNSATISFIED)
    thanks = await answering.get(str(sent.next_request.url.path) if sent.next_request else "")
    again = await answering.send(path, SATISFIED)
    seen_again = await answering.get(path)

    assert (sent.status_code, thanks.status_code) == (303, 200)
    assert "谢谢" in thanks.text
    assert (again.status_code, seen_again.status_code) == (409, 409)
    assert "已评价" in again.text
    assert "已评价" in seen_again.text
    (answer,) = answering.answers()
    assert (answer.contacted, answer.solved, answer.satisfaction, answer.words) == (
        True,
        False,
        Satisfaction.UNSATISFIED,
        "还在漏水",
    )
    assert answer.actor == f.Actor(kind=ActorKind.RESIDENT, person=str(CASE))


async def test_two_answers_at_once_are_one(answering: Answering) -> None:
    path = await asked(answering)
    sent = await asyncio.gather(*(answering.send(path, each) for each in (SATISFIED, UNSATISFIED) * 5))
    assert sorted(each.status_code for each in sent) == [303] + [409] * 9
    assert all("已评价" in each.text for each in sent if each.status_code == 409)
    assert len(answering.answers()) == 1


async def test_looking_changes_nothing_whoever_looks(answering: Answering) -> None:
    path = await asked(answering)
    before = answering.feedback.states[CASE], len(answering.feedback.logged(CASE))
    for method in ("GET", "HEAD"):
        for address in (path, path + "/thanks", path + "?contacted=yes&solved=yes&satisfaction=satisfied"):
            assert (await answering.client.request(method, address, headers=PERSON)).status_code in (200, 303, 405)
    assert (answering.feedback.states[CASE], len(answering.feedback.logged(CASE))) == before
    thanks = await answering.get(path + "/thanks")
    assert thanks.next_request is not None
    assert thanks.next_request.url.path == path


async def test_programs_are_shown_and_answer_in_json(answering: Answering) -> None:
    path = await asked(answering)
    document = (await answering.client.get(path, headers=PROGRAM)).json()
    assert document["units"][0] == {"unit": WATER, "name": "和安供水公司", "result": RESULT}
    assert (document["number"], document["round"], document["until"]) == (NUMBER, 1, "2026-12-03T09:30:00Z")

    body: dict[str, object] = {"contacted": True, "solved": True, "satisfaction": "basically_satisfied"}
    for wrong, field in (({"solved": "yes"}, "solved"), ({"words": "长" * 501}, "words"), ({"extra": 1}, "extra")):
        refused = await answering.client.post(path, json=body | wrong)
        assert (refused.status_code, refused.json()["field"]) == (422, field)
    taken = await answering.client.post(path, json=body)
    assert (taken.status_code, taken.json()) == (200, {"number": NUMBER, "round": 1, "recorded": True})
    again = await answering.client.post(path, json=body)
    assert (again.status_code, again.headers["content-type"]) == (409, "application/problem+json")
    assert again.json()["type"].endswith(":already_answered")
    assert len(answering.answers()) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_link_altered_or_guessed_gets_the_same_page_whether_there_is_such_a_case_or_not(
    answering: Answering, method: str
) -> None:
    path = await asked(answering)
    of_nobody = answering.path(case_id=UUID(int=5))
    pages = [
        await answering.client.request(method, altered, data=SATISFIED, headers=PERSON)
        for altered in (path[:-2] + "AA", of_nobody[:-2] + "AA", GUESSED, "/answer/x", "/answer/" + "x" * 3000)
    ]
    assert {page.status_code for page in pages} == {404}
    assert len({page.text for page in pages}) == 1
    assert "链接无效" in pages[0].text
    problem = await answering.client.request(method, GUESSED, data=SATISFIED, headers=PROGRAM)
    assert (problem.status_code, problem.json()["title"]) == (404, "link unknown")
    assert answering.answers() == []


async def test_an_expired_link_says_so_and_takes_nothing(answering: Answering) -> None:
    path = await asked(answering)
    answering.now = NOW + timedelta(days=10)
    for page in (await answering.get(path), await answering.send(path, SATISFIED)):
        assert page.status_code == 410
        assert "链接已过期" in page.text
        assert "2026-12-03 17:30" in page.text
    problem = await answering.client.post(path, json={"contacted": True, "solved": True, "satisfaction": "satisfied"})
    assert problem.json()["type"].endswith(":link_expired")
    assert answering.answers() == []


@pytest.mark.parametrize("gone_on", [(closed(),), (case_checked(False), rework(2)), (rework(2), handled(2))])
async def test_a_link_of_a_round_that_is_over_says_so_and_takes_nothing(
    answering: Answering, gone_on: tuple[f.Fact, ...]
) -> None:
    path = await asked(answering)
    await answering.case(*gone_on)
    for page in (await answering.get(path), await answering.send(path, SATISFIED)):
        assert page.status_code == 409
        assert "本轮评价已结束" in page.text
    assert answering.answers() == []


@pytest.mark.parametrize("missing", ["contacted", "solved", "satisfaction"])
@pytest.mark.parametrize("instead", [None, "", "perhaps"])
async def test_an_incomplete_form_comes_back_with_what_was_chosen(
    answering: Answering, missing: str, instead: str | None
) -> None:
    form = {name: value for name, value in UNSATISFIED.items() if name != missing}
    page = await answering.send(await asked(answering), form if instead is None else form | {missing: instead})

    assert page.status_code == 422
    assert f'href="#{missing}"' in page.text
    assert page.text.count('href="#') == 2  # the fault, and the way past the head
    chosen = {name: value for name, value in form.items() if name != "words"}
    assert Fields(page.text).chosen == chosen
    assert "还在漏水" in page.text
    assert answering.answers() == []


async def test_words_are_bounded_counted_as_they_are_read_and_without_what_cannot_be_stored(
    answering: Answering,
) -> None:
    path = await asked(answering)
    long = await answering.send(path, SATISFIED | {"words": "长" * (MOST_WORDS + 1)})
    assert (long.status_code, 'href="#words"' in long.text) == (422, True)
    taken = await answering.send(path, SATISFIED | {"words": "长" * (MOST_WORDS - 2) + "\r\n\x00\x07好\r\n"})
    assert taken.status_code == 303
    assert answering.answers()[0].words == "长" * (MOST_WORDS - 2) + "\n好"


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"a=1&" * 50, b"contacted=yes" * 3])
async def test_a_body_that_is_no_form_is_asked_for_again(answering: Answering, body: bytes) -> None:
    headers = PERSON | {"Content-Type": "application/x-www-form-urlencoded"}
    page = await answering.client.post(await asked(answering), content=body, headers=headers)
    assert page.status_code == 422
    assert "还没有提交" in page.text


async def test_while_the_database_is_away_the_resident_is_told_that_nothing_was_recorded(answering: Answering) -> None:
    path = await asked(answering)
    answering.reviews.away = True
    for page in (await answering.get(path), await answering.send(path, SATISFIED)):
        assert (page.status_code, page.headers["retry-after"]) == (503, "5")
        assert "没有记录" in page.text
    assert (await answering.client.get(path, headers=PROGRAM)).json()["title"] == "temporarily unavailable"
    answering.reviews.away = False
    answering.feedback.store.away = True
    page = await answering.send(path, SATISFIED)
    assert page.status_code == 503
    assert "没有记录" in page.text
    assert Fields(page.text).chosen == SATISFIED
    answering.feedback.store.away = False
    assert (await answering.send(path, SATISFIED)).status_code == 303


async def test_a_round_not_read_yet_is_unavailable_not_unknown(answering: Answering) -> None:
    await asked(answering)
    assert (await answering.get(answering.path(number=2))).status_code == 503


async def test_who_guesses_must_wait_also_with_a_link_that_is_good(answering: Answering) -> None:
    path = await asked(answering)
    for _ in range(MOST_FAILURES):
        assert (await answering.get(GUESSED)).status_code == 404
    slowed = await answering.get(path)
    assert (slowed.status_code, slowed.headers["retry-after"]) == (429, str(int(WHILE_SECONDS)))
    assert "10 分钟" in slowed.text
    assert (await answering.client.post(GUESSED, headers=PROGRAM)).json()["title"] == "too many guesses"
    answering.clock = WHILE_SECONDS
    assert (await answering.get(path)).status_code == 200


async def test_no_page_may_be_kept_indexed_framed_or_run_scripts(answering: Answering) -> None:
    path = await asked(answering)
    answers = [await answering.get(path), await answering.get(GUESSED), await answering.send(path, {})]
    answers.append(await answering.client.get(path, headers=PROGRAM))
    answers.append(await answering.client.get(GUESSED, headers=PROGRAM))
    answers.append(await answering.send(path, SATISFIED))
    answers.append(await answering.get(path + "/thanks"))
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "noindex" in answer.headers["x-robots-tag"]
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert not {"script", "iframe", "object", "img"} & Fields(answer.text).tags
        assert "set-cookie" not in answer.headers
