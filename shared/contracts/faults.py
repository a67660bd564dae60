"""What is wrong in a file of the district's set-up: where, why, and what to do, in both languages."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic_core import ErrorDetails


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong. `zh` and `en` say why and what to do; the rest says where.

    `line` counts from 1 as an editor does; 0 = the whole file. `entry` is the unit's code, the rule's id.
    """

    zh: str
    en: str
    field: str = ""
    entry: str = ""
    line: int = 0
    file: str = ""

    def __str__(self) -> str:
        return self._placed(f", line {self.line}", ": ", self.en)

    @property
    def in_zh(self) -> str:
        return self._placed(f" 第 {self.line} 行", "：", self.zh)

    def _placed(self, line: str, colon: str, why: str) -> str:
        where = (self.file + (line if self.line else "")).strip(", ")
        what = " ".join(filter(None, (self.entry, self.field)))
        return colon.join([*filter(None, (where, what)), why])


class SetupInvalid(ValueError):
    """A file of the set-up cannot be used as a whole; every fault is listed."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))

    @property
    def problems(self) -> list[str]:
        """The faults as lines of text."""
        return [str(fault) for fault in self.faults]


_WORDS = {
    # the validator's word → zh, en; {…} are what it says about the limit
    "missing": ("缺少该字段；请填写", "it is missing; fill it in"),
    "string_too_short": ("不能为空；请填写", "it is empty; fill it in"),
    "string_too_long": ("超过 {max_length} 个字符；请缩短", "it has more than {max_length} characters; shorten it"),
    "string_pattern_mismatch": ("写法不对；应符合 {pattern}", "it has the wrong form; it must match {pattern}"),
    "string_type": ("应为文本；请更正", "it must be a text; correct it"),
    "tuple_type": ("应为列表；请写作 [甲, 乙]", "it must be a list; write [one, another]"),
    "dict_type": ("应写作 {{字段: 值}}；请更正", "it must be written as {{field: value}}; correct it"),
    "model_type": ("应写作 {{字段: 值}}；请更正", "it must be written as {{field: value}}; correct it"),
    "bool_parsing": ("应为 true 或 false；请更正", "it must be true or false; correct it"),
    "float_parsing": ("应为数字；请更正", "it must be a number; correct it"),
    "int_parsing": ("应为整数；请更正", "it must be a whole number; correct it"),
    "greater_than": ("应大于 {gt}；请更正", "it must be more than {gt}; correct it"),
    "greater_than_equal": ("不应小于 {ge}；请更正", "it must be at least {ge}; correct it"),
    "less_than": ("应小于 {lt}；请更正", "it must be less than {lt}; correct it"),
    "less_than_equal": ("不应大于 {le}；请更正", "it must be at most {le}; correct it"),
    "enum": ("没有这个取值；应为 {expected} 之一", "there is no such value; it must be {expected}"),
    "extra_forbidden": ("没有这个字段；请删除或核对拼写", "there is no such field; remove it or check its spelling"),
}


def in_words(found: ErrorDetails, entry: str, line: int, file: str) -> Fault:
    """What a validator found, as a fault. A check of our own brings its Chinese along as `zh` in its context."""
    context = {name: str(value) for name, value in (found.get("ctx") or {}).items()}
    field = ".".join(map(str, found["loc"]))
    if found["type"] not in _WORDS:
        return Fault(context.get("zh") or f"写法不对：{found['msg']}", found["msg"], field, entry, line, file)
    zh, en = _WORDS[found["type"]]
    return Fault(zh.format(**context), en.format(**context), field, entry, line, file)
