"""One function per command: the command out of its input, into the decision."""

from datetime import datetime

from services.intake.domain import whistle
from services.intake.domain.whistle import DeclineOrder, ReceiveWhistle, VerifyOrder, Whistle
from shared.runtime.decision import Decision, Input


def receive_whistle(state: Whistle | None, item: Input[ReceiveWhistle], now: datetime) -> Decision[Whistle]:
    return whistle.receive(state, item.case_id, item.message, now)


def verify_order(state: Whistle | None, item: Input[VerifyOrder], now: datetime) -> Decision[Whistle]:
    return whistle.verify(state, item.message, now)


def decline_order(state: Whistle | None, item: Input[DeclineOrder], now: datetime) -> Decision[Whistle]:
    return whistle.decline(state, item.message, now)
