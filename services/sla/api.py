"""The HTTP door: what is owed in a case, and how much is owed in all."""

from typing import Any
from uuid import UUID

from fastapi import FastAPI, Request

from services.sla.domain.clock_state import ClockState
from services.sla.domain.deadline import Deadline
from services.sla.store import PostgresDeadlines
from shared.contracts.vocabulary import Obligation
from shared.runtime.running import Running


def routes(app: FastAPI, running: Running[ClockState]) -> None:
    """Add `/deadlines/summary` and `/cases/<case id>/deadlines`, for everyone who is known."""
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
    }
