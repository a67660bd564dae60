"""`chuishao bench burst`: load that jumps up and down, and what became of every loop of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy.bench.loop import Asked, Tell, played, server
from deploy.bench.machine import load, machine, versions
from deploy.bench.stage import stage

RATES = (1, 15, 1, 25, 2, 35, 10, 0)
"""Loops a second, one step after the other."""


@dataclass(frozen=True, slots=True)
class Burst:
    """What is to be measured: the rates `times` as high, so many seconds each."""

    times: float = 1.0
    seconds: float = 10.0
    rates: tuple[float, ...] = RATES
    workers: int = 1
    beside: tuple[str, ...] = ()

    def paces(self) -> list[dict[str, Any]]:
        """Nothing is waited for between two steps: what one left is the next one's load."""
        rates = [rate * self.times for rate in self.rates]
        return [
            {"name": f"{number}: {rate:g}/s", "seconds": self.seconds, "rate": rate, "drain": False}
            for number, rate in enumerate(rates, start=1)
        ]


async def measure(folder: Path, asked: Burst, tell: Tell) -> dict[str, Any]:
    """The figures as a document."""
    on = machine()
    tell("engines", 0, 1)
    async with stage(folder) as where:
        running = Asked(seconds=asked.seconds, workers=asked.workers, beside=asked.beside)
        found = await played(where, running, asked.paces(), tell)
        postgresql = await server(where)
    return {
        "steps": [_step(step) for step in found["steps"].values()],
        "loops": found["finished"],
        "latency_ms": _worst([step["latency_ms"] for step in found["steps"].values()]),
        **{name: found[name] for name in ("errors", "said", "retries", "lost", "incomplete", "invariants", "check_ok")},
        "asked": asdict(asked),
        "services": {name: (1 if name in asked.beside else asked.workers) for name in running.services},
        "machine": on | {"load_after": load()},
        "versions": versions() | {"postgresql": postgresql},
    }


def _step(step: dict[str, Any]) -> dict[str, Any]:
    kept = ("name", "rate", "seconds", "offered", "finished", "latency_ms", "backlog")
    return {name: step[name] for name in kept} | {"cpu_seconds": step["cpu_seconds"]}


def _worst(spreads: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    """The highest of each figure in any step."""
    return {
        name: max((one[name] or 0.0 for one in spreads if one[name] is not None), default=None)
        for name in ("p50", "p99", "max")
    }
