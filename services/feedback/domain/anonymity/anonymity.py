"""Anonymisation: a text as it may be shown to everybody. What helps readers stays: road, compound, kind of shop.

It would rather take out too much than leave in too little, always gives the same for the same text, and leaves its
own output as it is. It works by rules alone: who reads the board, and the hub (which may take an entry off it), are
what stands behind it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.feedback.domain.anonymity.door_addresses import find_doors
from services.feedback.domain.anonymity.found import SHOWN, Found, Kind
from services.feedback.domain.anonymity.personal_names import find_names
from services.feedback.domain.anonymity.personal_numbers import find_numbers
from services.feedback.domain.anonymity.shadow import shadow_of

METHOD = "1"
"""The version of these rules; it changes with what they take out."""

MOST_PASSES = 6
"""What is left may stand closer together than before, so the rules are gone through until nothing is found."""


@dataclass(frozen=True, slots=True)
class Anonymised:
    """The text as it may be shown, and how many pieces of each kind were taken out."""

    text: str
    found: Mapping[Kind, int]


def anonymised(text: str) -> Anonymised:
    counts: Counter[Kind] = Counter()
    for _ in range(MOST_PASSES):
        shown, found = _once(text)
        if shown == text:
            break
        text = shown
        counts.update(one.kind for one in found)
    return Anonymised(text, dict(counts))


def _once(text: str) -> tuple[str, list[Found]]:
    shadow = shadow_of(text)
    numbers = list(find_numbers(shadow))
    found = _merged([*numbers, *find_names(shadow, numbers), *find_doors(shadow)])
    pieces: list[str] = []
    end = 0
    for one in found:
        pieces += [text[end : shadow.places[one.start]], SHOWN[one.kind] if one.shown is None else one.shown]
        end = max(end, shadow.places[one.end - 1] + 1)
    return "".join([*pieces, text[end:]]), found


def _merged(found: Iterable[Found]) -> list[Found]:
    """In order and apart: of two that overlap, one over both, shown as the longer of them."""
    merged: list[Found] = []
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if merged and one.start < merged[-1].end:
            last = merged[-1]
            longer = last if last.end - last.start >= one.end - one.start else one
            merged[-1] = Found(last.start, max(last.end, one.end), longer.kind, longer.shown)
        else:
            merged.append(one)
    return merged
