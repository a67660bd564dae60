"""`python -m deploy.rules.bench`: how fast rules are read, applied, checked and replayed, at the size of a province.

Everything is measured in one run, on made-up units, rules and matters; the same sizes and seed give the same ones.
Times are the process's own on the processor, so that what else the machine does is not counted; how long the replay
took by the clock on the wall is told beside it.
"""

import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from deploy.rules.reading import SHIPPED
from services.intake.domain.catalogue import Catalogue
from services.intake.setup import read_catalogue
from services.router.domain.routing.check import check
from services.router.domain.routing.conditions import situation_of
from services.router.domain.routing.route import decide, route
from services.router.domain.routing.rules import Rules, from_json, parse_rules, to_json
from services.router.domain.routing.what_if import Past, what_if
from shared.contracts import units_json
from shared.contracts.facts import Matter
from shared.contracts.units import UnitTree
from shared.contracts.units_file import parse_units
from shared.contracts.vocabulary import AppealType, Source, Urgency

T = TypeVar("T")

START = datetime(2026, 1, 1, tzinfo=UTC)
STREETS, COMMUNITIES, DEPARTMENTS = 100, 2_000, 900
SLOW_CASES = 300
"""Matters that are also sent through every rule in turn; the index is compared with that."""

SIGNS = [chr(0x4E00 + 9 * place) for place in range(2_000)]
OFTEN = [1 / place for place in range(1, len(SIGNS) + 1)]
"""As in any language a few signs make up most of a text."""


def main(
    units: Annotated[int, typer.Option(help="how many units", min=3_100)] = 50_000,
    rules: Annotated[int, typer.Option(help="how many rules", min=1)] = 5_000,
    cases: Annotated[int, typer.Option(help="how many cases to replay", min=1_000)] = 100_000,
    seed: int = 4,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Measure, and print what was measured."""
    chance = random.Random(seed)  # noqa: S311 - not a secret: the same seed gives the same rules
    catalogue = read_catalogue(SHIPPED / "categories.csv")
    words = ["".join(chance.choices(SIGNS, OFTEN, k=chance.randint(2, 4))) for _ in range(10_000)]
    found: dict[str, float] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        begun = time.process_time()
        result = work()
        found[name] = time.process_time() - begun
        return result

    unit_text = _units(units)
    tree = timed("units_yaml_seconds", lambda: parse_units(unit_text).after(None, "1"))
    stored_units = units_json.to_json(tree)
    timed("units_stored_seconds", lambda: units_json.from_json(stored_units))
    rule_text = _rules(rules, catalogue, words, chance)
    parsed = timed("rules_yaml_seconds", lambda: parse_rules(rule_text, tree))
    stored_rules = to_json(parsed)
    loaded = timed("rules_stored_seconds", lambda: from_json(stored_rules))
    timed("index_seconds", lambda: loaded.index)
    matters = list(_matters(5_000, catalogue, words, chance))
    found |= _route_times(matters, loaded, tree)
    timed("check_seconds", lambda: list(check(loaded, tree, catalogue)))
    new = Rules("2", tuple(reversed(loaded.rules)))
    with Progress(
        "replaying", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=Console(stderr=True)
    ) as screen:
        history = _matters(cases, catalogue, words, chance)
        begun = time.perf_counter()
        timed("what_if_seconds", lambda: what_if(screen.track(history, total=cases), loaded, new, tree))
        found["what_if_seconds_by_the_clock"] = time.perf_counter() - begun
    _tell({"units": units, "rules": rules, "cases": cases}, found, as_json)


def _route_times(matters: list[Past], rules: Rules, tree: UnitTree) -> dict[str, float]:
    """Microseconds of a case by the index, and by every rule in turn for some of the same cases."""
    by_index: list[float] = []
    in_turn: list[float] = []
    for place, past in enumerate(matters):
        begun = time.process_time()
        found = route(past.matter, past.self_handled, rules, tree, past.at)
        by_index.append(time.process_time() - begun)
        if place < SLOW_CASES:
            begun = time.process_time()
            situation = situation_of(past.matter, past.self_handled, tree, past.at)
            holding = (rule for rule in rules.rules if rule.when.holds(situation))
            same = decide(holding, past.matter, rules.version, tree)
            in_turn.append(time.process_time() - begun)
            if same != found:
                raise SystemExit(f"the index and the rules in turn differ on {past.matter}")
    cuts = statistics.quantiles(by_index, n=100)
    return {
        "route_p50_us": cuts[49] * 1e6,
        "route_p99_us": cuts[98] * 1e6,
        "route_max_us": max(by_index) * 1e6,
        "in_turn_p50_us": statistics.median(in_turn) * 1e6,
        "times_faster": statistics.mean(in_turn) / statistics.mean(by_index[:SLOW_CASES]),
    }


def _tell(sizes: dict[str, int], found: dict[str, float], as_json: bool) -> None:
    rounded: dict[str, Any] = {name: round(value, 3) for name, value in found.items()}
    if as_json:
        typer.echo(json.dumps({**sizes, **rounded}, indent=2))
        return
    table = Table("measured", "value", title=", ".join(f"{count:,} {name}" for name, count in sizes.items()))
    for name, value in rounded.items():
        table.add_row(name, f"{value:,}")
    Console().print(table)


# --- made up --------------------------------------------------------------------------------------------------


def _community(place: int) -> str:
    return f"{_street(place % STREETS)}{place // STREETS + 1:03d}"


def _street(place: int) -> str:
    return f"110199{place + 1:03d}"


def _units(count: int) -> str:
    lines = ["version: bench", "units:", '- {code: "110199", name: 区治理中心, kind: hub}']
    lines += [f'- {{code: "{_street(n)}", name: 街道{n}, kind: street, parent: "110199"}}' for n in range(STREETS)]
    lines += [
        f'- {{code: "{_community(n)}", name: 社区{n}, kind: community, parent: "{_street(n % STREETS)}"}}'
        for n in range(COMMUNITIES)
    ]
    lines += [
        f'- {{code: dept-{n}, name: 部门{n}, kind: department, parent: "110199", capabilities: [职能{n % 300}]}}'
        for n in range(DEPARTMENTS)
    ]
    lines += [
        f'- {{code: "{_community(n % COMMUNITIES)}{n // COMMUNITIES + 1:03d}", name: 网格{n}, kind: grid, '
        f'parent: "{_community(n % COMMUNITIES)}"}}'
        for n in range(count - 1 - STREETS - COMMUNITIES - DEPARTMENTS)
    ]
    return "\n".join(lines)


def _rules(count: int, catalogue: Catalogue, words: list[str], chance: random.Random) -> str:
    paths = sorted(catalogue.paths)
    rules = []
    for place in range(count):
        # Every one asks two to four things, so that about every second matter reaches some rule.
        when: dict[str, Any] = {"category": sorted({chance.choice(chance.choice(paths)) for _ in range(2)})}
        for field in chance.sample(("region", "keywords", "not_keywords", "source", "hours", "dates", "urgency"), 2):
            match field:
                case "region":
                    when[field] = [_street(chance.randrange(STREETS)) for _ in range(10)]
                case "keywords" | "not_keywords":
                    when[field] = chance.sample(words, 5)
                case "source":
                    when[field] = [one.value for one in chance.sample(list(Source), 4)]
                case "hours":
                    when[field] = [f"{chance.randrange(8, 24):02d}:{chance.randrange(60):02d}-07:30"]
                case "dates":
                    day = START + timedelta(days=chance.randrange(300))
                    when[field] = [f"{day:%Y-%m-%d}..{day + timedelta(days=60):%Y-%m-%d}"]
                case _:
                    when[field] = [one.value for one in chance.sample(list(Urgency), 2)]
        then: dict[str, Any] = {"level": "department", "units": [f"dept-{chance.randrange(DEPARTMENTS)}"]}
        if chance.random() < 0.3:
            then = {"level": "street", "co_handlers": [f"dept-{chance.randrange(DEPARTMENTS)}"]}
        because = {"zh": f"规则{place}", "en": f"rule {place}"}
        rules.append({"id": f"r{place}", "when": when, "then": then, "because": because})
    lines = (f"- {json.dumps(rule, ensure_ascii=False)}" for rule in rules)
    return "version: bench\nrules:\n" + "\n".join(lines)


def _matters(count: int, catalogue: Catalogue, words: list[str], chance: random.Random) -> Iterator[Past]:
    paths = sorted(catalogue.paths)
    for number in range(count):
        at = START + timedelta(minutes=chance.randrange(365 * 24 * 60))
        # Mostly what people write, one in fifty as long as a whistle may be; with some words that rules ask for.
        length = 3_900 if chance.random() < 0.02 else chance.randint(20, 200)
        region = _community(chance.randrange(COMMUNITIES))
        matter = Matter(
            number=f"BENCH{number:08d}",
            source=chance.choice(list(Source)),
            appeal_type=chance.choice(list(AppealType)),
            urgency=chance.choice(list(Urgency)),
            category=chance.choice(paths),
            title="".join(chance.choices(words, k=4)),
            content="".join(chance.choices(SIGNS, OFTEN, k=length)),
            region=region,
            whistle_blower=region,
            received_at=at,
            respondent=f"部门{chance.randrange(DEPARTMENTS)}" if chance.random() < 0.1 else None,
        )
        yield Past(case_id=UUID(int=number), matter=matter, self_handled=False, at=at)


if __name__ == "__main__":
    typer.run(main)
