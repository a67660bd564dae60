"""What decisions about cases are made with: who there is, the rules, and what people may do."""

from dataclasses import dataclass

from services.router.domain.procedures import Procedures
from services.router.domain.routing.rules import Rules
from shared.contracts import facts as f
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import ActorKind

RULE = f.Actor(kind=ActorKind.RULE)
CLOCK = f.Actor(kind=ActorKind.CLOCK)


@dataclass(frozen=True, slots=True)
class District:
    """One version of everything; what is decided in one transaction is decided under one."""

    tree: UnitTree
    rules: Rules
    procedures: Procedures
