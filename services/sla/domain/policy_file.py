"""Reads `policy.yaml`: every fault with its line, and what is worth a second look."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from services.sla.domain.limit import CLOCK, Limit
from services.sla.domain.policy import (
    BEFORE_THE_LEVEL,
    BELOW,
    SET_BY_DATE,
    TAKEN_OVER,
    Concern,
    Excepted,
    Policy,
    Rung,
)
from shared.contracts.faults import Fault, SetupInvalid, in_words
from shared.contracts.vocabulary import Level, Obligation, RungChange, Urgency
from shared.contracts.yaml_lines import Placed, read_yaml

Where = tuple[str | int, ...]
"""Where something stands in the document, as ("limits", "accept", "critical")."""


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy without faults, and the file it stands in."""

    policy: Policy
    document: Placed
    name: str

    def placed(self, fault: Fault) -> Fault:
        """A fault of the whole, with the place of its field."""
        return replace(fault, line=self.document.line_at(fault.field.split(".")), file=self.name)


def read_policy(text: str, file: str = "policy.yaml") -> Policy:
    """The policy of a file's text. Raises `SetupInvalid` with every fault."""
    return read_policy_file(text, file).policy


def read_policy_file(text: str, file: str = "policy.yaml") -> PolicyFile:
    """The policy of a file's text, and the lines it stands on. Raises `SetupInvalid` with every fault."""
    document = read_yaml(text, file)
    if not isinstance(document.value, dict):
        raise SetupInvalid(
            [
                Fault(
                    "应有 `version` 和 `limits`",
                    "expected a mapping with `version` and `limits`",
                    line=document.line,
                    file=file,
                )
            ]
        )
    try:
        policy = Policy.model_validate(document.plain)
    except ValidationError as error:
        found = [_in_words(one, document, file) for one in error.errors(include_url=False)]
        raise SetupInvalid(dict.fromkeys(found)) from None
    faults = list(_Faults(policy, document, file).all())
    if faults:
        raise SetupInvalid(faults)
    return PolicyFile(policy, document, file)


def _in_words(found: ErrorDetails, document: Placed, file: str) -> Fault:
    where = _as_written(found["loc"], document)
    if found["type"] == "value_error":
        found = ErrorDetails({**found, "msg": found["msg"].removeprefix("Value error, ")})
    return in_words(ErrorDetails({**found, "loc": where}), "", document.line_at(where), file)


def _as_written(loc: Where, document: Placed) -> Where:
    """A place as the file has it: what is written once for all urgencies is one place, not four."""
    place = document
    found: list[str | int] = []
    for step in loc:
        match place.value, step:
            case dict() as fields, str() if step in fields:
                place = fields[step]
            case list() as items, int() if step < len(items):
                place = items[step]
            case dict(), str() if step != "[key]":
                return (*found, step)
            case _:
                continue
        found.append(step)
    return tuple(found)


# --- faults -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Faults:
    policy: Policy
    document: Placed
    file: str

    def all(self) -> Iterator[Fault]:
        yield from self.limits()
        for number, row in enumerate(self.policy.exceptions):
            yield from self.exception(row, ("exceptions", number))
        yield from self.ties()
        yield from self.ladder()

    def at(self, path: Where, zh: str, en: str, entry: str = "") -> Fault:
        field = ".".join(map(str, path))
        return Fault(zh, en, field, entry, self.document.line_at(path), self.file)

    def limits(self) -> Iterator[Fault]:
        for obligation in Obligation:
            given = self.policy.limits.get(obligation, {})
            path = ("limits", obligation.value)
            if obligation in SET_BY_DATE:
                if given:
                    yield self.at(
                        path, "其日期由个案确定，没有限时；请删除", "its date is set case by case; leave it out"
                    )
                continue
            missing = [urgency.value for urgency in Urgency if urgency not in given]
            if missing:
                yield self.at(
                    path, f"缺少 {'、'.join(missing)} 的限时；请补上", f"no limit for {', '.join(missing)}; add it"
                )

    def exception(self, row: Excepted, path: Where) -> Iterator[Fault]:
        dated = [one.value for one in row.obligation if one in SET_BY_DATE]
        if dated:
            yield self.at(
                (*path, "obligation"),
                f"{'、'.join(dated)} 的日期由个案确定，没有限时；请删除",
                f"the date of {', '.join(dated)} is set case by case, there is no limit; leave it out",
                row.name,
            )
        early = [one.value for one in row.obligation if one in BEFORE_THE_LEVEL]
        if early and row.level:
            yield self.at(
                (*path, "level"),
                f"{'、'.join(early)} 在派单之前，尚无级别；请删除 level，或删除 {'、'.join(early)}",
                f"{', '.join(early)} comes before a level is decided; remove `level`, or {', '.join(early)}",
                row.name,
            )
        if not (row.category or row.level or row.urgency):
            yield self.at(
                path,
                "没有写明适用于哪些哨单；一般限时请写在 `limits`",
                "it says no case it is for; what holds for all belongs to `limits`",
                row.name,
            )

    def ties(self) -> Iterator[Fault]:
        """Two rows of which neither is more specific, and a case to which both apply."""
        first: dict[object, int] = {}
        told: set[tuple[int, int]] = set()
        for number, row in enumerate(self.policy.exceptions):
            for scope in row.scopes():
                other = first.setdefault((*scope, row.category, bool(row.urgency)), number)
                if other != number and (other, number) not in told:
                    told.add((other, number))
                    line = self.document.line_at(("exceptions", other))
                    obligation, urgency, level = scope
                    example = " ".join(filter(None, (obligation, urgency, BELOW.join(row.category), level)))
                    yield self.at(
                        ("exceptions", number),
                        f"与第 {line} 行同样具体，{example} 两行都适用；请删去一行，或使其中一行更具体",
                        f"it is as specific as line {line}, and both apply to {example}; remove one, or make it "
                        "more specific",
                        row.name,
                    )

    def ladder(self) -> Iterator[Fault]:
        ladder = self.policy.ladder
        by_default = [
            obligation
            for obligation in Obligation
            if any(urgency not in ladder.obligations.get(obligation, {}) for urgency in Urgency)
        ]
        yield from self.rungs(ladder.default, ("ladder", "default"), by_default)
        told: set[Where] = set()
        for obligation, by_urgency in ladder.obligations.items():
            for urgency, rungs in by_urgency.items():
                path = _as_written(("ladder", "obligations", obligation.value, urgency.value), self.document)
                if path not in told:
                    told.add(path)
                    yield from self.rungs(rungs, path, [obligation])

    def rungs(self, rungs: Sequence[Rung], path: Where, of: Sequence[Obligation]) -> Iterator[Fault]:
        for number, rung in enumerate(rungs):
            earlier = next((before for before in rungs[:number] if _not_later(rung, before)), None)
            if earlier is not None:
                yield self.at(
                    (*path, number, "after"),
                    f"第 {number + 1} 级（{rung.after}）不晚于前面的 {earlier.after}；各级须依次推后",
                    f"rung {number + 1} ({rung.after}) comes no later than {earlier.after} before it; each comes later",
                )
            others = [obligation.value for obligation in of if obligation not in TAKEN_OVER]
            if RungChange.TAKE_OVER in rung.then and others:
                yield self.at(
                    (*path, number, "then"),
                    f"{'、'.join(others)} 不能提级办理；take_over 只写在 {'、'.join(sorted(TAKEN_OVER))} 的阶梯里",
                    f"nobody takes {', '.join(others)} over; write take_over in the ladders of "
                    f"{', '.join(sorted(TAKEN_OVER))}",
                )


def _not_later(rung: Rung, before: Rung) -> bool:
    """Only what can be compared without a start: parts, and lengths of one unit or of the clock's."""
    match rung.after, before.after:
        case float() as part, float() as earlier:
            return part <= earlier
        case Limit() as length, Limit() as earlier:
            alike = length.unit is earlier.unit or (length.unit in CLOCK and earlier.unit in CLOCK)
            return alike and length.usual <= earlier.usual
    return False


# --- worth a second look ------------------------------------------------------------------------------------------


def doubts(file: PolicyFile) -> Iterator[Fault]:
    """Exceptions that change nothing: others apply wherever they would, or without them the limit is the same."""
    policy = file.policy
    by_category: dict[tuple[str, ...], list[Excepted]] = {}
    for row in policy.exceptions:
        by_category.setdefault(row.category, []).append(row)
    for number, row in enumerate(policy.exceptions):
        path = ("exceptions", number)
        above = [one for depth in range(len(row.category) + 1) for one in by_category.get(row.category[:depth], ())]
        decides = [
            (obligation, concern)
            for obligation, urgency, level in row.scopes()
            for concern in _concerns(urgency, row.category, level)
            if _decides(above, obligation, concern) is row
        ]
        if not decides:
            zh = "这一行从不适用：凡是它适用的，都有更具体的一行；请删除或核对"
            en = "this row never applies: wherever it could, a more specific one does; remove it or check it"
        elif all(_without(row, above, policy, *owed) == row.limit for owed in decides):
            zh = "没有这一行，限时也相同；请删除或核对"
            en = "without this row the limit is the same; remove it or check it"
        else:
            continue
        yield Fault(zh, en, "exceptions", row.name, file.document.line_at(path), file.name)


def _concerns(urgency: Urgency, category: tuple[str, ...], level: Level | None) -> Iterator[Concern]:
    for one in (level,) if level is not None else (None, *Level):
        yield Concern(urgency, category, one)


def _decides(rows: Sequence[Excepted], obligation: Obligation, concern: Concern) -> Excepted | None:
    applying = [row for row in rows if row.applies_to(obligation, concern)]
    return max(applying, key=lambda row: row.specificity, default=None)


def _without(
    row: Excepted, rows: Sequence[Excepted], policy: Policy, obligation: Obligation, concern: Concern
) -> Limit:
    """The limit if that row were not there."""
    found = _decides([one for one in rows if one is not row], obligation, concern)
    return policy.limits[obligation][concern.urgency] if found is None else found.limit
