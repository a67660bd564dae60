"""A measurement on the screen: what is being done while it runs, and what to do where it cannot."""

import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn

from deploy.check.drained import NotDrained
from deploy.local.errors import StackError

Tell: TypeAlias = Callable[[str, int, int], None]
"""Hears what is being done, how much of it is, and how much there is."""

errors = Console(stderr=True)


def run(measuring: Callable[[Tell], Coroutine[Any, Any, dict[str, Any]]]) -> dict[str, Any]:
    """What was found. Exit code 1, and why, where it could not be measured."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends it wants its stack ended, too
    try:
        with Progress(
            "{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=errors, transient=True
        ) as screen:
            return uvloop.run(measuring(_Told(screen)))
    except (StackError, NotDrained) as error:
        errors.print(f"chuishao: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


class _Told:
    """A line on the screen for each thing that is done."""

    def __init__(self, screen: Progress) -> None:
        self._screen = screen
        self._lines: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, whole: int) -> None:
        if what not in self._lines:
            self._lines[what] = self._screen.add_task(what, total=whole)
        self._screen.update(self._lines[what], completed=done, total=whole)
