"""限时规则: how long each obligation may take, when to warn, what follows when it is late. Data, with a version.

A limit is that of the general table, by obligation and urgency, or of the most specific exception: one whose
category lies further down goes before one further up, whatever else either names; then one that names a level
before one that does not; then one that names an urgency before one that does not. Two that stand equal are a
fault of the file (`policy_file.py` finds those).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Annotated, NamedTuple, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, field_validator
from pydantic_core import PydanticCustomError

from services.sla.domain.limit import Limit, TimeUnit
from services.sla.domain.notice_rules import NoticeRules
from shared.contracts.faults import Fault, SetupInvalid
from shared.contracts.vocabulary import Level, Obligation, Post, RungChange, Urgency

SET_BY_DATE = frozenset({Obligation.MILESTONE, Obligation.REVIEW})
"""Owed by a date that the case's facts name: they have no limit."""
BEFORE_THE_LEVEL = frozenset({Obligation.ACCEPT, Obligation.DISPATCH})
"""Owed before anybody has decided on which level a case is handled."""
TAKEN_OVER = frozenset({Obligation.SIGN_IN, Obligation.FIRST_CONTACT, Obligation.HANDLE})
"""Owed by a unit for its part of a case, which the unit above it can take over (提级办理)."""

MOST_KEPT = 100
"""How many earlier versions are kept: a deadline by one before those goes by the policy in force."""

BELOW = "->"
"""Parts the names of a category that is written as a path: `公用设施->上水井盖`."""


T = TypeVar("T")


class Concern(NamedTuple):
    """What a limit depends on besides the obligation. `category` from the top; `level` None = not decided yet."""

    urgency: Urgency
    category: tuple[str, ...] = ()
    level: Level | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """A limit, and the one row of the set-up it is read from."""

    limit: Limit
    basis: str


class Told(StrEnum):
    """Whom a rung of the ladder tells."""

    UNIT = "unit"  # 责任单位的负责人
    SUPERVISOR = "supervisor"  # 上级单位的负责人
    HUB = "hub"  # 区级治理中心值班人员
    DISTRICT_LEADER = "district_leader"  # 区领导，由区级治理中心转报

    @property
    def post(self) -> Post:
        """Which of the people there is told."""
        return _POSTS[self]


_POSTS = {
    Told.UNIT: Post.LEADER,
    Told.SUPERVISOR: Post.LEADER,
    Told.HUB: Post.DUTY,
    Told.DISTRICT_LEADER: Post.DISTRICT_LEADER,
}


# --- how it is written ------------------------------------------------------------------------------------------


def _limit(written: object) -> object:
    if not isinstance(written, str):
        return written
    try:
        return Limit.parse(written)
    except ValueError as error:
        zh = f"{written!r} 不是限时；应写数量和单位（{'、'.join(TimeUnit)}），如 `4 working_hour`；按日计的须为整日"
        raise PydanticCustomError("limit", "{en}", {"zh": zh, "en": str(error)}) from None


def _offset(written: object) -> object:
    """A part of the limit granted, or a length of time."""
    if isinstance(written, Limit):
        return written
    try:
        part = float(str(written))
    except ValueError:
        return _limit(written)
    if not 0 < part <= 100:
        raise PydanticCustomError(
            "part",
            "a part of the limit is more than 0 and at most 100; a length of time has a unit, as `2 clock_hour`",
            {"zh": "限时的比例应大于 0、不超过 100；时长须带单位，如 `2 clock_hour`"},
        )
    return part


def _for_all(written: object) -> object:
    """What is the same for all urgencies may be written once."""
    return written if isinstance(written, Mapping) else {urgency.value: written for urgency in Urgency}


def _one_or_more(written: object) -> object:
    return written if isinstance(written, list | tuple) else () if written is None else (written,)


def _path(written: object) -> object:
    """`甲->乙`, or [甲, 乙]."""
    return written.split(BELOW) if isinstance(written, str) else _one_or_more(written)


def _stripped(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "it is empty; write it or remove it", {"zh": "不能为空；请填写或删除"})
    return text.strip()


def _some(written: tuple[T, ...]) -> tuple[T, ...]:
    if not written:
        raise PydanticCustomError("none", "it is empty; name at least one", {"zh": "不能为空；请至少写一个"})
    return written


Words = Annotated[str, Field(max_length=300), AfterValidator(_stripped)]
WrittenLimit = Annotated[Limit, BeforeValidator(_limit), PlainSerializer(str, return_type=str)]
Part = Annotated[float, Field(gt=0, lt=1)]
Offset = Annotated[
    float | Limit,
    BeforeValidator(_offset),
    PlainSerializer(lambda offset: str(offset) if isinstance(offset, Limit) else offset),
]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Rung(_Strict):
    """One rung of the escalation ladder: `after` the deadline, as a part of the limit granted or a length."""

    after: Offset
    tell: Annotated[tuple[Told, ...], BeforeValidator(_one_or_more), AfterValidator(_some)]
    then: Annotated[tuple[RungChange, ...], BeforeValidator(_one_or_more)] = ()


LimitsByUrgency = Annotated[dict[Urgency, WrittenLimit], BeforeValidator(_for_all)]
PartsByUrgency = Annotated[dict[Urgency, Part | None], BeforeValidator(_for_all)]
RungsByUrgency = Annotated[dict[Urgency, tuple[Rung, ...]], BeforeValidator(_for_all)]


class Warnings(_Strict):
    """黄灯: at which part of the limit to warn; null = never. What is left out has the default."""

    default: Part | None = 0.8
    obligations: dict[Obligation, PartsByUrgency] = {}


class Ladder(_Strict):
    """督办阶梯: what follows when an obligation stays unmet; an empty list = nothing more."""

    default: tuple[Rung, ...] = ()
    obligations: dict[Obligation, RungsByUrgency] = {}


class Because(_Strict):
    zh: Words
    en: Words


class Excepted(_Strict):
    """例外: a limit of its own for some cases. What is left out holds for every case; several values mean any."""

    obligation: Annotated[tuple[Obligation, ...], BeforeValidator(_one_or_more), AfterValidator(_some)]
    urgency: Annotated[tuple[Urgency, ...], BeforeValidator(_one_or_more)] = ()
    category: Annotated[tuple[Words, ...], BeforeValidator(_path)] = ()
    level: Annotated[tuple[Level, ...], BeforeValidator(_one_or_more)] = ()
    limit: WrittenLimit
    because: Because
    basis: Words | None = None

    @property
    def name(self) -> str:
        """What it is for, as `handle 燃气->燃气泄漏 department`."""
        sorts = (self.obligation, (BELOW.join(self.category),), self.level, self.urgency)
        return " ".join("+".join(sort) for sort in sorts if any(sort))

    @property
    def granted(self) -> Granted:
        return Granted(self.limit, f"exceptions: {self.name}" + (f" ({self.basis})" if self.basis else ""))

    @property
    def specificity(self) -> tuple[int, bool, bool]:
        """Of those that apply, the one with the greatest decides."""
        return len(self.category), bool(self.level), bool(self.urgency)

    def applies_to(self, obligation: Obligation, concern: Concern) -> bool:
        return (
            obligation in self.obligation
            and self.category == concern.category[: len(self.category)]
            and (not self.level or concern.level in self.level)
            and (not self.urgency or concern.urgency in self.urgency)
        )

    def scopes(self) -> Iterator[tuple[Obligation, Urgency, Level | None]]:
        """Every combination it has a limit for; level None = any."""
        for obligation in self.obligation:
            for urgency in self.urgency or Urgency:
                for level in self.level or (None,):
                    yield obligation, urgency, level


# --- what it says ---------------------------------------------------------------------------------------------


class Rows(NamedTuple):
    """What may apply to one obligation and urgency. `deepest` = the names in the longest category of an exception."""

    general: Granted
    deepest: int
    exceptions: dict[tuple[str, ...], dict[Level | None, Granted]]


class Policy(_Strict):
    """All of it, as `policy.yaml` says it."""

    version: Annotated[str, Field(min_length=1, max_length=64)]
    rehearsal: bool = False
    limits: dict[Obligation, LimitsByUrgency]
    exceptions: tuple[Excepted, ...] = ()
    warn: Warnings = Warnings()
    ladder: Ladder = Ladder()
    rework_factor: Annotated[float, Field(gt=0, le=1)] = 0.5
    notices: NoticeRules = NoticeRules()

    @field_validator("limits")
    @classmethod
    def _as_for_refusals(cls, limits: dict[Obligation, LimitsByUrgency]) -> dict[Obligation, LimitsByUrgency]:
        """A policy from before there were requests rules on them in the time it has for refusals."""
        refusals = limits.get(Obligation.RULE_ON_REFUSAL)
        return limits if refusals is None else {Obligation.RULE_ON_REQUEST: refusals, **limits}

    def grants(self, obligation: Obligation, concern: Concern) -> Granted:
        """The one row that applies."""
        rows = self.lookup[obligation, concern.urgency]
        category, level = concern.category, concern.level
        for depth in range(min(len(category), rows.deepest), -1, -1):
            found = rows.exceptions.get(category[:depth])
            if found is not None:
                granted = found.get(level) or found.get(None)
                if granted is not None:
                    return granted
        return rows.general

    def general(self, obligation: Obligation, urgency: Urgency) -> Granted:
        """What the general table grants, exceptions aside."""
        return self.lookup[obligation, urgency].general

    def warns_at(self, obligation: Obligation, urgency: Urgency) -> float | None:
        """The part of the limit after which to warn; None = never."""
        own = self.warn.obligations.get(obligation)
        return self.warn.default if own is None else own.get(urgency, self.warn.default)

    def rungs(self, obligation: Obligation, urgency: Urgency) -> tuple[Rung, ...]:
        """The ladder's rungs, first one first."""
        own = self.ladder.obligations.get(obligation)
        return self.ladder.default if own is None else own.get(urgency, self.ladder.default)

    @cached_property
    def lookup(self) -> dict[tuple[Obligation, Urgency], Rows]:
        """The limits as `grants` finds them."""
        found = {
            (obligation, urgency): Rows(Granted(limit, f"limits.{obligation}.{urgency}"), -1, {})
            for obligation, by_urgency in self.limits.items()
            for urgency, limit in by_urgency.items()
        }
        # What names an urgency comes later and takes the place of what does not.
        for row in sorted(self.exceptions, key=lambda row: bool(row.urgency)):
            granted = row.granted
            for obligation, urgency, level in row.scopes():
                rows = found[obligation, urgency]
                rows.exceptions.setdefault(row.category, {})[level] = granted
                if len(row.category) > rows.deepest:
                    found[obligation, urgency] = rows._replace(deepest=len(row.category))
        return found

    def model_copy(self, *, update: Mapping[str, object] | None = None, deep: bool = False) -> "Policy":
        """A copy is looked up by its own rows, not by those of what it was copied from."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("lookup", None)
        return copied


def said(policy: Policy) -> dict[str, str]:
    """Everything it says, each by its name, as `limits.handle.normal`: to tell what differs between two."""
    document = policy.model_dump(mode="json", exclude={"version", "exceptions"})
    found = dict(_leaves(document, ""))
    for row in policy.exceptions:
        about = [str(row.limit), row.because.zh, row.because.en, row.basis or ""]
        found[f"exceptions {row.name}"] = " · ".join(filter(None, about))
    return found


def _leaves(value: object, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value if isinstance(value, str) else orjson.dumps(value).decode()


# --- its versions ---------------------------------------------------------------------------------------------


class Earlier(Mapping[str, Policy]):
    """Policies by their versions, each read when it is first asked for."""

    def __init__(self, stored: Mapping[str, object]) -> None:
        self.stored = stored
        self._read: dict[str, Policy] = {}

    def __getitem__(self, version: str) -> Policy:
        if version not in self._read:
            self._read[version] = Policy.model_validate(self.stored[version])
        return self._read[version]

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)


@dataclass(frozen=True, slots=True)
class Policies:
    """The policy in force, and those before it by which something may still be running, by their versions."""

    current: Policy
    earlier: Mapping[str, Policy] = field(default_factory=dict)

    def of(self, version: str) -> Policy:
        """The policy of that version; the one in force where it is not known any more."""
        return self.current if version == self.current.version else self.earlier.get(version, self.current)

    def knows(self, version: str) -> bool:
        return version == self.current.version or version in self.earlier

    def after(self, new: Policy) -> "Policies":
        """With a new policy in force. Raises `SetupInvalid` where its version stands for something else already."""
        if not self.knows(new.version):
            return Policies(new, self._with_the_current())
        if self.of(new.version) != new:
            raise SetupInvalid([_used_before(new.version)])
        if new.version == self.current.version:
            return self
        kept = self._with_the_current().stored
        return Policies(new, Earlier({version: policy for version, policy in kept.items() if version != new.version}))

    def _with_the_current(self) -> "Earlier":
        every = {**_stored(self.earlier), self.current.version: _dumped(self.current)}
        return Earlier(dict(list(every.items())[-MOST_KEPT:]))


def _used_before(version: str) -> Fault:
    return Fault(
        f"版本号 {version} 已用于另一内容；限时规则每次修改都须改用新的版本号",
        f"version {version} stands for other limits already; give every change of the policy a new version",
        field="version",
    )


def to_json(policies: Policies) -> bytes:
    """The policies as they are stored."""
    return orjson.dumps({"current": _dumped(policies.current), "earlier": _stored(policies.earlier)})


def _stored(earlier: Mapping[str, Policy]) -> Mapping[str, object]:
    if isinstance(earlier, Earlier):
        return earlier.stored
    return {version: _dumped(policy) for version, policy in earlier.items()}


def _dumped(policy: Policy) -> object:
    return policy.model_dump(mode="json", exclude_defaults=True)


def from_json(stored: bytes | str) -> Policies:
    """Policies that were checked when they were stored."""
    document = orjson.loads(stored)
    return Policies(Policy.model_validate(document["current"]), Earlier(document["earlier"]))
