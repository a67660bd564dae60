"""Intake as processes on the real engines: what two of them, a killed one and a large file leave behind."""

import asyncio
import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from services.intake.reporter import ReporterVault
from shared.contracts.facts import WhistleDeclined, WhistleReceived, WhistleVerified
from shared.contracts.topics import SHARDS
from shared.runtime.log import GENESIS, Head, Row, verify_chain
from tests import feeds
from tests.integration.intake.conftest import HOTLINE, REPORTER_KEY, District, resident, staff
from tests.unit.intake.kit import HUPAN, hotline_order, whistle

pytestmark = pytest.mark.timeout(300)

ORDERS_IN_LOG = """
    select state ->> 'case_id' as case_id, source_ref, number,
           (select count(*) from intake.log where log.case_id = state.case_id) as events
    from intake.state where source = 'hotline_12345'
"""


async def _holds_once(district: District, references: set[str]) -> None:
    """Every reference has one whistle, one event in the log, one row of its reporter, and the chain holds."""
    rows = await district.fetch(ORDERS_IN_LOG)
    assert Counter(row["source_ref"] for row in rows) == Counter(references)
    assert {row["events"] for row in rows} == {1}
    assert len({row["number"] for row in rows}) == len(references)
    (reporters,) = await district.fetch("select count(*) as number from intake.reporter")
    assert reporters["number"] == len(references)
    for shard in range(SHARDS):
        log = await district.fetch("select * from intake.log where shard = $1 order by sequence", shard)
        (head,) = await district.fetch("select * from intake.head where shard = $1", shard)
        end = Head(shard, head["sequence"], head["hash"], head["published"])
        assert verify_chain([Row(**dict(row)) for row in log], Head(shard, 0, GENESIS, 0), end) == []


async def _push(client: httpx.AsyncClient, reference: str) -> httpx.Response:
    return await client.post("/hotline/orders", json=hotline_order(orderNum=reference), headers=HOTLINE)


async def test_two_processes_racing_on_the_same_references(district: District) -> None:
    references = [f"R-{number}" for number in range(60)]
    with district.process() as one, district.process() as other:
        async with one.client() as first, other.client() as second:
            answers = await asyncio.gather(*(_push(client, ref) for ref in references for client in (first, second)))
    by_reference: dict[str, list[dict[str, Any]]] = {}
    for answer in answers:
        assert answer.status_code in (200, 201), answer.text
        by_reference.setdefault(answer.json()["source_ref"], []).append(answer.json())
    for told in by_reference.values():
        assert [one["repeat"] for one in sorted(told, key=lambda one: one["repeat"])] == [False, True]
        assert len({(one["case_id"], one["number"]) for one in told}) == 1
    await _holds_once(district, set(references))
    events = await district.published(len(references))
    assert Counter(event.subject for event in events) == Counter(UUID(t[0]["case_id"]) for t in by_reference.values())


async def test_two_processes_in_the_same_instant(district: District) -> None:
    """Both transactions are held until both have begun; then only the door's key is between them."""
    references = [f"S-{number}" for number in range(12)]
    with district.process() as one, district.process() as other:
        async with one.client() as first, other.client() as second:
            for reference in references:
                pushes = [asyncio.create_task(_push(client, reference)) for client in (first, second)]
                await district.held_until_waiting(2)
                answers = [await push for push in pushes]
                assert sorted(answer.status_code for answer in answers) == [200, 201], [one.text for one in answers]
                assert len({answer.json()["number"] for answer in answers}) == 1
    await _holds_once(district, set(references))


@pytest.mark.parametrize("failpoint", ["before_commit:2", "after_commit:2", "after_publish:2", "before_marking:1"])
async def test_killed_in_the_middle_each_order_counts_once(district: District, failpoint: str) -> None:
    references = [f"K-{number}" for number in range(30)]
    acknowledged: dict[str, str] = {}
    with district.process(failpoint) as doomed:
        async with doomed.client() as client:
            for reference in references:
                try:
                    answer = await _push(client, reference)
                except httpx.TransportError:
                    break
                acknowledged[reference] = answer.json()["number"]
            doomed.process.wait(20)
    assert len(acknowledged) < len(references)
    with district.process() as healthy:
        async with healthy.client() as client:
            answers = [await _push(client, reference) for reference in references]
        told = {answer.json()["source_ref"]: answer.json()["number"] for answer in answers}
        assert told.items() >= acknowledged.items()
        await _holds_once(district, set(references))
        events = await district.published(len(references))
    assert len(events) == len(references)
    assert {event.fact.matter.source_ref for event in events if isinstance(event.fact, WhistleReceived)} == set(
        references
    )


async def test_an_order_from_its_door_to_the_topic(district: District) -> None:
    with district.process() as process:
        async with process.client() as client:
            received = await client.post("/orders", json=whistle(), headers=resident())
            declined = await client.post("/orders", json=whistle(confidential=True), headers=resident())
            page = await client.get("/orders?waiting=verification&limit=1", headers=staff(HUPAN))
            assert [one["case_id"] for one in page.json()["orders"]] == [received.json()["case_id"]]
            rest = await client.get(page.links["next"]["url"], headers=staff(HUPAN))
            assert [one["case_id"] for one in rest.json()["orders"]] == [declined.json()["case_id"]]
            case_id = received.json()["case_id"]
            body = {"note": "属实", "category": ["供水"]}
            headers = staff(HUPAN) | {"Idempotency-Key": "v-1"}
            verified = await client.post(f"/orders/{case_id}/verify", json=body, headers=headers)
            repeated = await client.post(f"/orders/{case_id}/verify", json=body, headers=headers)
            assert (verified.json()["stage"], repeated.json()["repeat"]) == ("verified", True)
            refused = {"reason": "untrue", "explanation": "经核实不属实"}
            path = f"/orders/{declined.json()['case_id']}/decline"
            assert (await client.post(path, json=refused, headers=staff(HUPAN))).status_code == 200
            assert (await _push(client, "P/1")).status_code == 201
            seen = await client.get("/orders/by-ref/hotline_12345/P%2F1", headers=HOTLINE)
            assert seen.json()["stage"] == "verified"
            assert (await client.get("/orders/by-ref/hotline_12345/%00", headers=HOTLINE)).status_code == 422
            metrics = (await client.get("/metrics")).text
            assert 'chuishao_intake_whistles_total{fate="accepted",source="resident"} 2.0' in metrics
        events = await district.published(5)
        kinds = {type(event.fact) for event in events}
        assert kinds == {WhistleReceived, WhistleVerified, WhistleDeclined}
        of_one = sorted((event for event in events if str(event.subject) == case_id), key=lambda event: event.caseseq)
        assert [event.caseseq for event in of_one] == [1, 2]
        log = process.log.read_text()
    await _names_nobody(district, log)


async def _names_nobody(district: District, log: str) -> None:
    """Neither name nor phone stands in clear in any table or log line; with the key the reporters can be read."""
    tables = await district.fetch("select tablename from pg_tables where schemaname = 'intake'")
    written = [log]
    for table in tables:
        rows = await district.fetch(f'select * from intake."{table["tablename"]}"')
        for row in rows:
            written += [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in row]
    for text in written:
        assert "王女士" not in text
        assert "13800000000" not in text
        assert "13900000000" not in text
    vault = ReporterVault(REPORTER_KEY)
    rows = await district.fetch("select id, sealed, phone_hash from intake.reporter where key = $1", vault.key_name)
    opened = Counter(vault.open(row["id"], row["sealed"]) for row in rows)
    assert opened == {("王女士", "13800000000"): 2, ("李先生", "13900000000"): 1}
    found = await district.fetch(
        "select count(*) as number from intake.reporter where phone_hash = $1", vault.phone_hash("+86 138-0000-0000")
    )
    assert found[0]["number"] == 2


async def test_the_service_cannot_rewrite_its_log(district: District) -> None:
    connection = await asyncpg.connect(district.service_url)
    try:
        for statement in ("delete from log", "update log set event = null", "truncate log"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.skipif(not feeds.MESSAGES.exists(), reason="the real messages are not here")
async def test_the_real_feed_is_all_accepted(district: District, tmp_path: Path) -> None:
    feeds.write(tmp_path / "utf8.csv", 2900)
    feeds.write(tmp_path / "gbk.csv", 2900, "gbk")
    with district.process() as process:
        async with process.client() as client:
            for name, accepted, encoding in [("utf8.csv", 2900, "utf-8-sig"), ("gbk.csv", 0, "gb18030")]:
                content = (tmp_path / name).read_bytes()
                headers = HOTLINE | {"Content-Type": "text/csv"}
                report = (await client.post("/hotline/orders/csv", content=content, headers=headers)).json()
                assert (report["accepted"], report["rejected_count"]) == (accepted, 0)
                assert report["repeats"] == 2900 - accepted
                assert report["encoding"] == encoding
        events = await district.published(2900)
    assert len(events) == 2900


COLUMNS = ["工单编号", "工单类型", "标题", "主要内容", "来电人", "来电人电话", "村/社区"]


def _file(rows: int, start: int) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for number in range(start, start + rows):
        bad = number % 100 == 99
        place = "无名社区" if bad else "湖畔社区"
        writer.writerow([f"L-{number}", "投诉", "夜间施工", "连续三晚施工。" * 20, "李先生", "13900000000", place])
    return out.getvalue().encode("gbk")


@pytest.mark.slow
async def test_a_large_file_in_flat_memory(district: District) -> None:
    headers = HOTLINE | {"Content-Type": "text/csv"}
    with district.process() as process:
        async with process.client() as client:
            await client.post("/hotline/orders/csv", content=_file(2_000, 0), headers=headers)
            before = process.resident_megabytes
            report = (
                await client.post("/hotline/orders/csv", content=_file(20_000, 2_000), headers=headers, timeout=240)
            ).json()
            after = process.resident_megabytes
    assert (report["accepted"], report["rejected_count"]) == (19_800, 200)
    assert report["rejected"][0]["line"] == 101
    assert report["rejected_by_field"] == {"村/社区": 200}
    assert after - before < 40, f"{before:.0f} MB before, {after:.0f} MB after"
