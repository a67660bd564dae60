"""12345's call-backs: read in its own words, every row tried, sent again without harm, never for a later round."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.feedback.answers.callbacks import CallBack, Fault, NoAnswer, read_row
from services.feedback.answers.callbacks_api import MOST_FAULTS, MOST_ROWS
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, Satisfaction, Source
from tests.unit.feedback.answering import HOTLINE, STAFF_KEY, ZONE, Answering, open_doors
from tests.unit.feedback.histories import CASE, NOW, RULE, case_checked, dispatched, handled, opened, rework

ORDER = "GD20261102000123"
ROW = {"工单编号": ORDER, "是否联系": "是", "是否解决": "是", "是否满意": "基本满意"}
UNSOLVED = ROW | {"是否解决": "否", "是否满意": "不满意"}
PUSH, FILE = "/hotline/callbacks", "/hotline/callbacks/file"


@pytest.fixture
async def answering() -> AsyncIterator[Answering]:
    async with open_doors() as doors:
        yield doors


def order(source_ref: str = ORDER, source: Source = Source.HOTLINE_12345) -> f.CaseOpened:
    return opened(source).model_copy(update={"source_ref": source_ref})


async def handled_order(answering: Answering, case_id: UUID = CASE, source_ref: str = ORDER) -> None:
    await answering.case(order(source_ref), handled(source=Source.HOTLINE_12345), case_id=case_id)


async def push(answering: Answering, body: object) -> Any:
    response = await answering.client.post(PUSH, json=body, headers=HOTLINE)
    assert response.status_code == 200, response.text
    return response.json()


def counts(report: Mapping[str, Any]) -> dict[str, int]:
    return {name: report[name] for name in ("accepted", "repeated", "skipped", "refused") if report[name]}


# --- reading a row


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (ROW, CallBack(ORDER, True, True, Satisfaction.BASICALLY_SATISFIED)),
        ({"orderNum": ORDER, "visitIsSolved": "1", "visitIsSatisfaction": "满意"}, (None, True, "satisfied")),
        ({"orderNum": ORDER, "visitIsSolved": 0, "visitIsSatisfaction": "不满意"}, (None, False, "unsatisfied")),
        ({"orderNum": 123, "visitIsSolved": True, "visitIsSatisfaction": 1}, (None, True, "satisfied")),
        ({"工单编号": ORDER, "是否解决": "未解决", "是否满意": "否"}, (None, False, "unsatisfied")),
        ({"工单编号": ORDER, "是否联系": "未联系", "是否解决": "已解决", "是否满意": "是"}, (False, True, "satisfied")),
        (
            {"source_ref": ORDER, "contacted": True, "solved": False, "satisfaction": "basically_satisfied"},
            (True, False, "basically_satisfied"),
        ),
    ],
)
def test_a_row_is_read_in_the_names_and_words_of_12345(
    row: dict[str, object], said: CallBack | tuple[bool | None, bool, str]
) -> None:
    found = read_row(row, ZONE)
    assert isinstance(found, CallBack)
    if isinstance(said, CallBack):
        assert found == said
    else:
        assert (found.contacted, found.solved, found.satisfaction.value) == said


@pytest.mark.parametrize("nothing", ["", None, "未评价", "未接通", "拒访", " - "])
def test_who_did_not_answer_is_no_answer(nothing: object) -> None:
    assert read_row({"工单编号": ORDER, "是否解决": nothing, "是否满意": nothing}, ZONE) == NoAnswer(ORDER)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"工单编号": ""}, "source_ref_invalid"),
        ({"工单编号": "9" * 65}, "source_ref_invalid"),
        ({"是否解决": "部分解决"}, "solved_unknown"),
        ({"是否解决": ""}, "solved_missing"),
        ({"是否满意": "一般"}, "satisfaction_unknown"),
        ({"是否满意": "未评价"}, "satisfaction_unknown"),
        ({"是否满意": ""}, "satisfaction_missing"),
        ({"是否联系": "也许"}, "contacted_unknown"),
        ({"回访时间": "昨天"}, "visited_at_unknown"),
        ({"回访意见": "长" * 4001}, "words_invalid"),
    ],
)
def test_what_could_mean_two_things_or_is_missing_is_refused_not_guessed(changed: dict[str, str], code: str) -> None:
    fault = read_row(ROW | changed, ZONE)
    assert isinstance(fault, Fault)
    assert fault.code == code
    assert fault.zh
    assert fault.en


@pytest.mark.parametrize(
    "written", ["2026-11-24 08:15:00", "2026-11-24 08:15", "2026/11/24 08:15", "2026-11-24T00:15:00Z"]
)
def test_times_without_an_offset_are_the_districts(written: str) -> None:
    said = read_row(ROW | {"回访时间": written}, ZONE)
    assert isinstance(said, CallBack)
    assert said.visited_at == datetime(2026, 11, 24, 8, 15, tzinfo=ZONE)


# --- the push


async def test_a_call_back_is_the_residents_answer_taken_down_by_12345(answering: Answering) -> None:
    await handled_order(answering)
    report = await push(answering, ROW | {"回访意见": "总体还行"})
    assert counts(report) == {"accepted": 1}
    assert report["rows"] == [
        {"place": 0, "source_ref": ORDER, "became": "accepted", "round": 1}
        | dict.fromkeys(("code", "field", "detail", "detail_en"))
    ]
    (answer,) = answering.answers()
    assert (answer.contacted, answer.solved, answer.words) == (True, True, "总体还行")
    assert answer.satisfaction is Satisfaction.BASICALLY_SATISFIED
    assert answer.actor == f.Actor(kind=ActorKind.HOTLINE, person="12345")


async def test_every_row_is_tried_and_each_counted_once(answering: Answering) -> None:
    cases = [UUID(int=CASE.int + place) for place in range(3)]
    for place, case_id in enumerate(cases):
        await handled_order(answering, case_id, f"GD-{place}")
    await answering.case(order("GD-new"), case_id=UUID(int=CASE.int + 10))
    await answering.case(order("GD-own", Source.RESIDENT), handled(), case_id=UUID(int=CASE.int + 11))

    report = await push(
        answering,
        [
            ROW | {"工单编号": "GD-0"},
            ROW | {"工单编号": "GD-1", "是否满意": "一般"},
            ROW | {"工单编号": "GD-2", "是否解决": "未接通", "是否满意": "未接通"},
            ROW | {"工单编号": "GD-9"},
            ROW | {"工单编号": "GD-new"},
            ROW | {"工单编号": "GD-own"},
            "no row",
            ROW | {"工单编号": "GD-0"},
            UNSOLVED | {"工单编号": "GD-0"},
        ],
    )

    assert [(row["place"], row["became"], row["code"]) for row in report["rows"]] == [
        (0, "accepted", None),
        (1, "refused", "satisfaction_unknown"),
        (2, "skipped", None),
        (3, "refused", "order_unknown"),
        (4, "refused", "not_handled_yet"),
        (5, "refused", "order_unknown"),
        (6, "refused", "row_unreadable"),
        (7, "repeated", None),
        (8, "refused", "already_answered"),
    ]
    assert report["received"] == 9
    assert counts(report) == {"accepted": 1, "repeated": 1, "skipped": 1, "refused": 6}
    assert [len(answering.answers(case_id)) for case_id in cases] == [1, 0, 0]
    for row in report["rows"]:
        assert (row["became"] == "refused") == bool(row["detail"] and row["detail_en"])


async def test_a_row_sent_again_is_repeated_also_when_its_round_is_over(answering: Answering) -> None:
    await handled_order(answering)
    assert counts(await push(answering, UNSOLVED)) == {"accepted": 1}
    assert counts(await push(answering, UNSOLVED)) == {"repeated": 1}
    await answering.case(case_checked(False), rework(2))
    assert counts(await push(answering, [UNSOLVED])) == {"repeated": 1}
    assert counts(await push(answering, [ROW])) == {"refused": 1}
    assert len(answering.answers()) == 1


async def test_an_old_answer_never_becomes_the_answer_to_a_new_round(answering: Answering) -> None:
    await handled_order(answering)
    await push(answering, UNSOLVED | {"回访时间": local(NOW)})
    await answering.case(case_checked(False), rework(2), handled(2, source=Source.HOTLINE_12345))

    old = await push(answering, UNSOLVED)
    of_before = await push(answering, ROW | {"回访时间": local(NOW - timedelta(hours=1))})
    assert (counts(old), old["rows"][0]["round"]) == ({"repeated": 1}, 1)
    assert (counts(of_before), of_before["rows"][0]["code"]) == ({"refused": 1}, "of_an_earlier_round")

    anew = await push(answering, UNSOLVED | {"回访时间": local(NOW + timedelta(hours=1))})
    assert (counts(anew), anew["rows"][0]["round"]) == ({"accepted": 1}, 2)
    assert [answer.round for answer in answering.answers()] == [1, 2]


def local(moment: datetime) -> str:
    return moment.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")


async def test_where_the_feed_is_silent_on_contact_the_cases_own_record_says_it(answering: Answering) -> None:
    silent = {name: value for name, value in ROW.items() if name != "是否联系"}
    for place, progressed in enumerate((True, False)):
        case_id, source_ref = UUID(int=CASE.int + place), f"GD-{place}"
        facts: list[f.Fact] = [order(source_ref), dispatched()]
        if progressed:
            facts.append(contacted())
        await answering.case(*facts, handled(source=Source.HOTLINE_12345), case_id=case_id)
        assert counts(await push(answering, silent | {"工单编号": source_ref})) == {"accepted": 1}
        assert answering.answers(case_id)[0].contacted is progressed


async def test_only_12345_pushes_and_no_more_than_so_many(answering: Answering) -> None:
    staff = await answering.client.post(PUSH, json=ROW, headers={"X-API-Key": STAFF_KEY})
    nobody = await answering.client.post(FILE, content=b"x", headers={"Content-Type": "text/csv"})
    assert (staff.status_code, staff.json()["title"]) == (403, "hotline only")
    assert nobody.status_code == 401
    too_many = await answering.client.post(PUSH, json=[ROW] * (MOST_ROWS + 1), headers=HOTLINE)
    assert (too_many.status_code, too_many.json()["title"]) == (422, "too many rows")
    assert (await push(answering, []))["received"] == 0


async def test_while_the_database_is_away_the_whole_push_may_be_sent_again(answering: Answering) -> None:
    await handled_order(answering)
    answering.feedback.store.away = True
    assert (await answering.client.post(PUSH, json=ROW, headers=HOTLINE)).status_code == 503
    answering.feedback.store.away = False
    assert counts(await push(answering, ROW)) == {"accepted": 1}


# --- the file

HEADER = "工单编号,工单类型,是否解决,是否满意,回访意见"


def csv_of(*rows: str) -> str:
    return "\r\n".join((HEADER, *rows)) + "\r\n"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "gbk", "gb18030"])
@pytest.mark.parametrize("as_form", [True, False])
async def test_a_file_is_taken_in_either_encoding_raw_or_as_a_form(
    answering: Answering, encoding: str, as_form: bool
) -> None:
    await handled_order(answering)
    content = csv_of(
        f'{ORDER},投诉,是,满意,"好,\r\n谢谢"', "", "GD-9,投诉,是,满意,", "GD-8,求助,是", "GD-7,,未评价,未评价,"
    )
    body = content.encode(encoding)
    if as_form:
        response = await answering.client.post(FILE, files={"file": ("回访.csv", body, "text/csv")}, headers=HOTLINE)
    else:
        response = await answering.client.post(FILE, content=body, headers=HOTLINE | {"Content-Type": "text/csv"})
    report = response.json()
    assert response.status_code == 200, report
    assert (report["received"], counts(report)) == (4, {"accepted": 1, "skipped": 1, "refused": 2})
    assert [(row["place"], row["code"]) for row in report["rows"]] == [(5, "order_unknown"), (6, "row_unreadable")]
    assert answering.answers()[0].words == "好,\r\n谢谢"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "header_invalid"),
        ("标题,是否解决\r\na,是\r\n".encode(), "header_invalid"),
        (HEADER.encode() + b'\r\n"GD-1,x', "csv_unreadable"),
        (b"\xff\xff\xff", "encoding_unknown"),
    ],
)
async def test_a_file_that_is_none_is_refused_whole(answering: Answering, body: bytes, code: str) -> None:
    response = await answering.client.post(FILE, content=body, headers=HOTLINE | {"Content-Type": "text/csv"})
    assert (response.status_code, response.json()["title"]) == (422, code.replace("_", " "))


async def test_the_faults_told_of_a_file_are_bounded_and_all_counted(answering: Answering) -> None:
    body = csv_of(*(f"GD-{number},,是,满意," for number in range(MOST_FAULTS + 5)))
    report = (
        await answering.client.post(FILE, content=body.encode(), headers=HOTLINE | {"Content-Type": "text/csv"})
    ).json()
    assert (report["refused"], len(report["rows"])) == (MOST_FAULTS + 5, MOST_FAULTS)


# --- more of the case's log


def contacted() -> f.CaseProgressed:
    made = dispatched().assignments[0]
    return f.CaseProgressed(
        number="",
        source=Source.HOTLINE_12345,
        stage=dispatched().stage,
        actor=RULE,
        assignment_id=made.assignment_id,
        unit=made.unit,
        contacted=True,
        note="",
    )
