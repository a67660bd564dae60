"""What deadlines are reckoned by: the policies, the calendars and the units in force."""

from dataclasses import dataclass

from services.sla.domain.calendar import WorkingCalendar
from services.sla.domain.calendars import Calendars
from services.sla.domain.category_limits import CategoryLimits
from services.sla.domain.policy import Policies, Policy
from shared.contracts.units import UnitTree


@dataclass(frozen=True, slots=True)
class Rules:
    """All of it, as it is in force within one transaction."""

    policies: Policies
    units: UnitTree
    calendars: Calendars
    category_limits: CategoryLimits | None = None

    @property
    def policy(self) -> Policy:
        """The one that new obligations are granted by."""
        return self.policies.current

    @property
    def hub(self) -> str:
        return self.units.hub.code

    def calendar_of(self, unit: str, version: str = "") -> WorkingCalendar:
        """A unit's own calendar, of that version of the calendars; of the one in force without any."""
        return self.calendars.of_unit(unit, self.units, version)
