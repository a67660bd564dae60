"""The catalogues say the same things, and have a word for every value of the language."""

import re
from datetime import timedelta
from enum import Enum
from pathlib import Path
from string import Formatter

import pytest

from services.workbench import pages
from services.workbench.board import STEPS
from services.workbench.languages import CATALOGUES, choose
from shared.contracts import vocabulary
from shared.contracts.vocabulary import Stage
from tests.unit.workbench.kit import WATER, speech

ENUMS = [kind for kind in vars(vocabulary).values() if isinstance(kind, type) and issubclass(kind, Enum)]
VALUES = [value for kind in ENUMS if kind.__module__ == vocabulary.__name__ for value in kind]


def test_every_language_has_the_same_keys() -> None:
    chinese, english = CATALOGUES["zh-CN"], CATALOGUES["en"]
    assert list(chinese) == list(english)


@pytest.mark.parametrize("key", CATALOGUES["zh-CN"])
def test_a_text_has_the_same_places_to_fill_in_every_language(key: str) -> None:
    places = [{name for _, name, _, _ in Formatter().parse(texts[key]) if name} for texts in CATALOGUES.values()]
    assert places[0] == places[1]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_every_value_of_the_vocabulary_has_a_word(value: Enum) -> None:
    for language in CATALOGUES:
        assert speech(language).word(value)


def test_every_text_that_pages_and_code_name_exists() -> None:
    folder = Path(pages.__file__).parent
    sources = [*folder.glob("*.py"), *folder.glob("templates/*.html")]
    named = {key for path in sources for key in re.findall(r'\bsay\("([a-z_0-9.]+)"[,)]', path.read_text("utf-8"))}
    assert len(named) > 80
    assert named <= set(CATALOGUES["zh-CN"])


def test_every_stage_is_in_exactly_one_step() -> None:
    stages = [stage for step in STEPS.values() for stage in step]
    assert sorted(stages) == sorted(Stage)


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "language"),
    [
        (None, None, None, "zh-CN"),
        ("en", "zh-CN", "zh-CN", "en"),
        (None, "en", "zh-CN", "en"),
        (None, None, "en-GB,en;q=0.9", "en"),
        (None, None, "fr-FR, en;q=0.3, zh;q=0.8", "zh-CN"),
        (None, None, "fr, en;q=0", "zh-CN"),
        (None, None, "en;q=nonsense, *", "zh-CN"),
        ("klingon", None, "en", "en"),
        ("<script>", "'", ";;;q=,,", "zh-CN"),
    ],
)
def test_the_language_is_asked_for_remembered_or_hinted_at(
    asked: str | None, remembered: str | None, accepted: str | None, language: str
) -> None:
    assert choose(asked, remembered, accepted) == language


@pytest.mark.parametrize(
    ("length", "chinese", "english"),
    [
        (timedelta(seconds=-5), "0 秒", "0 s"),
        (timedelta(seconds=45), "45 秒", "45 s"),
        (timedelta(minutes=5), "5 分", "5 min"),
        (timedelta(minutes=5, seconds=7), "5 分 7 秒", "5 min 7 s"),
        (timedelta(hours=2), "2 小时", "2 h"),
        (timedelta(hours=2, minutes=5, seconds=9), "2 小时 5 分", "2 h 5 min"),
        (timedelta(days=3), "3 天", "3 d"),
        (timedelta(days=3, hours=4, minutes=59), "3 天 4 小时", "3 d 4 h"),
    ],
)
def test_durations(length: timedelta, chinese: str, english: str) -> None:
    assert (speech().duration(length), speech("en").duration(length)) == (chinese, english)


def test_units_by_their_name_else_by_what_there_is() -> None:
    assert speech().unit(WATER) == "和安供水公司"
    assert speech("en").unit(WATER) == "He'an Water"
    assert speech("en").unit("dept-housing") == "区住建委"
    assert speech().unit("dept-roads") == "区道路管理处"
    assert speech("en").unit("dept-roads") == "Roads"
    assert speech().unit("dept-never-known") == "dept-never-known"
    assert speech().unit(None) == "—"
