"""Takes mapped orders of 12345 down the road, and counts what became of them."""

from collections.abc import Sequence
from typing import Literal

from services.intake.domain.catalogue import foreign_category
from services.intake.domain.mapping import Mapped, shortened
from services.intake.domain.whistle import ReceiveWhistle
from services.intake.domain.wording import Fault
from services.intake.doors import Doors, by_reference
from services.intake.ids import new_id
from services.intake.metrics import REJECTED_ORDERS, WHISTLES
from shared.contracts.vocabulary import Source
from shared.runtime.decision import Fate, FromDoor, Input, Outcome
from shared.runtime.identity import Identity

AT_ONCE = 200
"""Orders in one batch of the road."""

FROM_HOTLINE = Source.HOTLINE_12345


async def take(
    doors: Doors, identity: Identity, orders: Sequence[Mapped], traceparent: str | None = None
) -> list[Outcome]:
    """Each order's outcome, in order; at most `AT_ONCE`. Each is known by its own number, so a repeat is harmless."""
    if not orders:
        return []
    numbers = await doors.records.numbers(len(orders))
    outcomes = await doors.door.submit_all(
        [_input(doors, identity, mapped, number, traceparent) for mapped, number in zip(orders, numbers, strict=True)]
    )
    for outcome in outcomes:
        WHISTLES.labels(FROM_HOTLINE, _FATES.get(outcome.fate, "refused")).inc()
    return outcomes


_FATES: dict[Fate, Literal["accepted", "repeat"]] = {Fate.DONE: "accepted", Fate.REPEAT: "repeat"}


def _input(
    doors: Doors, identity: Identity, mapped: Mapped, number: str, traceparent: str | None
) -> Input[ReceiveWhistle]:
    order = mapped.order
    command = ReceiveWhistle(
        number=number,
        source=FROM_HOTLINE,
        source_ref=order.source_ref,
        particulars=order,
        category=foreign_category(doors.catalogue, order.category),
        region=mapped.region.code,
        whistle_blower=doors.units.hub.code,
        needs_verification=False,
        reporter=doors.vault.seal(order.reporter_name, order.reporter_phone),
        resident_to_ask=bool(order.reporter_phone),
        actor=identity.actor,
    )
    keys = by_reference(FROM_HOTLINE, order.source_ref)
    return Input(new_id(), command, str(new_id()), FromDoor(keys), identity.unit, traceparent=traceparent)


def fault_of(outcome: Outcome, field: str, value: str) -> Fault | None:
    """Why an order was not taken after all, if so; `field` and `value` are the sender's for a refused time."""
    if outcome.refusal is not None:
        return Fault(field, outcome.refusal.zh, outcome.refusal.en, outcome.refusal.field or "row", shortened(value))
    if outcome.fate not in _FATES:
        return Fault(
            "row",
            "系统内部错误，该工单未受理；已记录，请联系管理员",
            "an internal error; the order was not taken. It has been logged, tell the operator",
            "row",
        )
    return None


def count_rejected(format_name: str, fault: Fault) -> None:
    REJECTED_ORDERS.labels(format_name, fault.target or "row").inc()
