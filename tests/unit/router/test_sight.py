"""Who may see a case."""

import pytest

from services.router.domain.sight import may_see
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, Source
from tests.unit.router.stories import (
    CASE,
    COMMUNITY,
    GRID,
    HUB,
    MARKET,
    NUMBER,
    OTHER_COMMUNITY,
    OTHER_STREET,
    STREET,
    TREE,
    WATER,
    matter,
    refuses,
    residents_order,
    staff_of,
    story,
    upholds,
    whistle,
)


def resident(person: str) -> f.Actor:
    return f.Actor(kind=ActorKind.RESIDENT, person=person)


HOTLINE = f.Actor(kind=ActorKind.HOTLINE, person="12345")

SEEING = [
    (staff_of(HUB), True),
    (staff_of(COMMUNITY), True),  # blew the whistle
    (staff_of(STREET), True),  # is above it
    (staff_of(WATER), True),  # had it, and refused
    (staff_of(MARKET), True),  # has it
    (staff_of(GRID), False),
    (staff_of(OTHER_COMMUNITY), False),
    (staff_of(OTHER_STREET), False),
    (staff_of("nobody-at-all"), False),
    (f.Actor(kind=ActorKind.STAFF, person="p-1"), False),
    (resident(NUMBER), True),
    (resident(str(CASE)), True),
    (resident("HA20261123-0002"), False),
    (resident(""), False),
    (HOTLINE, False),
    (f.Actor(kind=ActorKind.RULE), False),
    (f.Actor(kind=ActorKind.CLOCK), False),
]


@pytest.mark.parametrize(("asker", "sees"), SEEING)
def test_who_sees_a_communitys_whistle(asker: f.Actor, sees: bool) -> None:
    case = story(whistle(), refuses(), upholds(MARKET)).now
    assert may_see(asker, case, TREE) == sees


def test_12345_sees_its_own_orders() -> None:
    assert may_see(HOTLINE, story(whistle(matter(source=Source.HOTLINE_12345))).now, TREE)
    assert not may_see(HOTLINE, story(residents_order()).now, TREE)
