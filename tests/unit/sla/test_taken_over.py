"""提级办理: the unit above takes a case over. Who was late has no clock any more; who has it now has its own."""

from datetime import timedelta

from services.sla.domain.deadline import State
from shared.contracts.vocabulary import DispatchCause, Obligation
from tests.unit.sla import builders as b
from tests.unit.sla.builders import COMMUNITY, HUB, STREET, WATER, Story, wall

NINE, TEN, NOON = (b.local(f"2026-11-23 {at}") for at in ("09:00", "10:00", "12:00"))
OF_A_UNIT = {"sign_in", "first_contact", "handle"}


def with_unit(unit: str) -> Story:
    return Story().tell(NINE, b.opened(), b.accepted(), b.dispatched(unit))


def test_the_unit_above_has_a_clock_of_its_own() -> None:
    story = with_unit(COMMUNITY).tell(TEN, b.dispatched(STREET, cause=DispatchCause.ESCALATED))
    assert story.live() == {(STREET, each) for each in OF_A_UNIT}
    assert wall(story.last(Obligation.HANDLE, STREET).due_at) == "2026-11-30 10:00"
    assert story.last(Obligation.HANDLE, COMMUNITY).state is State.CANCELLED


def test_the_desk_owes_the_dispatch_once_it_took_the_case() -> None:
    taken = b.sent_to_desk(HUB).model_copy(update={"released": b.assigned(WATER)})
    story = with_unit(WATER).tell(TEN, taken)
    assert story.live() == {(HUB, "dispatch")}
    # four working hours from ten: two before lunch, two after
    assert wall(story.last(Obligation.DISPATCH, HUB).due_at) == "2026-11-23 16:00"
    assert story.last(Obligation.HANDLE, WATER).left == timedelta(days=6, hours=23)


def test_who_gets_it_back_from_the_desk_has_what_was_left() -> None:
    taken = b.sent_to_desk(HUB).model_copy(update={"released": b.assigned(WATER)})
    story = with_unit(WATER).tell(TEN, taken).tell(NOON, b.dispatched(WATER))
    assert story.live() == {(WATER, each) for each in OF_A_UNIT}
    assert wall(story.last(Obligation.HANDLE, WATER).due_at) == "2026-11-30 11:00"


def test_an_argued_refusal_is_settled_by_it() -> None:
    taken = b.sent_to_desk(HUB).model_copy(update={"released": b.assigned(WATER)})
    assert with_unit(WATER).tell(TEN, b.refused(WATER), taken).live() == {(HUB, "dispatch")}
