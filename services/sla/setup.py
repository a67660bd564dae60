"""The parts of the district's set-up that deadlines are reckoned by: how each is imported, and what is in force."""

from collections.abc import Mapping

from services.sla.calendar_import import CALENDAR, prepare_calendar
from services.sla.domain.rules import Rules
from services.sla.policy_import import CATEGORY_LIMITS, POLICY, prepare_category_limits, prepare_policy
from shared.runtime.district import UNITS, InForce, Setup
from shared.runtime.setup_parts import Part

PARTS: Mapping[str, Part] = {
    part.kind.name: part
    for part in (
        Part(POLICY, "policy.yaml", prepare_policy),
        Part(CATEGORY_LIMITS, "category_limits.csv", prepare_category_limits),
        Part(CALENDAR, "calendar.yaml", prepare_calendar, needs=(UNITS,)),
    )
}


def make_setup() -> Setup:
    """What sla decides by. A district may have no catalogue of limits; without any of the rest nothing is decided."""
    return Setup(UNITS, POLICY, CALENDAR, optional=(CATEGORY_LIMITS,))


class RulesInForce:
    """The rules as they are in force, each time it is called; the same ones as long as nothing is imported."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._held: tuple[InForce | None, ...] = ()
        self._rules: Rules | None = None

    def __call__(self) -> Rules:
        """Raises `NothingInForce`."""
        kinds = (POLICY, UNITS, CALENDAR, CATEGORY_LIMITS)
        held = tuple(self._setup.held(kind) for kind in kinds)
        if self._rules is None or any(one is not known for one, known in zip(held, self._held, strict=True)):
            limits = self._setup.held(CATEGORY_LIMITS)
            self._rules = Rules(
                self._setup.current(POLICY),
                self._setup.current(UNITS),
                self._setup.current(CALENDAR),
                limits.value if limits is not None else None,
            )
            self._held = held
        return self._rules
