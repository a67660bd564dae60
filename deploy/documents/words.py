"""The Chinese beside each word of the vocabulary: the comments in `shared/contracts/vocabulary.py`."""

import inspect
import re
from enum import StrEnum

from shared.contracts import vocabulary

_MEMBER = re.compile(r"^    [A-Z0-9_]+ = \"(?P<value>\w+)\"(?:\s+# (?P<comment>.+))?$", re.MULTILINE)


def enumerations() -> list[type[StrEnum]]:
    """The closed sets, in the order in which they are declared."""
    found = [one for one in vars(vocabulary).values() if inspect.isclass(one) and issubclass(one, StrEnum)]
    return [one for one in found if one is not StrEnum]


def chinese(enumeration: type[StrEnum]) -> dict[str, str]:
    """For each value the field's own term; empty where the word is its own."""
    return {match["value"]: match["comment"] or "" for match in _MEMBER.finditer(inspect.getsource(enumeration))}
