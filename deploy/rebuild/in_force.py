"""The district's set-up as it was in force at any time: every version is kept, and when it was imported."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.runtime.district import Kind

_VERSIONS = "select number, imported_at from district.version where kind = $1 order by number"
_CONTENT = "select content from district.version where kind = $1 and number = $2"
ABOUT = timedelta(seconds=10)
"""A version counts from the commit of its import; its time was noted some moments before."""


LATEST = timedelta(hours=1)
MOST_LAGS = 60
MOST_OF_TWO = 24


@dataclass(frozen=True, slots=True)
class Lag:
    """How much later than it was stated something was read; `after`, for what was stated `since` then."""

    late: timedelta = timedelta()
    since: datetime | None = None
    after: timedelta = timedelta()

    def of(self, at: datetime) -> timedelta:
        return self.after if self.since is not None and at >= self.since else self.late


ON_TIME = Lag()


class InForceThen:
    """The versions of some kinds, within one snapshot. Each is read once."""

    def __init__(self, kinds: Sequence[Kind[Any]]) -> None:
        self._kinds = kinds
        self._since: dict[str, list[datetime]] = {}
        self._values: dict[tuple[str, int], Any] = {}

    async def open(self, connection: Any) -> None:
        for kind in self._kinds:
            rows = await connection.fetch(_VERSIONS, kind.name)
            self._since[kind.name] = [imported_at for _, imported_at in rows]
            for place, (number, _) in enumerate(rows):
                self._values[kind.name, place] = kind.read(await connection.fetchval(_CONTENT, kind.name, number))

    def lags(self, stated: Sequence[datetime], own: Sequence[datetime]) -> Iterator[Lag]:
        """How late what was stated then may have been read, as far as it matters: later than another version came
        into force, or than the service said something itself. One lag for all, then one before and one since a
        version."""
        imported = sorted({moment for since in self._since.values() for moment in since[1:]})
        moments = {*own, *imported}
        yield ON_TIME
        yield from (Lag(late) for late in _late(stated, moments)[:MOST_LAGS])
        for since in imported:
            earlier = _late([at for at in stated if at < since], moments)[:MOST_OF_TWO]
            later = _late([at for at in stated if at >= since], moments)[:MOST_OF_TWO]
            yield from (Lag(one, since, other) for one in earlier for other in [timedelta(), *later])

    def around(self, at: datetime) -> Iterator[tuple[Any, ...]]:
        """A value of each kind: as in force then, and as shortly before and after where that is another."""
        seen = []
        for moment in (at, at - ABOUT, at + ABOUT):
            places = [max(0, bisect_right(self._since[kind.name], moment) - 1) for kind in self._kinds]
            if places not in seen:
                seen.append(places)
                yield tuple(
                    self._values.get((kind.name, place)) for kind, place in zip(self._kinds, places, strict=True)
                )


def _late(stated: Iterable[datetime], moments: Iterable[datetime]) -> list[timedelta]:
    known = {*stated}
    found = {moment - at + timedelta.resolution for moment in moments for at in known if at < moment <= at + LATEST}
    return sorted(found)
