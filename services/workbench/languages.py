"""The pages' languages: one catalogue each, and how names, numbers and times are said in it."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, tzinfo
from enum import Enum
from pathlib import Path

from shared.contracts.facts import Actor, Reason
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import ActorKind

FOLDER = Path(__file__).parent / "texts"
DEFAULT = "zh-CN"
CATALOGUES: dict[str, dict[str, str]] = {
    language: json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8")) for language in (DEFAULT, "en")
}

_HOUR, _DAY = 3600, 86_400


def choose(asked: str | None, remembered: str | None, accepted: str | None) -> str:
    """The language of a page: asked for in the address, else remembered, else what the browser hints at."""
    for wish in (asked, remembered):
        known = _known(wish)
        if known:
            return known
    return next(filter(None, map(_known, _by_preference(accepted or ""))), DEFAULT)


def _known(tag: str | None) -> str | None:
    primary = (tag or "").strip().lower().partition("-")[0]
    return {"zh": "zh-CN", "en": "en"}.get(primary)


def _by_preference(header: str) -> list[str]:
    """The tags of an Accept-Language header, most wanted first; unreadable weights count as unwanted."""
    weighted = []
    for part in header.split(","):
        tag, _, weight = part.partition(";q=")
        try:
            weighted.append((-float(weight or 1), tag))
        except ValueError:
            continue
    return [tag for weight, tag in sorted(weighted, key=lambda pair: pair[0]) if weight < 0]


class Speech:
    """One language with the district's names: `say("about", title=…)` and friends."""

    def __init__(self, language: str, units: Callable[[], UnitTree], zone: tzinfo) -> None:
        self.language = language
        self.other = next(known for known in CATALOGUES if known != language)
        self._texts = CATALOGUES[language]
        self._in_force = units
        self._zone = zone

    def __call__(self, key: str, /, **values: object) -> str:
        text = self._texts[key]
        return text.format_map(values) if values else text

    def word(self, value: Enum | None) -> str:
        """The word for a value of the vocabulary."""
        if value is None:
            return ""
        name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(value).__name__)
        return self._texts[f"{name.removeprefix('_')}.{value.value}"]

    def unit(self, code: str | None) -> str:
        """A unit's name, also of one that was retired; its code where the district never knew it."""
        if code is None:
            return self("unit.none")
        units = self._in_force()
        unit = units.get(code) or units.retired.get(code)
        if unit is None:
            return code
        return (unit.name_en or unit.name) if self.language == "en" else unit.name

    def units(self, codes: Iterable[str]) -> str:
        return self.join(dict.fromkeys(map(self.unit, codes))) or self("unit.none")

    def join(self, words: Iterable[str]) -> str:
        return self("list.and").join(words)

    def field(self, name: str) -> str:
        """What a field of the matter is called; its name where a newer release has a field more."""
        return self._texts.get(f"matter.{name}", name)

    def reason(self, reason: Reason) -> str:
        return reason.en if self.language == "en" else reason.zh

    def actor(self, actor: Actor) -> str:
        """Who acted, as unit and capacity; persons are not named on pages."""
        if actor.kind is ActorKind.RULE and actor.unit:
            return self("actor.rule.unit", unit=self.unit(actor.unit))
        if actor.kind is ActorKind.STAFF and actor.unit:
            return self("actor.unit", unit=self.unit(actor.unit))
        return self(f"actor.{actor.kind.value}")

    def number(self, value: int) -> str:
        return f"{value:,}"

    def clock(self, at: datetime) -> str:
        return at.astimezone(self._zone).strftime("%H:%M:%S")

    def day(self, at: datetime | None) -> str:
        return self("unit.none") if at is None else at.astimezone(self._zone).strftime("%Y-%m-%d")

    def moment(self, at: datetime, now: datetime) -> str:
        """Hours and minutes today, with month and day otherwise."""
        local, today = at.astimezone(self._zone), now.astimezone(self._zone)
        if local.date() == today.date():
            return local.strftime("%H:%M:%S")
        return local.strftime("%m-%d %H:%M" if local.year == today.year else "%Y-%m-%d %H:%M")

    def full(self, at: datetime) -> str:
        return at.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")

    def duration(self, length: timedelta) -> str:
        """Two units at most: 3 d 2 h, 2 h 5 min, 45 s."""
        seconds = max(0, round(length.total_seconds()))
        d, h, m, s = seconds // _DAY, seconds % _DAY // _HOUR, seconds % _HOUR // 60, seconds % 60
        if d:
            return self("duration.days_hours", d=d, h=h) if h else self("duration.days", d=d)
        if h:
            return self("duration.hours_minutes", h=h, m=m) if m else self("duration.hours", h=h)
        if m:
            return self("duration.minutes_seconds", m=m, s=s) if s else self("duration.minutes", m=m)
        return self("duration.seconds", s=s)
