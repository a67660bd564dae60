"""A comparison as a document: what the table, the picture and `--json` show. Its fields only grow.

Shares are 0–1 and None where nothing was due; days and hours are clock time. Nothing in it tells when, or how fast, it
was made: the same seed gives the same bytes.
"""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deploy.simulate.assumptions import DAY, HOUR, MEASURED, Assumptions
from deploy.simulate.comparison import Share, differences, notices, quantile, share
from deploy.simulate.district import District
from deploy.simulate.runs import Job, Result
from shared.contracts.vocabulary import Obligation, Post, Urgency

SCHEMA = "chuishao.simulation/1"
FIGURES = 6
"""So many digits of a fraction are kept."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """One policy and its runs, seed by seed."""

    name: str
    version: str
    results: list[Result]


def document(
    job: Job, runs: int, district: District, assumptions: Assumptions, simulated: Sequence[Simulated]
) -> dict[str, Any]:
    """`job` = the first of them: what is the same for all."""
    first = simulated[0]
    return {
        "schema": SCHEMA,
        "district": {"units": district.tree.version, "rules": district.routing.version},
        "start": job.start.isoformat(),
        "days": job.days,
        "cases_per_day": job.per_day,
        "seed": job.seed,
        "runs": runs,
        "order": job.order.value,
        "target": job.target,
        "assumptions": _assumed(job, assumptions),
        "policies": [_policy(one, district) for one in simulated],
        "differences": [
            {
                "of": other.name,
                "against": first.name,
                "paired_by": "run" if runs > 1 else "stretch of time",
                "figures": {
                    name: {"difference": _short(one.difference), "plus_minus": _short(one.plus_minus)}
                    for name, one in differences(first.results, other.results).items()
                    if one.difference is not None
                },
            }
            for other in simulated[1:]
        ],
    }


def _assumed(job: Job, assumptions: Assumptions) -> dict[str, Any]:
    """What of people and cases is no finding but put in; every unit's staff stands with the unit."""
    return {
        "effort_minutes": assumptions.effort_minutes.model_dump(mode="json"),
        "elapsed_days": {
            urgency.value: {"measured": job.durations.name}
            if job.durations is not None and urgency in MEASURED
            else assumptions.elapsed(urgency).model_dump(mode="json")
            for urgency in Urgency
        },
        "behaviour": assumptions.behaviour.model_dump(mode="json"),
        "cases_like": None if job.cases is None else job.cases.name,
    }


def _policy(one: Simulated, district: District) -> dict[str, Any]:
    tallies = [result.tally for result in one.results]
    lengths = array("d", [length for tally in tallies for of in tally.handled_after.values() for length in of])
    return {
        "name": one.name,
        "version": one.version,
        "cases": sum(tally.cases for tally in tallies),
        "ended": _counted(tally.ended for tally in tallies),
        "open": _counted(tally.still_open for tally in tallies),
        "refusals": sum(tally.refusals for tally in tallies),
        "reworks": sum(tally.reworks for tally in tallies),
        "on_time": {
            "all": _share(share(tallies)),
            **{
                obligation.value: _share(found)
                for obligation in Obligation
                if (found := share(tallies, obligation=obligation)).due
            },
        },
        "days_to_handle": {"median": _days(quantile(lengths, 0.5)), "p90": _days(quantile(lengths, 0.9))},
        "steps_a_day": {
            "yellow": _mean([tally.yellows for tally in tallies]),
            "red": _mean([tally.reds for tally in tallies]),
            "rung": _mean([tally.rungs for tally in tallies]),
        },
        "rungs": {str(rung): number for rung, number in sorted(_sum(tally.by_rung for tally in tallies).items())},
        "notices_a_day": {
            post.value: None
            if (found_notices := notices(tallies, post)) is None
            else {
                "people": found_notices.people,
                "mean": _short(found_notices.mean),
                "most": _short(found_notices.most),
                "most_unit": found_notices.most_unit,
            }
            for post in Post
        },
        "by_day": {
            "open_cases": _by_day([tally.open_cases for tally in tallies]),
            "waiting": _by_day([tally.waiting for tally in tallies]),
            "yellow": _by_day([tally.yellows for tally in tallies]),
            "red": _by_day([tally.reds for tally in tallies]),
            "rung": _by_day([tally.rungs for tally in tallies]),
        },
        "units": [_unit(code, one.results, district) for code in sorted(tallies[0].desks)],
        "staffing_by_days": one.results[0].replayed_days,
    }


def _unit(code: str, results: Sequence[Result], district: District) -> dict[str, Any]:
    tallies = [result.tally for result in results]
    desks = [tally.desks[code] for tally in tallies]
    lengths = array("d", [length for tally in tallies for length in tally.handled_after.get(code, ())])
    begun = sum(desk.begun for desk in desks)
    capacity = sum(desk.capacity for desk in desks)
    needs = [result.needs[code] for result in results if code in result.needs]
    need = max(needs, key=lambda one: one.staff, default=None)
    return {
        "unit": code,
        "name": district.tree.name_of(code),
        "name_en": district.tree.name_of(code, english=True),
        "on_time": {
            "all": _share(share(tallies, code)),
            "handle": _share(share(tallies, code, Obligation.HANDLE)),
        },
        "days_to_handle": {"median": _days(quantile(lengths, 0.5)), "p90": _days(quantile(lengths, 0.9))},
        "tasks": begun,
        "mean_wait_hours": _short(sum(desk.waited for desk in desks) / begun / HOUR) if begun else None,
        "waiting_at_the_end": _short(sum(tally.waiting_of.get(code, 0) for tally in tallies) / len(tallies)),
        "most_waiting": max(tally.most_waiting_of[code] for tally in tallies),
        "staff": {"day": desks[0].day, "night": desks[0].night},
        "utilisation": _short(sum(desk.busy for desk in desks) / capacity) if capacity else None,
        "staffing": None
        if need is None
        else {
            "needed": need.staff,
            "goal": _short(need.goal),
            "by_staff_alone": need.by_staff_alone,
            "reached": _short(need.share),
            "with_present_staff": _short(need.share_now),
            "with_nobody_waiting": _short(need.reachable),
            "busy_on_average": _short(need.offered),
        },
    }


def _share(found: Share) -> dict[str, Any]:
    return {"due": found.due, "on_time": found.on_time, "late": found.late, "share": _short(found.value)}


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, FIGURES)


def _days(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / DAY, FIGURES)


def _mean(of_runs: Sequence[Sequence[int]]) -> float:
    return round(sum(map(sum, of_runs)) / sum(map(len, of_runs)), FIGURES)


def _by_day(of_runs: Sequence[Sequence[int]]) -> list[float]:
    """Of one day, the average of the runs."""
    return [round(sum(day) / len(day), 2) for day in zip(*of_runs, strict=True)]


def _sum(counters: Any) -> Counter[Any]:
    total: Counter[Any] = Counter()
    for one in counters:
        total.update(one)
    return total


def _counted(counters: Any) -> dict[str, int]:
    return {stage.value: number for stage, number in sorted(_sum(counters).items())}
