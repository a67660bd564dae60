"""The report as an operator reads it."""

from rich.console import Console
from rich.table import Table

from deploy.check.report import WORDS, Finding, Report


def show(console: Console, report: Report) -> None:
    """A line for each invariant, then what broke them, then what waits in the dead letters."""
    table = Table("", "成立 holds", "已查 checked", "违反 broken", "不变式 invariant")
    for name, finding in report.findings.items():
        zh, en = WORDS[name]
        verdict = "[green]是 yes[/]" if finding.ok else "[red]否 no[/]"
        table.add_row(name, verdict, f"{finding.checked:,}", f"{finding.broken:,}", f"{zh}\n{en}")
    console.print(table)
    for name, finding in report.findings.items():
        _violations(console, name, finding)
    letters = report.dead_letters
    console.print(
        f"死信 / dead letters: {letters.get('total', 0)}, 待处理 / waiting: {letters.get('waiting', 0)}",
        highlight=False,
    )
    for service, reasons in letters.get("by_reason", {}).items():
        for reason, count in reasons.items():
            _line(console, f"  {service}: {count} × {reason}")
    _line(console, f"{report.seconds:.1f} s")


def show_finding(console: Console, name: str, finding: Finding) -> None:
    """One invariant alone."""
    zh, en = WORDS[name]
    verdict = "成立 / holds" if finding.ok else "不成立 / broken"
    _line(
        console, f"{name} {zh} / {en}: {verdict}, 已查 / checked {finding.checked:,}, 违反 / broken {finding.broken:,}"
    )
    _violations(console, name, finding)


def _violations(console: Console, name: str, finding: Finding) -> None:
    for violation in finding.violations:
        _line(console, f"{name}  {violation}", style="red")
    if finding.broken > len(finding.violations):
        _line(console, f"{name}  … {finding.broken - len(finding.violations):,} more", style="red")


def _line(console: Console, text: str, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
