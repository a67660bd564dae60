"""The mapping of a foreign order to ours. No national format exists: the field names are data.

A format lists, for each of our words, the foreign names that may hold it; the first that is not empty counts.
What is foreign and not listed is read past.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import cached_property
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.intake.domain.particulars import (
    Name,
    Particulars,
    PersonName,
    PhoneAsWritten,
    Reference,
)
from services.intake.domain.rights import region_of
from services.intake.domain.wording import Fault, faults_of
from shared.contracts.units import Unit, UnitTree

Target: TypeAlias = Literal[
    "source_ref",
    "title",
    "content",
    "appeal_type",
    "urgency",
    "category",
    "region",
    "address",
    "longitude",
    "latitude",
    "occurred_at",
    "respondent",
    "confidential",
    "reporter_name",
    "reporter_phone",
]
Foreign: TypeAlias = Mapping[str, object]

PERSONAL: frozenset[str] = frozenset({"reporter_name", "reporter_phone"})
"""Values of these are repeated to nobody."""

EPOCH_MILLISECONDS = "epoch_ms"
LONGEST_SHOWN = 40
TITLE_FROM_CONTENT = 30


class Format(BaseModel):
    """One foreign format. `recognised_by`: the fields that tell it from the others.

    `values` translates what is written there; a value not listed becomes `otherwise`, or is refused where
    there is none. `missing` is what a field left empty means. `time_formats` are strptime's, `iso` or `epoch_ms`;
    times without an offset are the district's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recognised_by: tuple[str, ...] = Field(min_length=1)
    fields: dict[Target, tuple[str, ...]]
    values: dict[Target, dict[str, str]] = {}
    otherwise: dict[Target, str] = {}
    missing: dict[Target, str] = {}
    category_separators: tuple[str, ...] = ("->",)
    time_formats: tuple[str, ...] = ("iso",)

    @cached_property
    def category_split(self) -> re.Pattern[str]:
        """What stands between two levels: the longest separator that fits, with the space around it."""
        longest_first = sorted(self.category_separators, key=len, reverse=True)
        return re.compile(rf"\s*(?:{'|'.join(map(re.escape, longest_first))})\s*")

    def name_of(self, target: str) -> str:
        """What the sender calls one of our fields."""
        return next((names[0] for own, names in self.fields.items() if own == target and names), target)


class HotlineMapping(BaseModel):
    """All formats by name; the first that recognises an order is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    formats: dict[str, Format]

    def recognise(self, names: frozenset[str]) -> str | None:
        """The format whose telling fields are all among these names."""
        return next((name for name, form in self.formats.items() if names.issuperset(form.recognised_by)), None)


class HotlineOrder(Particulars):
    """A foreign order in our words, checked; `region` still as its sender wrote it."""

    source_ref: Reference
    region: Name
    reporter_name: PersonName = ""
    reporter_phone: PhoneAsWritten = ""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A foreign order that can be taken in; `region` is the unit it happened in."""

    order: HotlineOrder
    region: Unit


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """The district's regions, found by code or by name."""

    tree: UnitTree
    names: Mapping[str, tuple[Unit, ...]]

    def find(self, text: str) -> tuple[Unit, ...]:
        by_code = region_of(self.tree, text)
        return (by_code,) if by_code is not None else self.names.get(text, ())


def gazetteer(tree: UnitTree) -> Gazetteer:
    names: dict[str, tuple[Unit, ...]] = {}
    for unit in tree:
        if region_of(tree, unit.code) is unit:
            for name in dict.fromkeys((unit.name, *unit.aliases)):
                names[name] = (*names.get(name, ()), unit)
    return Gazetteer(tree, names)


def map_order(foreign: Foreign, form: Format, places: Gazetteer, zone: ZoneInfo) -> Mapped | list[Fault]:
    """One foreign order in our words, or everything that is wrong with it, in the sender's words."""
    used, texts, faults = _texts(foreign, form)
    given: dict[str, object] = dict(texts)
    for target, text in texts.items():
        converted = _converted(target, text, form, zone)
        if isinstance(converted, Fault):
            faults.append(_at(converted, used[target], target, text))
        else:
            given[target] = converted
    _title_or_content(given)
    region = _region(texts.get("region"), foreign, form, places)
    if isinstance(region, Fault):
        faults.append(_at(region, used.get("region", form.name_of("region")), "region", texts.get("region", "")))
    at_fault = {fault.target for fault in faults}
    try:
        order = HotlineOrder.model_validate({"region": "", **given} if "region" not in given else given)
    except ValidationError as error:
        found = faults_of(error, lambda target: used.get(target, form.name_of(target)))
        faults += [_with_value(fault, given) for fault in found if fault.target not in at_fault]
        return _in_order(faults, form)
    if faults or isinstance(region, Fault):
        return _in_order(faults, form)
    return Mapped(order, region)


def _in_order(faults: list[Fault], form: Format) -> list[Fault]:
    """As the format lists its fields, which is about how a form shows them."""
    places: dict[str, int] = {target: place for place, target in enumerate(form.fields)}
    return sorted(faults, key=lambda fault: places.get(fault.target, len(places)))


def _texts(foreign: Foreign, form: Format) -> tuple[dict[str, str], dict[str, str], list[Fault]]:
    """By our words: the foreign name used, the text found there; and values that are no texts or numbers."""
    used: dict[str, str] = {}
    texts: dict[str, str] = {}
    faults: list[Fault] = []
    for target, names in form.fields.items():
        for name in names:
            value = foreign.get(name)
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
            used[target] = name
            if isinstance(value, str | int | float):
                texts[target] = str(value).lower() if isinstance(value, bool) else str(value).strip()
            else:
                faults.append(Fault(name, "应为文本或数字", "it must be a text or a number", target=target))
            break
        else:
            if target in form.missing:
                texts[target] = form.missing[target]
                used[target] = names[0] if names else target
    return used, texts, faults


def _converted(target: str, text: str, form: Format, zone: ZoneInfo) -> object:
    match target:
        case "appeal_type" | "urgency":
            return _translated(target, text, form)
        case "confidential":
            translated = _translated(target, text, form)
            return translated == "true" if isinstance(translated, str) else translated
        case "category":
            return tuple(part for part in form.category_split.split(text) if part)
        case "occurred_at":
            return _moment(text, form.time_formats, zone)
        case "longitude" | "latitude":
            return _number(text)
        case _:
            return text


def _translated(target: str, text: str, form: Format) -> str | Fault:
    known = next((values for own, values in form.values.items() if own == target), {})
    if text in known:
        return known[text]
    if text in known.values():
        return text
    for own, otherwise in form.otherwise.items():
        if own == target:
            return otherwise
    listed = "、".join(known)
    return Fault(
        target,
        f"不认识的取值；可填写：{listed}，或在映射文件 hotline_mapping.yaml 中补充",
        f"an unknown value; known are: {', '.join(known)}; or add it to hotline_mapping.yaml",
    )


def _moment(text: str, formats: tuple[str, ...], zone: ZoneInfo) -> datetime | Fault:
    for written in formats:
        try:
            if written == "iso":
                moment = datetime.fromisoformat(text)
            elif written == EPOCH_MILLISECONDS:
                moment = datetime.fromtimestamp(int(text) / 1000, zone)
            else:
                moment = datetime.strptime(text, written)  # noqa: DTZ007 - given the district's zone below
        except (ValueError, OverflowError, OSError):
            continue
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    return Fault(
        "occurred_at",
        f"不是可识别的时间；可用格式：{'、'.join(formats)}",
        f"no time that can be read; the formats are: {', '.join(formats)}",
    )


def _number(text: str) -> float | Fault:
    try:
        return float(text)
    except ValueError:
        return Fault("", "应为数字", "it must be a number")


def _title_or_content(given: dict[str, object]) -> None:
    """Some feeds have only one of the two: a title is made from the content's beginning, a content of the title."""
    title, content = given.get("title"), given.get("content")
    if isinstance(content, str) and title is None:
        given["title"] = " ".join(content.split())[:TITLE_FROM_CONTENT]
    if isinstance(title, str) and content is None:
        given["content"] = title


def _region(text: str | None, foreign: Foreign, form: Format, places: Gazetteer) -> Unit | Fault:
    """The unit that the most precise region field names; a name used twice is told apart by the others."""
    names = form.fields.get("region", ())
    if text is None:
        listed = "、".join(names)
        return Fault(
            "region",
            f"未填写所属社区或街道；请填写 {listed} 之一（代码或名称）",
            f"no community or street is given; fill in one of {', '.join(names)} with a code or a name",
        )
    found = places.find(text)
    if len(found) > 1:
        others = {str(foreign[name]).strip() for name in names if foreign.get(name)} - {text}
        found = tuple(unit for unit in found if _lies_in(unit, others, places.tree))
        if len(found) != 1:
            return Fault(
                "region",
                "有多个同名社区；请同时填写所属街道，或改填 12 位社区代码",
                "several communities have this name; give the street, too, or the 12-digit code",
            )
    if not found:
        alike = get_close_matches(text, places.names, n=3, cutoff=0.3)
        hint_zh = f"；相近的有：{'、'.join(alike)}" if alike else ""
        hint_en = f"; the nearest are: {', '.join(alike)}" if alike else ""
        return Fault(
            "region",
            f"本区没有该社区或街道{hint_zh}。请核对代码或名称，新设单位请先由管理员导入",
            f"this district has no such community or street{hint_en}. Check the code or the name, or have the "
            "administrator import the new unit first",
        )
    return found[0]


def _lies_in(unit: Unit, names: set[str], tree: UnitTree) -> bool:
    return any(above.code in names or above.name in names for above in tree.ancestors(unit.code))


def _at(fault: Fault, name: str, target: str, text: str) -> Fault:
    return Fault(name, fault.zh, fault.en, target, "" if target in PERSONAL else shortened(text))


def _with_value(fault: Fault, given: Mapping[str, object]) -> Fault:
    return _at(fault, fault.field, fault.target, str(given.get(fault.target, "")))


def shortened(text: str) -> str:
    """A value as an answer shows it."""
    readable = "".join(char if char.isprintable() else " " for char in text[: LONGEST_SHOWN + 1])
    return readable if len(readable) <= LONGEST_SHOWN else readable[:LONGEST_SHOWN] + "…"
