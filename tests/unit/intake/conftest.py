from collections.abc import AsyncIterator

import pytest

from tests.unit.intake.kit import Intake, running


@pytest.fixture
async def intake() -> AsyncIterator[Intake]:
    async with running() as built:
        yield built
