"""The district's units as the router last told them; those of the set-up folder while it has never answered."""

import asyncio

import structlog
from pydantic import ValidationError

from services.workbench.clients import Away, NotFound, Services
from shared.contracts import units_json
from shared.contracts.units import UnitTree

logger = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0


class Directory:
    """Holds the units in force. `tree` never waits."""

    def __init__(self, first: UnitTree) -> None:
        self.tree = first
        self._tag = ""

    @property
    def hub(self) -> str:
        return self.tree.hub.code

    async def refresh(self, services: Services) -> None:
        """Ask the router whether there are others. Raises `Away`."""
        found = await services.units(self._tag)
        if found is None:
            return
        try:
            tree = await asyncio.to_thread(units_json.from_json, found.content)
        except ValidationError as error:
            raise Away("router", f"/district/units cannot be read: {error}") from error
        self.tree, self._tag = tree, found.tag

    async def keep(self, services: Services) -> None:
        """Refresh every few seconds, until cancelled; what is known is kept while the router is away."""
        while True:
            try:
                await self.refresh(services)
            except (Away, NotFound) as error:
                logger.info("units not refreshed", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)
