"""What a case's log says of each unit's part, told by hand."""

from datetime import datetime
from uuid import UUID

import pytest

from services.feedback.domain.measuring.part import Scores, Spell
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, Level, Measure, Obligation, ReworkCause, Role, Satisfaction
from tests.unit.feedback.recording import Story, assignment, matter
from tests.unit.feedback.rows import EAST, MARKET, NORTH, PINES, WATER, WEST, day, late, met

T = [day(10, hour) for hour in range(24)]
STAFF = f.Actor(kind=ActorKind.STAFF, unit=PINES)


def story() -> Story:
    return Story(T[0])


def answer(number: int = 1, satisfaction: Satisfaction = Satisfaction.SATISFIED) -> f.FeedbackResidentAnswered:
    return f.FeedbackResidentAnswered(round=number, contacted=True, solved=True, satisfaction=satisfaction, actor=STAFF)


def rating(unit: str, number: int = 1) -> f.FeedbackUnitRated:
    return f.FeedbackUnitRated(round=number, unit=unit, contact=5, speed=4, result=3, actor=STAFF)


def settled(told: Story, unit: str) -> tuple[object, object, object]:
    part = told.part(unit)
    return part.sign_in, part.contact, part.handle


def test_a_case_handled_in_time_by_its_lead_and_a_co_handler() -> None:
    told = story().dispatched(T[1], WATER, MARKET).signed_in(T[2], WATER).signed_in(T[3], MARKET)
    told.contacted(T[4], WATER, contacted=False).contacted(T[5], WATER).contacted(T[6], WATER)
    told.done(T[7], MARKET).done(T[8], WATER).checked(T[9], passed=True)
    told.word(T[10], rating(WATER)).word(T[11], answer()).closed(T[12])

    assert settled(told, WATER) == (met(T[2]), met(T[5]), met(T[8]))  # the first contact counts
    assert settled(told, MARKET) == (met(T[3]), met(T[7]), met(T[7]))  # done meets the contact, too
    lead, other = told.part(WATER), told.part(MARKET)
    assert (lead.on_ledger_at, lead.off_ledger_at, lead.written_off) == (T[1], T[12], True)
    assert (other.on_ledger_at, other.written_off) == (None, False)
    assert (lead.rated_at, lead.scores) == (T[10], Scores(5, 4, 3))
    assert lead.answered is not None
    assert lead.answered.at == T[11]
    assert other.answered is None
    assert (lead.level, lead.category, lead.region) == (Level.DEPARTMENT, "供水", PINES)


def test_late_is_late_from_when_it_was_due_whenever_that_is_told() -> None:
    # The sign-in was due at 3, came at 4, and the clock says so at 5: late, at 3.
    told = story().dispatched(T[1], WATER).signed_in(T[4], WATER)
    told.overdue(T[5], WATER, Obligation.SIGN_IN, T[3])
    # The handling runs out at 6 and is done at 8: the overdue fact is never erased.
    told.overdue(T[6], WATER, Obligation.HANDLE, T[6]).done(T[8], WATER)
    assert settled(told, WATER) == (late(T[3]), met(T[8]), late(T[6]))
    assert told.part(WATER).done_at == T[8]


def test_what_was_done_before_it_was_due_stays_in_time() -> None:
    told = story().dispatched(T[1], WATER).signed_in(T[2], WATER)
    told.overdue(T[9], WATER, Obligation.SIGN_IN, T[8])
    assert told.part(WATER).sign_in == met(T[2])


def test_other_peoples_deadlines_are_not_the_units() -> None:
    told = story().dispatched(T[1], WATER)
    told.say(
        T[2],
        f.CaseOverdue(**told.head(), obligation=Obligation.CHECK, unit=PINES, generation=1, due_at=T[2]),
    )
    assert settled(told, WATER) == (None, None, None)


def test_an_upheld_refusal_meets_the_sign_in_and_the_case_goes_to_another() -> None:
    told = story().dispatched(T[1], EAST, level=Level.STREET).refused(T[2], EAST).ruled(T[3], EAST, upheld=True)
    told.dispatched(T[4], WATER).signed_in(T[5], WATER).done(T[6], WATER).word(T[7], answer()).closed(T[8])

    east, water = told.part(EAST), told.part(WATER)
    assert (east.sign_in, east.refused_at, east.handle) == (met(T[3]), T[2], None)
    assert (east.level, water.level) == (Level.STREET, Level.DEPARTMENT)  # as it was when it got the part
    # It left the ledger without being written off, and it is not the lead who is answered for.
    assert (east.on_ledger_at, east.off_ledger_at, east.written_off) == (T[1], T[4], False)
    assert (water.on_ledger_at, water.off_ledger_at, water.written_off) == (T[4], T[8], True)
    assert east.answered is None
    assert water.answered is not None
    assert (east.lead, water.lead) == (False, True)


def test_a_dismissed_refusal_meets_nothing_and_what_ran_out_meanwhile_counts_from_the_ruling_on() -> None:
    # It may be argued for weeks: until the ruling nobody could know, and those weeks may have been published.
    told = story().dispatched(T[1], WATER).refused(T[2], WATER).ruled(T[6], WATER, upheld=False)
    assert told.part(WATER).sign_in is None
    told.overdue(T[6], WATER, Obligation.SIGN_IN, T[5]).signed_in(T[7], WATER)
    assert told.part(WATER).sign_in == late(T[6])


def test_a_dismissed_refusal_leaves_what_is_due_later_as_it_was() -> None:
    told = story().dispatched(T[1], WATER).refused(T[2], WATER).ruled(T[3], WATER, upheld=False)
    told.overdue(T[6], WATER, Obligation.SIGN_IN, T[5])
    assert told.part(WATER).sign_in == late(T[5])


def test_a_predecessors_refusal_that_is_dismissed_late_is_late_for_the_predecessor() -> None:
    told = story().dispatched(T[1], WEST).refused(T[2], WEST).handed_over(T[4], WEST, NORTH)
    told.say(
        T[6],
        f.CaseRefusalRuled(
            **told.head(), assignment_id=assignment(WEST), unit=NORTH, upheld=False, reason="职责清单第 12 条"
        ),
    )
    told.overdue(T[6], NORTH, Obligation.SIGN_IN, T[3], under=assignment(WEST))
    told.say(T[7], f.CaseSignedIn(**told.head(), assignment_id=assignment(WEST), unit=NORTH))
    assert told.part(WEST).sign_in == late(T[6])
    assert told.part(NORTH).sign_in is None


def test_a_refusal_that_nobody_ruled_on_is_met_when_another_unit_is_designated() -> None:
    told = story().dispatched(T[1], WATER).refused(T[2], WATER).dispatched(T[3], MARKET)
    assert told.part(WATER).sign_in == met(T[3])
    designated = story().dispatched(T[1], WATER).refused(T[2], WATER).dispatched(T[3], WATER)
    assert designated.part(WATER).sign_in is None  # it has to sign in now


def test_whose_refusal_was_upheld_is_not_sent_back_with_those_who_handled_it() -> None:
    # The hub designates MARKET of the two that refused; nothing is dispatched anew.
    told = story().dispatched(T[1], MARKET, WATER).refused(T[2], MARKET).refused(T[2], WATER)
    told.ruled(T[3], MARKET, upheld=False).ruled(T[3], WATER, upheld=True)
    told.done(T[4], MARKET).checked(T[5]).rework(T[6], MARKET)
    assert (told.part(MARKET).reworked_at, told.part(WATER).reworked_at) == (T[6], None)


def test_a_unit_that_leads_again_has_one_part_and_both_spells_on_the_ledger() -> None:
    told = story().dispatched(T[1], WATER).signed_in(T[2], WATER).dispatched(T[3], MARKET)
    told.dispatched(T[5], WATER).done(T[6], WATER).closed(T[7])
    part = told.part(WATER)
    assert [one.unit for one in told.parts] == [WATER, MARKET]
    assert (part.assigned_at, part.sign_in, part.handle) == (T[1], met(T[2]), met(T[6]))
    assert part.former_spells == (Spell(T[1], T[3]),)
    assert (part.on_ledger_at, part.off_ledger_at, part.written_off) == (T[5], T[7], True)


def test_changing_the_lead_moves_the_ledger_and_the_answer() -> None:
    told = story().dispatched(T[1], WATER, MARKET).dispatched(T[2], MARKET, WATER).word(T[9], answer())
    water, market = told.part(WATER), told.part(MARKET)
    assert (water.on_ledger_at, water.off_ledger_at) == (T[1], T[2])
    assert (market.on_ledger_at, market.off_ledger_at) == (T[2], None)
    assert (water.answered is None, market.answered is None) == (True, False)


def test_only_who_failed_the_check_is_reworked_though_the_lead_finishes_last_again() -> None:
    told = story().dispatched(T[1], WATER, MARKET).done(T[2], MARKET).done(T[3], WATER)
    told.checked(T[4], MARKET).rework(T[4], WATER, MARKET)
    assert (told.part(WATER).reworked_at, told.part(MARKET).reworked_at) == (None, T[4])
    # The round's ledger entry is over and not written off; the new round has its own.
    assert (told.part(WATER).off_ledger_at, told.part(WATER).written_off) == (T[4], False)
    assert told.part(WATER, 2).on_ledger_at == T[4]
    told.done(T[5], MARKET, 2).done(T[6], WATER, 2).closed(T[7])
    assert told.part(WATER, 2).written_off
    assert told.part(MARKET, 2).handle == met(T[5])
    assert told.part(MARKET).handle == met(T[2])  # the first round stands as it was


def test_a_check_that_names_nobody_fails_all_who_had_it_then() -> None:
    told = story().dispatched(T[1], EAST).refused(T[2], EAST).ruled(T[2], EAST, upheld=True)
    told.dispatched(T[3], WATER, MARKET).done(T[4], MARKET).done(T[5], WATER)
    told.checked(T[6]).rework(T[6], WATER, MARKET)
    assert [told.part(unit).reworked_at for unit in (EAST, WATER, MARKET)] == [None, T[6], T[6]]


def test_closed_reopened_and_closed_again_keeps_every_moment() -> None:
    told = story().dispatched(T[1], WATER).done(T[2], WATER).word(T[3], answer()).closed(T[4])
    told.rework(T[5], WATER, cause=ReworkCause.HUB_ORDERED)
    assert (told.whole.closed_at, told.whole.reopened_at) == (None, T[5])
    told.done(T[6], WATER, 2).word(T[7], answer(2)).closed(T[8])
    assert (told.whole.closings, told.whole.reopenings) == ((T[4], T[8]), (T[5],))
    first, second = told.part(WATER), told.part(WATER, 2)
    assert (first.off_ledger_at, first.written_off, first.reworked_at) == (T[4], True, T[5])
    assert (second.on_ledger_at, second.off_ledger_at, second.written_off) == (T[5], T[8], True)
    assert first.answered is not None
    assert first.answered.at == T[3]
    assert second.answered is not None
    assert second.answered.at == T[7]


def test_merged_it_is_rated_by_those_who_handled_it_with_the_other_case() -> None:
    told = story().dispatched(T[1], WATER).signed_in(T[2], WATER).merged(T[3])
    told.answered(T[5], MARKET, WATER).word(T[6], answer()).word(T[7], rating(MARKET)).closed(T[8])
    water, market = told.part(WATER), told.part(MARKET)
    assert (water.off_ledger_at, water.written_off) == (T[3], False)
    assert (market.assigned_at, market.on_ledger_at, market.handle) == (None, None, None)
    # MARKET led the other case, so the answer is about MARKET alone.
    assert (water.answered is None, market.answered is None) == (True, False)
    assert market.scores == Scores(5, 4, 3)
    assert (told.whole.merged_at, told.whole.closings) == (T[3], (T[8],))


def test_a_merged_case_that_is_reworked_counts_as_nobodys_rework() -> None:
    told = story().merged(T[3]).answered(T[5], MARKET)
    told.rework(T[6], MARKET, cause=ReworkCause.RESIDENT_UNSATISFIED)
    assert told.part(MARKET).reworked_at is None
    assert told.part(MARKET, 2).assigned_at == T[6]


def test_merged_once_more_after_it_was_reopened_it_was_merged_when_it_first_was() -> None:
    told = story().merged(T[2]).answered(T[3], WATER).closed(T[4]).rework(T[5], WATER).merged(T[7])
    assert told.whole.merged_at == T[2]


def test_reopened_is_what_was_closed() -> None:
    told = story().dispatched(T[1], WATER).done(T[2], WATER).checked(T[3], WATER).rework(T[4], WATER)
    assert told.whole.reopenings == ()
    assert told.whole.reopened_at is None


def test_done_just_when_it_is_due_is_done_in_time() -> None:
    told = story().dispatched(T[1], WATER).done(T[5], WATER)
    told.overdue(T[6], WATER, Obligation.HANDLE, T[5])
    assert told.part(WATER).handle == met(T[5])


def test_unmerged_the_unit_goes_on_with_what_it_had_and_the_former_lead_leads_no_more() -> None:
    told = story().dispatched(T[1], WATER).merged(T[2]).unmerged(T[3]).dispatched(T[4], MARKET)
    assert (told.part(WATER).lead, told.part(MARKET).lead) == (False, True)
    assert told.whole.merged_at is None


def test_a_successor_answers_for_what_was_owed_still() -> None:
    # WEST signed in and let the contact pass; NORTH takes over and handles it, in time.
    told = story().dispatched(T[1], WEST).signed_in(T[2], WEST)
    told.overdue(T[3], WEST, Obligation.FIRST_CONTACT, T[3]).handed_over(T[4], WEST, NORTH)
    told.done(T[5], NORTH, under=assignment(WEST)).word(T[6], answer()).closed(T[7])
    assert settled(told, WEST) == (met(T[2]), late(T[3]), None)
    assert settled(told, NORTH) == (None, None, met(T[5]))
    west, north = told.part(WEST), told.part(NORTH)
    assert (west.on_ledger_at, west.off_ledger_at, west.written_off) == (T[1], T[4], False)
    assert (north.on_ledger_at, north.off_ledger_at, north.written_off) == (T[4], T[7], True)
    assert (west.answered is None, north.answered is None) == (True, False)


def test_what_ran_out_before_it_was_handed_over_is_the_predecessors_whenever_it_is_told() -> None:
    told = story().dispatched(T[1], WEST).handed_over(T[4], WEST, NORTH)
    told.overdue(T[5], WEST, Obligation.SIGN_IN, T[3], under=assignment(WEST))
    told.overdue(T[6], NORTH, Obligation.HANDLE, T[6], under=assignment(WEST))
    assert told.part(WEST).sign_in == late(T[3])
    assert (told.part(NORTH).sign_in, told.part(NORTH).handle) == (None, late(T[6]))


def test_a_successor_with_a_part_of_its_own_goes_on_with_that() -> None:
    told = story().dispatched(T[1], WEST, NORTH).done(T[2], NORTH).dispatched(T[3], WEST)
    told.handed_over(T[4], WEST, NORTH).done(T[5], NORTH, under=assignment(WEST)).closed(T[6])
    assert len(told.parts) == 2
    assert told.part(NORTH).handle == met(T[2])
    assert (told.part(NORTH).on_ledger_at, told.part(NORTH).written_off) == (T[4], True)
    assert told.part(WEST).handle is None


def test_a_successor_that_had_a_part_before_acts_for_itself_from_then_on() -> None:
    # NORTH helped, was released, and now takes over the part that WEST got after it.
    told = story().dispatched(T[1], MARKET, NORTH).dispatched(T[2], MARKET).dispatched(T[3], MARKET, WEST)
    told.handed_over(T[4], WEST, NORTH, Role.CO_HANDLER)
    told.say(T[5], f.CaseSignedIn(**told.head(), assignment_id=assignment(WEST), unit=NORTH))
    told.done(T[6], NORTH, under=assignment(WEST))
    assert settled(told, NORTH) == (met(T[5]), met(T[6]), met(T[6]))
    assert settled(told, WEST) == (None, None, None)


def test_what_was_due_before_a_unit_had_the_part_is_not_its_own() -> None:
    # MARKET lost the case, late; WATER, which succeeded it, is given it anew and goes on with what is left of the time.
    told = story().dispatched(T[1], MARKET).overdue(T[2], MARKET, Obligation.SIGN_IN, T[2]).dispatched(T[5], WATER)
    told.overdue(T[5], WATER, Obligation.SIGN_IN, T[2]).signed_in(T[6], WATER)
    assert (told.part(MARKET).sign_in, told.part(WATER).sign_in) == (late(T[2]), None)


def test_what_was_due_while_a_unit_had_lost_its_part_ran_out_when_it_got_it_back() -> None:
    told = story().dispatched(T[1], WATER).dispatched(T[2], MARKET).dispatched(T[5], WATER)
    told.overdue(T[5], WATER, Obligation.HANDLE, T[3])
    assert told.part(WATER).handle == late(T[5])


@pytest.mark.parametrize("ends", ["withdrawn", "merged", "to_desk"])
def test_what_is_taken_from_a_unit_is_off_its_ledger_and_not_written_off(ends: str) -> None:
    told = story().dispatched(T[1], WATER)
    if ends == "withdrawn":
        told.withdrawn(T[2])
        assert told.whole.withdrawn_at == T[2]
    elif ends == "merged":
        told.merged(T[2])
    else:
        told.to_desk(T[2], WATER)
    part = told.part(WATER)
    assert (part.off_ledger_at, part.written_off, part.handle) == (T[2], False, None)


def test_extensions_and_supervision_are_counted_from_the_first() -> None:
    told = story().dispatched(T[1], WATER).extension(T[2], WATER, approved=False).extension(T[3], WATER, approved=True)
    told.extension(T[4], WATER, approved=True).supervised(T[5], WATER).supervised(T[6], WATER)
    assert (told.part(WATER).extended_at, told.part(WATER).supervised_at) == (T[3], T[5])


def test_a_correction_puts_right_the_present_round_alone() -> None:
    told = story().dispatched(T[1], WATER).done(T[2], WATER).checked(T[3]).rework(T[3], WATER)
    told.corrected(T[4], "供热")
    assert (told.part(WATER).category, told.part(WATER, 2).category, told.whole.category) == ("供水", "供热", "供热")


def test_not_accepted_is_a_whole_without_parts() -> None:
    told = story().declined(T[1])
    assert (told.parts, told.whole.declined_at, told.whole.level) == ((), T[1], None)


def test_silence_and_not_rated_are_told_by_the_verdict() -> None:
    told = story().dispatched(T[1], WATER, MARKET).word(T[2], rating(WATER))
    told.word(
        T[3],
        f.FeedbackConcluded(
            round=1, close=True, reason=f.Reason(zh="", en=""), unrated=(MARKET,), resident_silent=True, actor=STAFF
        ),
    )
    assert (told.part(WATER).rated_at, told.part(WATER).silent_at) == (T[2], T[3])
    assert (told.part(MARKET).rated_at, told.part(MARKET).scores, told.part(MARKET).silent_at) == (T[3], None, None)


def test_the_record_can_be_kept_and_read_again() -> None:
    told = story().dispatched(T[1], WATER).dispatched(T[2], MARKET).dispatched(T[3], WATER).closed(T[4])
    assert told.record is not None
    assert type(told.record).model_validate_json(told.record.model_dump_json()) == told.record


def test_the_order_between_the_two_logs_does_not_matter() -> None:
    words: list[tuple[datetime, f.Fact]] = [(T[4], rating(WATER)), (T[5], answer())]
    before, after = story(), story()
    for at, word in words:
        before.word(at, word)
    for told in (before, after):
        told.dispatched(T[1], WATER).done(T[2], WATER).closed(T[6])
    for at, word in words:
        after.word(at, word)
    assert (before.parts, before.whole) == (after.parts, after.whole)


def test_of_two_samples_the_first_counts() -> None:
    told = story().dispatched(T[1], WATER).closed(T[2])
    for at, number, passed in ((T[3], 1, False), (T[8], 2, True)):
        told.word(at, f.FeedbackSampled(round=number, reason=f.Reason(zh="", en="")))
        told.word(at.replace(minute=30), f.FeedbackSampleChecked(round=number, passed=passed, actor=STAFF))
    whole = told.whole
    assert (whole.sampled_at, whole.sample_checked_at, whole.sample_passed) == (T[3], T[3].replace(minute=30), False)


def test_an_exclusion_counts_once_it_is_approved() -> None:
    told = story().dispatched(T[1], WATER, MARKET)
    for number, approved in ((1, True), (2, False), (3, None)):
        asked = f.FeedbackExclusionAsked(
            exclusion=UUID(int=number),
            round=1,
            unit=WATER,
            measures=(list(Measure)[number],),
            reason="",
            basis="",
            actor=STAFF,
        )
        told.word(T[2], asked)
        if approved is not None:
            told.word(
                T[3],
                f.FeedbackExclusionRuled(exclusion=UUID(int=number), approved=approved, reason="", actor=STAFF),
            )
    assert told.part(WATER).excluded == {list(Measure)[1]}
    assert told.part(MARKET).excluded == frozenset()


def test_an_exclusion_of_one_round_leaves_the_other_as_it_is() -> None:
    told = story().dispatched(T[1], WATER).done(T[2], WATER).checked(T[3], WATER).rework(T[4], WATER)
    asked = f.FeedbackExclusionAsked(
        exclusion=UUID(int=1), round=1, unit=WATER, measures=(Measure.HANDLE,), reason="", basis="", actor=STAFF
    )
    told.word(T[5], asked).word(
        T[6], f.FeedbackExclusionRuled(exclusion=UUID(int=1), approved=True, reason="", actor=STAFF)
    )
    assert told.part(WATER, 1).excluded == {Measure.HANDLE}
    assert told.part(WATER, 2).excluded == frozenset()


def test_an_exclusion_that_was_asked_before_the_part_was_handed_over_counts_where_it_was_asked() -> None:
    told = story().dispatched(T[1], WEST).overdue(T[2], WEST, Obligation.SIGN_IN, T[2])
    asked = f.FeedbackExclusionAsked(
        exclusion=UUID(int=1), round=1, unit=WEST, measures=(Measure.SIGN_IN,), reason="", basis="", actor=STAFF
    )
    told.word(T[3], asked).handed_over(T[4], WEST, NORTH).done(T[5], NORTH, under=assignment(WEST))
    told.word(T[6], f.FeedbackExclusionRuled(exclusion=UUID(int=1), approved=True, reason="", actor=STAFF))
    told.word(T[7], f.FeedbackUnitRated(round=1, unit=NORTH, contact=5, speed=4, result=3, actor=STAFF))
    assert told.part(WEST).sign_in == late(T[2])
    assert told.part(WEST).excluded == {Measure.SIGN_IN}
    assert told.part(NORTH).sign_in is None
    assert told.part(NORTH).excluded == frozenset()
    assert (told.part(NORTH).scores, told.part(WEST).scores) == (Scores(5, 4, 3), None)


def test_handed_over_twice_what_the_first_had_settled_stays_the_firsts() -> None:
    told = story().dispatched(T[1], WEST).signed_in(T[2], WEST).handed_over(T[3], WEST, NORTH)
    moved = f.CaseHandedOver(
        **told.head(),
        before=NORTH,
        unit=EAST,
        assignment_id=assignment(WEST),
        role=Role.LEAD,
        matter=matter(),
        reason=f.Reason(zh="", en=""),
    )
    told.say(T[4], moved).done(T[5], EAST, under=assignment(WEST))
    assert settled(told, WEST) == (met(T[2]), None, None)
    assert settled(told, NORTH) == (None, None, None)
    assert settled(told, EAST) == (None, met(T[5]), met(T[5]))
