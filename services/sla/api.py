"""The HTTP door: what is owed in a case, how that came about, and how much is owed in all."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from fastapi import FastAPI, Request

from services.sla.domain.account import Account, account
from services.sla.domain.changes import Change, changes
from services.sla.domain.clock_state import ClockState
from services.sla.domain.deadline import Deadline
from services.sla.domain.rules import Rules
from services.sla.store import PostgresDeadlines
from shared.contracts.vocabulary import Obligation
from shared.runtime.running import Running


def routes(app: FastAPI, running: Running[ClockState], given: Callable[[], Rules]) -> None:
    """Add `/deadlines/summary` and `/cases/<case id>/deadlines`, for everyone who is known; `…/clock`, for staff."""
    deadlines = PostgresDeadlines(running.pool)

    @app.get("/deadlines/summary", tags=["deadlines"])
    async def summary(request: Request) -> dict[str, Any]:
        """How many deadlines run in time (armed) and how many are overdue, by obligation."""
        running.gatekeeper.identify(request)
        live = await deadlines.count_live()
        return {
            "obligations": {
                obligation.value: {state: live.get((obligation.value, state), 0) for state in ("armed", "overdue")}
                for obligation in Obligation
            }
        }

    @app.get("/cases/{case_id}/deadlines", tags=["deadlines"])
    async def of_case(case_id: UUID, request: Request) -> dict[str, Any]:
        """Every deadline this case has had, oldest first; none for a case that is not known. Times are UTC."""
        running.gatekeeper.identify(request)
        return {"case_id": case_id, "deadlines": [shown(one) for one in await deadlines.of_case(case_id)]}

    @app.get("/cases/{case_id}/clock", tags=["deadlines"])
    async def clock_of_case(case_id: UUID, request: Request) -> dict[str, Any]:
        """The clock's account of a case: how much time each unit was granted and on what basis, how much it used and
        has left, and everything that changed it, in order. Lengths are in the limit's own time, times are UTC."""
        running.gatekeeper.staff(
            request, "仅工作人员可以查看哨单的计时账目。", "Only staff may see the account of a case's clock."
        )
        now, rules = await deadlines.now(), given()
        known = await deadlines.of_case(case_id)
        accounts, story = account(known, now, rules), changes(known, await deadlines.said_of(case_id))
        codes = {one.unit for one in accounts} | {one.unit for one in story}
        units = {code: rules.units.get(code) for code in sorted(codes)}
        return {
            "case_id": case_id,
            "now": now,
            "units": {code: unit.name for code, unit in units.items() if unit is not None},
            "accounts": [_account(one) for one in accounts],
            "changes": [_change(one) for one in story],
        }


def _account(one: Account) -> Mapping[str, Any]:
    last = shown(one.last)
    how = ("generation", "state", "started_at", "warn_at", "due_at", "provisional", "policy_version")
    return {
        "unit": one.unit,
        "obligation": one.obligation,
        "round": one.round,
        "limit": last["granted"],
        "basis": one.last.basis,
        "calendar_version": one.last.calendar_version,
        "granted": one.granted,
        "used": one.used,
        "paused": one.paused,
        "left": one.left,
        "overdue_at": one.overdue_at,
    } | {name: last[name] for name in how}


def _change(one: Change) -> Mapping[str, Any]:
    actor = one.actor.model_dump(mode="json", exclude_none=True) if one.actor is not None else None
    return asdict(one) | {"actor": actor}


def shown(deadline: Deadline) -> dict[str, Any]:
    """A deadline as the door shows it. `ended_by` = the type of the fact that ended it.

    `granted` null = a date was set. `paused` (in all) and `left` (of one that stands still) are in the limit's own
    time: working time for working hours and days.
    """
    return {
        "obligation": deadline.obligation,
        "unit": deadline.unit,
        "generation": deadline.generation,
        "round": deadline.round,
        "granted": None if deadline.granted is None else str(deadline.granted),
        "started_at": deadline.started_at,
        "warn_at": deadline.warn_at,
        "due_at": deadline.due_at,
        "state": deadline.state,
        "paused": deadline.paused,
        "paused_at": deadline.paused_at,
        "left": deadline.left,
        "overdue_at": deadline.fired_at,
        "ended_at": deadline.ended_at,
        "ended_by": deadline.cause,
        "provisional": deadline.provisional,
        "policy_version": deadline.policy_version,
        "calendar_version": deadline.calendar_version,
        "basis": deadline.basis,
    }
