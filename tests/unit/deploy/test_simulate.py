"""A district in simulated time: nothing is lost, nothing is invented, and the same seed gives the same bytes."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from typer.testing import CliRunner

from deploy.cli import app
from deploy.simulate.arrivals import Arrivals
from deploy.simulate.assumptions import Assumptions, Behaviour, Order
from deploy.simulate.district import District, read_district
from deploy.simulate.tally import Tally
from deploy.simulate.world import Setting, World
from services.sla.domain.calendar import SHANGHAI
from services.sla.domain.policy_file import read_policy
from shared.contracts.vocabulary import Obligation, Stage

DISTRICT = Path("deploy/district")
POLICY = DISTRICT / "policy.yaml"
START = datetime(2026, 4, 27, tzinfo=SHANGHAI)
"""The week before the holiday of 1–5 May and the make-up Saturday after it."""
DAYS, A_DAY = 21, 40.0

Changed = Callable[..., str]


@pytest.fixture(scope="module")
def district() -> District:
    return read_district(DISTRICT)


@pytest.fixture(scope="module")
def usual(district: District) -> Tally:
    """By the shipped policy, with the people there are by default."""
    return simulated(district, str(POLICY))


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    """A policy file like the shipped one, but for these fields."""

    def changed(name: str, **fields: object) -> str:
        policy = yaml.safe_load(POLICY.read_text(encoding="utf-8"))
        limits = fields.pop("limits", {})
        assert isinstance(limits, dict)
        policy |= {"version": name, **fields}
        policy["limits"] |= limits
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump(policy, allow_unicode=True), encoding="utf-8")
        return str(file)

    return changed


def simulated(
    district: District,
    policy: str,
    order: Order = Order.DUE_FIRST,
    assumptions: Assumptions | None = None,
    seed: int = 7,
) -> Tally:
    known = assumptions or Assumptions()
    setting = Setting(district, known, order, START, DAYS, A_DAY)
    arrivals = Arrivals(district, known.behaviour, START, DAYS, A_DAY, seed)
    rules = district.rules(read_policy(Path(policy).read_text(encoding="utf-8"), policy))
    return World(setting, rules).run(arrivals)


def shares(tally: Tally) -> dict[tuple[str, Obligation], tuple[int, int]]:
    """On time and late, of each unit and obligation."""
    found: dict[tuple[str, Obligation], tuple[int, int]] = {}
    for place, counted in enumerate((tally.on_time, tally.late)):
        for owed, number in counted.items():
            before = found.get((owed.unit, owed.obligation), (0, 0))
            now = (before[0] + number, before[1]) if place == 0 else (before[0], before[1] + number)
            found[owed.unit, owed.obligation] = now
    return found


# --- what is counted ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", Order)
def test_every_case_is_over_or_open_and_never_both(district: District, order: Order) -> None:
    tally = simulated(district, str(POLICY), order)
    assert tally.cases == tally.ended.total() + tally.still_open.total() > 600
    assert tally.ended.keys() == {Stage.CLOSED, Stage.DECLINED}
    assert tally.ended[Stage.CLOSED] > 100
    assert not tally.still_open.keys() & tally.ended.keys()
    assert len(tally.open_cases) == DAYS
    assert tally.open_cases[-1] == tally.still_open.total()


def test_every_red_is_late_once_and_every_late_one_was_red(usual: Tally) -> None:
    assert sum(usual.reds) == usual.late.total() > 100
    assert sum(usual.rungs) == usual.by_rung.total()
    rungs = [usual.by_rung[number] for number in (1, 2, 3)]
    assert sum(usual.reds) >= rungs[0] >= rungs[1] >= rungs[2] > 0


def test_what_comes_in_is_the_same_for_every_policy_and_as_much_as_was_asked_for(district: District) -> None:
    quiet = Behaviour(surge_days=0)
    first = list(Arrivals(district, quiet, START, 90, 100, 7))
    assert first == list(Arrivals(district, quiet, START, 90, 100, 7))
    # 64 working days and 26 days off by the shipped weights: 100 a day on a usual week. Holidays take some away.
    assert len(first) == pytest.approx(9_000, rel=0.05)
    by_hour = Counter(one.matter.received_at.astimezone(SHANGHAI).hour for one in first)
    assert by_hour[10] > 10 * by_hour[3]
    assert [one.at for one in first] == sorted(one.at for one in first)


# --- one policy beside another ------------------------------------------------------------------------------------


def test_a_stricter_limit_never_makes_more_of_a_unit_s_work_on_time(district: District, changed: Changed) -> None:
    """In the order of coming, and with nobody refusing, everything happens at the same time under both."""
    nobody_refuses = Assumptions(behaviour=Behaviour(refusal=0))
    handle = {"critical": "1 clock_hour", "urgent": "12 clock_hour", "normal": "4 clock_day", "complex": "8 clock_day"}
    strict = changed("strict", limits={"handle": handle})
    loose = shares(simulated(district, str(POLICY), Order.FIFO, nobody_refuses))
    tight = shares(simulated(district, strict, Order.FIFO, nobody_refuses))
    lost = 0
    for owed, (on_time, _) in loose.items():
        less, _ = tight.get(owed, (0, 0))
        if owed[1] is Obligation.HANDLE:
            assert less <= on_time, owed
            lost += on_time - less
        else:
            assert tight[owed] == loose[owed], owed
    assert lost > 20


def test_the_order_of_work_is_what_a_limit_acts_through(district: District) -> None:
    """Too few people: who goes by due times meets more of them than who goes by turns."""
    few = Assumptions.model_validate({"kinds": {"street": {"day": 1}, "department": {"day": 1}, "hub": {"day": 2}}})
    by_due, by_turn = (simulated(district, str(POLICY), order, few) for order in (Order.DUE_FIRST, Order.FIFO))
    sign_in = [
        sum(on_time for (_, owed), (on_time, _) in shares(tally).items() if owed is Obligation.SIGN_IN)
        for tally in (by_due, by_turn)
    ]
    assert sign_in[0] > 1.05 * sign_in[1]


def test_a_shorter_ladder_has_fewer_rungs_and_as_many_reds(district: District, usual: Tally, changed: Changed) -> None:
    one_rung = changed("short", ladder={"default": [{"after": 0.25, "tell": ["unit"]}]})
    short = simulated(district, one_rung)
    assert short.by_rung.keys() == {1}
    assert sum(short.rungs) < sum(usual.rungs)
    assert short.reds == usual.reds
    assert short.on_time == usual.on_time


# --- the command --------------------------------------------------------------------------------------------------


def chuishao(*arguments: str) -> tuple[int, str, str]:
    said = CliRunner().invoke(app, ["simulate", *arguments])
    return said.exit_code, said.stdout, said.stderr


SMALL = ("--days", "7", "--cases-per-day", "30", "--start", "2026-04-27")


@pytest.fixture(scope="module")
def alone() -> str:
    code, said, _ = chuishao("--policy", str(POLICY), *SMALL, "--runs", "2", "--processes", "1", "--json")
    assert code == 0
    return said


def test_the_same_seed_gives_the_same_bytes_with_one_process_or_two(alone: str) -> None:
    code, said, _ = chuishao("--policy", str(POLICY), *SMALL, "--runs", "2", "--processes", "2", "--json")
    assert code == 0
    assert said == alone


def test_another_seed_gives_another_district_and_a_policy_differs_from_itself_by_nothing(alone: str) -> None:
    code, said, _ = chuishao(
        "--policy", str(POLICY), "--policy", str(POLICY), *SMALL, "--seed", "8", "--processes", "1", "--json"
    )
    found = json.loads(said)
    first, second = found["policies"]
    assert code == 0
    assert first["cases"] != json.loads(alone)["policies"][0]["cases"]
    assert {key: first[key] for key in first if key != "name"} == {key: second[key] for key in second if key != "name"}
    assert {one["difference"] for one in found["differences"][0]["figures"].values()} == {0.0}


def test_the_document_says_what_each_policy_makes_of_it(alone: str) -> None:
    found = json.loads(alone)
    (policy,) = found["policies"]
    assert (found["schema"], found["runs"], found["seed"], found["days"]) == ("chuishao.simulation/1", 2, 7, 7)
    assert sum(policy["ended"].values()) + sum(policy["open"].values()) == policy["cases"]
    every = policy["on_time"].pop("all")
    assert every["due"] == sum(one["due"] for one in policy["on_time"].values())
    assert every["due"] == sum(unit["on_time"]["all"]["due"] for unit in policy["units"])
    assert len(policy["by_day"]["open_cases"]) == 7
    assert found["assumptions"]["behaviour"]["refusal"] == 0.05


def test_the_table_and_the_picture(tmp_path: Path, changed: Changed) -> None:
    strict = changed("strict", limits={"handle": "1 clock_day"})
    picture = tmp_path / "out.svg"
    code, said, _ = chuishao(
        "--policy", str(POLICY), "--policy", strict, *SMALL, "--processes", "1", "--picture", str(picture)
    )
    assert code == 0
    for told in ("按期率 on time", "办结 handle", "督办/日 rungs a day", "per leader", "B − A"):
        assert told in said
    drawn = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
    words = [text.text or "" for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    for told in ("按期率 · On time by obligation", "北苑镇", "B  strict（strict）", "每位负责人 per leader"):
        assert told in words
    assert not any("nan" in word for word in words)


@pytest.mark.parametrize(
    ("staff", "told"),
    [
        ("units: {util-water: {day: 0}}", ("units.util-water.day", "nobody on duty handles nothing")),
        ("units: {util-wind: {day: 1}}", ("units.util-wind", "the district has no such unit")),
        ("effort_minutes: {handle: -1}", ("effort_minutes.handle", "greater than 0")),
        ("behaviour: {urgency: {normal: 0.5}}", ("behaviour.urgency", "add up to 1")),
        ("people: 3", ("people", "Extra inputs")),
        ("units: [", ("cannot be read",)),
    ],
)
def test_a_staff_file_that_cannot_be_used_says_where_and_why(tmp_path: Path, staff: str, told: tuple[str, ...]) -> None:
    file = tmp_path / "staff.yaml"
    file.write_text(staff, encoding="utf-8")
    code, _, said = chuishao("--policy", str(POLICY), "--staff", str(file), *SMALL)
    assert code == 1
    for part in (str(file), *told):
        assert part in said


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("category,region\n供水,110199001001\n供水,月球\n", ("line 3, region", "月球", "no community or street")),
        ("category,region,urgency\n供水,湖畔社区,soon\n", ("line 2, urgency", "soon")),
        ("category\n供水\n", ("region", "column is missing")),
        ("category,region\n", ("there is no case in it",)),
    ],
)
def test_a_file_of_cases_that_cannot_be_used_says_where_and_why(
    tmp_path: Path, rows: str, told: tuple[str, ...]
) -> None:
    file = tmp_path / "cases.csv"
    file.write_text(rows, encoding="utf-8")
    code, _, said = chuishao("--policy", str(POLICY), "--input", str(file), *SMALL)
    assert code == 1
    for part in (str(file), *told):
        assert part in said


def test_cases_are_of_the_shapes_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    file.write_text("category,region,urgency,source\n供水,湖畔社区,normal,community\n", encoding="utf-8")
    code, said, _ = chuishao("--policy", str(POLICY), "--input", str(file), *SMALL, "--processes", "1", "--json")
    units = {unit["unit"]: unit["tasks"] for unit in json.loads(said)["policies"][0]["units"] if unit["tasks"]}
    assert code == 0
    # Water goes to the water company; its community checks, and takes on what it can do itself.
    assert units.keys() <= {"util-water", "110199001001", "110199"} | {unit for unit in units if "dept-" in unit}
    assert units["util-water"] > 200


def test_real_durations_take_the_place_of_the_fitted_ones(tmp_path: Path) -> None:
    quick = tmp_path / "days.csv"
    quick.write_text("days\n0.01\n0.02\n", encoding="utf-8")
    command = ("--policy", str(POLICY), *SMALL, "--processes", "1", "--json")
    medians = [
        json.loads(chuishao(*command, *more)[1])["policies"][0]["days_to_handle"]["median"]
        for more in ((), ("--durations", str(quick)))
    ]
    assert medians[1] < 0.5 < medians[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [("version: a\nlimits: {accept: 1 fortnight}", ("policy-a.yaml", "limits.accept")), ("- 1", ("policy-a.yaml",))],
)
def test_a_policy_that_cannot_be_used_says_where(tmp_path: Path, text: str, told: tuple[str, ...]) -> None:
    file = tmp_path / "policy-a.yaml"
    file.write_text(text, encoding="utf-8")
    code, _, said = chuishao("--policy", str(file), *SMALL)
    assert code == 1
    for part in told:
        assert part in said


def test_a_set_up_folder_that_is_none_is_named(tmp_path: Path) -> None:
    code, _, said = chuishao("--policy", str(POLICY), "--district", str(tmp_path), *SMALL)
    assert (code, "units.yaml" in said) == (1, True)
