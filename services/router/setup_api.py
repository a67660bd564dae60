"""The door to the district's set-up: what is in force, every version there was, and importing a new one."""

import contextlib
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Path, Query, Request, Response

from services.router.setup import PARTS, File, Part, Prepared, import_file, prepare
from services.router.store import count_open_assignments
from shared.contracts.faults import Fault, SetupInvalid
from shared.contracts.units_file import Format, text_of
from shared.contracts.vocabulary import ActorKind
from shared.runtime.decision import Refusal
from shared.runtime.district import UNITS, NothingInForce, Setup, queries
from shared.runtime.identity import Identity, forbidden
from shared.runtime.postgres import each
from shared.runtime.problems import Refused, reads_its_own_body
from shared.runtime.running import Running

MAXIMUM_FILE = 64 * 1024 * 1024
MOST_FAULTS = 200
PAGE = 100

Number = Annotated[int, Path(ge=1, le=2**62)]


def setup_routes(app: FastAPI, running: Running[Any], setup: Setup) -> None:
    """Add `/district/…`: reading is for whoever has credentials, versions are for staff, importing for operators."""
    _reading(app, running, setup)
    for part in PARTS.values():
        reads_its_own_body(app, f"/district/{part.kind.name}")
    _importing(app, running, setup)


def _part(kind: str) -> Part:
    if kind not in PARTS:
        raise Refused(
            Refusal(
                "no_such_part",
                zh=f"区级配置中没有 {kind}；可用：{'、'.join(PARTS)}。",
                en=f"The set-up has no {kind}; there are {', '.join(PARTS)}.",
                field="kind",
                status=404,
            )
        )
    return PARTS[kind]


def _reading(app: FastAPI, running: Running[Any], setup: Setup) -> None:
    @app.get("/district/units", tags=["district"])
    async def units(request: Request) -> Response:
        """The units in force, with those that are gone and who took over. Its `ETag` changes when they do."""
        running.gatekeeper.identify(request)
        held = setup.held(UNITS)
        if held is None:
            raise NothingInForce("units")
        tag = f'"{held.digest.hex()}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        async with running.pool.acquire(timeout=5) as connection:
            stored = await queries.version(connection, kind=UNITS.name, number=held.number)
        return Response(stored["content"], headers=headers, media_type="application/json")

    @app.get("/district/{kind}/versions", tags=["district"])
    async def versions(
        kind: str, request: Request, before: Annotated[int, Query(ge=1, le=2**62)] = 2**62
    ) -> dict[str, Any]:
        """Every version of one part of the set-up, newest first, a page of 100."""
        _staff(running, request)
        part = _part(kind)
        async with running.pool.acquire(timeout=5) as connection:
            found = each(queries.versions(connection, kind=part.kind.name, before=before, most=PAGE))
            return {"kind": kind, "versions": [dict(record) async for record in found]}

    @app.get("/district/{kind}/versions/{number}", tags=["district"])
    async def version(kind: str, number: Number, request: Request) -> dict[str, Any]:
        """One version, whole."""
        _staff(running, request)
        part = _part(kind)
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


def _importing(app: FastAPI, running: Running[Any], setup: Setup) -> None:
    @app.post("/district/{kind}", tags=["district"])
    async def import_part(
        kind: str,
        request: Request,
        name: Annotated[str, Query(max_length=200, description="the file's name, for the messages")] = "",
        form: Annotated[Format, Query(alias="format", description="of units: yaml or csv")] = "yaml",
        dry_run: Annotated[bool, Query(description="say what would change, and change nothing")] = False,
        note: Annotated[str, Query(max_length=500, description="why; kept with the version")] = "",
    ) -> dict[str, Any]:
        """Put a file (the body) in force, all of it or nothing. The same file again changes nothing."""
        identity = _operator(running, request)
        part = _part(kind)
        try:
            file = File(text_of(await _body(request)), form, name or part.file)
            async with running.pool.acquire(timeout=5) as connection, connection.transaction():
                if dry_run:
                    prepared, number, changed = await prepare(connection, part, file), None, None
                else:
                    prepared, imported = await import_file(connection, part, file, identity.person, note)
                    number, changed = imported.number, imported.changed
                moving = await count_open_assignments(connection, prepared.retired)
        except SetupInvalid as error:
            raise _refused(kind, error) from None
        with contextlib.suppress(NothingInForce):  # where the other parts are still to come
            async with running.pool.acquire(timeout=5) as connection:
                await setup.refresh(connection)
        return {"kind": kind, "number": number, "changed": changed} | _told(prepared) | {"open_assignments": moving}


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
    identity = running.gatekeeper.identify(request)
    if identity.kind is not ActorKind.STAFF:
        raise forbidden(
            "staff_only", "仅工作人员可以查看区级配置的版本。", "Only staff may see versions of the set-up."
        )
    return identity


def _operator(running: Running[Any], request: Request) -> Identity:
    identity = running.gatekeeper.identify(request)
    if not identity.operator:
        raise forbidden("operators_only", "仅系统运维人员可以导入区级配置。", "Only operators may import the set-up.")
    return identity
