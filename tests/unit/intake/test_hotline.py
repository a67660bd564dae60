"""12345's doors: the push and the file, as tables."""

import csv
import io
from typing import Any

import pytest

from shared.contracts.facts import WhistleReceived
from tests.unit.intake.kit import HUB, HUPAN, STREET, Intake, hotline_order

COLUMNS = ["工单编号", "工单类型", "问题分类", "标题", "主要内容", "来电人", "来电人电话", "被反映街乡镇", "村/社区"]


def row(ref: str, **changes: str) -> dict[str, str]:
    return {
        "工单编号": ref,
        "工单类型": "投诉",
        "问题分类": "噪声污染->施工噪声",
        "标题": "夜间施工",
        "主要内容": "连续三晚施工。",
        "来电人": "李先生",
        "来电人电话": "13900000000",
        "被反映街乡镇": "东湖街道",
        "村/社区": "湖畔社区",
    } | changes


def csv_text(rows: list[dict[str, str]], columns: list[str] = COLUMNS) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


# --- one order -----------------------------------------------------------------------------------------


async def test_a_pushed_order_becomes_a_whistle_of_the_hub(intake: Intake) -> None:
    answer = await intake.post("/hotline/orders", intake.as_hotline(), hotline_order())
    assert answer.status_code == 201, answer.text
    assert answer.json()["source_ref"] == "GD20261102000123"
    (event,) = intake.log()
    assert isinstance(event.fact, WhistleReceived)
    matter = event.fact.matter
    assert (matter.source, matter.source_ref, matter.whistle_blower) == ("hotline_12345", "GD20261102000123", HUB)
    assert (matter.region, matter.appeal_type, matter.urgency) == ("110199003001", "complaint", "normal")
    assert matter.category == ("噪声污染", "施工噪声")
    assert matter.occurred_at is not None
    assert matter.occurred_at.isoformat() == "2026-11-02T08:15:00+08:00"
    assert matter.resident_to_ask
    assert "13900000000" not in event.fact.model_dump_json()
    assert not event.fact.needs_verification


async def test_pushed_again_it_is_answered_with_the_original(intake: Intake) -> None:
    first = await intake.post("/hotline/orders", intake.as_hotline(), hotline_order())
    again = await intake.post("/hotline/orders", intake.as_hotline(), hotline_order(appealContent="改了一个字"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json() | {"repeat": True}
    assert len(intake.log()) == 1


async def test_12345_asks_what_became_of_its_order(intake: Intake) -> None:
    await intake.post("/hotline/orders", intake.as_hotline(), hotline_order(orderNum="A/B 1"))
    seen = await intake.get("/orders/by-ref/hotline_12345/A%2FB%201", intake.as_hotline())
    assert seen.json()["stage"] == "verified"
    assert (await intake.get("/orders/by-ref/hotline_12345/A%2FB%201", intake.as_staff(HUPAN))).status_code == 403
    assert (await intake.get("/orders/by-ref/hotline_12345/%00", intake.as_hotline())).status_code == 422
    assert (await intake.get("/orders/by-ref/fax/1", intake.as_hotline())).json()["field"] == "source"


# what its sender wrote → the matter
READ: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"communityCode": ..., "streetCode": "110199001"}, {"region": STREET}),
    ({"communityCode": ..., "communityName": "湖畔社区"}, {"region": HUPAN}),
    ({"communityCode": "110199001001001"}, {"region": HUPAN}),
    ({"communityCode": "", "streetName": "东湖街道"}, {"region": STREET}),
    ({"urgencyLevel": "特急"}, {"urgency": "critical"}),
    ({"urgencyLevel": ...}, {"urgency": "normal"}),
    ({"appealType": "意见建议"}, {"appeal_type": "suggestion"}),
    ({"appealType": "没见过的类型"}, {"appeal_type": "other"}),
    (
        {"category": "某市自己的分类->第二级->第三级->第四级"},
        {"category": ("某市自己的分类", "第二级", "第三级", "第四级")},
    ),
    ({"category": "C0102"}, {"category": ("公用设施", "污水井盖")}),
    ({"category": ...}, {"category": ()}),
    ({"appealContent": ...}, {"content": "夜间施工噪声扰民"}),
    ({"isSecret": "是"}, {"confidential": True}),
    ({"isSecret": 1}, {"confidential": True}),
    ({"isSecret": False}, {"confidential": False}),
    ({"orderNum": 20261102123}, {"source_ref": "20261102123"}),
    ({"callTime": "2026年11月2日 8:15"}, {}),
    ({"callTime": 1793577600000}, {}),
    ({"longitude": "116.42", "latitude": 39.93}, {"longitude": 116.42, "latitude": 39.93}),
    ({"callerName": ..., "contactPhone": ...}, {"resident_to_ask": False}),
    ({"contactPhone": "138****0000"}, {"resident_to_ask": True}),
]


@pytest.mark.parametrize(("written", "expected"), READ)
async def test_what_the_sender_wrote_is_read(intake: Intake, written: dict[str, Any], expected: dict[str, Any]) -> None:
    answer = await intake.post("/hotline/orders", intake.as_hotline(), hotline_order(**written))
    assert answer.status_code == 201, answer.text
    (whistle,) = intake.whistles()
    assert {name: getattr(whistle.matter, name) for name in expected} == expected


# what its sender wrote → the field, in the sender's words, and what the answer mentions
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"orderNum": ...}, "orderNum", "缺少"),
    ({"communityCode": "110199009009"}, "communityCode", "110199009009"),
    ({"communityCode": ..., "communityName": "湖畔小区"}, "communityName", "湖畔社区"),
    ({"communityCode": ...}, "communityCode", "streetCode"),
    ({"urgencyLevel": "马上"}, "urgencyLevel", "特急"),
    ({"callTime": "昨天"}, "callTime", "昨天"),
    ({"callTime": "2027-11-02 08:00:00"}, "callTime", "2027-11-02"),
    ({"longitude": "东经", "latitude": "1"}, "longitude", "东经"),
    ({"appealContent": "字" * 10_001}, "appealContent", "10000"),
    ({"appealContent": ["a"]}, "appealContent", "文本"),
    ({"contactPhone": "1" * 41}, "contactPhone", "40"),
    ({"isSecret": "也许"}, "isSecret", "也许"),
    ({"appealSubject": ...}, "format", "push"),
]


@pytest.mark.parametrize(("written", "field", "mentions"), REFUSED)
async def test_what_cannot_be_read_names_the_senders_field(
    intake: Intake, written: dict[str, Any], field: str, mentions: str
) -> None:
    answer = await intake.post("/hotline/orders", intake.as_hotline(), hotline_order(**written))
    assert answer.status_code == 422, answer.text
    told = answer.json()
    assert told["field"] == field
    assert mentions in answer.text
    assert told["detail_en"]
    assert all(error["why_zh"] and error["why_en"] for error in told["errors"])
    assert intake.log() == []
    assert "1111111111" not in answer.text


async def test_a_list_is_taken_order_by_order(intake: Intake) -> None:
    await intake.post("/hotline/orders", intake.as_hotline(), hotline_order(orderNum="1"))
    orders = [
        hotline_order(orderNum="1"),
        hotline_order(orderNum="2"),
        hotline_order(orderNum="3", communityCode="nowhere"),
        hotline_order(orderNum="2"),
        "not an order",
        {"工单编号": "4", "标题": "路灯不亮", "村/社区": "湖畔社区"},
    ]
    report = (await intake.post("/hotline/orders", intake.as_hotline(), orders)).json()
    assert (report["accepted"], report["repeats"]) == (2, 2)
    assert [(one["index"], one["field"]) for one in report["rejected"]] == [(2, "communityCode"), (4, "body")]
    assert [(one["source_ref"], one["repeat"]) for one in report["orders"]] == [
        ("1", True),
        ("2", False),
        ("2", True),
        ("4", False),
    ]
    assert len(intake.log()) == 3


async def test_lists_have_an_end_and_formats_a_name(intake: Intake) -> None:
    many = await intake.post("/hotline/orders", intake.as_hotline(), [{}] * 1001)
    assert (many.status_code, many.json()["type"]) == (422, "urn:chuishao:problem:too_many_orders")
    assert (await intake.post("/hotline/orders", intake.as_hotline(), [])).json()["accepted"] == 0
    named = await intake.post("/hotline/orders?format=fax", intake.as_hotline(), hotline_order())
    assert (named.status_code, named.json()["field"]) == (422, "format")
    wide = {"orderNum": "W1", "organizationCode": HUPAN, "content": "水压不足", "callTime": "20261102081500"}
    assert (await intake.post("/hotline/orders", intake.as_hotline(), wide)).status_code == 201
    assert intake.whistles()[0].matter.title == "水压不足"
    for scalar in (1, "a", None, True):
        assert (await intake.post("/hotline/orders", intake.as_hotline(), scalar)).status_code == 422


# --- files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
async def test_a_file_in_the_encodings_there_are(intake: Intake, encoding: str) -> None:
    report = (await intake.send_csv(csv_text([row("1"), row("2")]).encode(encoding))).json()
    assert (report["rows"], report["accepted"], report["rejected_count"]) == (2, 2, 0)
    assert report["format"] == "csv"
    assert {one.matter.title for one in intake.whistles()} == {"夜间施工"}
    assert {one.matter.region for one in intake.whistles()} == {HUPAN}
    again = (await intake.send_csv(csv_text([row("1"), row("2"), row("3")]).encode(encoding))).json()
    assert (again["accepted"], again["repeats"]) == (1, 2)


HEADER = ",".join(COLUMNS)
GOOD = "{ref},投诉,噪声污染,夜间施工,三晚,李先生,139,东湖街道,湖畔社区"

# lines after the header (line 1) → rows taken, [(line, field) rejected]
FILES: list[tuple[str, list[str], int, list[tuple[int, str]]]] = [
    ("all well", ["G1", "G2"], 2, []),
    ("blank lines count as lines, not as rows", ["G1", "", "", "bad", "G2"], 2, [(5, "row")]),
    ("too few cells", ["G1", "2,投诉", "G3"], 2, [(3, "row")]),
    ("too many cells", ["G1,extra", "G2"], 1, [(2, "row")]),
    ("empty cells at the end are nothing", ["G1,,,", "G2"], 2, []),
    ("unknown community", ["G1", "2,投诉,a,b,c,d,e,东湖街道,无名社区", "G3"], 2, [(3, "村/社区")]),
    ("no number", [",投诉,a,b,c,d,e,东湖街道,湖畔社区", "G2"], 1, [(2, "工单编号")]),
    ("a quoted line break counts as a line", ['1,投诉,a,b,"两\n行",d,e,东湖街道,湖畔社区', "bad"], 1, [(4, "row")]),
    ("windows line ends in a quoted text", ['1,投诉,a,b,"两\r\n行",d,e,东湖街道,湖畔社区', "bad"], 1, [(4, "row")]),
    ("a quote that is not closed", ['1,投诉,a,"b,c,d,e,东湖街道,湖畔社区', "G2", "G3"], 2, [(2, "row")]),
    (
        "a quote not closed that meets a later one",
        ['1,投诉,a,"b,c,d,e,东湖街道,湖畔社区', '2,"投诉",a,b,c,d,e,东湖街道,湖畔社区', "G3"],
        2,
        [(2, "row")],
    ),
    ("quotes inside a text", ['1,投诉,a,"他说""好""",c,d,e,东湖街道,湖畔社区'], 1, []),
    ("a stray quote", ['1,投诉,a,"b"c,c,d,e,东湖街道,湖畔社区', "G2"], 1, [(2, "row")]),
    ("a very long line", ["1," + "长" * 100_000, "G2"], 1, [(2, "row")]),
    ("a NUL", ["1,投诉,a,标\0题,c,d,e,东湖街道,湖畔社区", "G2"], 1, [(2, "标题")]),
    ("over-long", [f"1,投诉,a,{'题' * 201},c,d,e,东湖街道,湖畔社区", "G2"], 1, [(2, "标题")]),
    (
        "two things wrong with one row",
        [f",投诉,a,{'题' * 201},c,d,e,东湖街道,湖畔社区", "G2"],
        1,
        [(2, "工单编号"), (2, "标题")],
    ),
    ("only the header", [], 0, []),
]


@pytest.mark.parametrize(("what", "lines", "taken", "rejected"), FILES, ids=[case[0] for case in FILES])
async def test_malformed_rows_are_named_and_the_rest_goes_on(
    intake: Intake, what: str, lines: list[str], taken: int, rejected: list[tuple[int, str]]
) -> None:
    text = "\r\n".join([HEADER, *(GOOD.format(ref=one[:2]) + one[2:] if one[:1] == "G" else one for one in lines)])
    answer = await intake.send_csv(text.encode())
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert report["accepted"] == taken
    assert [(one["line"], one["field"]) for one in report["rejected"]] == rejected
    assert report["rejected_count"] == len({line for line, _ in rejected})
    assert all(one["why_zh"] and one["why_en"] for one in report["rejected"])
    assert len(intake.log()) == taken


# a file that is refused whole → status, the field, what the answer mentions
WHOLE: list[tuple[str, bytes, int, str, str]] = [
    ("empty", b"", 422, "header", "空"),
    ("Big5", csv_text([row("1")]).encode().replace("标题".encode(), b"\xbc\xd0\xc3\xff\xff"), 422, "body", "GBK"),
    ("UTF-16", csv_text([row("1")]).encode("utf-16"), 422, "body", "UTF-8"),
    ("Excel", b"PK\x03\x04" + bytes(100), 422, "body", "Excel"),
    ("semicolons", csv_text([row("1")]).replace(",", ";").encode(), 422, "format", "工单编号"),
    ("no region", "工单编号,标题\n1,a\n".encode(), 422, "村/社区", "被反映街乡镇"),
    ("no title", "工单编号,村/社区\n1,湖畔社区\n".encode(), 422, "标题", "主要内容"),
    ("a column twice", "工单编号,标题,标题,村/社区\n1,a,b,湖畔社区\n".encode(), 422, "标题", "标题"),
    ("an open quote in the header", '"工单编号,标题\n1,2'.encode(), 422, "header", "引号"),
]


@pytest.mark.parametrize(("what", "content", "status", "field", "mentions"), WHOLE, ids=[case[0] for case in WHOLE])
async def test_a_file_that_cannot_be_read_changes_nothing(
    intake: Intake, what: str, content: bytes, status: int, field: str, mentions: str
) -> None:
    answer = await intake.send_csv(content)
    assert answer.status_code == status, answer.text
    assert answer.json()["field"] == field
    assert mentions in answer.json()["detail"]
    assert answer.json()["detail_en"]
    assert intake.log() == []


async def test_a_wrong_byte_deep_in_the_file_is_found_before_any_row_is_taken(intake: Intake) -> None:
    content = csv_text([row(str(number)) for number in range(3000)]).encode() + b"\xff\xff\r\n"
    answer = await intake.send_csv(content)
    assert answer.status_code == 422
    assert "3002" in answer.json()["detail"]
    assert intake.log() == []


async def test_a_file_as_a_form_upload(intake: Intake) -> None:
    content = csv_text([row("1")]).encode("gbk")
    for who in (intake.as_hotline(), intake.as_staff(HUB)):
        answer = await intake.client.post(
            "/hotline/orders/csv",
            data={"note": "前面还有别的字段"},
            files={"file": ("工单.csv", content, "text/csv")},
            headers=who,
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["rows"] == 1
    assert len(intake.log()) == 1
    form = await intake.client.post("/hotline/orders/csv", files={"note": (None, b"x")}, headers=intake.as_hotline())
    assert (form.status_code, form.json()["type"]) == (400, "urn:chuishao:problem:form_unreadable")
    for content_type, status in [
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=x", 400),
        ("application/json", 415),
        ("image/png", 415),
    ]:
        headers = intake.as_hotline() | {"Content-Type": content_type}
        answer = await intake.client.post("/hotline/orders/csv", content=b"garbage", headers=headers)
        assert answer.status_code == status, answer.text


async def test_a_file_too_large_is_refused_whole(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.intake.hotline.FILE_LIMIT", 1024 * 1024)
    content = csv_text([row(str(number)) for number in range(12_000)]).encode()
    announced = await intake.send_csv(content)

    async def pieces() -> Any:
        for start in range(0, len(content), 65536):
            yield content[start : start + 65536]

    headers = intake.as_hotline() | {"Content-Type": "text/csv"}
    unannounced = await intake.client.post("/hotline/orders/csv", content=pieces(), headers=headers)
    for answer in (announced, unannounced):
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:chuishao:problem:file_too_large")
    assert intake.log() == []


async def test_the_file_may_be_larger_than_other_bodies(intake: Intake) -> None:
    content = csv_text([row(str(n), 主要内容="长" * 9_000) for n in range(300)]).encode()
    assert len(content) > 5_000_000
    assert (await intake.send_csv(content)).json()["accepted"] == 300


async def test_the_store_going_away_says_from_which_line_to_go_on(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.runtime.door.PATIENCE_SECONDS", 0.05)
    content = csv_text([row(str(number)) for number in range(500)]).encode()
    appended = 0
    commits = intake.store.transaction

    def transaction() -> Any:
        nonlocal appended
        appended += 1
        intake.store.away = appended > 2
        return commits()

    monkeypatch.setattr(intake.store, "transaction", transaction)
    answer = await intake.send_csv(content)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["report"]["accepted"] == 400
    assert "402" in answer.json()["detail"]
    monkeypatch.undo()
    intake.store.away = False
    again = (await intake.send_csv(content)).json()
    assert (again["accepted"], again["repeats"]) == (100, 400)


async def test_many_rejections_are_counted_and_the_first_thousand_told(intake: Intake) -> None:
    content = "\n".join([HEADER, *["x"] * 1500]).encode()
    report = (await intake.send_csv(content)).json()
    assert (report["rejected_count"], len(report["rejected"]), report["rejected_by_field"]) == (
        1500,
        1000,
        {"row": 1500},
    )
