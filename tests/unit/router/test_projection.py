"""What outsiders are told of each event of the log: each unit its own part, 12345 its own orders."""

from datetime import timedelta
from uuid import UUID

import pytest
from uuid_utils import uuid7

from services.router.projection import project
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, decode, encode
from shared.contracts.topics import HOTLINE_REPLIES, shard_of
from shared.contracts.vocabulary import CaseList, LimitCause, Obligation, RequestKind, Role, RungChange, Source, Urgency
from shared.runtime.relay import Message
from tests.unit.router.stories import (
    CASE,
    COMMUNITY,
    FOR_NOBODY,
    FOR_SHOPS,
    HUB,
    MARKET,
    NOW,
    NUMBER,
    PARKS,
    SPLIT_TREE,
    WATER,
    WORKS,
    Story,
    asks_extension,
    asks_suspension,
    comments,
    comments_on,
    concluded,
    corrects,
    declined,
    denies,
    dismisses,
    dispatches,
    district,
    due,
    escalated,
    failed,
    finishes,
    followed,
    grants,
    joins,
    lifts_supervision,
    limit,
    lists_phased,
    lists_understanding,
    makes_lead,
    matter,
    merges,
    overdue,
    passed,
    progresses,
    proposed,
    reaches,
    refuses,
    releases,
    residents_order,
    resumes,
    review_date_comes,
    sets_urgency,
    signs_in,
    story,
    supervises,
    time_to_object_is_over,
    transfers,
    units_have_changed,
    unmerges,
    upholds,
    verified,
    whistle,
    withdraws,
)


def event(fact: f.Fact, caseseq: int = 1) -> Envelope:
    return Envelope(
        id=str(uuid7()),
        source="/chuishao/router",
        subject=CASE,
        time=NOW,
        fact=fact,
        sequence=caseseq,
        caseseq=caseseq,
        traceparent="00-aa-bb-01",
    )


def told(case: Story, *since: object) -> list[str]:
    """Who is told what by the facts that follow: `topic: what`."""
    known = len(case.facts)
    for said in since:
        case.tell(said)
    messages = [message for fact in case.facts[known:] for message in project(event(fact))]
    return [f"{message.topic}: {short(fact_of(message))}" for message in messages]


def fact_of(message: Message) -> f.Fact:
    return decode(message.value, message.headers).fact


def short(fact: f.Fact) -> str:
    return fact.NAME.removesuffix(".v1")


BY_12345 = whistle(matter(source=Source.HOTLINE_12345, whistle_blower=HUB))
SHOPS = (whistle(matter(FOR_SHOPS)),)
AT_WORK = (whistle(), signs_in())

TOLD = [
    # a case that has been through     hears                  so these are told
    ((), whistle(), ["assignments.util-water: assignment.created"]),
    (
        (),
        whistle(matter(FOR_SHOPS)),
        ["assignments.dept-market: assignment.created", "assignments.dept-parks: assignment.created"],
    ),
    ((), whistle(matter(FOR_NOBODY)), []),
    ((), residents_order(), []),
    ((residents_order(),), declined(), []),
    ((whistle(),), signs_in(), []),
    ((whistle(),), refuses(), []),
    ((whistle(), refuses()), dismisses(), ["assignments.util-water: assignment.kept"]),
    (
        (whistle(), refuses()),
        upholds(MARKET),
        ["assignments.util-water: assignment.released", "assignments.dept-market: assignment.created"],
    ),
    (
        (whistle(), refuses(), dismisses(), refuses()),
        dispatches(WATER),
        ["assignments.util-water: assignment.kept"],
    ),
    ((whistle(),), overdue(Obligation.SIGN_IN), ["assignments.util-water: assignment.overdue"]),
    ((whistle(),), overdue(Obligation.HANDLE, MARKET), []),
    ((whistle(),), overdue(Obligation.CHECK, COMMUNITY), []),
    ((whistle(),), escalated(), []),
    ((whistle(), signs_in()), progresses(), []),
    ((whistle(), signs_in()), finishes(), []),
    ((whistle(), signs_in(), finishes()), passed(), []),
    ((whistle(), signs_in(), finishes()), failed(), ["assignments.util-water: assignment.created"]),
    ((whistle(), signs_in(), finishes(), passed()), concluded(), ["assignments.util-water: assignment.closed"]),
    ((whistle(), signs_in(), finishes(), passed(), concluded()), time_to_object_is_over(), []),
    # who has it together
    (
        SHOPS,
        joins(WATER),
        [
            "assignments.dept-market: assignment.changed",
            "assignments.dept-parks: assignment.changed",
            "assignments.util-water: assignment.created",
        ],
    ),
    (
        SHOPS,
        releases(PARKS),
        ["assignments.dept-market: assignment.changed", "assignments.dept-parks: assignment.released"],
    ),
    (
        (whistle(),),
        transfers(MARKET),
        ["assignments.dept-market: assignment.created", "assignments.util-water: assignment.released"],
    ),
    (
        SHOPS,
        makes_lead(PARKS),
        ["assignments.dept-parks: assignment.changed", "assignments.dept-market: assignment.changed"],
    ),
    # time
    (AT_WORK, asks_extension(), []),
    ((*AT_WORK, asks_extension()), grants(), ["assignments.util-water: assignment.request_ruled"]),
    ((*AT_WORK, asks_extension()), denies(), ["assignments.util-water: assignment.request_ruled"]),
    (
        (*AT_WORK, asks_suspension()),
        grants(),
        ["assignments.util-water: assignment.request_ruled", "assignments.util-water: assignment.suspended"],
    ),
    ((*AT_WORK, asks_suspension()), denies(), ["assignments.util-water: assignment.request_ruled"]),
    ((*AT_WORK, asks_suspension(), grants()), resumes(), ["assignments.util-water: assignment.resumed"]),
    ((*AT_WORK, asks_suspension(), grants()), review_date_comes(), ["assignments.util-water: assignment.resumed"]),
    (AT_WORK, lists_understanding(), ["assignments.util-water: assignment.suspended"]),
    (
        SHOPS,
        lists_phased(),
        ["assignments.dept-market: assignment.changed", "assignments.dept-parks: assignment.changed"],
    ),
    ((*AT_WORK, lists_phased()), reaches(), []),
    # what else is said of it
    (AT_WORK, supervises(), ["assignments.util-water: assignment.supervised"]),
    (AT_WORK, escalated(changes=(RungChange.SUPERVISE,)), ["assignments.util-water: assignment.supervised"]),
    (AT_WORK, escalated(changes=(RungChange.TAKE_OVER,)), ["assignments.util-water: assignment.released"]),
    (
        (whistle(matter(FOR_NOBODY)), dispatches(COMMUNITY, PARKS)),
        escalated(unit=COMMUNITY, changes=(RungChange.TAKE_OVER,)),
        [
            "assignments.110199001: assignment.created",
            "assignments.dept-parks: assignment.changed",
            "assignments.110199001001: assignment.released",
        ],
    ),
    (AT_WORK, due(), ["assignments.util-water: assignment.timed"]),
    ((*AT_WORK, transfers(MARKET)), due(), ["assignments.util-water: assignment.timed"]),
    (AT_WORK, due(unit=MARKET), []),
    ((*AT_WORK, supervises()), lifts_supervision(), []),
    (AT_WORK, sets_urgency(), ["assignments.util-water: assignment.changed"]),
    (AT_WORK, corrects(), ["assignments.util-water: assignment.changed"]),
    (AT_WORK, comments(), []),
    (AT_WORK, proposed(), []),
    (AT_WORK, withdraws(by=HUB), ["assignments.util-water: assignment.released"]),
    (AT_WORK, merges(), ["assignments.util-water: assignment.released"]),
    ((*AT_WORK, merges()), unmerges(), ["assignments.util-water: assignment.created"]),
    ((*AT_WORK, merges()), followed(), []),
    ((*AT_WORK, merges(), followed()), concluded(), []),
    (
        (*AT_WORK, district(SPLIT_TREE)),
        units_have_changed(),
        ["assignments.util-works: assignment.created", "assignments.util-water: assignment.released"],
    ),
    # 12345's own orders are answered to 12345 as well
    (
        (),
        BY_12345,
        [
            "hotline.replies: hotline.accepted",
            "assignments.util-water: assignment.created",
            "hotline.replies: hotline.dispatched",
        ],
    ),
    (
        (BY_12345, signs_in(), finishes(), passed()),
        concluded(),
        ["assignments.util-water: assignment.closed", "hotline.replies: hotline.answered"],
    ),
    (
        (whistle(matter(source=Source.HOTLINE_12345), needs_verification=True),),
        declined(),
        ["hotline.replies: hotline.declined"],
    ),
    (
        (BY_12345,),
        transfers(MARKET),
        [
            "assignments.dept-market: assignment.created",
            "assignments.util-water: assignment.released",
            "hotline.replies: hotline.dispatched",
        ],
    ),
    (
        (BY_12345, signs_in(), asks_suspension()),
        grants(),
        [
            "assignments.util-water: assignment.request_ruled",
            "assignments.util-water: assignment.suspended",
            "hotline.replies: hotline.suspended",
        ],
    ),
    ((BY_12345, signs_in(), asks_extension()), grants(), ["assignments.util-water: assignment.request_ruled"]),
    (
        (BY_12345,),
        lists_understanding(),
        ["assignments.util-water: assignment.suspended", "hotline.replies: hotline.suspended"],
    ),
    (
        (BY_12345,),
        withdraws(by="12345"),
        ["assignments.util-water: assignment.released", "hotline.replies: hotline.withdrawn"],
    ),
    # merged it has no units to tell, but 12345 has its own order's answer
    ((BY_12345, merges(by=HUB), followed()), concluded(), ["hotline.replies: hotline.answered"]),
]


@pytest.mark.parametrize(("before", "hears", "expected"), TOLD)
def test_who_is_told_what(before: tuple[object, ...], hears: object, expected: list[str]) -> None:
    assert told(story(*before), hears) == expected


def the_last(case: Story) -> list[f.Fact]:
    return [fact_of(message) for message in project(event(case.facts[-1]))]


def test_the_unit_reads_what_it_must_do() -> None:
    case = story(*SHOPS)
    lead, co_handler = the_last(case)
    made = case.now.present[0]
    assert lead == f.AssignmentCreated(
        assignment_id=made.assignment_id,
        number=NUMBER,
        unit=MARKET,
        role=Role.LEAD,
        round=1,
        matter=matter(FOR_SHOPS),
        reason=f.Reason(zh="规则 shops", en="rule shops", rule="shops", version="2026-11"),
    )
    assert isinstance(co_handler, f.AssignmentCreated)
    assert (co_handler.unit, co_handler.role) == (PARKS, Role.CO_HANDLER)


def test_what_changed_is_said_to_each_unit() -> None:
    """Role, urgency, list with milestones, or the matter: what did not change is left out."""
    case = story(*SHOPS, makes_lead(PARKS))
    lead, co_handler = the_last(case)
    assert isinstance(lead, f.AssignmentChanged)
    assert isinstance(co_handler, f.AssignmentChanged)
    assert [(one.unit, one.role) for one in (lead, co_handler)] == [(PARKS, Role.LEAD), (MARKET, Role.CO_HANDLER)]
    assert (lead.urgency, lead.matter, lead.case_list, lead.milestones) == (None, None, None, ())
    (urgent, _) = the_last(case.goes_on(sets_urgency()))
    assert isinstance(urgent, f.AssignmentChanged)
    assert (urgent.urgency, urgent.reason) == (Urgency.URGENT, "现场情况变化")
    (planned, _) = the_last(case.goes_on(lists_phased(10, 20)))
    assert isinstance(planned, f.AssignmentChanged)
    assert (planned.case_list, len(planned.milestones)) == (CaseList.PHASED, 2)
    (corrected, _) = the_last(case.goes_on(corrects()))
    assert isinstance(corrected, f.AssignmentChanged)
    assert corrected.matter == case.now.matter


def test_what_was_asked_for_is_answered_with_what_was_granted() -> None:
    (ruled,) = the_last(story(*AT_WORK, asks_extension(share=0.5), grants(share=0.25)))
    assert isinstance(ruled, f.AssignmentRequestRuled)
    assert (ruled.kind, ruled.approved, ruled.share, ruled.reason) == (RequestKind.EXTENSION, True, 0.25, "情况属实")
    _, suspended = the_last(story(*AT_WORK, asks_suspension(), grants(until=NOW + timedelta(days=7))))
    assert isinstance(suspended, f.AssignmentSuspended)
    assert suspended.until == NOW + timedelta(days=7)


def test_by_when_is_said_with_all_that_the_clock_knows() -> None:
    """A department need not reckon for itself: due time, when it began, whether it is provisional, or stands still."""
    limits = (limit(), limit(None, Obligation.SIGN_IN, 2).model_copy(update={"provisional": True}))
    case = story(whistle(), due(*limits, cause=LimitCause.CALENDAR))
    (part,) = case.now.present
    assert the_last(case) == [
        f.AssignmentTimed(
            assignment_id=part.assignment_id, number=NUMBER, unit=WATER, cause=LimitCause.CALENDAR, limits=limits
        )
    ]


def test_12345_is_told_until_when_and_why() -> None:
    case = story(BY_12345, lists_understanding())
    reply = the_last(case)[-1]
    assert reply == f.HotlineSuspended(
        number=NUMBER, source_ref="12345-778", explanation="管网改造列入明年计划", until=NOW + timedelta(days=60)
    )


def test_who_takes_over_reads_all_it_must_know() -> None:
    case = story(whistle(), signs_in(), supervises(), district(SPLIT_TREE), units_have_changed())
    created, released = the_last(case)
    assert isinstance(created, f.AssignmentCreated)
    assert isinstance(released, f.AssignmentReleased)
    assert created.assignment_id == released.assignment_id == case.now.present[0].assignment_id
    assert (created.unit, created.role, created.round, created.matter) == (WORKS, Role.LEAD, 1, case.now.matter)
    assert (released.unit, released.reason) == (WATER, created.reason.zh)


def test_rework_says_why_and_cannot_be_refused() -> None:
    (again,) = the_last(story(whistle(), signs_in(), finishes(), failed()))
    assert isinstance(again, f.AssignmentCreated)
    assert (again.round, again.final, again.explanation) == (2, True, "仍在渗水")


def test_a_designation_is_final_for_its_unit() -> None:
    (created,) = the_last(story(whistle(), refuses(), dismisses(), refuses(), dispatches(MARKET)))
    assert isinstance(created, f.AssignmentCreated)
    assert (created.unit, created.final) == (MARKET, True)


def test_12345_reads_its_own_number_the_units_and_the_answer() -> None:
    case = story(BY_12345, signs_in(), finishes(result="已更换水管"), passed(), concluded())
    replies = [
        fact_of(message) for fact in case.facts for message in project(event(fact)) if message.topic == HOTLINE_REPLIES
    ]
    assert replies == [
        f.HotlineAccepted(number=NUMBER, source_ref="12345-778"),
        f.HotlineDispatched(number=NUMBER, source_ref="12345-778", units=(WATER,)),
        f.HotlineAnswered(number=NUMBER, source_ref="12345-778", answer="已更换水管"),
    ]


def test_12345_is_told_nothing_of_an_order_without_its_number() -> None:
    case = story(whistle(matter(source=Source.HOTLINE_12345).model_copy(update={"source_ref": None})))
    assert {message.topic for fact in case.facts for message in project(event(fact))} == {"assignments.util-water"}


@pytest.mark.parametrize(("before", "hears", "expected"), TOLD)
def test_what_was_just_stated_tells_the_same_as_what_is_read_back(
    before: tuple[object, ...], hears: object, expected: list[str]
) -> None:
    """The relay tells of a fact as it has it in memory, and after a crash of the bytes in the log."""
    case = story(*before)
    case.tell(hears)
    stated = [event(fact) for fact in case.facts]

    assert [project(one) for one in stated] == [project(decode(encode(one))) for one in stated]


def test_a_repeat_is_the_same_message() -> None:
    written = event(story(*SHOPS).facts[-1])
    assert project(written) == project(written)


def test_each_message_has_an_id_of_its_own() -> None:
    case = story(BY_12345, refuses(), upholds(MARKET), signs_in(MARKET), finishes(MARKET), failed())
    messages = [message for fact in case.facts for message in project(event(fact))]
    ids = {decode(message.value, message.headers).id for message in messages}
    assert len(ids) == len(messages) == 7
    assert all(UUID(one) for one in ids)


def test_a_message_says_what_it_follows_from() -> None:
    written = event(story(*SHOPS).facts[-1], caseseq=3)
    for message in project(written):
        envelope = decode(message.value, message.headers)
        assert (envelope.cause, envelope.caseseq, envelope.subject, envelope.time, envelope.traceparent) == (
            written.id,
            3,
            CASE,
            NOW,
            "00-aa-bb-01",
        )
        assert envelope.sequence == 0, "an outsider's topic is no log of ours"
        assert message.key == str(CASE).encode()


def test_replies_lie_in_the_cases_partition() -> None:
    partitions = {
        message.topic: message.partition for fact in story(BY_12345).facts for message in project(event(fact))
    }
    assert partitions == {"assignments.util-water": None, HOTLINE_REPLIES: shard_of(CASE)}


PERSONAL = ("p-1", "p-2", "r-9", "person", "reporter", "actor", "phone")


def test_nothing_personal_reaches_an_outsider() -> None:
    """Neither who acted nor who reported: not in any message that any fact of a long case leads to."""
    refused_twice = (BY_12345, refuses(), dismisses(), refuses(), dispatches(MARKET), signs_in(MARKET))
    changed = (joins(PARKS), releases(PARKS), supervises(), sets_urgency(), corrects(), comments_on(MARKET))
    time = (asks_suspension(MARKET), grants(), resumes(), lists_understanding(), resumes(), lists_phased(1))
    reworked = (overdue(Obligation.HANDLE, MARKET), progresses(MARKET), finishes(MARKET), failed(), signs_in(MARKET))
    case = story(
        *refused_twice, *changed, *time, reaches(1, MARKET), *reworked, finishes(MARKET), passed(2), concluded(round_=2)
    )
    messages = [message for fact in case.facts for message in project(event(fact))]
    assert {short(fact_of(message)).split(".")[0] for message in messages} == {"assignment", "hotline"}
    for message in messages:
        assert message.value is not None
        for word in PERSONAL:
            assert f'"{word}"'.encode() not in message.value


def test_only_the_routers_own_facts_are_projected() -> None:
    assert project(event(verified())) == []
