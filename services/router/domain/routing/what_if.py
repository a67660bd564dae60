"""What other rules would have changed: history sent through the same pure function under both."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.router.domain.routing.route import Route, route
from services.router.domain.routing.rules import Rules
from shared.contracts.facts import Matter
from shared.contracts.units import UnitTree

EXAMPLES = 5

Move: TypeAlias = "tuple[str, str]"


class Past(BaseModel):
    """A case as it stood when it was accepted: what the rules had to decide, and when."""

    model_config = ConfigDict(frozen=True)

    case_id: UUID
    matter: Matter
    self_handled: bool
    at: datetime
    units: tuple[str, ...] = ()
    """Who has it now, the lead first."""


@dataclass(slots=True)
class Tally:
    """How many cases, and the numbers of the first few."""

    cases: int = 0
    examples: list[str] = field(default_factory=list)

    def count(self, number: str) -> None:
        self.cases += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(number)


@dataclass(slots=True)
class Difference:
    """What changes between two versions of the rules over the same cases.

    `moved` counts by lead before → after (the hub's code for its desk), `by_rule` every changed case by the rule
    that decided before → after, `otherwise` what changes where the lead stays: other units, list, ledger, urgency.
    """

    cases: int = 0
    unchanged: int = 0
    moved: dict[Move, Tally] = field(default_factory=dict)
    by_rule: dict[Move, Tally] = field(default_factory=dict)
    otherwise: dict[str, Tally] = field(default_factory=dict)

    def add(self, number: str, before: Route, after: Route, desk: str) -> None:
        self.cases += 1
        leads = (before.units or (desk,))[0], (after.units or (desk,))[0]
        others = _other_changes(before, after)
        if leads[0] == leads[1] and not others:
            self.unchanged += 1
            return
        if leads[0] != leads[1]:
            self.moved.setdefault(leads, Tally()).count(number)
        else:
            for change in others:
                self.otherwise.setdefault(change, Tally()).count(number)
        rules = before.reason.rule or "", after.reason.rule or ""
        self.by_rule.setdefault(rules, Tally()).count(number)


def what_if(cases: Iterable[Past], old: Rules, new: Rules, tree: UnitTree) -> Difference:
    """What `new` would have decided otherwise than `old`, each case at its own time, with the units there are now.

    Takes the cases one at a time, so that whoever hands them in can show how far it is.
    """
    difference = Difference()
    for case in cases:
        before = route(case.matter, case.self_handled, old, tree, case.at)
        after = route(case.matter, case.self_handled, new, tree, case.at)
        difference.add(case.matter.number, before, after, tree.hub.code)
    return difference


def _other_changes(before: Route, after: Route) -> list[str]:
    changed = {
        "co_handlers": (before.units[1:], before.co_handlers) != (after.units[1:], after.co_handlers),
        "list": before.case_list is not after.case_list,
        "ledger": before.ledger is not after.ledger,
        "urgency": before.urgency is not after.urgency,
    }
    return [name for name, differs in changed.items() if differs]
