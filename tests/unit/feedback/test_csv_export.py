"""The CSV, read back as another program reads it."""

import csv
from io import StringIO

import pytest

from services.feedback.exports.csv_export import HEADER, csv_text
from shared.contracts.vocabulary import Measure
from tests.unit.feedback.scorecards import EXCLUDED_FROM, NEVER_CALLED_BACK, TINY_STREET, issued, speech
from tests.unit.feedback.test_sheet import ATTACKS


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(content.decode("utf-8-sig"), newline="")))


@pytest.fixture(scope="module")
def lines() -> list[dict[str, str]]:
    return read(csv_text(issued(), speech()))


def test_it_is_utf_8_with_a_mark_and_one_header_line() -> None:
    content = csv_text(issued(), speech())
    assert content.startswith(b"\xef\xbb\xbfscorecard,period,edition,")
    assert content.decode("utf-8-sig").split("\r\n")[0] == ",".join(HEADER)


def test_it_is_the_same_bytes_twice() -> None:
    assert csv_text(issued(), speech()) == csv_text(issued(), speech())


def test_every_unit_stands_with_every_measure_raw_and_adjusted(lines: list[dict[str, str]]) -> None:
    units = [line for line in lines if line["scope"] == "unit"]
    assert len(units) == len(issued().card.units) * len(Measure) * 2
    for unit in issued().card.units:
        for measure in Measure:
            raw, adjusted = (line for line in units if (line["key"], line["measure"]) == (unit.unit, measure.value))
            assert (raw["figure"], adjusted["figure"]) == ("raw", "adjusted")
            assert raw["value"] == (unit.raw[measure].value or "")
            assert adjusted["value"] == (unit.adjusted[measure].value or "")
            assert adjusted["trend"] == (unit.trend[measure] or "")


def test_an_exclusion_is_counted_and_both_figures_stand(lines: list[dict[str, str]]) -> None:
    raw, adjusted = (line for line in lines if (line["key"], line["measure"]) == (EXCLUDED_FROM, Measure.HANDLE.value))
    assert int(adjusted["excluded"]) == int(raw["denominator"]) - int(adjusted["denominator"]) > 0


def test_nothing_to_divide_by_is_an_empty_field_and_no_rank(lines: list[dict[str, str]]) -> None:
    never = [line for line in lines if (line["key"], line["measure"]) == (NEVER_CALLED_BACK, "satisfied")]
    assert [(line["value"], line["denominator"], line["rank"]) for line in never] == [("", "0", "")] * 2
    assert {line["rank"] for line in lines if line["key"] == TINY_STREET} == {""}


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_can_be_taken_for_a_formula(attack: str) -> None:
    found = read(csv_text(issued(category=attack), speech()))
    names = {line["name"] for line in found if line["scope"] == "category"}
    assert f"'{attack}" in names
    assert {len(line) for line in found} == {len(HEADER)}, "a line break inside a text breaks no line"
