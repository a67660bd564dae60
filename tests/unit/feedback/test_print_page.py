"""The pages that can be printed, read as a browser reads them."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from services.feedback.domain.measuring.scoring import Rhythm
from services.feedback.exports.print_page import opinion_page, page
from services.feedback.exports.speech import CATALOGUES, known_language
from shared.contracts.vocabulary import Level, Measure, Source, UnitKind
from tests.unit.feedback.scorecards import EXCLUDED_FROM, NEVER_CALLED_BACK, TINY_STREET, issued, speech

EMPTY = frozenset({"meta", "br", "img", "link", "input", "hr"})


class Page(HTMLParser):
    """Tags with their attributes, the text, and what was left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def link(number: str) -> str:
    return f"/cases/{number}"


def both(language: str = "zh-CN") -> list[str]:
    return [page(issued(), speech(language)), opinion_page(issued(), speech(language), link)]


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_it_is_well_formed_in_its_language(language: str) -> None:
    for text in both(language):
        read = Page(text)
        assert read.open == []
        assert read.all("html") == [{"lang": language}]
        ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        anchors = {attributes["href"][1:] for attributes in read.all("a") if attributes["href"].startswith("#")}
        assert anchors <= set(ids)
        labels = {name for _, attributes in read.tags for name in attributes.get("aria-labelledby", "").split()}
        assert labels <= set(ids)


def test_nothing_comes_from_elsewhere_and_nothing_runs() -> None:
    for text in both() + both("en"):
        read = Page(text)
        assert not {tag for tag, _ in read.tags} & {"script", "link", "img", "iframe", "object", "image", "use"}
        assert not re.search(r"https?://|@import|url\((?!#)", text)
        assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
        assert all(attributes["href"][0] in "#/" for attributes in read.all("a"))


def test_every_table_has_a_caption_and_every_head_a_scope() -> None:
    read = Page(page(issued(), speech()))
    assert len(read.all("table")) == len(read.all("caption")) > 0
    assert {attributes.get("scope") for attributes in read.all("th")} == {"col", "row"}


def test_every_chart_is_told_in_words() -> None:
    text = page(issued(), speech())
    charts = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(charts) == 9, "three for each kind of unit"
    for chart in charts:
        assert 'role="img"' in chart
        assert re.search(r"<title [^>]*>[^<]+</title><desc [^>]*>[^<]+</desc>", chart)
    best = next(unit for unit in issued().card.units if unit.kind is UnitKind.STREET and unit.rank == 1)
    points = f"{float(best.adjusted[Measure.SCORE].value or 'nan') * 100:.2f}"
    assert f"{best.name} {points}" in charts[0]


def test_without_a_former_period_there_is_no_chart_of_moves() -> None:
    assert page(issued(former=False), speech()).count("<svg") == 6


def test_names_cannot_become_markup() -> None:
    attack = "<script>alert(1)</script>\"'&{{ 7*7 }}"
    made = issued(unit=attack, category="<img src=x onerror=alert(1)>")
    for text in (page(made, speech()), opinion_page(made, speech(), link)):
        read = Page(text)
        assert not {tag for tag, _ in read.tags} & {"script", "img"}
        assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
        assert attack in read.text
        assert "{{ 7*7 }}" in read.text


def test_where_there_is_nothing_to_count_stands_a_dash() -> None:
    text = page(issued(), speech())
    row = re.search(r"<tr>(?:(?!</tr>).)*?区公安分局.*?</tr>", text, re.DOTALL)
    assert row is not None
    assert row[0].count("<td>—</td>") == 4, "rank, raw score, trend and composite"
    assert '<td class="strong">—</td>' in row[0], "and the score"
    never = next(unit for unit in issued().card.units if unit.unit == NEVER_CALLED_BACK)
    assert never.unranked is not None
    assert never.unranked.zh in text


def test_raw_and_adjusted_both_stand() -> None:
    unit = next(unit for unit in issued().card.units if unit.unit == EXCLUDED_FROM)
    raw, adjusted = (float(one[Measure.HANDLE].value or "nan") for one in (unit.raw, unit.adjusted))
    assert raw != adjusted
    text = page(issued(), speech())
    assert f"{adjusted:.2%}" in text
    assert f"剔除前 {raw:.2%}" in text


def test_what_is_not_published_says_so() -> None:
    assert "未发布" not in page(issued(), speech())
    assert "未发布，仅供核对" in page(replace(issued(), published_at=None), speech())
    assert "更正考核表 7" in page(replace(issued(), corrects=7), speech())


@pytest.mark.parametrize(("language", "words"), [("zh-CN", "第 1 名 / 共 9 个"), ("en", "rank 1 of 9")])
def test_the_opinion_tells_each_units_place(language: str, words: str) -> None:
    text = opinion_page(issued(), speech(language), link)
    assert words in text
    assert text.count("<section") == len(issued().card.units) + 1, "each unit, and the method"


def test_each_cause_is_linked_to_its_cases() -> None:
    text = opinion_page(issued(), speech(), link)
    unit = next(unit for unit in issued().card.units if unit.unit == TINY_STREET)
    late = unit.pulled_down[Measure.HANDLE].numbers
    assert late
    for number in late:
        assert f'<a href="/cases/{number}">{number}</a>' in text


def test_both_languages_say_everything() -> None:
    chinese, english = CATALOGUES["zh-CN"], CATALOGUES["en"]
    assert chinese.keys() == english.keys()
    assert all(chinese.values())
    assert all(english.values())
    for language in CATALOGUES:
        say = speech(language)
        for vocabulary in (Measure, UnitKind, Level, Source, Rhythm):
            assert all(say.word(value) for value in vocabulary)
    placeholders = {key: set(re.findall(r"{\w+}", text)) for key, text in chinese.items()}
    assert placeholders == {key: set(re.findall(r"{\w+}", text)) for key, text in english.items()}


@pytest.mark.parametrize(
    ("asked", "language"), [("en", "en"), ("en-GB", "en"), ("zh", "zh-CN"), ("fr", "zh-CN"), (None, "zh-CN")]
)
def test_the_language_is_chinese_unless_english_is_asked_for(asked: str | None, language: str) -> None:
    assert known_language(asked) == language
