"""The language of what is exported: one catalogue each, and how units, figures and times are said in it."""

import json
from collections.abc import Callable
from datetime import datetime, tzinfo
from enum import Enum
from pathlib import Path
from typing import Final

from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import UnitKind

FOLDER = Path(__file__).parents[1] / "texts"
DEFAULT: Final = "zh-CN"
CATALOGUES: dict[str, dict[str, str]] = {
    language: json.loads((FOLDER / f"scorecard.{language}.json").read_text(encoding="utf-8"))
    for language in (DEFAULT, "en")
}
NONE: Final = "—"
"""What stands where there is no figure: nothing to divide by."""


def known_language(asked: str | None) -> str:
    """The language of a page by the tag that was asked for (`zh`, `en-GB`); Chinese where it is neither."""
    return "en" if (asked or "").strip().lower().partition("-")[0] == "en" else DEFAULT


class Speech:
    """`say("table.unit")`; units are named by the tree in force, retired ones, too."""

    def __init__(self, language: str, units: Callable[[], UnitTree], zone: tzinfo) -> None:
        self.language = known_language(language)
        self._texts = CATALOGUES[self.language]
        self._in_force = units
        self._zone = zone

    def __call__(self, key: str, /, **values: object) -> str:
        text = self._texts[key]
        return text.format_map(values) if values else text

    def either(self, zh: str, en: str) -> str:
        return en if self.language == "en" else zh

    def kind(self, kind: UnitKind | None) -> str:
        """Units of a kind; None are those that left the district."""
        return self("kind.none") if kind is None else self.word(kind)

    def word(self, value: Enum) -> str:
        """The word for a value of the vocabulary, `unit_kind.street`."""
        name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(value).__name__)
        return self._texts[f"{name.removeprefix('_')}.{value.value}"]

    def unit(self, code: str) -> str:
        """A unit's name; its code where the district never knew it."""
        return self._in_force().name_of(code, english=self.language == "en")

    def hub(self) -> str:
        """Who publishes."""
        return self.unit(self._in_force().hub.code)

    def full(self, at: datetime) -> str:
        return at.astimezone(self._zone).strftime("%Y-%m-%d %H:%M")
