"""What a run of the fault suite found, as data and on the screen."""

import os
import platform
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psutil
from rich.console import Console
from rich.table import Table

from deploy.check.report import WORDS
from deploy.faults.kind import Injection, Kind

INVARIANTS = dict(WORDS) | {
    "I8": ("死信重放两次等于一次", "replaying the dead letters twice equals once"),
    "recovery": ("故障之后在限时内恢复", "what was hit recovers by itself within its bound"),
}
SHOWN = 60


@dataclass(slots=True)
class Violation:
    """Something that should hold and does not. `history` = the case's events with the injections between them."""

    invariant: str
    why: str
    case_id: UUID | None = None
    number: str | None = None
    injection: int | None = None
    history: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "invariant": self.invariant,
            "why": self.why,
            "case_id": str(self.case_id) if self.case_id else None,
            "number": self.number,
            "injection": self.injection,
            "history": self.history,
        }


@dataclass(slots=True)
class Round:
    """One round: what was injected, and what the checker found afterwards. `seconds` by part."""

    number: int
    injections: list[Injection] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    checked: dict[str, Any] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    load: dict[str, Any] = field(default_factory=dict)
    letters: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def injected(self) -> list[Injection]:
        return [one for one in self.injections if one.happened_at is not None]

    @property
    def ok(self) -> bool:
        return not self.violations

    def as_json(self) -> dict[str, Any]:
        return {
            "round": self.number,
            "ok": self.ok,
            "injected": len(self.injected),
            "violations": [one.as_json() for one in self.violations],
            "invariants": self.checked,
            "load": self.load,
            "dead_letters": self.letters,
            "complaints": self.complaints,
            "seconds": self.seconds,
            "injections": [one.as_json() for one in self.injections],
        }


def as_json(rounds: list[Round], kinds: tuple[Kind, ...], seed: int, began: datetime) -> dict[str, Any]:
    injections = [one for round_ in rounds for one in round_.injections]
    injected = [one for one in injections if one.happened_at is not None]
    return {
        "ok": all(round_.ok for round_ in rounds),
        "seed": seed,
        "began": began.isoformat(timespec="seconds"),
        "minutes": round((datetime.now(UTC) - began).total_seconds() / 60, 1),
        "machine": machine(),
        "injected": len(injected),
        "not_injected": len(injections) - len(injected),
        "kinds": by_kind(injections, kinds),
        "violations": sum(len(round_.violations) for round_ in rounds),
        "rounds": [round_.as_json() for round_ in rounds],
    }


def by_kind(injections: list[Injection], kinds: tuple[Kind, ...]) -> dict[str, dict[str, Any]]:
    """For each kind: how often, in how many variants, how long from the fault until it was healed, in seconds."""
    found: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        of_kind = [one for one in injections if one.kind == kind.name]
        there = [one for one in of_kind if one.happened_at is not None]
        lasted = sorted((one.healed_at - one.began).total_seconds() for one in there if one.healed_at is not None)
        found[kind.name] = {
            "injected": len(there),
            "not_injected": len(of_kind) - len(there),
            "not_healed": sum(one.outcome == "not healed" for one in of_kind),
            "variants": len({one.variant for one in there}),
            "of_variants": len(kind.variants),
            "seconds_p50": round(lasted[len(lasted) // 2], 1) if lasted else None,
            "seconds_max": round(lasted[-1], 1) if lasted else None,
            "why_not": dict(
                Counter(one.done[-1] for one in of_kind if one.happened_at is None and one.done).most_common(3)
            ),
        }
    return found


def machine() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
    }


def show(console: Console, found: dict[str, Any], kinds: tuple[Kind, ...]) -> None:
    table = Table("故障 kind", "注入 injected", "变体 variants", "p50 s", "max s", "未成 not injected")
    for kind in kinds:
        row = found["kinds"][kind.name]
        table.add_row(
            f"{kind.name}\n[dim]{kind.zh}[/]",
            str(row["injected"]),
            f"{row['variants']}/{row['of_variants']}",
            str(row["seconds_p50"] or "—"),
            str(row["seconds_max"] or "—"),
            str(row["not_injected"] or ""),
        )
    console.print(table)
    for round_ in found["rounds"]:
        for violation in round_["violations"]:
            _show_violation(console, round_["round"], violation)
    held = "全部通过 all held" if found["ok"] else f"{found['violations']} 处违反 violations"
    colour = "green" if found["ok"] else "red"
    console.print(
        f"[bold {colour}]{held}[/]: {found['injected']} 次注入 injected, seed {found['seed']}, {found['minutes']} min",
        soft_wrap=True,
    )


def _show_violation(console: Console, round_: int, violation: dict[str, Any]) -> None:
    zh, en = INVARIANTS.get(violation["invariant"], ("", ""))
    case = f" 哨单 case {violation['number'] or violation['case_id']}" if violation["case_id"] else ""
    console.print(f"[bold red]{violation['invariant']}[/] {zh} · {en} (round {round_}){case}", soft_wrap=True)
    console.print(f"  {violation['why']}", markup=False, highlight=False, soft_wrap=True)
    for one in violation["history"][:SHOWN]:
        if "injected" in one:
            console.print(f"  {one['at']}  ⚡ {one['injected']}: {'; '.join(one['did'])}", markup=False, soft_wrap=True)
        else:
            told = f"  {one['at']}  {one['log']:<18} {one['caseseq']:>3} {one['type']}  {one['data']}"
            console.print(told, markup=False, highlight=False, soft_wrap=True)
