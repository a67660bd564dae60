"""Nothing of 12345's is closed without an answer to it, and each closing has its own."""

from uuid import uuid4

import pytest

from services.router.projection import project
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, decode
from shared.contracts.topics import HOTLINE_REPLIES
from shared.contracts.vocabulary import Source, Stage
from tests.unit.router.stories import (
    CASE,
    MARKET,
    MERGED_TREE,
    NOW,
    PARKS,
    WATER,
    Told,
    concluded,
    district,
    failed,
    finishes,
    followed,
    matter,
    merges,
    orders_rework,
    passed,
    signs_in,
    story,
    whistle,
)

ORDER = whistle(matter(source=Source.HOTLINE_12345, resident_to_ask=True))
DONE = (ORDER, signs_in(), finishes(result="已更换水管"))
FOLLOWS = (ORDER, merges(), followed(answer="已更换阀门", units=(MARKET, PARKS)))
AGAIN = (signs_in(PARKS), finishes(PARKS, "已补种"), signs_in(MARKET), finishes(MARKET, "已整改"), passed(2))


@pytest.mark.parametrize(
    ("told", "answers"),
    [
        ((*DONE, passed(), concluded()), ["已更换水管"]),
        (
            (*DONE, failed(), signs_in(), finishes(result="已修好"), passed(2), concluded(round_=2)),
            ["已修好"],
        ),
        # reopened by right before it was closed: one closing
        (
            (*DONE, passed(), concluded(close=False), signs_in(), finishes(), passed(2), concluded(round_=2)),
            [f"{WATER} 已修复"],
        ),
        # closed, sent back by the hub, closed once more: two closings
        (
            (*DONE, passed(), concluded(), orders_rework(), signs_in(), finishes(), passed(2), concluded(round_=2)),
            ["已更换水管", f"{WATER} 已修复"],
        ),
        # merged: it has the other's answer
        ((*FOLLOWS, concluded()), ["已更换阀门"]),
        # merged in rework, after a result of its own that did not pass
        ((*DONE, failed(), merges(), followed(answer="已更换阀门"), concluded(round_=2)), ["已更换阀门"]),
        # merged, answered, and reopened by those who answered it
        ((*FOLLOWS, concluded(close=False), *AGAIN, concluded(round_=2)), ["已整改\n已补种"]),
        ((*FOLLOWS, concluded(), orders_rework(), *AGAIN, concluded(round_=2)), ["已更换阀门", "已整改\n已补种"]),
        # its unit was merged into another before it was closed
        ((*DONE, passed(), district(MERGED_TREE), concluded()), ["已更换水管"]),
    ],
)
def test_each_closing_is_answered(told: tuple[Told, ...], answers: list[str]) -> None:
    case = story(*told)
    assert case.now.stage is Stage.CLOSED
    written = [
        Envelope(id=str(uuid4()), source="/chuishao/router", subject=CASE, time=NOW, fact=fact, caseseq=place)
        for place, fact in enumerate(case.facts, start=1)
    ]
    replies = [
        decode(message.value)
        for envelope in written
        for message in project(envelope)
        if message.topic == HOTLINE_REPLIES
    ]
    answered = [(reply.id, reply.fact.answer) for reply in replies if isinstance(reply.fact, f.HotlineAnswered)]
    assert [answer for _, answer in answered] == answers
    assert len({identifier for identifier, _ in answered}) == len(answers), "each closing under an id of its own"
    assert len(answered) == sum(isinstance(fact, f.CaseClosed) for fact in case.facts)
    assert replies[-1].type == f.HotlineAnswered.type_name(), "the answer is the last word"
