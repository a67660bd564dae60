"""Every mutation on the real stack, and what caught it: `python -m tests.faults.show_mutations [--json] [name …]`.

Exit code 0: every one was caught. 1: one survived. The report is also left in `var/mutations.json`.
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.faults.kind import Injection
from deploy.faults.report import INVARIANTS, Round, machine
from tests.faults.hunting import Hunt, hunt
from tests.faults.mutations import MUTATIONS

FOLDER = Path("var/mutations")
ROUNDS = 5
SHOWN = 12
console = Console(stderr=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.show_mutations", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="mutation", help=f"of {', '.join(MUTATIONS)}; all without it")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="so many for each mutation at most")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same plan")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder of the private stack; ALL IN IT IS ERASED")
    given = parser.parse_args(arguments)
    if unknown := sorted({*given.names} - {*MUTATIONS}):
        parser.error(f"no mutation: {', '.join(unknown)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends it wants the stack ended, too
    hunts: list[Hunt] = []
    written = ""
    for name in given.names or MUTATIONS:
        console.print(f"[bold]{name}[/] {MUTATIONS[name].zh} · {MUTATIONS[name].en}", highlight=False, soft_wrap=True)
        hunts.append(hunt(name, given.folder, given.rounds, given.seed, _tell))
        console.print(f"  {_by(hunts[-1]) or 'SURVIVED'}, {hunts[-1].seconds:.0f} s", highlight=False, soft_wrap=True)
        report = {"seed": given.seed, "machine": machine(), "mutations": [one.as_json() for one in hunts]}
        written = json.dumps(report, ensure_ascii=False, indent=2)
        given.folder.with_name(f"{given.folder.name}.json").write_text(written + "\n", encoding="utf-8")
    if given.json:
        print(written)  # noqa: T201
    else:
        show(Console(), hunts)
    return 0 if all(one.caught for one in hunts) else 1


def _tell(_name: str, round_: Round, injection: Injection) -> None:
    did = "; ".join(injection.done)[:160]
    console.print(f"  [dim]{round_.number}. {injection.kind}: {injection.variant}: {did}[/]", soft_wrap=True)


def _by(one: Hunt) -> str:
    return ", ".join(f"{name} ×{number}" for name, number in sorted(one.broken.items()))


def show(out: Console, hunts: Sequence[Hunt]) -> None:
    table = Table(
        "变异 mutation", "由何发现 caught by", "轮 rounds", "注入 injections", "哨单 case", "如何 why", show_lines=True
    )
    for one in hunts:
        first = one.first
        case = str(first.number or first.case_id or "—") if first is not None else ""
        table.add_row(
            f"{one.mutation}\n[dim]{MUTATIONS[one.mutation].zh}[/]",
            _by(one) if one.caught else "[red]未发现 survived[/]",
            str(one.rounds),
            str(one.injections),
            case,
            f"{first.invariant}: {first.why[:200]}" if first is not None else "",
        )
    out.print(table)
    for one in hunts:
        if one.first is not None and one.first.history:
            _show_history(out, one)


def _show_history(out: Console, one: Hunt) -> None:
    """The end of the case's history, which is where it went wrong or later."""
    assert one.first is not None
    zh, en = INVARIANTS[one.first.invariant]
    out.print(f"[bold]{one.mutation}[/]: {one.first.invariant} {zh} · {en}", soft_wrap=True)
    for line in one.first.history[-SHOWN:]:
        said = (
            f"⚡ {line['injected']}" if "injected" in line else f"{line['log']:<18} {line['caseseq']:>3} {line['type']}"
        )
        out.print(f"  {line['at']}  {said}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
