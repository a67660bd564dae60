"""What shows only when tables, topics and the client's ledger are held against each other: I1, I2, I3, I4, and
the states' part of I6. The questions are in `violations.sql`."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosql

from deploy.check.report import Report, Violation
from deploy.check.scratch import Scratch

_QUESTIONS: Any = aiosql.from_path(Path(__file__).with_name("violations.sql"), "sqlite3", mandatory_parameters=False)


def judge(scratch: Scratch, report: Report, quiet: bool, drained: bool) -> None:
    """Ask the settled scratch every question, and measure what there is to measure."""
    findings = report.findings
    for name in _QUESTIONS.available_queries:
        invariant, _, question = name.partition("_")
        if question.endswith("_cursor"):
            continue  # aiosql names each query twice
        for row in scratch.query(getattr(_QUESTIONS, name).sql, {"quiet": quiet, "drained": drained}):
            findings[invariant.upper()].violate(_violation(row))
    _measure(scratch, report)
    _name_the_cases(scratch, report)


def _measure(scratch: Scratch, report: Report) -> None:
    whistles = scratch.count("whistle")
    ledger = scratch.grouped("select status, count(*) from acknowledged group by status order by status")
    report.I1.checked += sum(ledger.values()) or whistles
    report.I1.measured = {"whistles": whistles} | ({"ledger": ledger} if ledger else {})

    stages = scratch.grouped(
        "select stage, count(*) from stands where service = 'router' group by stage order by stage"
    )
    report.I2.checked += sum(stages.values())
    report.I2.measured = {"stages": stages, "ledgers": _ledgers(scratch)}

    late = next(scratch.query("select min(fired_at - due_at), max(fired_at - due_at) from fired where step >= 0"))
    report.I3.checked += scratch.count("deadline") + scratch.count("fired")
    report.I3.measured = {
        "deadlines": scratch.grouped("select state, count(*) from deadline group by state order by state"),
        "overdue": scratch.count("fired where step = 0"),
        "min_late_ms": _milliseconds(late[0]),
        "max_late_ms": _milliseconds(late[1]),
    }

    messages = next(scratch.query("select count(*), count(distinct id) from told"))
    report.I4.checked += scratch.count("expected") + messages[0]
    report.I4.measured = {"owed": scratch.count("expected where owed"), "messages": messages[0], "ids": messages[1]}


def _ledgers(scratch: Scratch) -> dict[str, dict[str, int]]:
    """How many of each ledger's cases are written off, and how many open, by the log."""
    found: dict[str, dict[str, int]] = {}
    for row in scratch.query(
        "select ledger, stage in ('closed', 'archived', 'withdrawn'), count(*) from last "
        "where ledger is not null group by 1, 2 order by 1"
    ):
        found.setdefault(row[0], {"written_off": 0, "open": 0})["written_off" if row[1] else "open"] = row[2]
    return found


def _name_the_cases(scratch: Scratch, report: Report) -> None:
    """The number people use, wherever a violation names a case without it."""
    for finding in report.findings.values():
        finding.violations = [
            replace(violation, number=scratch.number_of(violation.case_id))
            if violation.case_id is not None and violation.number is None
            else violation
            for violation in finding.violations
        ]


def _violation(row: sqlite3.Row) -> Violation:
    found: dict[str, Any] = dict(zip(row.keys(), row, strict=True))
    case_id = found.pop("case_id", None)
    return Violation(**found, case_id=UUID(bytes=case_id) if case_id else None)


def _milliseconds(micros: int | None) -> float | None:
    return None if micros is None else micros / 1000
