"""What is simulated: a district's units, rules of dispatch, categories and calendars, and the policies to compare.

The one place that knows how a set-up folder is read; everything else takes `District` and sla's `Rules`.
"""

from dataclasses import dataclass
from pathlib import Path

from services.intake.setup import read_catalogue
from services.router.domain.routing.rules import Rules as RoutingRules
from services.router.domain.routing.rules import parse_rules
from services.sla.domain.calendar import WorkingCalendar
from services.sla.domain.calendar_files import parse_calendar
from services.sla.domain.calendars import Calendars
from services.sla.domain.category_limits import CategoryLimits
from services.sla.domain.category_limits_file import read_category_limits
from services.sla.domain.policy import Policies, Policy
from services.sla.domain.policy_file import read_policy
from services.sla.domain.rules import Rules
from shared.contracts.faults import SetupInvalid
from shared.contracts.units import HANDLING_KINDS, UnitTree
from shared.contracts.units_file import text_of
from shared.contracts.vocabulary import UnitKind
from shared.runtime.setup_files import read_units

STAFFED_KINDS = (UnitKind.HUB, *HANDLING_KINDS)


class DistrictInvalid(ValueError):
    """A file of the set-up cannot be used: the message names file and field."""


@dataclass(frozen=True, slots=True)
class District:
    tree: UnitTree
    routing: RoutingRules
    categories: tuple[tuple[str, ...], ...]
    calendars: Calendars
    category_limits: CategoryLimits | None

    @property
    def staffed(self) -> list[str]:
        """The units whose people work on cases."""
        return [unit.code for unit in self.tree if unit.kind in STAFFED_KINDS]

    @property
    def of_the_hub(self) -> WorkingCalendar:
        """The hub's calendar: the district's days off."""
        return self.calendars.of_unit(self.tree.hub.code, self.tree, "")

    def rules(self, policy: Policy) -> Rules:
        """What sla's clock goes by where this policy is in force."""
        return Rules(Policies(policy), self.tree, self.calendars, self.category_limits)


def read_district(folder: Path) -> District:
    """A set-up folder, as `deploy/district`. Raises `DistrictInvalid`."""
    try:
        tree = read_units(folder / "units.yaml")
        routing = parse_rules(text_of((folder / "rules.yaml").read_bytes()), tree, "rules.yaml")
        catalogue = read_catalogue(folder / "categories.csv")
        calendars = _calendars(folder / "calendar.yaml")
        limits = _category_limits(folder / "category_limits.csv")
    except OSError as error:
        raise DistrictInvalid(f"{error.filename}: 无法读取 cannot be read: {error.strerror}") from error
    except SetupInvalid as invalid:
        raise DistrictInvalid(_told(folder, invalid)) from invalid
    except ValueError as error:
        raise DistrictInvalid(str(error)) from error
    return District(tree, routing, tuple(sorted(catalogue.paths)), calendars, limits)


def _calendars(path: Path) -> Calendars:
    """The State Council's days alone where the folder has no calendars of its own."""
    if not path.exists():
        return Calendars()
    read = parse_calendar(text_of(path.read_bytes()), path.name)
    return Calendars(read.version or path.name, read.edition)


def _category_limits(path: Path) -> CategoryLimits | None:
    return read_category_limits(text_of(path.read_bytes()), path.name, path.name) if path.exists() else None


def read_policy_file(path: Path) -> Policy:
    """Raises `DistrictInvalid`."""
    try:
        return read_policy(text_of(path.read_bytes()), str(path))
    except OSError as error:
        raise DistrictInvalid(f"{path}: 无法读取 cannot be read: {error.strerror}") from error
    except SetupInvalid as invalid:
        raise DistrictInvalid(_told(path.parent, invalid)) from invalid
    except ValueError as error:
        raise DistrictInvalid(str(error)) from error


def _told(folder: Path, invalid: SetupInvalid) -> str:
    return "\n".join(f"{folder}: {one.in_zh} {one.en}" for one in invalid.faults)
