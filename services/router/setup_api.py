"""The router's door to the set-up: the units in force, and the parts of which the router is the importer."""

from typing import Any

from fastapi import FastAPI, Request, Response

from services.router.setup import PARTS
from services.router.store import count_open_assignments
from shared.runtime.district import UNITS, NothingInForce, Setup, queries
from shared.runtime.running import Running
from shared.runtime.setup_door import setup_routes as routes_of_parts


def setup_routes(app: FastAPI, running: Running[Any], setup: Setup) -> None:
    """Add `/district/…`: the units are for whoever has credentials."""
    _units(app, running, setup)
    routes_of_parts(app, running, setup, PARTS, count_open_assignments)


def _units(app: FastAPI, running: Running[Any], setup: Setup) -> None:
    @app.get("/district/units", tags=["district"])
    async def units(request: Request) -> Response:
        """The units in force, with those that are gone and who took over. Its `ETag` changes when they do."""
        running.gatekeeper.identify(request)
        held = setup.held(UNITS)
        if held is None:
            raise NothingInForce("units")
        tag = f'"{held.digest.hex()}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        async with running.pool.acquire(timeout=5) as connection:
            stored = await queries.version(connection, kind=UNITS.name, number=held.number)
        return Response(stored["content"], headers=headers, media_type="application/json")
