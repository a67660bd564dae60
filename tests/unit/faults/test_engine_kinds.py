"""What the kinds that concern the engines count, read and write."""

from datetime import UTC, datetime
from uuid import UUID

import httpx

from deploy.faults.figures import read
from deploy.faults.kinds.mixed import FUTURE, of_a_later_release
from deploy.faults.knocker import Answers
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, decode, encode
from shared.contracts.vocabulary import Obligation

METRICS = """\
# HELP chuishao_log_gap 1 while a shard misses a sequence.
# TYPE chuishao_log_gap gauge
chuishao_log_gap{service="router",log="whistles",shard="3"} 1.0
chuishao_log_gap{service="router",log="whistles",shard="4"} 0.0
# HELP chuishao_timer_fired_total Fired.
# TYPE chuishao_timer_fired_total counter
chuishao_timer_fired_total{obligation="sign_in",step="red"} 2.0
chuishao_timer_fired_total{obligation="handle",step="red"} 3.0
"""


def test_a_figure_is_read_by_its_labels_summed_or_not_there() -> None:
    assert read(METRICS, "chuishao_log_gap", {"log": "whistles", "shard": "3"}) == 1.0
    assert read(METRICS, "chuishao_log_gap", {"log": "whistles", "shard": "4"}) == 0.0
    assert read(METRICS, "chuishao_timer_fired_total", {}) == 5.0
    assert read(METRICS, "chuishao_log_gap", {"log": "cases"}) is None


def test_a_yes_is_told_apart_from_a_door_that_cannot_and_from_everything_else() -> None:
    answers = Answers()
    assert answers.note("POST", httpx.Response(201))
    assert not answers.note("POST", httpx.Response(503, headers={"Retry-After": "5"}))
    assert not answers.note("POST", httpx.Response(503, text="away"))
    assert not answers.note("POST", httpx.Response(500, text="oops"))
    assert not answers.note("POST", None, "ConnectError()")

    assert answers.turned_away == 1
    assert set(answers.wrong) == {"POST: 503 without Retry-After away", "POST: 500 oops", "POST: ConnectError()"}


def test_an_event_of_a_later_release_says_more_and_means_the_same() -> None:
    then = datetime(2026, 11, 11, tzinfo=UTC)
    fact = f.DeadlineWarned(
        obligation=Obligation.SIGN_IN,
        unit="110199001001",
        generation=1,
        started_at=then,
        due_at=then,
        fired_at=then,
        policy_version="1",
    )
    ours = encode(Envelope("id", "/sla", UUID(int=7), then, fact))
    later = of_a_later_release(ours)

    assert b"futureattribute" in later
    assert str(FUTURE["since"]).encode() in later
    assert decode(later, ()).fact == decode(ours, ()).fact == fact
