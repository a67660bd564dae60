"""The glossary has every word of the vocabulary, with the Chinese that the code has."""

import re
from enum import StrEnum

import pytest

from deploy.documents.words import chinese, enumerations
from deploy.local.places import PROJECT
from shared.contracts.lifecycle import STAGES

GLOSSARY = (PROJECT / "docs" / "glossary.md").read_text(encoding="utf-8")
TABLES = re.findall(r"^### .+\n(?:(?!^###).*\n)*", GLOSSARY, re.MULTILINE)


def table_of(enumeration: type[StrEnum]) -> dict[str, str]:
    """The glossary's table that lists this set: its values and the Chinese beside each."""
    values = {one.value for one in enumeration}
    for body in TABLES:
        rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", body, re.MULTILINE))
        if set(rows) == values:
            return {value: term.strip() for value, term in rows.items()}
    pytest.fail(f"no table of the glossary lists exactly {sorted(values)}")


@pytest.mark.parametrize("enumeration", enumerations(), ids=lambda one: one.__name__)
def test_every_value_stands_there_with_its_chinese(enumeration: type[StrEnum]) -> None:
    table = table_of(enumeration)
    for value, term in chinese(enumeration).items():
        assert not term or table[value] == term


def test_the_code_has_a_reading_of_every_set() -> None:
    assert len(enumerations()) >= 14
    for enumeration in enumerations():
        assert set(chinese(enumeration)) == {one.value for one in enumeration}


def test_stages_are_called_alike_in_the_lifecycle() -> None:
    terms = table_of(next(one for one in enumerations() if one.__name__ == "Stage"))
    for stage, row in STAGES.items():
        assert terms[stage.value].startswith(row.chinese), stage
