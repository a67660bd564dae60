"""What the commands about rules work with: rules and units in force or in a folder, and cases out of history."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import orjson
import typer

from deploy.asking import ask, in_force, show_faults
from services.intake.domain.catalogue import Catalogue
from services.intake.setup import read_catalogue
from services.router.domain.routing.rules import Rules, parse_rules
from services.router.domain.routing.what_if import Past
from services.router.setup import RULES
from shared.contracts import units_json
from shared.contracts.faults import Fault, SetupInvalid
from shared.contracts.units import UnitTree
from shared.contracts.units_file import text_of
from shared.runtime.setup_files import read_units

T = TypeVar("T")

SHIPPED = Path(__file__).parents[1] / "district"

PAGE = 2000


@dataclass(frozen=True, slots=True)
class Source:
    """Where units and rules come from: the running router, or a set-up folder."""

    folder: Path
    setup: Path | None = None

    def tree(self) -> UnitTree:
        if self.setup is not None:
            return read_or_end(self.setup / "units.yaml", read_units)
        return units_json.from_json(orjson.dumps(ask("GET", "router", "/district/units", self.folder)))

    def rules(self, tree: UnitTree, file: Path | None = None) -> Rules:
        """Those of a file, else those in force (of the set-up folder). Faults end the command, each in a row."""
        if file is not None:
            return read_rules(file, tree)
        if self.setup is not None:
            return read_rules(self.setup / "rules.yaml", tree)
        found = in_force(RULES, "router", self.folder)
        if found is None:
            typer.echo("chuishao: no rules are in force 尚无派单规则; chuishao rules import FILE", err=True)
            raise typer.Exit(1)
        return found

    def catalogue(self) -> Catalogue:
        """The categories; they are no part of what is in force, so without a folder those that are shipped."""
        return read_catalogue((self.setup or SHIPPED) / "categories.csv")

    def case(self, named: str) -> Past:
        return Past.model_validate(ask("GET", "router", f"/rules/history/{named}", self.folder))

    def history(self, since: str | None, limit: int | None) -> "History":
        """Accepted cases, oldest first, a page at a time."""
        params = {"limit": str(PAGE)} | ({"since": since} if since else {})
        first = ask("GET", "router", "/rules/history", self.folder, params=params)
        return History(self.folder, params, first, first["total"] if limit is None else min(limit, first["total"]))


@dataclass(frozen=True, slots=True)
class History:
    """Cases read while they are gone through; `total` says how many there will be."""

    folder: Path
    params: dict[str, str]
    first: dict[str, Any]
    total: int

    def __iter__(self) -> Iterator[Past]:
        return islice(self._every(), self.total)

    def _every(self) -> Iterator[Past]:
        page = self.first
        while True:
            yield from map(Past.model_validate, page["cases"])
            if page["next"] is None:
                return
            params = self.params | {"after": page["next"]}
            page = ask("GET", "router", "/rules/history", self.folder, params=params)


def read_rules(file: Path, tree: UnitTree) -> Rules:
    """The rules of a file. Faults end the command, each in a row."""
    return read_or_end(file, lambda path: parse_rules(text_of(path.read_bytes()), tree, path.name))


def read_or_end(file: Path, read: Callable[[Path], T]) -> T:
    """What is read from a file. Faults end the command, each in a row."""
    try:
        return read(file)
    except SetupInvalid as invalid:
        typer.echo(f"chuishao: {file}: {len(invalid.faults)} fault(s) 处错误", err=True)
        show_faults(rows(invalid.faults))
    except OSError as error:
        typer.echo(f"chuishao: {file}: {error.strerror}", err=True)
    raise typer.Exit(1)


def rows(faults: Iterable[Fault]) -> list[dict[str, Any]]:
    """Faults as `show_faults` takes them."""
    return [
        {"line": one.line, "entry": one.entry, "field": one.field, "why_zh": one.zh, "why_en": one.en} for one in faults
    ]
