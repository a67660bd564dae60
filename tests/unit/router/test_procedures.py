"""办件规程 that ship, held against what a clerk reads in them: who, in which stage, how often, how much, unless what.

Whatever is not in a table here is refused, and the answer says why.
"""

from datetime import timedelta
from itertools import product

import pytest

from services.router.domain.case import Case
from services.router.domain.procedures import LIMITS, MOST_DAYS, POSSIBLE_IN, Action, Procedure, Procedures, Who
from services.router.setup import parse_procedures
from shared.contracts import facts as f
from shared.contracts.faults import SetupInvalid
from shared.contracts.units import build_tree
from shared.contracts.vocabulary import Obligation, Source, Stage, Urgency
from shared.runtime.decision import Decision
from tests.unit.router.stories import (
    COMMUNITY,
    FOR_NOBODY,
    FOR_SHOPS,
    HOTLINE,
    HUB,
    MARKET,
    NOW,
    OTHER_COMMUNITY,
    PARKS,
    POWER,
    PROCEDURES,
    PROCEDURES_FILE,
    STREET,
    TREE,
    WATER,
    Said,
    Told,
    asks_extension,
    asks_suspension,
    comments,
    concluded,
    corrects,
    declined,
    denies,
    dismisses,
    dispatches,
    district,
    failed,
    finishes,
    grants,
    joins,
    lifts_supervision,
    lists_phased,
    lists_understanding,
    makes_lead,
    matter,
    merges,
    orders_rework,
    outcome,
    overdue,
    passed,
    procedures,
    refuses,
    releases,
    resumes,
    sets_urgency,
    signs_in,
    story,
    supervises,
    time_to_object_is_over,
    transfers,
    turns,
    unmerges,
    upholds,
    whistle,
    withdraws,
)

# --- who may do what where -----------------------------------------------------------------------------------

WHO = {
    "hub": HUB,
    "lead": COMMUNITY,
    "co-handler": PARKS,
    "superior": STREET,  # of the lead
    "whistle-blower": OTHER_COMMUNITY,
    "12345": HOTLINE.person or "",
    "another": MARKET,
}
SAYING = {
    "dispatch": lambda who: dispatches(MARKET, by=who),
    "rule on refusal": lambda who: dismisses(by=who),
    "rule on request": lambda who: denies(by=who),
    "resume": lambda who: resumes(by=who),
    "transfer": lambda who: transfers(STREET, by=who),
    "join": lambda who: joins(MARKET, by=who),
    "release": lambda who: releases(PARKS, by=who),
    "change the lead": lambda who: makes_lead(PARKS, by=who),
    "list": lambda who: lists_phased(by=who),
    "supervise": lambda who: supervises(by=who),
    "lift supervision": lambda who: lifts_supervision(COMMUNITY, by=who),
    "raise urgency": lambda who: sets_urgency(Urgency.URGENT, by=who),
    "lower urgency": lambda who: sets_urgency(Urgency.COMPLEX, by=who),
    "correct": lambda who: corrects(by=who),
    "comment": lambda who: comments(by=who),
    "withdraw": lambda who: withdraws(by=who),
    "merge": lambda who: merges(by=who),
    "unmerge": lambda who: unmerges(by=who),
    "order rework": lambda who: orders_rework(by=who),
}

AT_WORK_OR_NOT = "dispatched refusal_review consultation handling extension_review suspended rework"
BEFORE_DONE = f"verifying to_dispatch {AT_WORK_OR_NOT}"
WITH_PARTS = f"{AT_WORK_OR_NOT} checking rating closed"
MAY = f"""
what             | who                      | while the case stands in
dispatch         | hub                      | to_dispatch consultation
rule on refusal  | hub                      | refusal_review
rule on request  | hub                      | extension_review
resume           | hub lead                 | suspended
transfer         | hub superior             | dispatched handling rework
join             | hub                      | dispatched handling rework
release          | hub                      | dispatched handling rework
change the lead  | hub                      | dispatched handling rework
list             | hub                      | dispatched handling rework
supervise        | hub                      | dispatched refusal_review consultation handling extension_review rework
supervise        | superior                 | dispatched handling rework
lift supervision | hub                      | merged checking rating closed {BEFORE_DONE}
lift supervision | superior                 | {WITH_PARTS}
raise urgency    | hub whistle-blower       | {BEFORE_DONE}
lower urgency    | hub                      | {BEFORE_DONE}
correct          | hub whistle-blower       | {BEFORE_DONE}
comment          | hub whistle-blower 12345 | merged checking rating closed {BEFORE_DONE}
comment          | lead co-handler superior | {WITH_PARTS}
withdraw         | hub                      | {BEFORE_DONE}
withdraw         | whistle-blower 12345     | verifying to_dispatch dispatched
merge            | hub whistle-blower       | {BEFORE_DONE.replace("verifying ", "").replace("suspended ", "")}
unmerge          | hub whistle-blower       | merged
order rework     | hub                      | closed
"""

ORDER = matter(FOR_NOBODY, Source.HOTLINE_12345, whistle_blower=OTHER_COMMUNITY)
GIVEN = (whistle(ORDER), dispatches(COMMUNITY, PARKS))
AT_WORK = (*GIVEN, signs_in(COMMUNITY))
DONE = (*AT_WORK, signs_in(PARKS), finishes(PARKS), finishes(COMMUNITY))
CLOSED = (*DONE, passed(), concluded())
STANDS_IN: dict[Stage, tuple[Told, ...]] = {
    Stage.VERIFYING: (whistle(ORDER, needs_verification=True),),
    Stage.DECLINED: (whistle(ORDER, needs_verification=True), declined()),
    Stage.MERGED: (*GIVEN, merges(by=OTHER_COMMUNITY)),
    Stage.WITHDRAWN: (*GIVEN, withdraws(by=OTHER_COMMUNITY)),
    Stage.TO_DISPATCH: (whistle(ORDER),),
    Stage.DISPATCHED: GIVEN,
    Stage.REFUSAL_REVIEW: (*GIVEN, refuses(PARKS)),
    Stage.CONSULTATION: (*GIVEN, refuses(PARKS), dismisses(), refuses(PARKS)),
    Stage.HANDLING: AT_WORK,
    Stage.EXTENSION_REVIEW: (*AT_WORK, asks_extension(COMMUNITY)),
    Stage.SUSPENDED: (*AT_WORK, asks_suspension(COMMUNITY), grants()),
    Stage.CHECKING: DONE,
    Stage.RATING: (*DONE, passed()),
    Stage.REWORK: (*DONE, failed()),
    Stage.CLOSED: CLOSED,
    Stage.ARCHIVED: (*CLOSED, time_to_object_is_over()),
}
ALLOWED = {
    (what.strip(), one, stage)
    for what, who, stages in (line.split("|") for line in MAY.strip().splitlines()[1:])
    for one, stage in product(who.split(), stages.split())
}
EVER = {(what, who) for what, who, _ in ALLOWED} | {("rule on request", "superior")}  # where it is the approver


SHORT = {
    "no: not_yours_to_do": "not theirs",
    "no: not_yours_to_rule": "not theirs",
    "no: not_at_this_stage": "not now",
    "no: case_is_final": "not now",
}


def verdict(decision: Decision[Case]) -> str:
    said = outcome(decision)
    if not said.startswith("no: ") or said == "no: not_supervised":
        return "yes"
    return SHORT.get(said, said)


@pytest.mark.parametrize("what", SAYING)
@pytest.mark.parametrize("stage", STANDS_IN)
def test_who_may_do_it_where(what: str, stage: Stage) -> None:
    case = story(*STANDS_IN[stage])
    assert case.now.stage is stage
    for who, unit in WHO.items():
        found = verdict(story(*STANDS_IN[stage]).tell(SAYING[what](unit)))
        if (what, who, stage) in ALLOWED:
            assert found == "yes", who
        elif (what, who) in EVER:
            assert found in ("not now", "not theirs"), who
        else:
            assert found == "not theirs", who


def test_the_table_speaks_of_every_action() -> None:
    reports = {Action.REFUSE, Action.EXTEND, Action.SUSPEND}  # they have tables of their own, below
    assert len(SAYING) == len(set(Action) - reports)
    assert {what for what, _, _ in ALLOWED} == set(SAYING)
    assert all(stage in set(Stage) for _, _, stage in ALLOWED)


def test_what_a_person_decided_says_by_which_procedure_and_on_what_basis() -> None:
    case = story(whistle(), signs_in(), asks_extension(), grants())
    asked, ruled = case.facts[-2:]
    version = PROCEDURES.version
    assert asked.why == f.Reason(
        zh="等待材料", en="等待材料", rule="procedure:extend", version=version, basis="延期办法第 3 条"
    )
    assert ruled.why == f.Reason(zh="情况属实", en="情况属实", rule="procedure:rule_on_request", version=version)


def test_without_a_basis_of_ones_own_it_is_the_procedures() -> None:
    case = story(*GIVEN, transfers(STREET, by=STREET))
    dispatched = case.facts[-1]
    assert isinstance(dispatched, f.CaseDispatched)
    assert dispatched.reason.basis == "上级单位在所属单位之间转办"


# --- refusing ------------------------------------------------------------------------------------------------

SIGN_IN, HANDLE, CONTACT = Obligation.SIGN_IN, Obligation.HANDLE, Obligation.FIRST_CONTACT
REFUSING = [
    # 之前                                              退单
    ((), "refused"),
    ((overdue(CONTACT),), "refused"),
    ((overdue(HANDLE),), "refused"),
    ((overdue(SIGN_IN, MARKET),), "refused"),
    ((overdue(SIGN_IN),), "no: limit_has_passed"),
    ((signs_in(),), "no: too_late_to_refuse"),
    ((refuses(), dismisses()), "refused"),
    ((refuses(), dismisses(), overdue(SIGN_IN)), "no: limit_has_passed"),
    ((refuses(), dismisses(), refuses(), dispatches(WATER)), "no: designation_is_final"),
    # once too late it stays too late in this round, though the case went away and came back
    ((overdue(SIGN_IN), transfers(MARKET), transfers(WATER)), "no: limit_has_passed"),
    ((signs_in(), finishes(), failed()), "no: designation_is_final"),
]


@pytest.mark.parametrize(("before", "expected"), REFUSING)
def test_refusing(before: tuple[Told, ...], expected: str) -> None:
    assert outcome(story(whistle(), *before).tell(refuses())) == expected


# --- asking for time -------------------------------------------------------------------------------------------

EXTENDING = """
urgency  | granted before | missed        | asks for | outcome
normal   | 0              | nothing       | 100 %    | requested
normal   | 0              | nothing       | 25 %     | requested
normal   | 0              | sign_in       | 100 %    | requested
normal   | 0              | first_contact | 100 %    | requested
normal   | 0              | handle        | 25 %     | no: limit_has_passed
normal   | 1              | nothing       | 25 %     | no: times_used_up
normal   | 1              | handle        | 25 %     | no: limit_has_passed
complex  | 0              | nothing       | 100 %    | requested
complex  | 1              | nothing       | 100 %    | requested
complex  | 1              | handle        | 100 %    | no: limit_has_passed
complex  | 2              | nothing       | 1 %      | no: times_used_up
urgent   | 0              | nothing       | 1 %      | no: urgency_excludes_it
critical | 0              | nothing       | 1 %      | no: urgency_excludes_it
"""


@pytest.mark.parametrize("row", EXTENDING.strip().splitlines()[1:])
def test_extending(row: str) -> None:
    urgency, granted, missed, share, expected = (cell.strip() for cell in row.split("|"))
    case = story(whistle(matter(urgency=Urgency(urgency))), signs_in())
    for _ in range(int(granted)):
        case.goes_on(asks_extension(), grants())
    if missed != "nothing":
        case.goes_on(overdue(Obligation(missed)))
    assert outcome(case.tell(asks_extension(share=int(share.removesuffix(" %")) / 100))) == expected


def test_a_unit_that_lost_the_case_and_got_it_back_has_not_got_its_extension_back() -> None:
    case = story(whistle(), signs_in(), asks_extension(), grants(), transfers(MARKET), transfers(WATER), signs_in())
    assert outcome(case.tell(asks_extension())) == "no: times_used_up"


def test_nor_is_it_in_time_again() -> None:
    case = story(whistle(), signs_in(), overdue(HANDLE), transfers(MARKET), transfers(WATER), signs_in())
    assert outcome(case.tell(asks_extension())) == "no: limit_has_passed"


def test_each_unit_has_its_own_extension() -> None:
    case = story(whistle(matter(FOR_SHOPS)), signs_in(MARKET), signs_in(PARKS), asks_extension(MARKET), grants())
    turns(
        case,
        (asks_extension(MARKET), "no: times_used_up"),
        (asks_extension(PARKS), "requested"),
    )


SUSPENDING = """
who        | suspended before | until      | outcome
lead       | 0                | 30 days    | requested
lead       | 0                | 365 days   | requested
lead       | 0                | 366 days   | no: asks_too_much
lead       | 0                | 0 days     | no: date_has_passed
lead       | 0                | -1 days    | no: date_has_passed
lead       | 0                | not said   | no: date_missing
lead       | 1                | 30 days    | no: times_used_up
co-handler | 0                | 30 days    | no: not_yours_to_do
"""


@pytest.mark.parametrize("row", SUSPENDING.strip().splitlines()[1:])
def test_suspending(row: str) -> None:
    who, before, until, expected = (cell.strip() for cell in row.split("|"))
    case = story(whistle(matter(FOR_SHOPS)), signs_in(MARKET), signs_in(PARKS))
    for _ in range(int(before)):
        case.goes_on(asks_suspension(MARKET), grants(), resumes())
    date = None if until == "not said" else NOW + timedelta(days=int(until.removesuffix(" days")))
    decision = case.tell(asks_suspension(MARKET if who == "lead" else PARKS, date))
    assert outcome(decision) == expected
    if decision.refusal is not None and expected in ("no: asks_too_much", "no: date_has_passed", "no: date_missing"):
        assert (decision.refusal.field, decision.refusal.status) == ("until", 422)


HOW_FAR_AHEAD = [
    # 三单                                                              答复                   字段
    (lists_phased(1095), "listed", None),
    (lists_phased(10, 1096), "no: asks_too_much", "milestones"),
    (lists_understanding(review_at=NOW + timedelta(days=1095)), "listed", None),
    (lists_understanding(review_at=NOW + timedelta(days=1096)), "no: asks_too_much", "review_at"),
    (lists_understanding(review_at=NOW), "no: date_has_passed", "review_at"),
]


@pytest.mark.parametrize(("said", "expected", "field"), HOW_FAR_AHEAD)
def test_how_far_ahead_a_plan_may_reach(said: Said, expected: str, field: str | None) -> None:
    decision = story(whistle()).tell(said)
    assert outcome(decision) == expected
    assert field == (decision.refusal.field if decision.refusal else None)


# --- another district's procedures ---------------------------------------------------------------------------


def test_a_district_that_consults_from_the_third_refusal_on() -> None:
    """Two refusals are argued at once; the hub rules on each by unit."""
    case = story(district(given=procedures(consultation_after=3)), whistle(matter(FOR_SHOPS)))
    turns(
        case,
        (refuses(PARKS), "refused -> refusal_review"),
        (refuses(MARKET), "refused -> refusal_review"),
        (dismisses(), "no: which_refusal"),
        (dismisses(of=WATER), "no: which_refusal"),
        (dismisses(of=MARKET), "refusal_ruled -> refusal_review"),
        (upholds(WATER, of=PARKS), "refusal_ruled + dispatched -> dispatched"),
        (refuses(WATER), "refused -> consultation"),
    )
    assert {one.unit for one in case.now.present} == {MARKET, WATER}


def test_a_district_where_refusals_are_counted() -> None:
    once = {Action.REFUSE: (Procedure(who=(Who.HANDLER,), times=1),)}
    case = story(district(given=procedures(once, consultation_after=9)), whistle(), refuses(), dismisses())
    assert outcome(case.tell(refuses())) == "no: times_used_up"
    case.goes_on(transfers(MARKET), transfers(WATER))
    assert outcome(case.tell(refuses())) == "no: times_used_up", "counted for the unit, not for the assignment"


def test_a_district_that_grants_less() -> None:
    half = {Action.EXTEND: (Procedure(who=(Who.HANDLER,), share=0.5, approval=Who.HUB),)}
    case = story(district(given=procedures(half)), whistle(), signs_in())
    decision = case.tell(asks_extension(share=0.6))
    assert decision.refusal is not None
    assert (decision.refusal.code, decision.refusal.field, decision.refusal.status) == ("asks_too_much", "share", 422)
    assert "50%" in decision.refusal.zh
    assert outcome(case.tell(asks_extension())) == "no: asks_too_much", "who names no share asks for all of it"
    assert outcome(case.tell(asks_extension(share=0.5))) == "requested"


def test_a_district_without_approval_grants_at_once() -> None:
    freely = {
        Action.EXTEND: (Procedure(who=(Who.HANDLER,), times=1),),
        Action.SUSPEND: (Procedure(who=(Who.LEAD,)),),
    }
    case = story(district(given=procedures(freely)), whistle(), signs_in())
    turns(
        case,
        (asks_extension(share=0.5), "requested + request_ruled -> handling"),
        (asks_extension(), "no: times_used_up"),
        (asks_suspension(until=NOW + timedelta(days=MOST_DAYS + 1)), "no: asks_too_much"),
        (asks_suspension(), "requested + request_ruled -> suspended"),
    )


def test_a_district_where_the_superior_approves() -> None:
    """Who answers for the unit: whom it names as its supervisor, though that is not its parent."""
    units = [one if one.code != WATER else one.model_copy(update={"supervisor": PARKS}) for one in TREE]
    above = {Action.EXTEND: (Procedure(who=(Who.HANDLER,), approval=Who.SUPERVISOR),)}
    case = story(district(build_tree(units, "1"), procedures(above)), whistle(), signs_in(), asks_extension())
    asked = case.facts[-1]
    assert isinstance(asked, f.CaseRequested)
    assert asked.approver == PARKS
    turns(case, (denies(by=MARKET), "no: not_yours_to_do"), (grants(by=PARKS), "request_ruled -> handling"))


def test_whom_a_superior_is_not_asked_for_it_does_not_grant() -> None:
    """The street is above the lead; but the request is the co-handler's, for the hub to rule on."""
    case = story(*GIVEN, signs_in(COMMUNITY), signs_in(PARKS), asks_extension(PARKS))
    decision = case.tell(grants(by=STREET))
    assert decision.refusal is not None
    assert (decision.refusal.code, decision.refusal.status) == ("not_yours_to_rule", 403)
    assert HUB in decision.refusal.zh


def test_what_nobody_may() -> None:
    nobody: dict[Action, tuple[Procedure, ...]] = {Action.MERGE: (), Action.REFUSE: ()}
    case = story(district(given=procedures(nobody)), whistle())
    turns(case, (merges(by=HUB), "no: nobody_may"), (refuses(), "no: nobody_may"))


def test_a_deputy_acts_for_its_unit() -> None:
    units = [one if one.code != WATER else one.model_copy(update={"deputies": (POWER,)}) for one in TREE]
    case = story(district(build_tree(units, "1")), whistle())
    turns(
        case,
        (signs_in(PARKS), "no: not_your_case"),
        (signs_in(POWER), "signed_in -> handling"),
        (asks_extension(POWER), "requested -> extension_review"),
        (denies(), "request_ruled -> handling"),
        (asks_suspension(POWER), "requested"),
        (denies(), "request_ruled"),
        (comments(by=POWER), "commented"),
        (finishes(POWER), "unit_done + handled -> checking"),
    )
    done = next(fact for fact in case.facts if isinstance(fact, f.CaseUnitDone))
    assert (done.unit, done.actor.unit) == (WATER, POWER), "whose part it is, and who acted"


def test_a_deputy_with_a_part_of_its_own_speaks_for_itself() -> None:
    units = [one if one.code != PARKS else one.model_copy(update={"deputies": (MARKET,)}) for one in TREE]
    case = story(district(build_tree(units, "1")), whistle(matter(FOR_SHOPS)), signs_in(MARKET))
    assert [(one.unit, one.part) for one in case.now.present] == [(MARKET, "signed_in"), (PARKS, "assigned")]
    assert outcome(case.tell(signs_in(MARKET))) == "no: nothing_to_sign_in"


# --- the file ------------------------------------------------------------------------------------------------

TEXT = PROCEDURES_FILE.read_text(encoding="utf-8")
SPOILT = [
    # written                       instead                           field                      why
    ("who: [hub], stages: [closed]", "who: [boss], stages: [closed]", "procedures.rework.0.who", "no such value"),
    ("who: [hub], stages: [closed]", "who: [], stages: [closed]", "procedures.rework.0.who", ""),
    ("who: [hub], stages: [closed]", "who: [hub], stage: [closed]", "procedures.rework.0.stage", "no such field"),
    ("who: [hub], stages: [closed]", "who: [hub], stages: [archived]", "", "procedures.rework: not possible in arch"),
    ("who: [hub], stages: [closed]", "who: [hub], times: 2", "", "procedures.rework: times has no effect"),
    ("lead], stages: [suspended]", "lead], stages: [handling]", "", "procedures.resume: not possible"),
    ("times: 2, share: 1", "times: 0, share: 1", "procedures.extend.1.times", "at least 1"),
    ("times: 2, share: 1", "times: 2, share: 1.5", "procedures.extend.1.share", "at most 1"),
    ("share: 1, unless_missed: handle, approval: hub, basis: 一般", "approval: lead, basis: 一般", "", "approval"),
    ("  withdraw:\n", "  withdrawn:\n", "procedures.withdrawn", ""),
    ("consultation_after: 2", "consultation_after: 0", "consultation_after", "at least 1"),
    ('version: "2026-11-01"', 'version: ""', "version", "empty"),
]


@pytest.mark.parametrize(("written", "instead", "field", "why"), SPOILT)
def test_a_file_that_cannot_be_used_says_where_and_why(written: str, instead: str, field: str, why: str) -> None:
    assert TEXT.count(written) == 1
    with pytest.raises(SetupInvalid) as refused:
        parse_procedures(TEXT.replace(written, instead), "procedures.yaml")
    fault = refused.value.faults[0]
    assert fault.file == "procedures.yaml"
    assert fault.line > 0
    assert fault.field.startswith(field)
    assert why in f"{fault.field} {fault.en}"
    assert any("\u4e00" <= sign <= "\u9fff" for sign in fault.zh)


def test_an_action_that_is_left_out_is_a_fault() -> None:
    without = {action: rows for action, rows in PROCEDURES.procedures.items() if action is not Action.UNMERGE}
    with pytest.raises(ValueError, match="unmerge"):
        Procedures(version="1", procedures=without)


def test_what_is_possible_is_said_of_every_action() -> None:
    assert set(POSSIBLE_IN) == set(Action)
    assert all(POSSIBLE_IN.values())
    named = {name for name, field in Procedure.model_fields.items() if not field.is_required()}
    assert named - {"stages", "urgency", "basis"} == set(LIMITS)
