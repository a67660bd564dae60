"""The doors for people: a unit blows the whistle, a resident orders, the community verifies or declines."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from services.intake.bodies import (
    DeclineBody,
    OrderBody,
    Page,
    Receipt,
    ReporterBody,
    VerifyBody,
    WhistleBody,
    WhistleView,
    view_of,
)
from services.intake.domain.catalogue import category_of
from services.intake.domain.particulars import Reference
from services.intake.domain.rights import place_for, region_of, source_for, speaks_for, unknown_region
from services.intake.domain.whistle import DeclineOrder, ReceiveWhistle, SealedReporter, VerifyOrder, Whistle
from services.intake.doors import (
    BY_KEY,
    BY_TOKEN,
    IDEMPOTENT,
    Asker,
    Documented,
    Doors,
    Here,
    Resident,
    SpokenRoute,
    StaffMember,
    by_reference,
    problems,
    unless_refused,
)
from services.intake.ids import new_id
from services.intake.metrics import WHISTLES
from shared.contracts.vocabulary import ActorKind, Source, UnitKind
from shared.runtime.decision import DoorKey, Fate, Outcome, Refusal
from shared.runtime.door import command
from shared.runtime.identity import Identity, forbidden
from shared.runtime.problems import Refused

PAGE = 50
FIRST = UUID(int=0)

_KNOWN: Documented = {200: {"model": Receipt, "description": "it was known already: the original"}}
_A_PAGE: Documented = {
    200: {"headers": {"Link": {"description": 'the next page, `rel="next"`', "schema": {"type": "string"}}}}
}

router = APIRouter(route_class=SpokenRoute)


@router.post(
    "/whistles",
    status_code=201,
    tags=["whistles"],
    summary="吹哨 · blow the whistle",
    responses={**_KNOWN, **problems(400, 409, 413, 422)},
    dependencies=[*BY_TOKEN, *IDEMPOTENT],
)
async def blow_whistle(
    body: WhistleBody, request: Request, response: Response, doors: Here, who: StaffMember
) -> Receipt:
    """A community, compound, grid, building, street or the hub blows the whistle for a region of its own.

    Known once by `Idempotency-Key` (7 days) and by (`source`, `source_ref`) (for ever).
    """
    place = unless_refused(place_for(doors.units, who.unit, body.region))
    source: Source = unless_refused(source_for(who.unit, body.source))
    if body.self_handled and region_of(doors.units, place.region) != doors.units.nearest(
        place.region, UnitKind.COMMUNITY
    ):
        raise Refused(_STREETS_DO_NOT_SELF_HANDLE)
    received = ReceiveWhistle(
        number=(await doors.records.numbers(1))[0],
        source=source,
        source_ref=body.source_ref,
        particulars=body,
        category=unless_refused(category_of(doors.catalogue, body.category)),
        region=place.region,
        whistle_blower=place.whistle_blower,
        needs_verification=False,
        self_handled=body.self_handled,
        reporter=_sealed(doors, body.reporter),
        resident_to_ask=_can_be_asked(body.reporter),
        actor=who.identity.actor,
    )
    keys = by_reference(source, body.source_ref)
    receipt = await _receive(received, request, response, doors, who.identity, keys)
    original = await doors.records.find(receipt.case_id) if receipt.repeat else None
    if original is not None and not _may_see(who.identity, original, doors):
        raise Refused(_reference_taken(body.source_ref))
    return receipt


@router.post(
    "/orders",
    status_code=201,
    tags=["orders"],
    summary="居民点单 · a resident orders",
    responses={**_KNOWN, **problems(400, 413, 422)},
    dependencies=[*BY_TOKEN, *IDEMPOTENT],
)
async def order(body: OrderBody, request: Request, response: Response, doors: Here, who: Resident) -> Receipt:
    """A resident's order. Its community verifies it; until then it is no whistle."""
    community = doors.units.nearest(body.region, UnitKind.COMMUNITY)
    if community is None:
        raise Refused(unknown_region(body.region) if body.region not in doors.units else _NO_COMMUNITY)
    received = ReceiveWhistle(
        number=(await doors.records.numbers(1))[0],
        source=Source.RESIDENT,
        particulars=body,
        category=unless_refused(category_of(doors.catalogue, body.category)),
        region=community.code,
        whistle_blower=community.code,
        needs_verification=True,
        reporter=_sealed(doors, body.reporter),
        resident_to_ask=True,
        actor=who.actor,
    )
    return await _receive(received, request, response, doors, who, ())


@router.get(
    "/orders",
    tags=["orders"],
    summary="待核实点单 · orders that wait for verification",
    responses={**_A_PAGE, **problems(422)},
    dependencies=BY_TOKEN,
)
async def waiting_orders(
    response: Response,
    doors: Here,
    who: StaffMember,
    waiting: Annotated[Literal["verification"], Query(description="what they wait for")] = "verification",
    community: Annotated[
        str | None, Query(max_length=32, description="code of the community; the unit's own if left out")
    ] = None,
    after: Annotated[UUID, Query(description="the last case of the page before")] = FIRST,
    limit: Annotated[int, Query(ge=1, le=200)] = PAGE,
) -> Page:
    """A community's orders to verify, the oldest first, a page at a time. Its street and the hub may look, too."""
    region = doors.units.nearest(community if community is not None else who.unit.code, UnitKind.COMMUNITY)
    if region is None:
        raise Refused(_WHICH_COMMUNITY)
    if not speaks_for(doors.units, who.unit, region):
        raise forbidden(
            "not_your_region",
            f"{who.unit.name} 不能查看 {region.name} 的点单。",
            f"{who.unit.code} may not see the orders of {region.code}.",
        )
    found = await doors.records.verifying(region.code, after, limit)
    if len(found) == limit:
        following = f"/orders?waiting={waiting}&community={region.code}&after={found[-1].case_id}&limit={limit}"
        response.headers["Link"] = f'<{following}>; rel="next"'
    return Page(orders=[view_of(whistle) for whistle in found])


@router.post(
    "/orders/{case_id}/verify",
    tags=["orders"],
    summary="核实 · the community verifies an order",
    responses=problems(400, 404, 409, 422),
    dependencies=[*BY_TOKEN, *IDEMPOTENT],
)
async def verify(case_id: UUID, body: VerifyBody, request: Request, doors: Here, who: StaffMember) -> Receipt:
    """The order is true and becomes a whistle. By its community, or by the hub in its stead; once."""
    category = None if body.category is None else unless_refused(category_of(doors.catalogue, body.category))
    message = VerifyOrder(
        actor=who.identity.actor,
        in_stead=who.unit.kind is UnitKind.HUB,
        note=body.note,
        urgency=body.urgency,
        category=category,
        self_handled=body.self_handled,
    )
    return _receipt(await doors.door.submit(command(case_id, message, request, who.identity)))


@router.post(
    "/orders/{case_id}/decline",
    tags=["orders"],
    summary="不予受理 · the community declines an order",
    responses=problems(400, 404, 409, 422),
    dependencies=[*BY_TOKEN, *IDEMPOTENT],
)
async def decline(case_id: UUID, body: DeclineBody, request: Request, doors: Here, who: StaffMember) -> Receipt:
    """The order is not accepted; reason and explanation go back to the resident. Final."""
    message = DeclineOrder(
        actor=who.identity.actor,
        in_stead=who.unit.kind is UnitKind.HUB,
        reason=body.reason,
        explanation=body.explanation,
    )
    return _receipt(await doors.door.submit(command(case_id, message, request, who.identity)))


@router.get(
    "/whistles/{case_id}",
    tags=["whistles"],
    summary="查询 · what became of a whistle at intake",
    responses=problems(404, 422),
    dependencies=BY_TOKEN,
)
async def whistle(case_id: UUID, doors: Here, who: Asker) -> WhistleView:
    """For the units of its region, for the resident who ordered it, and for 12345 where it is its order."""
    return _shown(await doors.records.find(case_id), who, doors, "case_id")


@router.get(
    "/orders/by-ref/{source}/{source_ref:path}",
    tags=["whistles"],
    summary="按来源编号查询 · what became of a source's order",
    responses=problems(404, 422),
    dependencies=[*BY_TOKEN, *BY_KEY],
)
async def whistle_by_reference(
    source: Source,
    source_ref: Annotated[Reference, Path(description="the number as the source wrote it")],
    doors: Here,
    who: Asker,
) -> WhistleView:
    """By the source's own number (工单编号)."""
    return _shown(await doors.records.find_by_ref(source, source_ref), who, doors, "source_ref")


async def _receive(
    received: ReceiveWhistle,
    request: Request,
    response: Response,
    doors: Doors,
    identity: Identity,
    keys: tuple[DoorKey, ...],
) -> Receipt:
    """Down the road with it; 201 and its place for a new one, 200 and the original for one that is known."""
    outcome = await doors.door.submit(command(new_id(), received, request, identity, keys))
    receipt = _receipt(outcome)
    WHISTLES.labels(received.source, "repeat" if receipt.repeat else "accepted").inc()
    if receipt.repeat:
        response.status_code = 200
        known = await doors.records.find(receipt.case_id)
        receipt = receipt if known is None else receipt.model_copy(update={"stage": known.stage})
    response.headers["Location"] = f"/whistles/{receipt.case_id}"
    return receipt


def _receipt(outcome: Outcome) -> Receipt:
    return Receipt.model_validate({**(outcome.answer or {}), "repeat": outcome.fate is Fate.REPEAT})


def _sealed(doors: Doors, reporter: ReporterBody | None) -> SealedReporter | None:
    return None if reporter is None else doors.vault.seal(reporter.name, reporter.phone or "")


def _can_be_asked(reporter: ReporterBody | None) -> bool:
    """Whether there is a resident whom feedback can ask how it went."""
    return reporter is not None and reporter.phone is not None


def _shown(found: Whistle | None, who: Identity, doors: Doors, field: str) -> WhistleView:
    if found is None:
        raise Refused(
            Refusal(
                "whistle_unknown",
                zh="没有该哨单；请核对编号。",
                en="There is no such whistle; check its number.",
                field=field,
                status=404,
            )
        )
    if not _may_see(who, found, doors):
        raise forbidden(
            "not_your_whistle",
            "该哨单不属于您或您的单位，不能查看。",
            "This whistle is not yours or your unit's to see.",
        )
    return view_of(found)


def _may_see(who: Identity, found: Whistle, doors: Doors) -> bool:
    match who.kind:
        case ActorKind.RESIDENT:
            ordered_by = found.received_from
            return ordered_by.kind is ActorKind.RESIDENT and ordered_by.person == who.person
        case ActorKind.HOTLINE:
            return found.matter.source is Source.HOTLINE_12345
        case ActorKind.STAFF:
            unit, region = doors.units.get(who.unit or ""), doors.units.get(found.matter.region)
            return unit is not None and region is not None and speaks_for(doors.units, unit, region)
        case _:
            return False


def _reference_taken(source_ref: str | None) -> Refusal:
    return Refusal(
        "source_ref_taken",
        zh=f"来源编号 {source_ref} 已用于其他社区的哨单；请使用带本单位前缀的编号。",
        en=f"source_ref {source_ref} is the number of another region's whistle; use numbers that begin with your unit.",
        field="source_ref",
    )


_STREETS_DO_NOT_SELF_HANDLE = Refusal(
    "self_handled_by_a_street",
    zh="self_handled（社区自办）仅适用于社区；请填写社区代码，或不填 self_handled。",
    en="self_handled is for a community's own matters; name the community as region, or leave it out.",
    field="self_handled",
    status=422,
)
_NO_COMMUNITY = Refusal(
    "region_is_no_community",
    zh="region 应为社区（或其小区、网格）的代码：点单由社区核实。",
    en="region must be a community (or a compound or grid in one): the community verifies the order.",
    field="region",
    status=422,
)
_WHICH_COMMUNITY = Refusal(
    "community_unknown",
    zh="请用 community 填写本区一个社区的代码。",
    en="Give the code of a community of this district as `community`.",
    field="community",
    status=422,
)
