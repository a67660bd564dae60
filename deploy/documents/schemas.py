"""docs/reference/schemas: a JSON Schema 2020-12 for the data of each fact; those of releases are kept beside them."""

import shutil
from pathlib import Path
from typing import Any

import orjson

from shared.contracts.facts import FACTS, Fact

DIALECT = "https://json-schema.org/draft/2020-12/schema"
RELEASED = "released"


def documents() -> dict[str, str]:
    """Each fact type's schema, as it is committed."""
    return {name: as_json(schema_of(fact)) for name, fact in FACTS.items()}


def schema_of(fact: type[Fact]) -> dict[str, Any]:
    """What a reader accepts: fields with a default may be missing in older events, unknown ones are ignored."""
    made = fact.model_json_schema(mode="validation")
    return {"$schema": DIALECT, "$id": f"urn:chuishao:schema:{fact.type_name()}", **made}


def as_json(document: Any) -> str:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def release(reference: Path, version: str) -> int:
    """Keep the present schemas as those of a release. A released schema never changes again."""
    target = reference / "schemas" / RELEASED / version
    target.mkdir(parents=True)
    found = sorted((reference / "schemas").glob("*.json"))
    for path in found:
        shutil.copyfile(path, target / path.name)
    return len(found)


def last_release(reference: Path) -> Path:
    """The folder of the last released schemas. Raises ValueError where nothing was released."""
    folders = (path for path in (reference / "schemas" / RELEASED).iterdir() if path.is_dir())
    return max(folders, key=lambda path: tuple(map(int, path.name.split("."))))
