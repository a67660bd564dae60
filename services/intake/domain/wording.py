"""What is wrong with a value, in both languages: the validator's findings in words a clerk can act on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pydantic_core import ErrorDetails, ValidationError

Context: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: the field as its sender calls it, why, and what to do.

    `target` is our own word for the field (a metric's label); `value` is shortened, and empty where it
    would show a person's name or phone.
    """

    field: str
    zh: str
    en: str
    target: str = ""
    value: str = ""


_WORDS: dict[str, tuple[str, str]] = {
    # the validator's word → zh, en; {…} are what it says about the limit
    "missing": ("缺少该字段，请填写", "it is missing; fill it in"),
    "string_type": ("应为文本", "it must be a text"),
    "string_unicode": (
        "含有无法保存的字符，请删除",
        "it holds characters that are no valid Unicode; remove them",
    ),
    "string_too_short": ("不能为空，至少 {min_length} 个字符", "it needs at least {min_length} character(s)"),
    "string_too_long": (
        "超过 {max_length} 个字符，请缩短",
        "it has more than {max_length} characters; shorten it",
    ),
    "string_pattern_mismatch": (
        "格式不正确，应符合 {pattern}",
        "it has the wrong form; it must match {pattern}",
    ),
    "too_long": ("最多 {max_length} 项", "it has more than {max_length} items"),
    "enum": ("取值应为 {expected} 之一", "it must be {expected}"),
    "bool_type": ("应为 true 或 false", "it must be true or false"),
    "float_type": ("应为数字", "it must be a number"),
    "finite_number": ("应为有限数字", "it must be a finite number"),
    "greater_than_equal": ("不能小于 {ge}", "it must not be less than {ge}"),
    "less_than_equal": ("不能大于 {le}", "it must not be greater than {le}"),
    "tuple_type": ("应为列表", "it must be a list"),
    "list_type": ("应为列表", "it must be a list"),
    "model_attributes_type": ("应为 JSON 对象", "it must be a JSON object"),
    "model_type": ("应为 JSON 对象", "it must be a JSON object"),
    "dict_type": ("应为 JSON 对象", "it must be a JSON object"),
    "extra_forbidden": (
        "没有这个字段，请删除或核对拼写",
        "there is no such field; remove it or check its spelling",
    ),
    "timezone_aware": (
        "缺少时区，例如 2026-03-02T09:30:00+08:00",
        "it lacks an offset; write for example 2026-03-02T09:30:00+08:00",
    ),
    "uuid_parsing": ("不是有效的 UUID", "it is no valid UUID"),
    "uuid_type": ("不是有效的 UUID", "it is no valid UUID"),
    "json_invalid": ("请求体不是有效的 JSON", "the body is no valid JSON"),
    "int_parsing": ("应为整数", "it must be a whole number"),
}
_TIME = (
    "不是有效的日期时间，例如 2026-03-02T09:30:00+08:00",
    "it is no valid date and time; write for example 2026-03-02T09:30:00+08:00",
)


def why(error: ErrorDetails) -> tuple[str, str]:
    """One finding in zh and en."""
    kind, context = error["type"], dict(error.get("ctx") or {})
    if "zh" in context:
        return str(context["zh"]), error["msg"]
    if kind.startswith("datetime"):
        return _TIME
    if kind not in _WORDS:
        return f"格式不正确（{error['msg']}）", error["msg"]
    zh, en = _WORDS[kind]
    return zh.format(**context), en.format(**context)


_PLACES = ("body", "path", "query", "header")
"""Where in a request a value stood, as the web framework says it; not a part of the field's name."""


def field_of(error: ErrorDetails) -> str:
    """The field a finding is about, `a.b.0`; a finding about the whole names the field in its context."""
    inside = error["loc"][1:] if error["loc"][:1] and error["loc"][0] in _PLACES else error["loc"]
    place = ".".join(str(part) for part in inside)
    return place or str((error.get("ctx") or {}).get("field", "body"))


def faults_of(error: ValidationError, named: Callable[[str], str] = str) -> list[Fault]:
    """Every finding; `named` gives the sender's word for one of our fields."""
    faults = []
    for found in error.errors(include_url=False):
        target = field_of(found)
        zh, en = why(found)
        faults.append(Fault(named(target.partition(".")[0]) or target, zh, en, target=target.partition(".")[0]))
    return faults
