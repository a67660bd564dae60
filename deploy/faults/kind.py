"""What a kind of fault is, and what an injection of it tells. Kinds are data: `deploy/faults/kinds` lists them."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from deploy.faults.ground import Ground


class NotInjected(Exception):
    """The fault did not come about, and the message says why. Nothing is broken, and nothing was tested."""


class NotHealed(Exception):
    """The fault came about, and what should have recovered from it did not in time."""


@dataclass(slots=True)
class Injection:
    """One injection as it goes. What it draws by `chance` is the same for the same seed and number."""

    number: int
    kind: str
    variant: str
    chance: random.Random
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    happened_at: datetime | None = None
    healed_at: datetime | None = None
    done: list[str] = field(default_factory=list)
    outcome: str = "running"
    """`injected`, `not injected`, `not healed` or `broken` once it is over."""
    broken: list[tuple[str, str]] = field(default_factory=list)

    def happened(self, what: str) -> None:
        """The fault is there now, which was seen; may be said again of what follows."""
        self.done.append(what)
        self.happened_at = self.happened_at or datetime.now(UTC)

    def breaks(self, invariant: str, why: str) -> None:
        """What should hold of this fault does not, as far as the injection itself can see."""
        self.broken.append((invariant, why))

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "kind": self.kind,
            "variant": self.variant,
            "began": _written(self.began),
            "happened": _written(self.happened_at),
            "healed": _written(self.healed_at),
            "done": self.done,
            "outcome": self.outcome,
        } | ({"broken": [{"invariant": name, "why": why} for name, why in self.broken]} if self.broken else {})


def _written(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at is not None else None


Inject: TypeAlias = "Callable[[Ground, Injection], Awaitable[None]]"
"""Do it, say `injection.happened` once it is seen to have happened, heal, and return when that is seen too.

It heals in a `finally`, so also where it is cancelled. Raises `NotInjected` or `NotHealed`.
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to do it. `claims` = parts of the ground that nobody else may touch meanwhile, `needs` = parts that must
    not be taken away meanwhile: names of services, `kafka`, `postgresql`."""

    name: str
    inject: Inject
    claims: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset({"kafka", "postgresql"})
    seconds: float = 60.0
    """After so long it is cancelled, and has not healed."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault. `weight` = how often it is drawn, beside the others; 0 = once a round. `impossible` says
    why it cannot be done on this ground (`zh · en`), empty where it can."""

    name: str
    zh: str
    en: str
    invariants: tuple[str, ...]
    variants: tuple[Variant, ...]
    weight: int = 1
    impossible: "Callable[[Ground], str]" = lambda _ground: ""
    ground: "type[Ground] | None" = None
    """The ground that it needs, in rounds of its own. None = the usual one."""

    def fits(self, ground: "Ground") -> bool:
        return (self.ground is None or isinstance(ground, self.ground)) and not self.impossible(ground)
