"""What the commands about limits work with: policies, the catalogue's limits, calendars and units."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import typer

from deploy.asking import in_force
from deploy.rules.reading import Source as RoutingSource
from deploy.rules.reading import read_or_end
from services.intake.domain.catalogue import Catalogue
from services.sla.calendar_import import CALENDAR
from services.sla.domain.calendar_files import parse_calendar
from services.sla.domain.calendars import Calendars
from services.sla.domain.category_limits import CategoryLimits
from services.sla.domain.category_limits_file import read_category_limits
from services.sla.domain.policy import Policies, Policy
from services.sla.domain.policy_file import PolicyFile, read_policy_file
from services.sla.domain.rules import Rules
from services.sla.policy_import import CATEGORY_LIMITS, POLICY
from shared.contracts.units import UnitTree
from shared.contracts.units_file import text_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """Where the set-up comes from: the running services, or a set-up folder."""

    folder: Path
    setup: Path | None = None

    def policies(self) -> Policies:
        if self.setup is not None:
            return Policies(read_file(self.setup / "policy.yaml").policy)
        found = in_force(POLICY, "sla", self.folder)
        if found is None:
            typer.echo("chuishao: no policy is in force 尚无限时规则; chuishao policy import FILE", err=True)
            raise typer.Exit(1)
        return found

    def policy(self, version: str | None = None) -> Policy:
        """The policy in force, or an earlier one by its version."""
        policies = self.policies()
        if version is not None and not policies.knows(version):
            known = ", ".join([*policies.earlier, policies.current.version])
            typer.echo(f"chuishao: no policy has the version {version} 没有这一版; there are 现有: {known}", err=True)
            raise typer.Exit(1)
        return policies.current if version is None else policies.of(version)

    def category_limits(self) -> CategoryLimits:
        """The catalogue's own; without entries where none were imported."""
        if self.setup is None:
            return in_force(CATEGORY_LIMITS, "sla", self.folder) or CategoryLimits()
        file = self.setup / "category_limits.csv"
        return read_limits(file) if file.exists() else CategoryLimits()

    def calendars(self) -> Calendars:
        if self.setup is None:
            return in_force(CALENDAR, "sla", self.folder) or Calendars()
        file = self.setup / "calendar.yaml"
        if not file.exists():
            return Calendars()
        read = _text(file, lambda text: parse_calendar(text, file.name))
        return Calendars(read.version or file.name, read.edition)

    def rules(self, policy: Policy) -> Rules:
        """What a clock goes by where this policy is in force."""
        return Rules(Policies(policy), self.units(), self.calendars(), self.category_limits())

    def units(self) -> UnitTree:
        return RoutingSource(self.folder, self.setup).tree()

    def catalogue(self) -> Catalogue:
        return RoutingSource(self.folder, self.setup).catalogue()


def read_file(file: Path) -> PolicyFile:
    """The policy of a file. Faults end the command, each in a row."""
    return _text(file, lambda text: read_policy_file(text, file.name))


def read_limits(file: Path) -> CategoryLimits:
    """The catalogue's limits of a file. Faults end the command, each in a row."""
    return _text(file, lambda text: read_category_limits(text, file.stem, file.name))


def _text(file: Path, read: Callable[[str], T]) -> T:
    return read_or_end(file, lambda path: read(text_of(path.read_bytes())))
