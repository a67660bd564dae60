"""What the fault suite must catch: one broken part each, put into the real services. None of it is in the product."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from deploy.local.processes import SERVICES, Service
from shared.runtime import service as machinery
from tests.unit.runtime.mutations import ForgetsTheDoor

VARIABLE = "CHUISHAO_MUTATION"
MUTATED = ("intake", "router", "sla", "feedback")


@dataclass(frozen=True, slots=True)
class Mutation:
    """`en` says what is wrong, `put_in` breaks the machinery of this process, which is to be that service."""

    en: str
    put_in: Callable[[str], None]


def part(name: str, broken: Any) -> Callable[[str], None]:
    """Every service is put together with `broken` in place of what `shared.runtime.service` calls by this name."""

    def put_in(_service: str) -> None:
        setattr(machinery, name, broken)

    return put_in


MUTATIONS: Mapping[str, Mutation] = {
    "forgets_the_door": Mutation("the doors' deduplication is forgotten", part("Road", ForgetsTheDoor)),
}


class Told(TypedDict):
    services: tuple[Service, ...]
    environment: dict[str, str]


def mutated(name: str) -> Told:
    """What a `Ground` is given so that its services run with this mutation."""
    services = tuple(
        replace(one, module=f"tests.faults.mutated.{one.name}") if one.name in MUTATED else one for one in SERVICES
    )
    assert name in MUTATIONS, name
    return Told(services=services, environment={VARIABLE: name})
