"""What whistles may have in common that makes many of them a surge: where it is, who it is about, what it is about."""

import re
from typing import NamedTuple
from unicodedata import normalize

from shared.contracts.facts import Matter
from shared.contracts.vocabulary import SurgeKind

STREET_DIGITS = 9
"""A street's code: the district's six digits and three of its own. A community's begins with its street's."""

_NUMBER = r"[甲乙丙丁]?[0-9一二三四五六七八九十百]+"
_DOOR = re.compile(
    rf"{_NUMBER}\s*(?:号楼|栋|幢|座|单元|室|层|楼|户|号(?![院线路街门桥])|\#).*$"
    r"|[A-Za-z]\s*(?:栋|幢|座).*$"
    r"|[0-9]+(?:\s*[-—–－]\s*[0-9]+)+.*$"
)
"""From the first number of a house on. 十号院, 五号线 are names of a place."""
_NOISE = re.compile(r"[\s,，。.、;；:：()（）\-—]+")


class Trait(NamedTuple):
    """`key` is the same for whistles that have it in common; `shown` is how people read it."""

    kind: SurgeKind
    key: str
    shown: str
    region: str


def traits(matter: Matter) -> tuple[Trait, ...]:
    """What this matter may have in common with others. A place ends before the house: a compound is one place.

    Of a confidential matter only its category: where it is and who it is about is told nobody.
    """
    found = []
    place = _plain(_DOOR.sub("", normalize("NFKC", matter.address)))
    if place and not matter.confidential:
        found.append(Trait(SurgeKind.PLACE, f"{matter.region} {place}", place, matter.region))
    respondent = _plain(normalize("NFKC", matter.respondent or ""))
    if respondent and not matter.confidential:
        found.append(Trait(SurgeKind.RESPONDENT, respondent, respondent, ""))
    if matter.category:
        street = matter.region[:STREET_DIGITS]
        named = " / ".join(matter.category[:2])
        found.append(Trait(SurgeKind.CATEGORY, f"{street} {named}", named, street))
    return tuple(found)


def _plain(text: str) -> str:
    return _NOISE.sub("", text)
