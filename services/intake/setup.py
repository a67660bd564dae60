"""Reads the district's set-up that intake needs: the catalogue of categories and 12345's mapping."""

import csv
from pathlib import Path

import yaml
from pydantic import ValidationError

from services.intake.domain.catalogue import Catalogue, build_catalogue
from services.intake.domain.mapping import HotlineMapping

LEVELS = ("level1", "level2", "level3")


class SetupInvalid(ValueError):
    """A file of the set-up cannot be used; the message names file, place and what is wrong."""


def read_catalogue(path: Path) -> Catalogue:
    """Read `categories.csv`: level1, level2, level3, code; level1 is never empty, the others may be."""
    rows: list[tuple[tuple[str, ...], str]] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            names = tuple(name for level in LEVELS if (name := (row.get(level) or "").strip()))
            if not (row.get("level1") or "").strip():
                raise SetupInvalid(f"{path}: line {line}, level1: it is empty; every category has a first level")
            rows.append((names, (row.get("code") or "").strip()))
    if not rows:
        raise SetupInvalid(f"{path}: there are no categories; its columns are level1, level2, level3, code")
    return build_catalogue(rows)


def read_mapping(path: Path) -> HotlineMapping:
    """Read `hotline_mapping.yaml`."""
    try:
        return HotlineMapping.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError) as error:
        raise SetupInvalid(f"{path}: {error}") from error
