"""The whistle's life at intake: received, and for a resident's order verified or declined by its community.

received ── needs verification? ─ no ──> verified
                                └ yes ─> verifying ──> verified | declined
"""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.intake.domain.particulars import Particulars
from shared.contracts.facts import Actor, Matter, Value, WhistleDeclined, WhistleReceived, WhistleVerified
from shared.contracts.vocabulary import DeclineReason, Source, Urgency
from shared.runtime.decision import Decision, Refusal

AHEAD_AT_MOST = timedelta(days=1)
"""A source's clock may be wrong by so much; a matter that occurs later than that has not occurred."""


class WhistleStage(StrEnum):
    VERIFYING = "verifying"  # 待核实
    VERIFIED = "verified"  # 已核实
    DECLINED = "declined"  # 不予受理


STAGE_ZH = {
    WhistleStage.VERIFYING: "待核实",
    WhistleStage.VERIFIED: "已核实",
    WhistleStage.DECLINED: "不予受理",
}


class SealedReporter(BaseModel):
    """A reporter's name and phone, enciphered; `id` is all that anybody else learns of them.

    `key` names the key it was sealed with; `phone_hash` is a keyed hash by which the phone can be searched.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    key: str
    sealed: bytes = Field(repr=False)
    phone_hash: bytes | None = Field(default=None, repr=False)


class Whistle(BaseModel):
    """A whistle as intake knows it.

    `sealed` is there only in the decision that receives the whistle: the store takes it to the reporters'
    table, and it is never part of the state as kept.
    """

    model_config = ConfigDict(frozen=True)

    case_id: UUID
    matter: Matter
    stage: WhistleStage
    needs_verification: bool
    self_handled: bool
    reporter: str | None = None
    received_from: Actor
    sealed: SealedReporter | None = Field(default=None, exclude=True, repr=False)
    decided_by: Actor | None = None
    decided_at: datetime | None = None
    note: str = ""
    declined_for: DeclineReason | None = None


class ReceiveWhistle(Value):
    """Take in a whistle, or a resident's order where `needs_verification`."""

    number: str
    source: Source
    source_ref: str | None = None
    particulars: Particulars
    category: tuple[str, ...] = ()
    region: str
    whistle_blower: str
    needs_verification: bool
    self_handled: bool = False
    reporter: SealedReporter | None = None
    resident_to_ask: bool = False
    actor: Actor


class VerifyOrder(Value):
    """核实: the order is true and ours; it becomes a whistle. `in_stead`: the hub acts for the community."""

    actor: Actor
    in_stead: bool = False
    note: str = ""
    urgency: Urgency | None = None
    category: tuple[str, ...] | None = None
    self_handled: bool = False


class DeclineOrder(Value):
    """不予受理, with the reason that goes back to the resident."""

    actor: Actor
    in_stead: bool = False
    reason: DeclineReason
    explanation: str


def receive(state: Whistle | None, case_id: UUID, command: ReceiveWhistle, now: datetime) -> Decision[Whistle]:
    if state is not None:
        return Decision(refusal=_CASE_EXISTS)
    occurred_at = command.particulars.occurred_at
    if occurred_at is not None and occurred_at > now + AHEAD_AT_MOST:
        return Decision(refusal=_in_the_future(occurred_at))
    matter = _matter(command, now)
    whistle = Whistle(
        case_id=case_id,
        matter=matter,
        stage=WhistleStage.VERIFYING if command.needs_verification else WhistleStage.VERIFIED,
        needs_verification=command.needs_verification,
        self_handled=command.self_handled,
        reporter=str(command.reporter.id) if command.reporter else None,
        received_from=command.actor,
        sealed=command.reporter,
    )
    fact = WhistleReceived(
        matter=matter,
        needs_verification=command.needs_verification,
        self_handled=command.self_handled,
        reporter=whistle.reporter,
        actor=command.actor,
    )
    return Decision(whistle, (fact,), answer_of(whistle))


def _matter(command: ReceiveWhistle, now: datetime) -> Matter:
    told = command.particulars
    return Matter(
        number=command.number,
        source=command.source,
        source_ref=command.source_ref,
        appeal_type=told.appeal_type,
        urgency=told.urgency,
        category=command.category,
        title=told.title,
        content=told.content,
        address=told.address,
        longitude=told.longitude,
        latitude=told.latitude,
        region=command.region,
        whistle_blower=command.whistle_blower,
        occurred_at=told.occurred_at,
        received_at=now,
        respondent=told.respondent,
        confidential=told.confidential,
        resident_to_ask=command.resident_to_ask,
        attachments=tuple(attachment.evidence for attachment in told.attachments),
    )


def verify(state: Whistle | None, command: VerifyOrder, now: datetime) -> Decision[Whistle]:
    refusal = _not_theirs_to_decide(state, command.actor, command.in_stead)
    if refusal is not None or state is None:
        return Decision(refusal=refusal or _UNKNOWN)
    changes = {
        "urgency": command.urgency or state.matter.urgency,
        "category": command.category if command.category is not None else state.matter.category,
    }
    whistle = state.model_copy(
        update={
            "matter": state.matter.model_copy(update=changes),
            "stage": WhistleStage.VERIFIED,
            "self_handled": command.self_handled,
            "decided_by": command.actor,
            "decided_at": now,
            "note": command.note,
            "sealed": None,
        }
    )
    fact = WhistleVerified(
        actor=command.actor,
        note=command.note,
        urgency=command.urgency,
        category=command.category,
        self_handled=command.self_handled,
    )
    return Decision(whistle, (fact,), answer_of(whistle))


def decline(state: Whistle | None, command: DeclineOrder, now: datetime) -> Decision[Whistle]:
    refusal = _not_theirs_to_decide(state, command.actor, command.in_stead)
    if refusal is not None or state is None:
        return Decision(refusal=refusal or _UNKNOWN)
    whistle = state.model_copy(
        update={
            "stage": WhistleStage.DECLINED,
            "decided_by": command.actor,
            "decided_at": now,
            "note": command.explanation,
            "declined_for": command.reason,
            "sealed": None,
        }
    )
    fact = WhistleDeclined(actor=command.actor, reason=command.reason, explanation=command.explanation)
    return Decision(whistle, (fact,), answer_of(whistle))


def answer_of(whistle: Whistle) -> dict[str, str]:
    """What the asker is told, now and whenever the same request comes again."""
    return {
        "case_id": str(whistle.case_id),
        "number": whistle.matter.number,
        "stage": whistle.stage.value,
        "region": whistle.matter.region,
    }


def _not_theirs_to_decide(state: Whistle | None, actor: Actor, in_stead: bool) -> Refusal | None:
    """Why this actor cannot verify or decline this whistle now, if so. Whose it is comes first: a unit that
    has no say in an order learns nothing of where it stands."""
    if state is None:
        return _UNKNOWN
    if not in_stead and actor.unit != state.matter.region:
        return Refusal(
            "not_your_order",
            zh=f"该点单属于 {state.matter.region}，由该社区核实，区级治理中心可代为核实；{actor.unit} 无权处理。",
            en=f"The order belongs to {state.matter.region}: that community decides about it, or the hub in its "
            f"stead, but not {actor.unit}.",
            status=403,
        )
    if not state.needs_verification:
        return Refusal(
            "nothing_to_verify",
            zh=f"{state.matter.number} 来源为 {state.matter.source.value}，由来源单位核实，无需再核实。",
            en=f"{state.matter.number} came from {state.matter.source.value} and is verified by its source; "
            "there is nothing to verify.",
        )
    if state.stage is not WhistleStage.VERIFYING:
        by = state.decided_by.unit if state.decided_by else None
        at = state.decided_at.isoformat(timespec="seconds") if state.decided_at else ""
        return Refusal(
            "already_decided",
            zh=f"{state.matter.number} 已于 {at} 由 {by} 处理（{STAGE_ZH[state.stage]}），不能重复处理。",
            en=f"{state.matter.number} was {state.stage.value} by {by} at {at}; it is decided once.",
        )
    return None


def _in_the_future(occurred_at: datetime) -> Refusal:
    return Refusal(
        "occurred_in_the_future",
        zh=f"occurred_at {occurred_at.isoformat()} 晚于当前时间一天以上；请更正发生时间（注意时区）。",
        en=f"occurred_at {occurred_at.isoformat()} is more than a day ahead; correct it (mind the offset).",
        field="occurred_at",
        status=422,
    )


_UNKNOWN = Refusal(
    "order_unknown",
    zh="没有该点单；请核对 case_id。",
    en="There is no such order; check the case_id.",
    field="case_id",
    status=404,
)
_CASE_EXISTS = Refusal(
    "case_exists",
    zh="该 case_id 已存在；请重新提交。",
    en="A case with this id exists; send the request again.",
    field="case_id",
)
