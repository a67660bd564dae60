"""A resident's link: made here and unaltered it opens, and nothing else does; who is asked, and until when."""

import base64
import string
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from fastapi import Request
from joserfc import jws
from joserfc.jwk import OctKey

from services.feedback.answers.guesses import MOST_ADDRESSES, MOST_FAILURES, WHILE_SECONDS, Guesses
from services.feedback.answers.links import LONGEST_TOKEN, Links
from services.feedback.domain.invitation import LONGEST_RESULT, Invitation, Standing, standing
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, Ledger, Source, Stage
from shared.runtime.identity import Gatekeeper, Identity, issue
from shared.runtime.problems import Refused
from tests.unit.feedback.answering import SIGNING_KEY, unit_done
from tests.unit.feedback.histories import (
    CASE,
    COMMUNITY,
    MARKET,
    NOW,
    NUMBER,
    WATER,
    History,
    answered,
    closed,
    failed,
    followed_by,
    handled,
    opened,
    passed,
    rated,
    rework,
)

LINKS = Links(SIGNING_KEY, "https://answers.example")
UNTIL = datetime(2026, 12, 3, 9, 30, tzinfo=UTC)
INVITATION = Invitation(case_id=CASE, round=1, until=UNTIL)
TOKEN = LINKS.token(INVITATION)


# --- the link


def test_a_link_says_what_it_was_made_for_and_is_short() -> None:
    assert LINKS.opened(TOKEN) == INVITATION
    assert LINKS.link_for(CASE, 1, UNTIL) == f"https://answers.example/answer/{TOKEN}"
    longest = Invitation(case_id=UUID(int=2**128 - 1), round=65_535, until=datetime(2100, 1, 1, tzinfo=UTC))
    assert len(LINKS.token(longest)) <= LONGEST_TOKEN
    assert LINKS.opened(LINKS.token(longest)) == longest


def test_a_link_is_refused_altered_in_any_byte_to_anything() -> None:
    """Also where base64 has bits to spare and the altered text decodes to the same bytes."""
    letters = string.ascii_letters + string.digits + "-_.=%é"
    opened_altered = [
        TOKEN[:place] + letter + TOKEN[place + 1 :]
        for place in range(len(TOKEN))
        for letter in letters
        if letter != TOKEN[place] and LINKS.opened(TOKEN[:place] + letter + TOKEN[place + 1 :]) is not None
    ]
    assert opened_altered == []


@pytest.mark.parametrize(
    "altered",
    [
        "",
        ".",
        "..",
        "a.b.c",
        TOKEN[:-1],
        TOKEN + "A",
        TOKEN + "=",
        TOKEN + ".",
        " " + TOKEN,
        TOKEN + "\n",
        TOKEN.upper(),
        TOKEN * 20,
        ".".join(TOKEN.split(".")[:2]) + ".",
        "\ud800",
    ],
)
def test_a_link_cut_or_grown_is_refused(altered: str) -> None:
    assert LINKS.opened(altered) is None


def test_a_link_signed_with_another_key_or_none_is_refused() -> None:
    payload = base64.urlsafe_b64decode(TOKEN.split(".")[1] + "==")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=") + "." + TOKEN.split(".")[1] + "."
    with_main_key = jws.serialize_compact({"alg": "HS256"}, payload, OctKey.import_key(SIGNING_KEY))
    of_another_district = Links("another key another key another!", "https://answers.example").token(INVITATION)
    assert [LINKS.opened(token) for token in (unsigned, with_main_key, of_another_district)] == [None] * 3


def test_a_link_is_no_access_token_and_an_access_token_no_link() -> None:
    gatekeeper = Gatekeeper(SIGNING_KEY, [])
    bearer = issue(Identity(kind=ActorKind.RESIDENT, person=str(CASE)), SIGNING_KEY, NOW, timedelta(days=1))

    assert LINKS.opened(bearer) is None
    request = Request({"type": "http", "headers": [(b"authorization", f"Bearer {TOKEN}".encode())]})
    with pytest.raises(Refused) as refused:
        gatekeeper.identify(request)
    assert refused.value.refusal.code == "token_invalid"


def test_without_a_signing_key_no_link_is_made_and_none_opens() -> None:
    without = Links("", "https://answers.example")
    for use in (lambda: without.link_for(CASE, 1, UNTIL), lambda: without.opened(TOKEN)):
        with pytest.raises(Refused) as refused:
            use()
        assert refused.value.refusal.status == 503


# --- what it is worth


def test_a_link_is_worth_an_answer_once_while_its_round_is_open() -> None:
    history = History(opened(), handled(), by=followed_by())
    assert worth(history) is Standing.OPEN
    assert worth(history, now=UNTIL) is Standing.EXPIRED
    assert worth(history, number=2) is Standing.NOT_READ_YET
    history.tell(answered())
    assert worth(history) is worth(history, now=UNTIL) is Standing.ANSWERED
    assert standing(None, INVITATION, NOW) is Standing.NOT_READ_YET


def test_a_link_of_a_round_that_ended_is_worth_nothing_in_the_next() -> None:
    history = History(opened(), handled(), failed(), rework(2), by=followed_by())
    assert worth(history) is Standing.OVER
    history.tell(handled(2))
    assert (worth(history), worth(history, number=2)) == (Standing.OVER, Standing.OPEN)
    history.tell(closed())
    assert worth(history, number=2) is Standing.OVER


def worth(history: History, number: int = 1, now: datetime = NOW) -> Standing:
    return standing(history.review, INVITATION.model_copy(update={"round": number}), now)


def test_an_answer_by_link_is_for_its_round_only() -> None:
    history = History(opened(), handled(), failed(), rework(2), handled(2), by=followed_by())
    late = history.tell(answered().model_copy(update={"round": 1}))
    assert late.refusal is not None
    assert late.refusal.code == "round_over"
    assert history.tell(answered().model_copy(update={"round": 2})).refusal is None
    again = history.tell(answered().model_copy(update={"round": 2}))
    assert again.refusal is not None
    assert again.refusal.code == "already_answered"


def test_an_answered_round_is_said_to_be_answered_also_when_it_is_over() -> None:
    history = History(opened(), handled(), passed(), rated(), answered(), by=followed_by())
    assert len(history.verdicts) == 1
    again = history.tell(answered().model_copy(update={"round": 1}))
    assert again.refusal is not None
    assert again.refusal.code == "already_answered"


# --- who is asked


def asked(history: History) -> list[f.FeedbackResidentAsked]:
    return [fact for fact in history.said if isinstance(fact, f.FeedbackResidentAsked)]


def test_a_resident_is_asked_once_in_each_round_for_as_long_as_the_set_up_says() -> None:
    history = History(opened(), handled(), handled(), failed(), rework(2), handled(2), by=followed_by())
    until = NOW + timedelta(days=10)
    assert asked(history) == [
        f.FeedbackResidentAsked(round=1, until=until),
        f.FeedbackResidentAsked(round=2, until=until),
    ]
    assert history.review is not None
    assert [each.asked_until for each in history.review.rounds] == [until, until]


def test_the_reporter_of_a_merged_case_is_asked_too() -> None:
    history = History(opened(), merged_answer(), by=followed_by())
    assert [fact.round for fact in asked(history)] == [1]


def merged_answer() -> f.CaseAnswered:
    """The answer of the case it was merged into."""
    return f.CaseAnswered(
        number=NUMBER,
        source=Source.RESIDENT,
        stage=Stage.RATING,
        actor=f.Actor(kind=ActorKind.RULE),
        answer="已随另一件修复",
        ledger=Ledger.ON_BEHALF,
        into=UUID(int=9),
        units=(WATER,),
        round=1,
        resident_to_ask=True,
        whistle_blower=COMMUNITY,
    )


@pytest.mark.parametrize(
    ("source", "resident_to_ask"), [(Source.HOTLINE_12345, True), (Source.HOTLINE_12345, False), (Source.GRID, False)]
)
def test_nobody_is_asked_where_12345_calls_back_or_there_is_nobody(source: Source, resident_to_ask: bool) -> None:
    history = History(
        opened(source, resident_to_ask), handled(source=source, resident_to_ask=resident_to_ask), by=followed_by()
    )
    assert asked(history) == []
    assert history.review is not None
    assert history.review.round is not None
    assert history.review.round.asked_until is None


def test_a_round_keeps_what_its_units_say_they_did_in_bounded_length() -> None:
    long = "长" * (LONGEST_RESULT + 1)
    history = History(
        opened(), unit_done(), unit_done(result=long), unit_done(MARKET, "已约谈"), handled(1, WATER), by=followed_by()
    )
    assert history.review is not None
    assert history.review.round is not None
    kept = history.review.round.results
    assert list(kept) == [WATER]
    assert len(kept[WATER]) == LONGEST_RESULT
    assert kept[WATER].endswith("…")
    assert history.review.results == kept


# --- guessing


def test_an_address_that_fails_too_often_waits_and_may_then_try_again() -> None:
    clock = [0.0]
    guesses = Guesses(lambda: clock[0])
    for _ in range(MOST_FAILURES):
        assert guesses.wait("10.0.0.1") == 0
        guesses.failed("10.0.0.1")
    assert guesses.wait("10.0.0.1") == WHILE_SECONDS
    assert guesses.wait("10.0.0.2") == 0
    clock[0] = WHILE_SECONDS - 0.5
    assert guesses.wait("10.0.0.1") == 1
    clock[0] = WHILE_SECONDS
    assert guesses.wait("10.0.0.1") == 0
    guesses.failed("10.0.0.1")
    assert guesses.wait("10.0.0.1") == 0


def test_an_ipv6_network_is_one_address_and_memory_is_bounded() -> None:
    guesses = Guesses(lambda: 0.0)
    for host in range(MOST_FAILURES):
        guesses.failed(f"2001:db8:1:2::{host:x}")
    assert guesses.wait("2001:db8:1:2:ffff::1") > 0
    assert guesses.wait("2001:db8:1:3::1") == 0
    for number in range(MOST_ADDRESSES + 50):
        guesses.failed(f"host {number}")
    assert len(guesses) == MOST_ADDRESSES
