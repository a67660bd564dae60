"""The command `chuishao`: what make calls, and what an operator uses."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy import callbacks, clock, ledger, letters, notices, operate, reckoning
from deploy.audit import command as auditing
from deploy.audit import redact as redacting
from deploy.bench import command as measuring
from deploy.calendar import command as calendar
from deploy.check import command as checking
from deploy.demo.command import demo
from deploy.faults import command as faults
from deploy.local.errors import StackError
from deploy.local.places import DEFAULT_FOLDER
from deploy.local.prometheus import NAMES as WATCHING
from deploy.local.stack import LocalStack, ProcessStatus, stacks_under_var
from deploy.org import command as organisation
from deploy.policy import command as policy
from deploy.rebuild import command as rebuilding
from deploy.rules import command as rules
from deploy.scorecard import command as scorecards
from deploy.simulate import command as simulating

app = typer.Typer(
    name="chuishao",
    help="吹哨: whistles of residents and communities, followed until they are closed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True)

Folder = Annotated[Path, typer.Option(help="Folder of the stack; a relative one is the project's.")]


@contextmanager
def explained() -> Iterator[None]:
    """What an operator can act on is said without a traceback; Ctrl-C ends with 130."""
    try:
        yield
    except StackError as error:
        errors.print(f"chuishao: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except PermissionError as error:
        errors.print(f"chuishao: {error}. Was it made by another user?", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print("Stopped.")
        raise typer.Exit(130) from None


@app.command()
def up(
    folder: Folder = DEFAULT_FOLDER,
    engines_only: Annotated[bool, typer.Option(help="Kafka and PostgreSQL without the services.")] = False,
) -> None:
    """Start the local stack and keep it running; print its addresses."""
    with explained():
        stack = LocalStack(folder, watched=True)
        stack.start(services=not engines_only)
        # Each has answered; the supervisor calls a process "starting" for a second longer.
        _show([one._replace(state="ready") if one.pid else one for one in stack.status()])
        if not engines_only:
            _show_watching(stack)
        console.print(f"Logs: {stack.log('intake').parent}    Stop: make down", highlight=False, soft_wrap=True)


@app.command()
def down(
    folder: Folder = DEFAULT_FOLDER,
    every: Annotated[bool, typer.Option("--all", help="Every stack under var/, the tests' too.")] = False,
    erase: Annotated[bool, typer.Option(help="Also remove the stack's folder with all its data.")] = False,
) -> None:
    """Stop the local stack in order; its data stays."""
    with explained():
        for stack in stacks_under_var() if every else [LocalStack(folder)]:
            if erase:
                stack.erase()
            else:
                stack.stop()
        console.print("Stopped and erased." if erase else "Stopped; the data stays.")


@app.command()
def status(folder: Folder = DEFAULT_FOLDER) -> None:
    """Show each process of the local stack. Exit code 3 unless all of them run (but for those that only watch)."""
    with explained():
        stack = LocalStack(folder)
        processes = stack.status()
        if not processes:
            console.print("Never started here. Start it: make up")
            raise typer.Exit(3)
        _show(processes)
        _show_watching(stack)
        counted = [process for process in processes if process.name not in WATCHING]
        if any(process.state not in ("running", "external") for process in counted):
            raise typer.Exit(3)


COLOURS = {"ready": "green", "running": "green", "external": "green", "stopped": "dim", "failed": "red"}


def _show(processes: list[ProcessStatus]) -> None:
    table = Table("process", "state", "id", "address")
    for process in processes:
        colour = COLOURS.get(process.state, "yellow")
        table.add_row(process.name, f"[{colour}]{process.state}[/]", str(process.pid or ""), process.address)
    console.print(table)


def _show_watching(stack: LocalStack) -> None:
    for line in stack.watching():
        console.print(line, markup=False, highlight=False, soft_wrap=True)


app.command()(demo)
operate.register(app)
ledger.register(app)
notices.register(app)
letters.register(app)
callbacks.register(app)
clock.register(app)
checking.register(app)
auditing.register(checking.audit)
redacting.register(checking.audit)
rebuilding.register(app)
organisation.register(app)
rules.register(app)
policy.register(app)
calendar.register(app)
scorecards.register(app)
reckoning.register(policy.app, calendar.app)
measuring.register(app)
simulating.register(app)
faults.register(app)


if __name__ == "__main__":
    sys.exit(app())
