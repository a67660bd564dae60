"""Text as it is searched: one form for full and half width, no invisible characters, numerals as digits.

Every character of it knows the character of the text it stands for, so what is found here is cut out there.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

NUMERALS = dict(
    zip(
        "零〇○◯Ο一二三四五六七八九幺壹贰叁肆伍陆柒捌玖弌弍弎貳參陸亖兩两",
        "000001234567891123456789123236422",
        strict=True,
    )
)
_UNSEEN = ("Cf", "Mn", "Me", "Cc")
_FILLERS = "\u3164\u115f\u1160\uffa0\u2800"
"""Letters that show as nothing."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """`plain` and `figures` have one length; `figures` has numerals as digits and small letters.

    `places[i]` is where in the text the character `i` comes from; one place more says where the text ends.
    """

    plain: str
    figures: str
    places: list[int]


def shadow_of(text: str) -> Shadow:
    plain: list[str] = []
    figures: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for seen, figure in _seen(character):
            plain.append(seen)
            figures.append(figure)
            places.append(place)
    return Shadow("".join(plain), "".join(figures), [*places, len(text)])


@lru_cache(maxsize=20_000)
def _seen(character: str) -> tuple[tuple[str, str], ...]:
    """What a character is read as, each with its figure; nothing for one that cannot be seen."""
    if character in "\n\r\t\v\f\u2028\u2029\x1c\x1d\x1e\x1f\x85":
        return (("\n", "\n"),)
    if character in _FILLERS:
        return ()
    folded: Iterable[str] = unicodedata.normalize("NFKC", character)
    return tuple((one, _figure(one)) for one in folded if unicodedata.category(one) not in _UNSEEN)


def _figure(character: str) -> str:
    if character in NUMERALS:
        return NUMERALS[character]
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    small = character.lower()
    return small if len(small) == 1 else character
