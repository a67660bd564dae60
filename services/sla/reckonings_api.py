"""The door for 重算: what applying a version to what runs would change, asking for it, and how far it is."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from services.sla import reckonings
from services.sla.domain.clock_state import ClockState
from services.sla.domain.reckoning import Reckoning, version_in_force
from services.sla.domain.reckoning_tally import Example, Shift, Tally
from services.sla.domain.rules import Rules
from services.sla.reckonings import AlreadyRunning
from shared.contracts.vocabulary import LimitCause
from shared.runtime.decision import Refusal
from shared.runtime.district import Setup
from shared.runtime.identity import Identity
from shared.runtime.problems import Refused
from shared.runtime.running import Running

PAGE = 50

Number = Annotated[int, Path(ge=1, le=2**62)]


class Wanted(BaseModel):
    """What is asked for. `version` is the one that was previewed; a preview needs neither it nor a note."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    kind: Annotated[
        Literal[LimitCause.POLICY, LimitCause.CALENDAR],
        Field(description="by what: the limits, or the calendars in force"),
    ]
    version: Annotated[str, Field(max_length=64)] = ""
    lengthen: Annotated[bool, Field(description="also where that makes something due later")] = False
    note: Annotated[str, Field(max_length=500, description="why; it stands with every change in the log")] = ""


def reckoning_routes(app: FastAPI, running: Running[ClockState], setup: Setup, given: Callable[[], Rules]) -> None:
    """Add `/reckonings`: asking is for operators, looking for staff."""

    @app.post("/reckonings", tags=["reckonings"])
    async def ask(
        wanted: Wanted,
        request: Request,
        dry_run: Annotated[bool, Query(description="say what would change, and change nothing")] = False,
    ) -> dict[str, Any]:
        """Move running deadlines to the version in force. With `dry_run`, count what would change; else name the
        version that was counted by, and follow it at `/reckonings/{number}`: it goes on until nothing is left.
        """
        identity = _operator(running, request)
        async with running.pool.acquire(timeout=5) as connection:
            await setup.refresh(connection)
        rules = given()
        version = version_in_force(wanted.kind, rules)
        _check_version(wanted, version, dry_run)
        if dry_run:
            asked = Reckoning(0, wanted.kind, version, wanted.lengthen, identity.actor, wanted.note)
            tally = await reckonings.preview(running.pool, asked, rules)
            return {"kind": wanted.kind, "version": version, "lengthen": wanted.lengthen} | preview_document(tally)
        if not wanted.note:
            raise Refused(_NO_NOTE)
        async with running.pool.acquire(timeout=5) as connection:
            try:
                async with connection.transaction():
                    number = await reckonings.ask(
                        connection, wanted.kind, version, wanted.lengthen, identity.actor, wanted.note
                    )
            except AlreadyRunning:
                raise _already_running(wanted.kind) from None
            return _document((await reckonings.shown(connection, number))[0])

    @app.get("/reckonings", tags=["reckonings"])
    async def every(request: Request, before: Annotated[int, Query(ge=1, le=2**62)] = 2**62) -> dict[str, Any]:
        """What was asked for, newest first, a page of 50, each with how far it is."""
        _staff(running, request)
        async with running.pool.acquire(timeout=5) as connection:
            found = await reckonings.shown(connection, before=before, most=PAGE)
        return {"reckonings": [_document(one) for one in found]}

    @app.get("/reckonings/{number}", tags=["reckonings"])
    async def one(number: Number, request: Request) -> dict[str, Any]:
        """How far one is: `done` of `total` cases gone through, and how many deadlines moved or were kept."""
        _staff(running, request)
        async with running.pool.acquire(timeout=5) as connection:
            found = await reckonings.shown(connection, number)
        if not found:
            raise Refused(_unknown(number))
        return _document(found[0])


# --- what is told -------------------------------------------------------------------------------------------------


def preview_document(tally: Tally) -> dict[str, Any]:
    """Counts by obligation and unit, how far due times move (in seconds, earlier is negative), and examples."""
    by_unit = sorted(tally.by_unit.items())
    return {
        "cases": tally.cases,
        "failed": tally.failed,
        "deadlines": dict(sorted(tally.effects.items())),
        "by_unit": [
            {"obligation": obligation, "unit": unit} | dict(sorted(counts.items()))
            for (obligation, unit), counts in by_unit
        ],
        "shift_seconds": _shift(tally.shift),
        "examples": [_example(one) for one in tally.examples],
    }


def _shift(shift: Shift | None) -> dict[str, float] | None:
    if shift is None:
        return None
    return {
        "min": shift.least.total_seconds(),
        "median": shift.median.total_seconds(),
        "max": shift.most.total_seconds(),
    }


def _example(one: Example) -> dict[str, Any]:
    return {
        "case_id": one.case_id,
        "unit": one.unit,
        "obligation": one.obligation,
        "generation": one.generation,
        "before": one.before,
        "after": one.after,
    }


def _document(found: dict[str, Any]) -> dict[str, Any]:
    """`changed` deadlines are due earlier or later; `done` and `failed` count cases."""
    return found | {"changed": found["earlier"] + found["later"]}


# --- what is refused ----------------------------------------------------------------------------------------------

_NO_NOTE = Refusal(
    "reason_missing",
    zh="请在 note 中写明重算的理由：每一处变更都会连同理由记入日志。",
    en="Say in `note` why: it is kept with every change in the log.",
    field="note",
    status=422,
)


def _check_version(wanted: Wanted, version: str, dry_run: bool) -> None:
    if wanted.version == version or (dry_run and not wanted.version):
        return
    if not wanted.version:
        raise Refused(
            Refusal(
                "version_missing",
                zh=f"请在 version 中写明试算时的版本（现行为 {version}）；请先用 dry_run 试算。",
                en=f"Name in `version` the one that was previewed ({version} is in force); `dry_run` previews it.",
                field="version",
                status=422,
            )
        )
    raise Refused(
        Refusal(
            "version_changed",
            zh=f"现行版本是 {version}，不是 {wanted.version}；请按现行版本重新试算后再提出。",
            en=f"Version {version} is in force, not {wanted.version}; preview it and ask again.",
            field="version",
        )
    )


def _already_running(kind: LimitCause) -> Refused:
    return Refused(
        Refusal(
            "reckoning_running",
            zh=f"另一项 {kind} 重算尚未完成，未接受本次请求；请在 GET /reckonings 查看进度，完成后重新试算并提出。",
            en=f"Another reckoning by {kind} is not finished, so this one was not accepted; see how far it is at "
            "GET /reckonings, then preview and ask again.",
            field="kind",
        )
    )


def _unknown(number: int) -> Refusal:
    return Refusal(
        "reckoning_unknown",
        zh=f"没有第 {number} 号重算；请在 GET /reckonings 查看全部。",
        en=f"There is no reckoning {number}; GET /reckonings lists them all.",
        field="number",
        status=404,
    )


def _staff(running: Running[ClockState], request: Request) -> Identity:
    return running.gatekeeper.staff(request, "仅工作人员可以查看重算。", "Only staff may see reckonings.")


def _operator(running: Running[ClockState], request: Request) -> Identity:
    return running.gatekeeper.operator(
        request, "仅系统运维人员可以提出重算。", "Only operators may ask for a reckoning."
    )
