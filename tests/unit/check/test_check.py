"""Each invariant broken once: the checker names it, the place and the case, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import orjson
import pytest
from rich.console import Console

from deploy.check.checker import verify_chains
from deploy.check.report import SHOWN, Report
from deploy.check.source import LOGS, DeadLetter, Head, Standing, Unread
from deploy.check.table import show
from shared.contracts import facts as f
from shared.contracts.envelope import decode, encode
from shared.contracts.vocabulary import CaseList, Ledger, LimitCause, Obligation, Stage
from tests.unit.check.world import (
    BEGIN,
    DECLINED,
    GAS,
    GAS_NEW,
    HUB,
    JOINT,
    MERGED,
    POWER,
    ROUGH,
    SMOOTH,
    WATER,
    WITHDRAWN,
    Story,
    World,
    co_handler,
    kept,
    lead,
    whole,
)


@pytest.fixture
def world() -> World:
    return whole()


def broken(report: Report) -> set[str]:
    return {name for name, finding in report.findings.items() if not finding.ok}


def said(report: Report, name: str) -> list[str]:
    return [str(violation) for violation in report.findings[name].violations]


# --- in order


async def test_in_order(world: World) -> None:
    report = await world.check()
    assert broken(report) == set(), [said(report, name) for name in broken(report)]
    assert all(finding.checked for finding in report.findings.values())
    assert report.I3.measured["min_late_ms"] == 3
    assert report.I3.measured["max_late_ms"] == 12
    assert report.I2.measured["stages"] == {"archived": 4, "declined": 1, "withdrawn": 1}
    assert report.I2.measured["ledgers"] == {
        "fixed_deadline": {"written_off": 3, "open": 0},
        "special": {"written_off": 2, "open": 0},
    }
    assert report.I7.measured["lag"]["cases → feedback"] == 0


async def test_as_json_and_as_a_table(world: World) -> None:
    world.change("router", 0, 2, caseseq=9)
    report = await world.check()
    found = report.as_json()
    assert [name for name in found if name.startswith("I")] == ["I1", "I2", "I3", "I4", "I5", "I6", "I7"]
    assert found["ok"] is False
    assert found["I5"]["violations"][0] == {
        "why": "its caseseq is 9, the event says 2",
        "service": "router",
        "shard": 0,
        "sequence": 2,
        "case_id": str(SMOOTH),
        "number": "C-1",
    }
    console = Console(record=True, width=160)
    show(console, report)
    shown = console.export_text()
    assert "I5  service router, shard 0, sequence 2, case C-1" in shown
    assert "审计链完整相连" in shown


async def test_only_the_first_violations_are_kept(world: World) -> None:
    rows = [row for shard in (0, 3) for row in world.logs["router"][shard]]
    for row in rows:
        world.change("router", row.shard, row.sequence, digest=bytes(32))
    found = (await world.check()).I5
    assert found.broken == len(rows) > SHOWN == len(found.violations)


# --- what breaks what: how it is broken, which invariants say so, and what the first of them says


def lost(world: World) -> None:
    world.acknowledge("accepted", UUID(int=12 * 999), "C-9")


def lost_though_a_repeat(world: World) -> None:
    world.acknowledge("repeat", UUID(int=12 * 999), "C-9")


def acknowledged_under_another_number(world: World) -> None:
    world.ledger[0] = world.ledger[0]._replace(number="C-7")


def one_key_two_cases(world: World) -> None:
    world.acknowledge("repeat", ROUGH, "C-2", idempotency_key="k1")


def one_reference_two_cases(world: World) -> None:
    world.acknowledge("repeat", ROUGH, "C-2", source="a", source_ref="r")
    world.acknowledge("repeat", SMOOTH, "C-1", source="a", source_ref="r")


def another_number_in_the_table(world: World) -> None:
    world.states["router"][SMOOTH] = world.states["router"][SMOOTH]._replace(number="C-8")


def no_row_in_the_table(world: World) -> None:
    del world.states["router"][DECLINED]


def a_row_from_nowhere(world: World) -> None:
    world.states["router"][UUID(int=12)] = Standing(UUID(int=12), 0, "declined", "C-9")


def another_stage_in_the_table(world: World) -> None:
    world.states["router"][SMOOTH] = world.states["router"][SMOOTH]._replace(stage="declined")


def another_ledger_in_the_table(world: World) -> None:
    world.states["router"][JOINT] = world.states["router"][JOINT]._replace(ledger="on_the_spot")


def no_ledger_in_the_table(world: World) -> None:
    world.states["router"][WITHDRAWN] = world.states["router"][WITHDRAWN]._replace(ledger=None)


def written_off_another_ledger(world: World) -> None:
    rewrite(world, JOINT, f.CaseClosed, ledger=Ledger.ON_BEHALF)


def a_second_nobody_answers_for(world: World) -> None:
    community, unit = accounts_of(world, JOINT)
    short = unit.model_copy(update={"held": unit.held - timedelta(seconds=1)})
    rewrite(world, JOINT, f.CaseClosed, accounts=(community, short))


def a_microsecond_too_much(world: World) -> None:
    community, unit = accounts_of(world, MERGED)
    long = unit.model_copy(update={"held": unit.held + timedelta(microseconds=1)})
    rewrite(world, MERGED, f.CaseClosed, accounts=(community, long))


def nobody_answers_for_a_withdrawn_case(world: World) -> None:
    rewrite(world, WITHDRAWN, f.CaseWithdrawn, accounts=())


def a_unit_answers_twice(world: World) -> None:
    community, unit = accounts_of(world, JOINT)
    rewrite(world, JOINT, f.CaseClosed, accounts=(community.model_copy(update={"unit": unit.unit}), unit))


def suspension_forgotten(world: World) -> None:
    community, unit = accounts_of(world, JOINT)
    forgotten = unit.model_copy(update={"suspended": timedelta()})
    rewrite(world, JOINT, f.CaseClosed, accounts=(community, forgotten))


def suspended_on_anothers_account(world: World) -> None:
    community, unit = accounts_of(world, JOINT)
    shifted = community.model_copy(update={"suspended": unit.suspended})
    rewrite(world, JOINT, f.CaseClosed, accounts=(shifted, unit.model_copy(update={"suspended": timedelta()})))


def a_minute_on_another_units_account(world: World) -> None:
    community, unit = accounts_of(world, JOINT)
    less = unit.model_copy(update={"held": unit.held - timedelta(minutes=1)})
    more = community.model_copy(update={"held": community.held + timedelta(minutes=1)})
    rewrite(world, JOINT, f.CaseClosed, accounts=(more, less))


def closed_time_counted(world: World) -> None:
    closed_twice(world).closed(accounts=[f.UnitAccount(unit=WATER, held=timedelta(minutes=15))])


def merged_into_what_is_over(world: World) -> None:
    story = open_case(world)
    story.dispatched(unit=GAS)
    story.merged(Story(world, JOINT, "C-5"))
    change_owed(world, OPEN, state="cancelled", ended_at=BEGIN)


def merged_into_nothing(world: World) -> None:
    story = open_case(world)
    story.dispatched(unit=GAS)
    story.merged(Story(world, UUID(int=12 * 999), "C-9"))
    change_owed(world, OPEN, state="cancelled", ended_at=BEGIN)


def not_final(world: World) -> None:
    undo(world, "router", SMOOTH)
    running = world.deadline_rows[0]._replace(obligation="archive", generation=2, state="armed", ended_at=None)
    world.deadline_rows.append(running)


def fired_twice(world: World) -> None:
    row = world.row("sla", 0, 1)
    assert row.event is not None
    world.say("sla", SMOOTH, decode(row.event).fact, BEGIN)


def fired_early(world: World) -> None:
    place = next(place for place, row in enumerate(world.deadline_rows) if row.fired_at and row.case_id == ROUGH)
    row = world.deadline_rows[place]
    assert row.fired_at is not None
    early = row.due_at - timedelta(milliseconds=5)
    world.deadline_rows[place] = row._replace(fired_at=early)
    restate(world, "sla", 3, 1, fired_at=early)


def fired_and_not_stated(world: World) -> None:
    world.deadline_rows[0] = world.deadline_rows[0]._replace(fired_at=BEGIN, obligation="rate")


def stated_and_not_fired(world: World) -> None:
    place = next(place for place, row in enumerate(world.deadline_rows) if row.fired_at and row.case_id == SMOOTH)
    world.deadline_rows[place] = world.deadline_rows[place]._replace(fired_at=None)


def still_runs_for_a_final_case(world: World) -> None:
    world.deadline_rows[0] = world.deadline_rows[0]._replace(state="armed", ended_at=None)


def ended_and_still_running(world: World) -> None:
    world.deadline_rows[0] = world.deadline_rows[0]._replace(next_at=BEGIN)


def still_runs_for_a_merged_case(world: World) -> None:
    story = open_case(world)
    story.dispatched(unit=GAS)
    other = Story(world, OTHER, "C-8")
    other.received()
    world.owe(OTHER, HUB, Obligation.DISPATCH, BEGIN, state="armed", ended_at=None)
    story.merged(other)


def paused_though_not_suspended(world: World) -> None:
    open_case(world).dispatched(unit=WATER)
    pause(world, OPEN)
    world.owe(OPEN, WATER, Obligation.SIGN_IN, BEGIN, state="armed", ended_at=None)


def running_though_suspended(world: World) -> None:
    story = open_case(world)
    story.dispatched(unit=WATER)
    story.listed(CaseList.UNDERSTANDING)
    world.owe(OPEN, HUB, Obligation.REVIEW, BEGIN, state="armed", ended_at=None)


def paused_and_nobody_knows_what_is_left(world: World) -> None:
    running_though_suspended(world)
    pause(world, OPEN, time_left=None)


def paused_and_still_running(world: World) -> None:
    running_though_suspended(world)
    pause(world, OPEN, next_at=BEGIN, due_at=BEGIN + timedelta(minutes=1))


def running_with_time_put_by(world: World) -> None:
    open_case(world).dispatched(unit=WATER)
    change_owed(world, OPEN, time_left=timedelta(minutes=1))


def fired_of_a_unit_that_succeeded_nobody(world: World) -> None:
    overdue_before_it_was_handed_over(world, now=POWER)


def unit_not_told(world: World) -> None:
    world.topics["assignments." + POWER, 0] = world.topics["assignments." + POWER, 0][1:]


def unit_told_under_another_id(world: World) -> None:
    retell(world, id="another")


def unit_told_with_other_bytes(world: World) -> None:
    retell(world, traceparent="00-another")


def unit_told_of_nothing(world: World) -> None:
    retell(world, id="another", cause=str(UUID(int=7)))


def unit_told_what_is_anothers(world: World) -> None:
    message = world.topics["assignments." + WATER, 0][0]
    world.put("assignments." + POWER, 0, str(SMOOTH), message.value)


def assignment_given_to_two_units(world: World) -> None:
    open_case(world).dispatched(lead(1, WATER), co_handler(1, POWER))


def unit_given_two_assignments(world: World) -> None:
    open_case(world).dispatched(lead(1, WATER), co_handler(2, WATER))


def decision_without_a_lead(world: World) -> None:
    open_case(world).dispatched(co_handler(1, WATER))


def decision_with_two_leads(world: World) -> None:
    open_case(world).dispatched(lead(1, WATER), lead(2, POWER))


def begun_again_without_a_release(world: World) -> None:
    story = open_case(world)
    story.dispatched(lead(1, WATER), co_handler(2, POWER))
    story.dispatched(kept(lead(1, WATER)), co_handler(3, POWER))


def begun_in_a_round_that_is_over(world: World) -> None:
    story = open_case(world)
    story.dispatched(unit=WATER)
    for told in (story.signed_in, story.done, story.handled, story.failed, story.signed_in):
        told()
    story.dispatched(kept(story.parts[0]), co_handler(3, POWER, 1), stage=Stage.HANDLING)


def taken_without_a_release(world: World) -> None:
    story = open_case(world)
    story.dispatched(lead(1, WATER), co_handler(2, POWER))
    story.dispatched(kept(lead(1, WATER)))


def released_of_what_it_has_not(world: World) -> None:
    story = open_case(world)
    story.dispatched(lead(1, WATER))
    story.dispatched(kept(lead(1, WATER)), released=[co_handler(2, POWER)])


def kept_by_who_has_it_not(world: World) -> None:
    story = open_case(world)
    story.dispatched(lead(1, WATER))
    story.dispatched(kept(lead(1, WATER)), kept(co_handler(2, POWER)))


def merged_and_still_with_a_unit(world: World) -> None:
    rewrite(world, WITHDRAWN, f.CaseWithdrawn, released=())


def who_acts_has_no_part(world: World) -> None:
    story = open_case(world)
    story.dispatched(lead(1, WATER))
    story.parts = (lead(1, POWER),)
    story.signed_in()


def one_who_has_it_is_not_named(world: World) -> None:
    story = open_case(world)
    story.dispatched(lead(1, WATER), co_handler(2, POWER))
    story.signed_in()
    story.parts = story.parts[:1]
    story.corrected()


def handed_over_by_who_has_it_not(world: World) -> None:
    story = open_case(world)
    story.dispatched(lead(1, WATER))
    story.signed_in()
    story.parts = (lead(1, POWER),)
    story.handed_over(GAS)


def limits_not_passed_on(world: World) -> None:
    story = open_case(world)
    story.dispatched(unit=WATER)
    story.timed(passed_on=False)


def limits_of_another_unit_passed_on(world: World) -> None:
    story = open_case(world)
    story.dispatched(unit=WATER)
    (part,) = story.parts
    story.parts = (part.model_copy(update={"unit": POWER}),)
    story.timed()


def limits_that_the_clock_did_not_set(world: World) -> None:
    story = open_case(world)
    story.dispatched(unit=WATER)
    story.timed(because=str(OPEN))


def unit_told_other_limits(world: World) -> None:
    untell(world, "assignments." + WATER, "assignment.timed", JOINT)


def taken_to_the_desk_without_a_release(world: World) -> None:
    story = open_case(world)
    story.dispatched(lead(1, WATER), co_handler(2, POWER))
    story.parts = story.parts[:1]
    story.sent_to_desk()
    world.owe(OPEN, HUB, Obligation.DISPATCH, BEGIN, state="armed", ended_at=None)


def red_at_another_time_than_announced(world: World) -> None:
    story = open_case(world)
    story.dispatched(unit=WATER)
    story.signed_in()
    story.timed(due_in=timedelta(hours=1))
    story.timed(due_in=timedelta(minutes=3))
    world.deadline_rows = [row for row in world.deadline_rows if row.case_id != OPEN]
    story.overdue(Obligation.HANDLE)
    change_owed(world, OPEN, state="overdue", ended_at=None)


def successor_not_told(world: World) -> None:
    untell(world, "assignments.util-gas-2", "assignment.created")


def unit_not_told_of_the_pause(world: World) -> None:
    untell(world, "assignments." + POWER, "assignment.suspended", JOINT)


def unit_told_another_date(world: World) -> None:
    topic = "assignments." + POWER
    place = told_at(world, topic, "assignment.suspended", JOINT)
    envelope = decode(world.topics[topic, 0][place].value)
    assert isinstance(envelope.fact, f.AssignmentSuspended)
    later = envelope.fact.model_copy(update={"until": envelope.fact.until + timedelta(days=1)})
    value = encode(replace(envelope, fact=later))
    world.topics[topic, 0][place] = world.topics[topic, 0][place]._replace(value=value)


def unit_told_nonsense(world: World) -> None:
    world.put("assignments." + WATER, 0, str(SMOOTH), b"{}")


def one_byte_of_an_event(world: World) -> None:
    event = world.row("router", 3, 4).event
    assert event is not None
    world.change("router", 3, 4, event=event.replace(b"util-water", b"util-wader", 1))


def one_byte_of_a_digest(world: World) -> None:
    digest = world.row("feedback", 3, 1).digest
    world.change("feedback", 3, 1, digest=bytes([digest[0] ^ 1]) + digest[1:])


def one_byte_of_a_hash(world: World) -> None:
    hash_ = world.row("sla", 3, 1).hash
    world.change("sla", 3, 1, hash=bytes([hash_[0] ^ 1]) + hash_[1:])


def another_case_in_the_row(world: World) -> None:
    world.change("sla", 3, 1, case_id=DECLINED)


def head_with_another_hash(world: World) -> None:
    world.head_rows["intake"][0] = world.head_rows["intake"][0]._replace(hash=bytes(32))


def caseseq_jumps(world: World) -> None:
    world.change("intake", 0, 1, caseseq=2)


def state_counts_otherwise(world: World) -> None:
    world.states["feedback"][SMOOTH] = world.states["feedback"][SMOOTH]._replace(caseseq=7)


def unpublished(world: World) -> None:
    world.head_rows["router"][0] = world.head_rows["router"][0]._replace(published=5)


def head_ahead_of_its_rows(world: World) -> None:
    del world.topics["whistles", 3]
    deleted = world.logs["intake"][3]
    world.head_rows["intake"][5] = Head(5, 1, bytes(32), 1)
    world.read["router"]["whistles", 5] = 1
    world.put("whistles", 3, str(ROUGH), deleted[0].event, 1)
    world.put("whistles", 3, str(DECLINED), deleted[1].event, 2)


def no_head(world: World) -> None:
    del world.head_rows["sla"][9]


def not_consumed(world: World) -> None:
    world.read["sla"]["cases", 0] = 4


def consumed_what_is_not_there(world: World) -> None:
    world.read["router"]["feedback", 11] = 1


def reports_not_handled(world: World) -> None:
    world.unread_reports = [Unread("reports." + WATER, 0, 3)]


def message_lost(world: World) -> None:
    del world.topics["cases", 0][3]


def messages_lost_at_the_end(world: World) -> None:
    del world.topics["cases", 3][-2:]


def message_altered(world: World) -> None:
    value = world.topics["feedback", 0][0].value
    assert value is not None
    world.topics["feedback", 0][0] = world.topics["feedback", 0][0]._replace(
        value=value.replace(b'"note":""', b'"note":"x"')
    )


def message_from_nowhere(world: World) -> None:
    last = world.topics["cases", 0][-1]
    assert last.value is not None
    world.put("cases", 0, str(SMOOTH), last.value.replace(b"0000000009", b"0000000010"), 10)


def message_ahead_of_its_turn(world: World) -> None:
    messages = world.topics["cases", 0]
    messages[3], messages[4] = messages[4]._replace(offset=3), messages[3]._replace(offset=4)


def message_under_another_key(world: World) -> None:
    world.topics["cases", 0][2] = world.topics["cases", 0][2]._replace(key=str(ROUGH).encode())


def tombstone_without_redaction(world: World) -> None:
    world.put("cases", 0, str(SMOOTH), None, 4)


def topic_begins_too_late(world: World) -> None:
    world.begins["cases", 0] = 2
    del world.topics["cases", 0][:2]


def letter_not_published(world: World) -> None:
    world.letters["router"].append(letter(published=False))


BREAKS: list[tuple[Callable[[World], None], str, str]] = [
    # how it is broken                 who says so       what the first one says
    (lost, "I1", "line 6, case C-9 {lost}: acknowledged as accepted, but intake's log has no such case: it is lost"),
    (lost_though_a_repeat, "I1", "acknowledged as repeat, but intake's log has no such case"),
    (acknowledged_under_another_number, "I1", "acknowledged as C-7 (hotline_12345 12345-1), kept as C-1"),
    (one_key_two_cases, "I1", "push k1 was acknowledged as two cases"),
    (one_reference_two_cases, "I1", "a r was acknowledged as two cases"),
    (another_number_in_the_table, "I1", "intake numbered it C-1, the router opened it as C-1 and keeps it as C-8"),
    (no_row_in_the_table, "I1 I6", "service router, shard 3, sequence 19, case C-3 {declined}"),
    (a_row_from_nowhere, "I1", "router.state has it, the router's log never opened it"),
    (another_stage_in_the_table, "I2", "sequence 9, case C-1 {smooth}: router.state has it in declined"),
    (another_ledger_in_the_table, "I2", "router.state has it on ledger on_the_spot, its facts put it on special"),
    (no_ledger_in_the_table, "I2", "router.state has it on ledger none, its facts put it on special"),
    (written_off_another_ledger, "I2", "it is written off ledger on_behalf, but stands on special"),
    (
        a_second_nobody_answers_for,
        "I2",
        "case C-5 {joint}: it was open for 0:24:00, its units answer for 0:23:59 of it",
    ),
    (a_microsecond_too_much, "I2", "it was open for 0:08:00, its units answer for 0:08:00.000001"),
    (nobody_answers_for_a_withdrawn_case, "I2", "it was open for 0:04:00, its units answer for 0:00:00"),
    (a_unit_answers_twice, "I2", "its accounts name a unit twice: util-water, util-water"),
    (suspension_forgotten, "I2", "it was suspended for 0:01:00, its units answer for 0:00:00 of it"),
    (suspended_on_anothers_account, "I2", "community-1 had it suspended for 0:00:00, its account says 0:01:00"),
    (a_minute_on_another_units_account, "I2", "util-water had it open for 0:19:00, its account says 0:18:00"),
    (closed_time_counted, "I2", "it was open for 0:14:00, its units answer for 0:15:00"),
    (merged_into_what_is_over, "I2", "case C-4 {open}: it is merged into C-5, which is archived"),
    (merged_into_nothing, "I2", "case C-4 {open}: it is merged into {lost}, which does not exist"),
    (not_final, "I2", "case C-1 {smooth}: it still stands in closed, which is not final"),
    (
        fired_twice,
        "I3",
        "shard 0, sequence 2, case C-1 {smooth}: archive of hub, generation 1: overdue was stated 2 times",
    ),
    (
        red_at_another_time_than_announced,
        "I3",
        "case C-4 {open}: handle of util-water, generation 1: it was due -60000.0",
    ),
    (fired_early, "I3", "case C-2 {rough}: handle of util-power, generation 1: overdue came 5.0 ms early"),
    (fired_and_not_stated, "I3", "rate of community-1, generation 1: its row has fired, but the log never stated it"),
    (stated_and_not_fired, "I3", "archive of hub, generation 1: overdue was stated, but its row did not fire then"),
    (still_runs_for_a_final_case, "I3", "its case is archived, but it is still armed"),
    (ended_and_still_running, "I3", "it is met, but its times say otherwise"),
    (still_runs_for_a_merged_case, "I3", "its case is merged, but it is still armed"),
    (paused_though_not_suspended, "I3", "handle of util-water, generation 1: it is paused, its case is dispatched"),
    (running_though_suspended, "I3", "handle of util-water, generation 1: it is armed, its case is suspended"),
    (paused_and_nobody_knows_what_is_left, "I3", "it is paused, and nobody knows since when or what is left"),
    (paused_and_still_running, "I3", "it is paused, and yet its next step is set"),
    (running_with_time_put_by, "I3", "it is armed, yet something is put by"),
    (fired_of_a_unit_that_succeeded_nobody, "I3", "handle of util-gas, generation 1: overdue was stated, but there"),
    (unit_not_told, "I4", "sequence 6, case C-2 {rough}: assignments.util-power has no assignment.created.v1 for it"),
    (unit_told_under_another_id, "I4", "one assignment.created.v1 stands there under 2 ids"),
    (unit_told_with_other_bytes, "I4", "is borne by 2 different messages"),
    (
        unit_told_of_nothing,
        "I4",
        "offset 21, case C-1 {smooth}: assignment.created.v1 another: no event of the router's log",
    ),
    (unit_told_what_is_anothers, "I4", "topic assignments.util-power, shard 0, offset 12: it is meant for util-water"),
    (assignment_given_to_two_units, "I4", "shard 4, sequence 3, case C-4 {open}: one assignment is given to util-"),
    (
        unit_given_two_assignments,
        "I4",
        "shard 4, sequence 3, case C-4 {open}: util-water is given 2 assignments at once",
    ),
    (decision_without_a_lead, "I4", "shard 4, sequence 3, case C-4 {open}: case.dispatched.v1 names 0 leads"),
    (decision_with_two_leads, "I4", "shard 4, sequence 3, case C-4 {open}: case.dispatched.v1 names 2 leads"),
    (begun_again_without_a_release, "I4", "util-power begins round 1 a second time without having been released"),
    (begun_in_a_round_that_is_over, "I4", "util-power begins round 1 in round 2 of the case"),
    (taken_without_a_release, "I4", "case.dispatched.v1 takes it from util-power without releasing it"),
    (released_of_what_it_has_not, "I4", "util-power is released of a part it does not have"),
    (kept_by_who_has_it_not, "I4", "case.dispatched.v1 is about a part that util-power does not have"),
    (merged_and_still_with_a_unit, "I4", "case.withdrawn.v1 leaves it with util-power"),
    (who_acts_has_no_part, "I4", "case.signed_in.v1 is about a part that util-power does not have"),
    (one_who_has_it_is_not_named, "I4", "case.corrected.v1 names util-water, but util-power, util-water has it"),
    (handed_over_by_who_has_it_not, "I4", "case.handed_over.v1 is about a part that util-power does not have"),
    (
        limits_not_passed_on,
        "I4",
        "service sla, shard 4, sequence 1, case C-4 {open}: the router did not pass on by when",
    ),
    (limits_of_another_unit_passed_on, "I4", "case.timed.v1 is about a part that util-power never had"),
    (limits_that_the_clock_did_not_set, "I4", "it says by when a unit owes what, but the clock did not"),
    (unit_told_other_limits, "I4", "assignments.util-water has no assignment.timed.v1 for it"),
    (taken_to_the_desk_without_a_release, "I4", "case.sent_to_desk.v1 leaves it with util-power"),
    (successor_not_told, "I4", "case C-5 {joint}: assignments.util-gas-2 has no assignment.created.v1 for it"),
    (unit_not_told_of_the_pause, "I4", "assignments.util-power has no assignment.suspended.v1 for it"),
    (unit_told_another_date, "I4", "assignments.util-power has no assignment.suspended.v1 for it"),
    (unit_told_nonsense, "I4", "the contracts cannot read it"),
    (
        one_byte_of_an_event,
        "I5 I4 I7",
        "service router, shard 3, sequence 4, case C-2 {rough}: the event is not the one",
    ),
    (one_byte_of_a_digest, "I5", "service feedback, shard 3, sequence 1, case C-2 {rough}"),
    (one_byte_of_a_hash, "I5", "service sla, shard 3, sequence 1, case C-2 {rough}: its hash does not follow"),
    (another_case_in_the_row, "I5 I3 I6", "its case_id is {declined}, the event says {rough}"),
    (head_with_another_hash, "I5", "service intake, shard 0, sequence 1: the head's hash is not the last row's"),
    (caseseq_jumps, "I6 I5", "service intake, shard 0, sequence 1, case C-1 {smooth}: caseseq 2 follows 0"),
    (state_counts_otherwise, "I6", "its state counts 7 events, the log's last one is 1"),
    (unpublished, "I7", "service router, shard 0, sequence 6: the head stands at 9, published up to 5"),
    (head_ahead_of_its_rows, "I7 I5", "service intake, shard 5, sequence 0: the head says 1, the rows end at 0"),
    (no_head, "I7", "service sla, shard 9: the shard has no head"),
    (
        not_consumed,
        "I7",
        "service sla, topic cases, shard 0, sequence 5: sla has consumed cases up to 4, its head is 9",
    ),
    (consumed_what_is_not_there, "I7", "shard 11, sequence 1: router has consumed feedback up to 1, its head is 0"),
    (reports_not_handled, "I7", "topic reports.util-water, shard 0: the router has not handled 3 of its reports"),
    (message_lost, "I7", "service router, topic cases, shard 0, sequence 4: row 4 is not on the topic"),
    (messages_lost_at_the_end, "I7", "are not on the topic"),
    (message_altered, "I7", "topic feedback, shard 0, sequence 1, offset 0: it is not the row's event, byte for byte"),
    (message_from_nowhere, "I7", "the log has no such row"),
    (message_ahead_of_its_turn, "I7", "sequence 5: it is on the topic only ahead of its turn"),
    (message_under_another_key, "I7", "is not its case's id"),
    (tombstone_without_redaction, "I7", "sequence 4, offset 9: a tombstone, but the row is not redacted"),
    (topic_begins_too_late, "I7", "topic cases, shard 0, sequence 1: rows 1 to 2 are not on the topic"),
    (letter_not_published, "I7", "dead letter 1 is not on cases.dlq"),
]


@pytest.mark.parametrize(("break_it", "names", "what"), BREAKS, ids=[break_it.__name__ for break_it, _, _ in BREAKS])
async def test_broken(world: World, break_it: Callable[[World], None], names: str, what: str) -> None:
    break_it(world)
    report = await world.check(drained=OPEN not in world.states["router"])
    first, *_ = names.split()
    assert broken(report) == set(names.split()), [said(report, name) for name in broken(report)]
    cases = {"lost": UUID(int=12 * 999), "smooth": SMOOTH, "rough": ROUGH, "declined": DECLINED, "open": OPEN}
    cases["joint"] = JOINT
    assert any(what.format(**cases) in one for one in said(report, first)), said(report, first)


# --- rows deleted, swapped, forged


async def test_a_deleted_row_is_named(world: World) -> None:
    world.delete("router", 3, 4)
    report = await world.check()
    assert said(report, "I5") == ["service router, shard 3, sequence 4: row 4 is missing"]
    assert {"I5", "I6", "I7"} <= broken(report)


async def test_the_last_row_deleted_is_named(world: World) -> None:
    world.delete("router", 0, 9)
    assert said(await world.check(), "I5") == ["service router, shard 0, sequence 9: row 9 is missing"]


async def test_the_last_row_deleted_and_the_head_put_back_shows_on_the_topic_and_in_who_read_it(world: World) -> None:
    world.delete("router", 0, 9)
    row = world.row("router", 0, 8)
    world.head_rows["router"][0] = Head(0, 8, row.hash, 8)
    report = await world.check()
    assert not said(report, "I5")
    assert "topic cases, shard 0, sequence 9, offset 8: the log has no such row" in said(report, "I7")[-1]
    assert "sla has consumed cases up to 9, its head is 8" in " ".join(said(report, "I7"))


async def test_swapped_rows_are_named(world: World) -> None:
    fourth, sixth = world.row("router", 0, 4), world.row("router", 0, 6)
    rows = world.logs["router"][0]
    rows[3], rows[5] = sixth._replace(sequence=4), fourth._replace(sequence=6)
    named = {violation.sequence for violation in (await world.check()).I5.violations}
    assert {4, 6} <= named <= {4, 5, 6, 7}


async def test_a_forged_row_with_its_digest_and_hash_made_anew_breaks_the_link_to_the_next(world: World) -> None:
    before, row = world.row("router", 0, 3), world.row("router", 0, 4)
    assert row.event is not None
    event = row.event.replace(b"util-water", b"util-wader")
    digest = sha256(event).digest()
    world.change("router", 0, 4, event=event, digest=digest, hash=sha256(before.hash + digest).digest())
    report = await world.check()
    assert [violation.sequence for violation in report.I5.violations] == [5]
    assert "byte for byte" in said(report, "I7")[0]


async def test_a_redacted_row_still_links(world: World) -> None:
    row = world.row("intake", 0, 1)
    world.change("intake", 0, 1, event=None)
    world.put("whistles", 0, str(row.case_id), None, 1)
    report = await world.check()
    assert not said(report, "I5")
    assert not said(report, "I7")
    assert report.I5.measured["redacted"] == 1


async def test_chains_alone(world: World) -> None:
    world.change("sla", 3, 1, digest=bytes(32))
    assert (await verify_chains(world, ["intake", "router", "feedback"])).ok
    finding = await verify_chains(world)
    assert [(one.service, one.shard, one.sequence) for one in finding.violations] == [("sla", 3, 1)]


# --- what breaks nothing


async def test_red_at_the_time_announced_last_is_nothing(world: World) -> None:
    story = open_case(world)
    story.dispatched(unit=WATER)
    story.signed_in()
    story.timed(due_in=timedelta(hours=1))
    story.timed()
    world.deadline_rows = [row for row in world.deadline_rows if row.case_id != OPEN]
    story.overdue(Obligation.HANDLE)
    change_owed(world, OPEN, state="overdue", ended_at=None)
    report = await world.check(drained=False)
    assert broken(report) == set(), [said(report, name) for name in broken(report)]


async def test_limits_of_who_has_no_part_and_of_a_case_withdrawn_meanwhile_are_passed_over(world: World) -> None:
    story = open_case(world)
    story.dispatched(unit=WATER)
    (part,) = story.parts
    story.parts = (part.model_copy(update={"unit": POWER}),)
    story.timed(passed_on=False)
    limit = f.DeadlineSet(unit=POWER, round=1, cause=LimitCause.CASE, by=f.CaseDispatched.NAME, limits=())
    world.say("sla", WITHDRAWN, limit, BEGIN)
    report = await world.check(drained=False)
    assert broken(report) == set(), [said(report, name) for name in broken(report)]


async def test_repeats_and_run_ahead_on_a_topic_are_nothing(world: World) -> None:
    messages = world.topics["cases", 3]
    rest = messages[8:]
    del messages[8:]
    for again in (messages[2], messages[3], rest[2], *messages[5:8], *rest, *messages[:4]):
        world.put("cases", 3, (again.key or b"").decode(), again.value, again.sequence)
    told = world.topics["assignments." + WATER, 0]
    for again in list(told):
        world.put(again.topic, 0, (again.key or b"").decode(), again.value)
    assert broken(await world.check()) == set()


async def test_a_lost_message_that_was_published_again_is_nothing(world: World) -> None:
    messages = world.topics["cases", 0]
    again = messages[3:]
    del messages[3]
    for one in again:
        world.put("cases", 0, str(SMOOTH), one.value, one.sequence)
    assert broken(await world.check()) == set()


async def test_what_a_topic_drops_by_age_is_nothing(world: World) -> None:
    world.now = BEGIN + timedelta(days=31)
    for topic, shard in (("cases", 0), ("whistles", 3), ("assignments." + WATER, 0)):
        world.begins[topic, shard] = 2
        del world.topics[topic, shard][:2]
    assert broken(await world.check()) == set()


async def test_what_a_topic_drops_by_age_unread_is_lost(world: World) -> None:
    world.now = BEGIN + timedelta(days=31)
    world.begins["cases", 0] = 4
    del world.topics["cases", 0][:4]
    world.read["feedback"]["cases", 0] = 1
    assert "sequence 2: rows 2 to 4 are not on the topic" in said(await world.check(), "I7")[-1]


async def test_what_is_on_its_way_is_nothing_while_services_work(world: World) -> None:
    # Appended, not published, so not consumed.
    world.head_rows["router"][0] = world.head_rows["router"][0]._replace(published=5)
    del world.topics["cases", 0][5:]
    world.topics["assignments." + WATER, 0] = [
        message
        for message in world.topics["assignments." + WATER, 0]
        if message.key != str(SMOOTH).encode() or b"assignment.closed" not in (message.value or b"")
    ]
    world.read["sla"]["cases", 0] = world.read["feedback"]["cases", 0] = 5
    # Published after the snapshot: on the topics, in no table.
    await _publish_later(world)
    world.unread_reports = [Unread("reports." + WATER, 0, 3)]
    world.letters["router"].append(letter(published=False))
    # Final, but sla has not heard of it.
    world.deadline_rows[0] = world.deadline_rows[0]._replace(state="armed", ended_at=None)

    report = await world.check(drained=False, quiet=False)
    assert broken(report) == set(), [said(report, name) for name in broken(report)]
    assert {"I3", "I4", "I7"} <= broken(await world.check())


async def _publish_later(world: World) -> None:
    for place in (("cases", 3), ("assignments." + POWER, 0)):
        world.settled[place] = len(world.topics[place])
    later = whole()
    row = later.row("router", 3, 6)
    assert row.event is not None
    later.say("router", ROUGH, decode(row.event).fact, BEGIN)
    for place in (("cases", 3), ("assignments." + POWER, 0)):
        world.topics[place] = later.topics[place]


async def test_who_has_a_part_already_keeps_it_in_a_later_decision(world: World) -> None:
    story = open_case(world)
    story.dispatched(lead(1, WATER), co_handler(2, POWER))
    story.refused()
    story.dispatched(lead(3, GAS), kept(co_handler(2, POWER)))
    report = await world.check(drained=False)
    assert broken(report) == set(), [said(report, name) for name in broken(report)]


async def test_for_the_time_a_case_stood_closed_nobody_answers(world: World) -> None:
    closed_twice(world).closed()
    report = await world.check(drained=False)
    assert broken(report) == set(), [said(report, name) for name in broken(report)]


async def test_a_release_that_did_not_say_such_things_is_not_asked_for_them(world: World) -> None:
    """Accounts, and who of a dispatch begins, keeps and loses it, came after 0.1.0."""
    story = open_case(world)
    story.dispatched(lead(1, WATER), co_handler(2, POWER))
    story.dispatched(lead(3, GAS), co_handler(2, POWER))
    story.signed_in()
    for place, row in enumerate(world.logs["router"][4]):
        said_then = orjson.loads(row.event or b"")
        for made in said_then["data"].get("assignments", []):
            del made["begun"]
        world.logs["router"][4][place] = row._replace(event=orjson.dumps(said_then))
    assert (await world.check(drained=False)).I4.violations == []


async def test_a_deadline_goes_over_to_the_successor_with_what_was_stated_of_it(world: World) -> None:
    overdue_before_it_was_handed_over(world, now=GAS_NEW)
    report = await world.check()
    assert broken(report) == set(), [said(report, name) for name in broken(report)]


async def test_what_was_past_when_it_was_paused_is_still_said(world: World) -> None:
    running_though_suspended(world)
    pause(world, OPEN, next_at=BEGIN, due_at=BEGIN - timedelta(minutes=1), time_left=timedelta())
    report = await world.check(drained=False)
    assert broken(report) == set(), [said(report, name) for name in broken(report)]


async def test_not_opened_yet_is_nothing_until_the_router_has_read_it(world: World) -> None:
    undo(world, "router", DECLINED)
    undo(world, "router", DECLINED)
    world.read["router"]["whistles", 3] = 1
    report = await world.check(drained=False, quiet=False)
    assert broken(report) == set(), [said(report, name) for name in broken(report)]
    world.read["router"]["whistles", 3] = 2
    report = await world.check(drained=False, quiet=False)
    assert said(report, "I1") == [
        f"service intake, shard 3, sequence 2, case C-3 {DECLINED}: the router never opened it"
    ]


async def test_unknown_may_exist_or_not_but_not_twice(world: World) -> None:
    assert [line.status for line in world.ledger].count("unknown") == 2
    assert (await world.check()).I1.ok
    row = world.row("intake", 3, 2)
    assert row.event is not None
    world.say("intake", DECLINED, decode(row.event).fact, BEGIN)
    assert "its WhistleReceived 2 times" in said(await world.check(), "I1")[0]


async def test_without_a_ledger_intake_is_held_against_the_router(world: World) -> None:
    world.ledger.clear()
    report = await world.check()
    assert report.ok
    assert report.I1.checked == 6


async def test_one_reference_is_one_case(world: World) -> None:
    first = world.row("intake", 0, 1)
    assert first.event is not None
    envelope = decode(first.event)
    other = UUID(int=12 * 400)
    world.say("intake", other, envelope.fact, BEGIN)
    found = said(await world.check(), "I1")
    assert any(f"hotline_12345 12345-1 exists 2 times, also as case {other}" in one for one in found), found
    assert any(f"2 cases bear this number, also {other}" in one for one in found), found


async def test_an_illegal_step_is_named(world: World) -> None:
    row = world.row("router", 0, 4)
    assert row.event is not None
    world.say("router", SMOOTH, decode(row.event).fact, BEGIN)
    report = await world.check()
    assert (
        f"sequence 10, case C-1 {SMOOTH}: case.signed_in.v1 → handling may not follow archived" in said(report, "I2")[0]
    )


async def test_who_waits_without_a_deadline_is_named(world: World) -> None:
    undo(world, "router", DECLINED)
    report = await world.check(drained=False)
    assert f"case C-3 {DECLINED}: it waits in verifying and no deadline runs" in " ".join(said(report, "I3"))


async def test_letters_wait_and_are_broken_only_if_strict(world: World) -> None:
    world.letters["router"].append(letter())
    world.letters["router"].append(letter()._replace(number=2, replayed=True))
    report = await world.check()
    assert report.ok
    assert report.dead_letters["total"] == 2
    assert report.dead_letters["waiting"] == 1
    assert report.dead_letters["by_reason"]["router"] == {"refused: not_your_case": 1}
    assert [(one["number"], one["reason"]) for one in report.dead_letters["listed"]] == [
        (1, "refused: not_your_case: C-2")
    ]
    report = await world.check(strict=True)
    (waiting,) = said(report, "I7")
    assert waiting.startswith(f"service router, topic cases, shard 3, offset 8, case C-2 {ROUGH}: ")
    assert waiting.endswith("dead letter 1 waits for a person (refused: not_your_case: C-2)")


async def test_a_whistle_that_was_buried_says_so(world: World) -> None:
    undo(world, "router", DECLINED)
    undo(world, "router", DECLINED)
    world.letters["router"].append(letter()._replace(topic="whistles", case_id=DECLINED))
    assert "the router never opened it: refused: not_your_case" in " ".join(said(await world.check(), "I1"))


# --- helpers


OPEN, OTHER = UUID(int=12 * 500 + 4), UUID(int=12 * 900 + 9)


def open_case(world: World) -> Story:
    """A fourth case, accepted and not dispatched yet."""
    story = Story(world, OPEN, "C-4")
    story.received()
    world.owe(OPEN, WATER, Obligation.HANDLE, BEGIN, state="armed", ended_at=None)
    return story


def letter(published: bool = True) -> DeadLetter:
    return DeadLetter(1, "cases", 3, 8, "refused", "not_your_case: C-2", ROUGH, published, False)


def undo(world: World, service: str, case_id: UUID) -> None:
    """Take back the last event of a case that is the last of its shard, as if it had never been."""
    shard, topic = case_id.int % 12, LOGS[service]
    row = world.logs[service][shard].pop()
    assert row.case_id == case_id
    world.topics[topic.name, shard].pop()
    before = world.logs[service][shard][-1]
    world.head_rows[service][shard] = Head(shard, before.sequence, before.hash, before.sequence)
    for reader in topic.readers:
        world.read[reader][topic.name, shard] = before.sequence
    state = world.states[service].pop(case_id)
    if state.caseseq > 1:
        stage = {"archived": "closed", "declined": "verifying"}[state.stage or ""]
        world.states[service][case_id] = state._replace(caseseq=state.caseseq - 1, stage=stage)


def restate(world: World, service: str, shard: int, sequence: int, **data: object) -> None:
    """Another event in a row, as if it had always been so: chain, head and topic fit."""
    rows = world.logs[service][shard]
    for place, row in enumerate(rows):
        assert row.event is not None
        event = row.event
        if row.sequence == sequence:
            envelope = decode(row.event)
            event = encode(replace(envelope, fact=envelope.fact.model_copy(update=data)))
        digest = sha256(event).digest()
        previous = rows[place - 1].hash if place else bytes(32)
        rows[place] = row._replace(event=event, digest=digest, hash=sha256(previous + digest).digest())
        topic = LOGS[service].name
        world.topics[topic, shard][place] = world.topics[topic, shard][place]._replace(value=event)
    world.head_rows[service][shard] = world.head_rows[service][shard]._replace(hash=rows[-1].hash)


def rewrite(world: World, case_id: UUID, kind: type[f.CaseFact], **data: object) -> None:
    """Another last fact of this kind in the router's log of a case, as if it had always been so."""
    shard = case_id.int % 12
    rows = [row for row in world.logs["router"][shard] if isinstance(decode(row.event).fact, kind)]
    restate(world, "router", shard, rows[-1].sequence, **data)


def accounts_of(world: World, case_id: UUID) -> tuple[f.UnitAccount, ...]:
    facts = [decode(row.event).fact for row in world.logs["router"][case_id.int % 12]]
    return next(fact.accounts for fact in facts if isinstance(fact, f.CaseClosed))


def handed_in(story: Story) -> None:
    """From the dispatch, where it is the first round, to the rating."""
    if not story.parts:
        story.dispatched(unit=WATER)
    for told in (story.signed_in, story.done, story.handled, story.passed):
        told()


def change_owed(world: World, case_id: UUID, **columns: object) -> None:
    """Change the row of what the unit of a case has to handle."""
    place = next(
        place
        for place, row in enumerate(world.deadline_rows)
        if (row.case_id, row.obligation) == (case_id, Obligation.HANDLE.value)
    )
    world.deadline_rows[place] = world.deadline_rows[place]._replace(**columns)  # type: ignore[arg-type]


def pause(world: World, case_id: UUID, **columns: object) -> None:
    paused = {"state": "paused", "paused_at": BEGIN, "time_left": timedelta(minutes=1)}
    change_owed(world, case_id, **paused | columns)


def overdue_before_it_was_handed_over(world: World, now: str) -> None:
    """The gas company let it pass; the row is of another unit now."""
    due = BEGIN + timedelta(minutes=5)
    stated = {"started_at": BEGIN, "due_at": due, "fired_at": due, "policy_version": "1", "generation": 1}
    world.say("sla", JOINT, f.DeadlineOverdue.model_validate({**stated, "obligation": "handle", "unit": GAS}), due)
    world.owe(JOINT, now, Obligation.HANDLE, due, fired_at=due)


def closed_twice(world: World) -> Story:
    """Closed, after a minute reopened, and handed in again."""
    story = open_case(world)
    for told in (handed_in, Story.closed, Story.reopened, handed_in):
        told(story)
    world.owe(OPEN, HUB, Obligation.ARCHIVE, BEGIN, state="armed", ended_at=None)
    return story


def told_at(world: World, topic: str, kind: str, case_id: UUID) -> int:
    """The place on a unit's topic of the first message of a kind about a case."""
    return next(
        place
        for place, message in enumerate(world.topics[topic, 0])
        if message.key == str(case_id).encode() and kind.encode() in (message.value or b"")
    )


def untell(world: World, topic: str, kind: str, case_id: UUID = JOINT) -> None:
    del world.topics[topic, 0][told_at(world, topic, kind, case_id)]


def retell(world: World, **attributes: str) -> None:
    """The first assignment of the water company once more, with other attributes."""
    message = world.topics["assignments." + WATER, 0][0]
    again = encode(replace(decode(message.value), **attributes))  # type: ignore[arg-type]
    world.put(message.topic, 0, str(SMOOTH), again)
