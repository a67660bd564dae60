"""The calendars as they are shipped, for tests that count working time; and how to write down another one."""

from datetime import date, time
from pathlib import Path
from zoneinfo import ZoneInfo

from services.sla.domain.calendar import SHANGHAI, WorkingCalendar
from services.sla.domain.calendar_files import parse_calendar
from services.sla.domain.calendars import STATE as STATE_NAME
from services.sla.domain.calendars import USUAL_HOURS, Calendars, DutyCalendar, Edition, Season
from services.sla.domain.duty_table import Shift

FILE = Path(__file__).parents[3] / "deploy" / "district" / "calendar.yaml"
TEXT = FILE.read_text(encoding="utf-8")
READ = parse_calendar(TEXT)
CALENDARS = Calendars(READ.version or "", READ.edition)
STATE = CALENDARS.edition.calendar()
"""The State Council's working days, 08:00–12:00 and 14:00–18:00."""

# Laid out here, so that no test pays for the first question.
STATE.around_day(date(2004, 1, 1))
STATE.around_day(date(2029, 12, 31))


def calendar_of(own: DutyCalendar, zone: ZoneInfo = SHANGHAI) -> WorkingCalendar:
    """A duty calendar by the State Council's working days."""
    return Edition(zone, CALENDARS.edition.years, {STATE_NAME: own}).calendar()


def state_calendar(zone: ZoneInfo = SHANGHAI, hours: tuple[Shift, ...] = USUAL_HOURS) -> WorkingCalendar:
    return calendar_of(DutyCalendar(seasons=(Season((1, 1), hours),)), zone)


def shift(begin: int, end: int) -> Shift:
    """From one full hour to another."""
    return time(begin), time(end % 24)
