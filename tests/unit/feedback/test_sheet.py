"""The workbook, opened as what it is: a zip of XML."""

import re
from io import BytesIO
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest

from services.feedback.exports.issued import begins_like_a_formula
from services.feedback.exports.sheet import sheet
from shared.contracts.vocabulary import Measure
from tests.unit.feedback.scorecards import NEVER_CALLED_BACK, TINY_STREET, issued, speech

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"

ATTACKS = [
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example","x")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "=1+1\n=2+2",
    "＝1+1",
    "＋1",
    "＠SUM(A1)",
    "   =1+1",
    "\u3000=1+1",
    "\u200b=1+1",
    "'=1+1",
]
LINKS = [
    "http://evil.example/",
    "https://evil.example",
    "mailto:a@evil.example",
    "internal:Sheet1!A1",
    "external:c.xlsx",
]


class Book:
    """A workbook's parts."""

    def __init__(self, content: bytes) -> None:
        with ZipFile(BytesIO(content)) as opened:
            self.parts = {name: opened.read(name) for name in opened.namelist()}
        strings = ElementTree.fromstring(self.parts["xl/sharedStrings.xml"])
        self.strings = ["".join(text.text or "" for text in one.iter(f"{MAIN}t")) for one in strings]

    @property
    def names(self) -> list[str]:
        root = ElementTree.fromstring(self.parts["xl/workbook.xml"])
        return [one.attrib["name"] for one in root.iter(f"{MAIN}sheet")]

    def rows(self, name: str) -> list[list[str | float]]:
        """The cells of a sheet: a text is a text, a number a number."""
        root = ElementTree.fromstring(self.parts[f"xl/worksheets/sheet{self.names.index(name) + 1}.xml"])
        return [
            [self._value(cell) for cell in row.iter(f"{MAIN}c") if cell.find(f"{MAIN}v") is not None]
            for row in root.iter(f"{MAIN}row")
        ]

    def _value(self, cell: ElementTree.Element) -> str | float:
        value = cell.find(f"{MAIN}v")
        assert value is not None
        assert value.text is not None
        return self.strings[int(value.text)] if cell.attrib.get("t") == "s" else float(value.text)

    def elements(self, tag: str) -> int:
        """How often an element occurs in all sheets."""
        pages = [part for name, part in self.parts.items() if name.startswith("xl/worksheets/sheet")]
        return sum(len(list(ElementTree.fromstring(page).iter(f"{MAIN}{tag}"))) for page in pages)


@pytest.fixture(scope="module")
def book() -> Book:
    return Book(sheet(issued(), speech()))


def test_it_has_a_sheet_for_each_question(book: Book) -> None:
    assert book.names == ["概览", "图表", "指标", "分类", "哨单", "剔除", "口径"]


def test_in_english_it_says_the_same_in_english() -> None:
    names = Book(sheet(issued(), speech("en"))).names
    assert names == ["Overview", "Charts", "Figures", "Breakdowns", "Cases", "Exclusions", "Method"]


def test_figures_are_numbers_and_what_is_missing_is_a_dash(book: Book) -> None:
    card = issued().card
    rows = {(row[1], row[3]): row for row in book.rows("指标")[1:] if len(row) == 11}
    for unit in card.units:
        row = rows[unit.unit, "按期办结率"]
        raw, adjusted = unit.raw[Measure.HANDLE], unit.adjusted[Measure.HANDLE]
        assert row[4:10] == [
            float(raw.value or "nan"), float(raw.numerator or "nan"), raw.denominator,
            float(adjusted.value or "nan"), float(adjusted.numerator or "nan"), adjusted.denominator,
        ]  # fmt: skip
        assert row[10] == unit.excluded.get(Measure.HANDLE, 0)
    missing = rows[NEVER_CALLED_BACK, "满意率"]
    assert missing[4:] == ["—", 0.0, 0.0, "—", 0.0, 0.0, 0.0]


def test_every_unit_stands_with_every_measure(book: Book) -> None:
    units = issued().card.units
    assert len(book.rows("指标")) == 1 + (len(units) + 1) * len(Measure)


def test_the_score_is_told_in_points_and_the_unranked_come_last_with_the_reason(book: Book) -> None:
    card = issued().card
    rows = book.rows("概览")
    best = next(unit for unit in card.units if unit.unit.startswith("110101") and unit.rank == 1)
    found = next(row for row in rows if best.name in row)
    assert found[0] == 1.0
    assert found[3] == pytest.approx(float(best.adjusted[Measure.SCORE].value or "nan") * 100)
    tiny = next(unit for unit in card.units if unit.unit == TINY_STREET)
    listed = next(row for row in rows if tiny.name in row)
    assert listed[0] == "—"
    assert tiny.unranked is not None
    assert listed[-1] == tiny.unranked.zh
    streets = [row[1] for row in rows if len(row) > 1 and str(row[1]).endswith("街道")]
    assert streets[-1] == tiny.name


def test_each_kind_of_unit_has_its_charts(book: Book) -> None:
    charts = [name for name in book.parts if name.startswith("xl/charts/chart")]
    assert len(charts) == 9, "score, pair and trend of streets, departments and utilities"
    ranked = [ElementTree.fromstring(book.parts[name]) for name in charts]
    assert all("ptCount" in ElementTree.tostring(chart, encoding="unicode") for chart in ranked)


def test_where_there_is_no_former_period_there_is_no_trend() -> None:
    book = Book(sheet(issued(former=False), speech()))
    assert len([name for name in book.parts if name.startswith("xl/charts/chart")]) == 6


def test_it_prints_on_a4_across_with_its_heads_again_and_page_numbers(book: Book) -> None:
    for name, part in book.parts.items():
        if name.startswith("xl/worksheets/sheet"):
            root = ElementTree.fromstring(part)
            setup, fit = root.find(f"{MAIN}pageSetup"), root.find(f"{MAIN}sheetPr/{MAIN}pageSetUpPr")
            assert setup is not None
            assert (setup.attrib["paperSize"], setup.attrib["orientation"]) == ("9", "landscape")
            assert fit is not None
            footer = root.find(f"{MAIN}headerFooter/{MAIN}oddFooter")
            assert footer is not None
            assert "&P / &N" in (footer.text or "")
    assert book.parts["xl/workbook.xml"].count(b"_xlnm.Print_Titles") == 5


def test_the_method_says_how_to_verify_it(book: Book) -> None:
    made = issued()
    said = {str(row[0]): str(row[1]) for row in book.rows("口径") if len(row) > 1}
    assert said["内容哈希（SHA-256）"] == made.hash
    assert "chuishao scorecard verify 12" in said["如何复核"]
    assert said["综合得分"] == "响应率 × 10% + 解决率 × 50% + 满意率 × 40%"
    assert "20" in said["最低样本"]


def test_the_same_scorecard_makes_the_same_bytes_whenever_it_is_made() -> None:
    content = sheet(issued(), speech())
    assert sheet(issued(), speech()) == content
    with ZipFile(BytesIO(content)) as opened:
        assert {part.date_time for part in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        core = opened.read("docProps/core.xml").decode()
    end = issued().card.end.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert re.findall(r"W3CDTF\">([^<]+)<", core) == [end, end], "created and modified when the period ended"


@pytest.mark.parametrize("attack", ATTACKS + LINKS)
def test_no_text_becomes_a_formula_or_a_link(attack: str) -> None:
    book = Book(sheet(issued(unit=attack, category=attack), speech()))
    assert book.elements("f") == 0
    assert book.elements("hyperlink") == 0
    assert book.elements("hyperlinks") == 0
    relations = [part for name, part in book.parts.items() if name.endswith(".rels")]
    assert relations
    assert not [part for part in relations if b"TargetMode" in part]
    shown = {text.replace("_x000D_", "\r").strip() for text in book.strings}
    assert attack.strip() in shown, "the text is there as it was written"


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_begins_like_a_formula_is_marked_as_quoted(attack: str) -> None:
    assert begins_like_a_formula(attack)
    content = Book(sheet(issued(category=attack), speech())).parts["xl/styles.xml"]
    assert b'quotePrefix="1"' in content


@pytest.mark.parametrize("plain", ["市容环境", "12345", "a=b", "A-1", "", "（=）", "—"])
def test_other_texts_are_left_alone(plain: str) -> None:
    assert not begins_like_a_formula(plain)
    assert b"quotePrefix" not in Book(sheet(issued(category=plain), speech())).parts["xl/styles.xml"]
