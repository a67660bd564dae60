"""The rehearsal's own bookkeeping: what it counts, what it takes for whose turn, what it changes in the district."""

import asyncio
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
import yaml

from deploy.demo.reform import LEAVES, NEW_RULE, RULES_VERSION, TAKES_OVER, UNITS_VERSION, changed_rules, changed_units
from deploy.demo.samples import TWICE, samples
from deploy.demo.screen import WORDS
from deploy.demo.seen import AtHub, Owed, Seen, Sight
from deploy.demo.tally import BRANCHES, Tally
from services.router.domain.routing.rules import parse_rules
from shared.contracts import facts as f
from shared.contracts.units_file import parse_units
from shared.contracts.vocabulary import ActorKind, CaseList, DispatchCause, Ledger, Level, Role, Source, Stage, Urgency
from shared.runtime.setup_files import read_units

SETUP = Path(__file__).parents[3] / "deploy" / "district"
UNITS = read_units(SETUP / "units.yaml")
CASE = UUID(int=1)
NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
WATER, POWER = "util-water", "util-power"
HEADING = {"number": "C-1", "source": Source.COMMUNITY, "actor": f.Actor(kind=ActorKind.RULE)}
WHY = f.Reason(zh="规则", en="a rule")
MATTER = f.Matter(
    number="C-1",
    source=Source.COMMUNITY,
    appeal_type="help",
    urgency=Urgency.NORMAL,
    title="水管漏水",
    content="三号楼前水管漏水",
    region="110199001001",
    whistle_blower="110199001001",
    received_at=NOW,
)


def test_every_branch_has_its_words() -> None:
    assert list(WORDS) == list(BRANCHES)


# --- the next event of a log, and no other


def test_repeats_and_what_runs_ahead_are_not_counted() -> None:
    tally = Tally()
    came = [7, 8, 8, 10, 7, 9, 10, 11]
    assert [number for number in came if tally.is_next("cases", 0, number)] == [7, 8, 9, 10, 11]


# --- whose turn it is


def made(number: int, unit: str, role: Role, begun: bool = True) -> f.AssignmentMade:
    return f.AssignmentMade(assignment_id=UUID(int=number), unit=unit, role=role, begun=begun)


def dispatched(*assignments: f.AssignmentMade) -> f.CaseDispatched:
    return f.CaseDispatched(
        **HEADING,
        stage=Stage.HANDLING,
        level=Level.DEPARTMENT,
        matter=MATTER,
        assignments=assignments,
        cause=DispatchCause.RULE,
        ledger=Ledger.FIXED_DEADLINE,
        reason=WHY,
    )


def signed_in(number: int, unit: str) -> f.CaseSignedIn:
    return f.CaseSignedIn(**HEADING, stage=Stage.HANDLING, assignment_id=UUID(int=number), unit=unit)


def done(number: int, unit: str) -> f.CaseUnitDone:
    part = {"assignment_id": UUID(int=number), "unit": unit}
    return f.CaseUnitDone(**HEADING, stage=Stage.HANDLING, **part, result="已修好")


def about(kind: type[f.CaseFact], number: int, unit: str, **more: object) -> f.CaseFact:
    part = {"assignment_id": UUID(int=number), "unit": unit}
    return kind.model_validate(HEADING | {"stage": Stage.HANDLING} | part | more)


def contacted(number: int, unit: str) -> f.CaseFact:
    return about(f.CaseProgressed, number, unit, note="已联系", contacted=True)


def at_work(number: int, unit: str) -> tuple[f.CaseFact, f.CaseFact]:
    return signed_in(number, unit), contacted(number, unit)


def refuses(number: int, unit: str, stage: Stage = Stage.REFUSAL_REVIEW) -> f.CaseFact:
    return about(f.CaseRefused, number, unit, stage=stage, reason="不归本单位", basis="职责清单", count=1)


def ruled(number: int, unit: str, upheld: bool) -> f.CaseFact:
    return about(f.CaseRefusalRuled, number, unit, upheld=upheld, reason="会商")


def told(*facts: f.CaseFact) -> Seen:
    seen = Seen()
    for caseseq, fact in enumerate(facts, start=1):
        seen.take(fact, caseseq, NOW)
    return seen


BOTH = dispatched(made(1, WATER, Role.LEAD), made(2, POWER, Role.CO_HANDLER))
CHANGED = dispatched(made(2, POWER, Role.LEAD, begun=False), made(1, WATER, Role.CO_HANDLER, begun=False))
SUSPENDED = f.CaseCommented(**HEADING, stage=Stage.SUSPENDED, text="挂账中")
ALONE = dispatched(made(1, WATER, Role.LEAD, begun=False))
STEPS = tuple(f.Milestone(number=number, title="施工", due_at=NOW) for number in (1, 2))
PHASED = f.CaseListed(
    **HEADING,
    stage=Stage.HANDLING,
    case_list=CaseList.PHASED,
    ledger=Ledger.FIXED_DEADLINE,
    reason="须分阶段实施",
    milestones=STEPS,
    assignments=(),
)
SIGN_IN, CONTACT, DONE = Owed(f.ReportSignedIn), Owed(f.ReportProgressed), Owed(f.ReportDone)
REACHED = f.CaseMilestoneReached.model_validate(
    HEADING | {"stage": Stage.HANDLING, "milestone": 1, "assignment_id": UUID(int=1), "unit": WATER, "note": "已完成"}
)
BOTH_AT_WORK = (BOTH, *at_work(1, WATER), *at_work(2, POWER))


@pytest.mark.parametrize(
    ("facts", "water", "power"),
    [
        # what the log says                              the lead owes   the co-handler owes
        ((BOTH,), SIGN_IN, SIGN_IN),
        ((BOTH, signed_in(1, WATER)), CONTACT, SIGN_IN),
        ((BOTH, SUSPENDED), None, None),
        ((BOTH, SUSPENDED, signed_in(1, WATER)), CONTACT, SIGN_IN),
        (BOTH_AT_WORK, None, DONE),
        ((*BOTH_AT_WORK, done(2, POWER)), DONE, None),
        ((*BOTH_AT_WORK, CHANGED), DONE, None),
        ((*BOTH_AT_WORK, ALONE), DONE, None),
        ((*BOTH_AT_WORK, PHASED), Owed(f.ReportMilestoneReached, 1), DONE),
        ((*BOTH_AT_WORK, PHASED, REACHED), Owed(f.ReportMilestoneReached, 2), DONE),
        ((BOTH, *at_work(1, WATER), refuses(2, POWER)), None, None),
        ((BOTH, refuses(2, POWER), ruled(2, POWER, upheld=False)), SIGN_IN, SIGN_IN),
        ((BOTH, *at_work(1, WATER), refuses(2, POWER), ruled(2, POWER, upheld=True)), DONE, None),
    ],
)
def test_what_a_unit_owes_follows_from_the_facts(
    facts: tuple[f.CaseFact, ...], water: Owed | None, power: Owed | None
) -> None:
    seen = told(*facts)
    assert {unit: seen.owes(unit) for unit in (WATER, POWER)} == {WATER: water, POWER: power}


@pytest.mark.parametrize(
    ("facts", "at_hub"),
    [
        ((BOTH,), None),
        ((BOTH, refuses(2, POWER)), AtHub(Stage.REFUSAL_REVIEW, (POWER,))),
        ((BOTH, refuses(2, POWER), ruled(2, POWER, upheld=False)), None),
        (
            (BOTH, refuses(2, POWER), refuses(1, WATER, Stage.CONSULTATION)),
            AtHub(Stage.CONSULTATION, (WATER, POWER)),
        ),
    ],
)
def test_what_waits_for_the_hub_follows_from_the_facts(facts: tuple[f.CaseFact, ...], at_hub: AtHub | None) -> None:
    assert told(*facts).at_hub == at_hub


def test_who_keeps_a_part_keeps_what_it_did_and_the_successor_goes_on_with_it() -> None:
    over = f.CaseHandedOver(
        **HEADING,
        stage=Stage.HANDLING,
        before=WATER,
        unit="util-water-2",
        assignment_id=UUID(int=1),
        role=Role.LEAD,
        matter=MATTER,
        reason=WHY,
    )
    seen = told(BOTH, signed_in(1, WATER), CHANGED, over)
    parts = {unit: (part.role, part.signed_in) for unit, part in seen.parts.items()}
    assert parts == {POWER: (Role.LEAD, False), "util-water-2": (Role.CO_HANDLER, True)}


async def test_who_waits_for_a_case_is_told_when_it_shows_and_when_it_is_over() -> None:
    sight = Sight()
    signing = asyncio.create_task(sight.until(CASE, lambda seen: seen.facts[f.CaseSignedIn] > 0))
    closing = asyncio.create_task(sight.until(CASE, lambda seen: seen.facts[f.CaseClosed] > 0))
    sight.take(CASE, BOTH, 1, NOW)
    await asyncio.sleep(0)
    assert not signing.done()
    assert not await sight.within(CASE, 0.01, lambda seen: seen.over)
    sight.take(CASE, signed_in(1, WATER), 2, NOW)
    assert (await signing).caseseq == 2
    sight.take(CASE, f.CaseWithdrawn(**HEADING, stage=Stage.WITHDRAWN, reason="已解决"), 3, NOW)
    assert (await closing).over
    assert (await sight.until(CASE, lambda _: False)).over
    assert await sight.within(CASE, 0.01, lambda _: False)


# --- what changes in the middle


def test_a_department_is_merged_into_another_and_the_rules_get_one_more() -> None:
    units = changed_units(yaml.safe_load((SETUP / "units.yaml").read_text(encoding="utf-8")))
    after = parse_units(units, "yaml", "units.yaml").after(UNITS, "")
    assert after.version == UNITS_VERSION
    assert LEAVES not in after
    assert after.present(LEAVES) == TAKES_OVER
    rules = parse_rules(changed_rules(yaml.safe_load((SETUP / "rules.yaml").read_text(encoding="utf-8"))), UNITS)
    assert rules.version == RULES_VERSION
    assert rules.rules[0].id == NEW_RULE["id"]


# --- samples for the branches that need their own


def test_some_matters_are_reported_twice_and_some_are_about_the_community_itself() -> None:
    made = list(samples(320, 3, UNITS))
    twice = [
        (one, other)
        for one, other in pairwise(made)
        if (one.source, other.source) == TWICE and one.region == other.region
    ]
    assert len(twice) > 10
    assert all(one.body["title"] == other.body["appealSubject"] for one, other in twice)
    names = {unit.code: unit.name for unit in UNITS}
    about = [one for one in made if one.body.get("respondent") or one.body.get("被反映单位")]
    assert about
    assert all(names[one.region] in (one.body.get("respondent"), one.body.get("被反映单位")) for one in about)
