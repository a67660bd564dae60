"""The catalogue of categories: three levels of names, some with a code."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from shared.runtime.decision import Refusal

MOST_LEVELS = 3
MOST_SUGGESTIONS = 5


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The district's categories. `paths` holds every entry's names from the top, `codes` those with a code."""

    paths: frozenset[tuple[str, ...]]
    codes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def tops(self) -> list[str]:
        return sorted({path[0] for path in self.paths})

    def nearest(self, name: str) -> list[str]:
        """Categories whose names are like this one, written `a->b->c`, the likest first."""
        places: dict[str, list[str]] = {}
        for path in sorted(self.paths):
            for depth, part in enumerate(path, start=1):
                places.setdefault(part, []).append("->".join(path[:depth]))
        alike = get_close_matches(name, places, n=MOST_SUGGESTIONS, cutoff=0.3)
        alike += [part for part in places if (name in part or part in name) and part not in alike]
        suggestions = dict.fromkeys(places[part][0] for part in alike)
        return list(suggestions)[:MOST_SUGGESTIONS] or self.tops[:MOST_SUGGESTIONS]


def build_catalogue(rows: Iterable[tuple[tuple[str, ...], str]]) -> Catalogue:
    """The catalogue from (names from the top, code or "")."""
    paths: set[tuple[str, ...]] = set()
    codes: dict[str, tuple[str, ...]] = {}
    for path, code in rows:
        paths.add(path)
        if code:
            codes[code] = path
    return Catalogue(frozenset(paths), codes)


def category_of(catalogue: Catalogue, given: tuple[str, ...]) -> tuple[str, ...] | Refusal:
    """A category as our own doors take it: a code, or names whose first the catalogue knows. () is none given."""
    if not given:
        return ()
    if len(given) == 1 and given[0] in catalogue.codes:
        return catalogue.codes[given[0]]
    if len(given) > MOST_LEVELS:
        return Refusal(
            "category_too_deep",
            zh=f"category 最多 {MOST_LEVELS} 级，收到 {len(given)} 级。",
            en=f"category has at most {MOST_LEVELS} levels, found {len(given)}.",
            field="category",
            status=422,
        )
    if any(path[0] == given[0] for path in catalogue.paths):
        return given
    nearest = catalogue.nearest(given[0])
    return Refusal(
        "category_unknown",
        zh=f"category {given[0][:40]!r} 不在分类目录的一级分类中；相近的有：{'、'.join(nearest)}。",
        en=f"category {given[0][:40]!r} is no level-1 category of the catalogue; the nearest are: "
        f"{', '.join(nearest)}.",
        field="category",
        status=422,
    )


def foreign_category(catalogue: Catalogue, given: tuple[str, ...]) -> tuple[str, ...]:
    """12345's category: cities differ, so it is kept as it came; only a code we know becomes its names."""
    return catalogue.codes.get(given[0], given) if len(given) == 1 else given
