"""The demonstration's samples and the feed made of real messages: every door takes them."""

import csv
import io
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.demo.samples import TEMPLATES, samples
from shared.contracts.vocabulary import Source
from tests import feeds
from tests.unit.intake.kit import NOW, UNITS, Intake


async def test_every_door_takes_its_samples(intake: Intake) -> None:
    made = list(samples(150, 7, UNITS, at=NOW))
    for sample in (one for one in made if one.door != "hotline_csv"):
        path = {"whistle": "/whistles", "order": "/orders", "hotline_json": "/hotline/orders"}[sample.door]
        who = {
            "whistle": intake.as_staff(sample.unit),
            "order": intake.as_resident(),
            "hotline_json": intake.as_hotline(),
        }[sample.door]
        answer = await intake.post(path, who, dict(sample.body))
        assert answer.status_code == 201, (sample, answer.text)
    rows = [dict(one.body) for one in made if one.door == "hotline_csv"]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    report = (await intake.send_csv(out.getvalue().encode("gbk"))).json()
    assert (report["accepted"], report["rejected"]) == (len(rows), [])

    taken = intake.whistles()
    assert len(taken) == len(made)
    assert Counter(one.matter.source for one in taken) == Counter(one.source for one in made)
    assert {one.matter.region for one in taken} == {one.region for one in made}
    assert all(NOW - timedelta(days=1) <= one.matter.occurred_at <= NOW for one in taken if one.matter.occurred_at)


def test_samples_are_varied_and_the_same_for_the_same_seed() -> None:
    made = list(samples(300, 1, UNITS))
    assert made == list(samples(300, 1, UNITS))
    assert made != list(samples(300, 2, UNITS))
    assert len(TEMPLATES) >= 20
    there = {one.source for one in made}
    assert there >= set(Source) - {Source.OPEN311, Source.COMPOUND}
    assert len({str(one.body) for one in made}) == 300


@pytest.mark.skipif(not feeds.MESSAGES.exists(), reason="the real messages are not here")
@pytest.mark.parametrize("encoding", ["utf-8-sig", "gbk"])
async def test_real_messages_are_all_taken(intake: Intake, tmp_path: Path, encoding: str) -> None:
    out = tmp_path / "orders.csv"
    assert feeds.write(out, 300, encoding) == 300
    report = (await intake.send_csv(out.read_bytes())).json()
    assert (report["accepted"], report["rejected"]) == (300, [])
