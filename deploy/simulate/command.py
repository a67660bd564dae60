"""`chuishao simulate`: what policies would do to a district, in simulated time."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from deploy.simulate import picture, screen
from deploy.simulate.arrivals import CasesInvalid, read_cases
from deploy.simulate.assumptions import Assumptions, AssumptionsInvalid, Order, read_assumptions, read_durations
from deploy.simulate.district import DistrictInvalid, read_district, read_policy_file
from deploy.simulate.document import Simulated, document
from deploy.simulate.runs import Job, Result, RunFailed, run_all

FIRST_DAY = datetime(2026, 3, 2)  # noqa: DTZ001 - the day alone counts; its zone is the calendar's
DISTRICT = Path(__file__).parents[1] / "district"

console = Console()
errors = Console(stderr=True)


def register(to: typer.Typer) -> None:
    to.command()(simulate)


def simulate(
    policy: Annotated[list[Path], typer.Option(help="a policy as YAML; twice or more to compare", dir_okay=False)],
    district: Annotated[Path, typer.Option(help="a set-up folder: units, rules, categories, calendars")] = DISTRICT,
    days: Annotated[int, typer.Option(help="how many days", min=7, max=3_650)] = 90,
    seed: Annotated[int, typer.Option(help="the same seed gives the same bytes")] = 7,
    cases_per_day: Annotated[float, typer.Option(help="on average", min=0.1, max=10_000_000)] = 100,
    staff: Annotated[Path | None, typer.Option(help="people and other assumptions as YAML; a default by kind")] = None,
    order: Annotated[Order, typer.Option(help="what staff take next")] = Order.DUE_FIRST,
    durations: Annotated[
        Path | None, typer.Option(help="CSV with `days`, or created_at and replied_at: how long matters really take")
    ] = None,
    input_: Annotated[
        Path | None, typer.Option("--input", help="CSV of cases shaped like real ones: category, region, urgency, …")
    ] = None,
    start: Annotated[datetime, typer.Option(help="the first day", formats=["%Y-%m-%d"])] = FIRST_DAY,
    target: Annotated[
        float, typer.Option(help="the on-time share that staffing is reckoned for", min=0.01, max=1)
    ] = 0.95,
    runs: Annotated[int, typer.Option(help="so many seeds, from `seed` on", min=1, max=1_000)] = 1,
    processes: Annotated[int, typer.Option(help="how many at once; 0 = as many as processors", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
    to_picture: Annotated[Path | None, typer.Option("--picture", help="draw it into this SVG", dir_okay=False)] = None,
) -> None:
    """Compare policies by what each makes of the same cases, with the same people. Exit code 1 where a file is wrong.

    The rules of dispatch and the clocks are the ones in production; what people do is modelled.
    """
    with _explained():
        known = read_district(district)
        versions = [read_policy_file(path).version for path in policy]
        assumed = read_assumptions(staff, set(known.staffed)) if staff is not None else Assumptions()
        if durations is not None:
            read_durations(durations)
        if input_ is not None:
            read_cases(input_, known.tree)
        begins = start.replace(tzinfo=known.of_the_hub.zone)
        jobs = [
            Job(district, path, number, begins, days, cases_per_day, order, target, staff, durations, input_)
            for path in policy
            for number in range(seed, seed + runs)
        ]
        results = _run(jobs, processes or os.cpu_count() or 1)
        names = _names(policy)
        simulated = [
            Simulated(names[place], versions[place], results[place * runs : (place + 1) * runs])
            for place in range(len(policy))
        ]
        found = document(jobs[0], runs, known, assumed, simulated)
        if to_picture is not None:
            to_picture.write_text(picture.drawn(found), encoding="utf-8")
        if as_json:
            typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
        else:
            screen.show(found, console)


def _names(policies: list[Path]) -> list[str]:
    """Their files' names, with the folder where two are called the same."""
    plain = [path.stem for path in policies]
    return [
        name if plain.count(name) == 1 else f"{path.parent.name}/{name}"
        for name, path in zip(plain, policies, strict=True)
    ]


def _run(jobs: list[Job], processes: int) -> list[Result]:
    begun = time.monotonic()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[cases]:,} cases 件"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=errors,
    ) as progress:
        bars = [progress.add_task(f"{job.policy.stem} #{job.seed}", total=job.days, cases=0) for job in jobs]

        def told(place: int, day: int, cases: int) -> None:
            progress.update(bars[place], completed=day, cases=cases)

        results = run_all(jobs, min(processes, len(jobs)), told)
    cases, seconds = sum(result.tally.cases for result in results), time.monotonic() - begun
    errors.print(f"{cases:,} cases 件, {seconds:.1f} s", highlight=False)
    return results


@contextmanager
def _explained() -> Iterator[None]:
    """What is wrong with a file is said without a traceback; Ctrl-C ends with 130."""
    try:
        yield
    except (DistrictInvalid, AssumptionsInvalid, CasesInvalid, RunFailed) as error:
        errors.print(f"chuishao: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except OSError as error:
        errors.print(f"chuishao: {error.filename}: {error.strerror}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print("Stopped.")
        raise typer.Exit(130) from None
