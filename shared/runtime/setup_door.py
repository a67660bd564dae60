"""The door to the parts of the set-up a service imports: every version there was, and putting a new one in force."""

import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Path, Query, Request

from shared.contracts.faults import Fault, SetupInvalid
from shared.contracts.units_file import text_of
from shared.runtime.decision import Refusal
from shared.runtime.district import NothingInForce, Setup, queries
from shared.runtime.identity import Identity
from shared.runtime.postgres import each
from shared.runtime.problems import Refused, reads_its_own_body
from shared.runtime.running import Running
from shared.runtime.setup_parts import File, FileFormat, Part, Prepared, import_file, prepare

MAXIMUM_FILE = 64 * 1024 * 1024
MOST_FAULTS = 200
PAGE = 100

Number = Annotated[int, Path(ge=1, le=2**62)]


Parts = Mapping[str, Part]
Moving = Callable[[Any, Collection[str]], Awaitable[dict[str, int]]]
"""How many open assignments the units that a version retires have, by unit."""


async def _nothing_moves(_connection: Any, _units: Collection[str]) -> dict[str, int]:
    return {}


def setup_routes(
    app: FastAPI, running: Running[Any], setup: Setup, parts: Parts, moving: Moving = _nothing_moves
) -> None:
    """Add `/district/<part>`: versions are for staff, importing for operators."""
    for name in parts:
        reads_its_own_body(app, f"/district/{name}")
    _reading(app, running, parts)
    _importing(app, running, setup, parts, moving)


def _part(parts: Parts, kind: str) -> Part:
    if kind not in parts:
        raise Refused(
            Refusal(
                "no_such_part",
                zh=f"此处没有区级配置 {kind}；可用：{'、'.join(parts)}。",
                en=f"There is no part {kind} of the set-up here; there are {', '.join(parts)}.",
                field="kind",
                status=404,
            )
        )
    return parts[kind]


def _reading(app: FastAPI, running: Running[Any], parts: Parts) -> None:
    @app.get("/district/{kind}/versions", tags=["district"])
    async def versions(
        kind: str, request: Request, before: Annotated[int, Query(ge=1, le=2**62)] = 2**62
    ) -> dict[str, Any]:
        """Every version of one part of the set-up, newest first, a page of 100."""
        _staff(running, request)
        part = _part(parts, kind)
        async with running.pool.acquire(timeout=5) as connection:
            found = each(queries.versions(connection, kind=part.kind.name, before=before, most=PAGE))
            return {"kind": kind, "versions": [dict(record) async for record in found]}

    @app.get("/district/{kind}/versions/{number}", tags=["district"])
    async def version(kind: str, number: Number, request: Request) -> dict[str, Any]:
        """One version, whole."""
        _staff(running, request)
        part = _part(parts, kind)
        async with running.pool.acquire(timeout=5) as connection:
            stored = await queries.version(connection, kind=part.kind.name, number=number)
        if stored is None:
            raise Refused(
                Refusal(
                    "version_unknown",
                    zh=f"{kind} 没有第 {number} 版。",
                    en=f"There is no version {number} of {kind}.",
                    field="number",
                    status=404,
                )
            )
        found = {name: stored[name] for name in ("number", "label", "imported_by", "imported_at", "note")}
        return found | {"kind": kind, "content": orjson.loads(stored["content"])}


def _importing(app: FastAPI, running: Running[Any], setup: Setup, parts: Parts, moving: Moving) -> None:
    @app.post("/district/{kind}", tags=["district"])
    async def import_part(
        kind: str,
        request: Request,
        name: Annotated[str, Query(max_length=200, description="the file's name, for the messages")] = "",
        form: Annotated[FileFormat, Query(alias="format", description="units: yaml or csv; calendar: any")] = "yaml",
        into: Annotated[str, Query(max_length=64, description="what it is for, where it is not all of the part")] = "",
        dry_run: Annotated[bool, Query(description="say what would change, and change nothing")] = False,
        note: Annotated[str, Query(max_length=500, description="why; kept with the version")] = "",
    ) -> dict[str, Any]:
        """Put a file (the body) in force, all of it or nothing. The same file again changes nothing."""
        identity = _operator(running, request)
        part = _part(parts, kind)
        try:
            file = File(text_of(await _body(request)), form, name or part.file, into)
            async with running.pool.acquire(timeout=5) as connection, connection.transaction():
                if dry_run:
                    prepared, number, changed = await prepare(connection, part, file), None, None
                else:
                    prepared, imported = await import_file(connection, part, file, identity.person, note)
                    number, changed = imported.number, imported.changed
                moved = await moving(connection, prepared.retired)
        except SetupInvalid as error:
            raise _refused(kind, error) from None
        with contextlib.suppress(NothingInForce):  # where the other parts are still to come
            async with running.pool.acquire(timeout=5) as connection:
                await setup.refresh(connection)
        return {"kind": kind, "number": number, "changed": changed} | _told(prepared) | {"open_assignments": moved}


async def _body(request: Request) -> bytes:
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > MAXIMUM_FILE:
            limit = MAXIMUM_FILE // 1024 // 1024
            raise Refused(
                Refusal(
                    "body_too_large",
                    zh=f"文件超过 {limit} MB。",
                    en=f"The file is larger than {limit} MB.",
                    field="body",
                    status=413,
                )
            )
    return bytes(read)


def _told(prepared: Prepared) -> dict[str, Any]:
    return {
        "label": prepared.label,
        "difference": prepared.difference,
        "doubts": [_document(fault) for fault in prepared.doubts[:MOST_FAULTS]],
        "more_doubts": max(0, len(prepared.doubts) - MOST_FAULTS),
    }


def _document(fault: Fault) -> dict[str, Any]:
    return {
        "file": fault.file,
        "line": fault.line,
        "entry": fault.entry,
        "field": fault.field,
        "why_zh": fault.zh,
        "why_en": fault.en,
    }


def _refused(kind: str, error: SetupInvalid) -> Refused:
    count = len(error.faults)
    return Refused(
        Refusal(
            "setup_invalid",
            zh=f"{kind} 文件有 {count} 处错误，未导入任何内容；请逐处更正后重新导入。",
            en=f"The file of {kind} has {count} fault(s) and nothing was imported; correct each and import it again.",
            field="body",
            status=422,
        ),
        errors=[_document(fault) for fault in error.faults[:MOST_FAULTS]],
        more_errors=max(0, count - MOST_FAULTS),
    )


def _staff(running: Running[Any], request: Request) -> Identity:
    return running.gatekeeper.staff(
        request, "仅工作人员可以查看区级配置的版本。", "Only staff may see versions of the set-up."
    )


def _operator(running: Running[Any], request: Request) -> Identity:
    return running.gatekeeper.operator(
        request, "仅系统运维人员可以导入区级配置。", "Only operators may import the set-up."
    )
