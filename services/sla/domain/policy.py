"""限时规则: how long each obligation may take, when to warn, whom to tell when it is late. Data, with a version."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from services.sla.domain.limit import Limit
from shared.contracts.vocabulary import Obligation, Urgency


class Told(StrEnum):
    """Whom a rung of the ladder tells."""

    UNIT = "unit"  # 责任单位（负责人）
    SUPERVISOR = "supervisor"  # 上级单位
    HUB = "hub"  # 区级治理中心


def _limit(written: object) -> object:
    return Limit.parse(written) if isinstance(written, str) else written


def _offset(written: object) -> object:
    if isinstance(written, str):
        return Limit.parse(written)
    if isinstance(written, int | float) and not isinstance(written, bool):
        return float(written)
    raise ValueError("write a part of the limit (0.5) or a length of time (`2 clock_hour`)")


def _for_all(written: object) -> object:
    """One limit for all urgencies may be written once."""
    return {urgency.value: written for urgency in Urgency} if isinstance(written, str) else written


SET_BY_DATE = frozenset({Obligation.MILESTONE, Obligation.REVIEW})
"""Owed by a date that the case's facts name: they have no limit."""

WrittenLimit = Annotated[Limit, BeforeValidator(_limit)]
Part = Annotated[float, Field(gt=0, lt=1)]
ByUrgency = Annotated[dict[Urgency, WrittenLimit], BeforeValidator(_for_all)]
Offset = Annotated[Annotated[float, Field(gt=0, le=100)] | Limit, BeforeValidator(_offset)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Rung(_Strict):
    """One rung of the escalation ladder: `after` the deadline, as a part of the limit granted or a length."""

    after: Offset
    tell: Annotated[tuple[Told, ...], Field(min_length=1)]


class Warnings(_Strict):
    """黄灯: at which part of the limit to warn; null = never."""

    default: Part | None = 0.8
    obligations: dict[Obligation, Part | None] = {}


class Ladder(_Strict):
    """督办阶梯: what follows when an obligation stays unmet; an empty list = nothing more."""

    default: tuple[Rung, ...] = ()
    obligations: dict[Obligation, tuple[Rung, ...]] = {}


class Policy(_Strict):
    """All of it, as `policy.yaml` says it. A change applies to obligations that start after it."""

    version: Annotated[str, Field(min_length=1, max_length=64)]
    rehearsal: bool = False
    limits: dict[Obligation, ByUrgency]
    warn: Warnings = Warnings()
    ladder: Ladder = Ladder()
    rework_factor: Annotated[float, Field(gt=0, le=1)] = 0.5

    @field_validator("limits")
    @classmethod
    def _as_for_refusals(cls, limits: dict[Obligation, ByUrgency]) -> dict[Obligation, ByUrgency]:
        """A policy from before there were requests rules on them in the time it has for refusals."""
        refusals = limits.get(Obligation.RULE_ON_REFUSAL)
        return limits if refusals is None else {Obligation.RULE_ON_REQUEST: refusals, **limits}

    @model_validator(mode="after")
    def _complete(self) -> "Policy":
        for obligation in Obligation:
            given: Mapping[Urgency, Limit] = self.limits.get(obligation, {})
            if obligation in SET_BY_DATE:
                if given:
                    raise ValueError(f"limits.{obligation}: its date is set case by case; leave it out")
                continue
            missing = [urgency.value for urgency in Urgency if urgency not in given]
            if missing:
                raise ValueError(f"limits.{obligation}: no limit for {', '.join(missing)}; add it")
        return self

    def limit(self, obligation: Obligation, urgency: Urgency) -> Limit:
        return self.limits[obligation][urgency]

    def warns_at(self, obligation: Obligation) -> float | None:
        return self.warn.obligations.get(obligation, self.warn.default)

    def rungs(self, obligation: Obligation) -> tuple[Rung, ...]:
        """The ladder's rungs, first one first."""
        return self.ladder.obligations.get(obligation, self.ladder.default)


@dataclass(frozen=True, slots=True)
class Policies:
    """The policy in force, and those before it by which something may still be running, by their versions."""

    current: Policy
    earlier: Mapping[str, Policy] = field(default_factory=dict)

    def of(self, version: str) -> Policy:
        """The policy of that version; the one in force where it is not known any more."""
        return self.current if version == self.current.version else self.earlier.get(version, self.current)


class PolicyInvalid(ValueError):
    """The policy cannot be used; every problem is listed with its file and field."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_policy(text: str, file: str = "policy.yaml") -> Policy:
    """Read a policy from its YAML. `file` is what errors name. Raises `PolicyInvalid`."""
    try:
        raw: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PolicyInvalid([f"{file}: not YAML: {error}"]) from error
    if not isinstance(raw, dict):
        raise PolicyInvalid([f"{file}: expected a mapping with `version` and `limits`"])
    try:
        return Policy.model_validate(raw)
    except ValidationError as error:
        raise PolicyInvalid([_explained(file, found["loc"], found["msg"]) for found in error.errors()]) from error


def _explained(file: str, where: tuple[int | str, ...], what: str) -> str:
    field = ".".join(str(part) for part in where)
    return f"{file}: {field}: {what}" if field else f"{file}: {what}"
