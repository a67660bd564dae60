"""公示: what is shown of a closed case, what never is, and what takes an entry off again."""

import random
from datetime import timedelta

import pytest

from services.feedback.domain.commands import Withhold
from services.feedback.domain.measuring.part import Settled
from services.feedback.domain.publication import TOLD_WITH_THE_OTHER, Hidden, published, shortened
from services.feedback.domain.review import Review
from shared.contracts import facts as f
from shared.contracts.vocabulary import AppealType, ReworkCause, Satisfaction, Source, Stage
from shared.runtime.decision import Decision, FromDoor, Input
from shared.runtime.service import decide_with
from tests.unit.feedback.histories import (
    CASE,
    COMMUNITY,
    HUB,
    NOW,
    NUMBER,
    RULE,
    WATER,
    answered,
    closed,
    dispatched,
    followed_by,
    handled,
    matter,
    opened,
    passed,
    rated,
    rework,
    staff,
)

decide = decide_with(followed_by())
SECRETS = ("张伟", "13812345678", "501")
TITLE = "业主张伟反映3号楼2单元501室漏水"
ANSWER = "已联系张伟（13812345678），幸福家园3号楼2单元501室水管已更换。"


def tell(*messages: object, state: Review | None = None) -> tuple[Review | None, list[f.Fact], list[Decision[Review]]]:
    """The history told message by message: where it ends, what was stated, every decision."""
    facts: list[f.Fact] = []
    decisions = []
    for place, message in enumerate(messages):
        decision = decide(state, Input(CASE, message, str(place), FromDoor(())), NOW + timedelta(hours=place))
        decisions.append(decision)
        state = decision.state or state
        facts += decision.facts
    return state, facts, decisions


def about(**changes: object) -> f.Matter:
    return matter(Source.RESIDENT, True, COMMUNITY).model_copy(update={"title": TITLE, **changes})


def told(source: Source = Source.RESIDENT, **changes: object) -> f.CaseOpened:
    return opened(source=source).model_copy(update={"matter": about(source=source, **changes)})


def closing(answer: str = ANSWER) -> f.CaseClosed:
    return closed().model_copy(update={"answer": answer})


def corrected(**changes: object) -> f.CaseCorrected:
    return f.CaseCorrected(
        number=NUMBER,
        source=Source.RESIDENT,
        stage=Stage.CLOSED,
        actor=RULE,
        matter=about(**changes),
        changed=tuple(changes),
        reason="更正",
    )


def board_facts(facts: list[f.Fact]) -> list[f.Fact]:
    return [fact for fact in facts if isinstance(fact, f.FeedbackPublished | f.FeedbackWithheld)]


ROUND = (dispatched(WATER), handled(), passed(), rated(), answered(Satisfaction.BASICALLY_SATISFIED))


def test_a_closed_case_is_published_without_what_leads_to_a_person() -> None:
    state, facts, _ = tell(told(), *ROUND, closing())

    (published,) = board_facts(facts)
    assert isinstance(published, f.FeedbackPublished)
    assert published.result == "已联系某某（电话略），幸福家园水管已更换。"
    assert not any(secret in published.model_dump_json() for secret in SECRETS)
    assert (published.number, published.units, published.region) == (NUMBER, (WATER,), COMMUNITY)
    assert published.satisfaction is Satisfaction.BASICALLY_SATISFIED
    assert published.closed_at - published.received_at >= timedelta(0)
    assert state is not None
    assert state.publication is not None
    assert state.publication.entry == published, "the board shows the fact, word for word"
    assert state.publication.hidden is None


def test_who_did_not_answer_has_not_rated() -> None:
    _, facts, _ = tell(told(), dispatched(WATER), handled(), passed(), closing())
    (entry,) = board_facts(facts)
    assert isinstance(entry, f.FeedbackPublished)
    assert entry.satisfaction is None


NEVER = [
    (told(confidential=True), Hidden.CONFIDENTIAL),
    (told(appeal_type=AppealType.REPORT), Hidden.REPORT),
    (told(Source.PETITION), Hidden.PETITION),
    (told(Source.PETITION, confidential=True), Hidden.CONFIDENTIAL),
]


@pytest.mark.parametrize(("beginning", "why"), NEVER)
def test_what_is_never_shown_is_never_stated_whatever_happens(beginning: f.CaseOpened, why: Hidden) -> None:
    chosen = random.Random(6)
    closings = 0
    for _ in range(60):
        steps: list[object] = []
        for number in range(1, chosen.randint(2, 5)):
            steps += [dispatched(WATER, number=number), handled(number)]
            steps += chosen.sample([passed(), rated(), answered(), withhold(), corrected(**_same(beginning))], 3)
            steps += chosen.choice([[closing()], [closing(), rework(number + 1, ReworkCause.RESIDENT_UNSATISFIED)]])
        state, facts, _ = tell(beginning, *steps)
        assert board_facts(facts) == []
        assert state is not None
        assert state.publication is not None
        assert (state.publication.entry, state.publication.hidden) == (None, why)
        closings += 1
    assert closings == 60


def _same(beginning: f.CaseOpened) -> dict[str, object]:
    return beginning.matter.model_dump(include={"confidential", "appeal_type", "source"})


def test_a_matter_found_confidential_goes_off_at_once() -> None:
    for changes, why in (
        ({"confidential": True}, Hidden.CONFIDENTIAL),
        ({"appeal_type": AppealType.REPORT}, Hidden.REPORT),
    ):
        state, facts, _ = tell(told(), *ROUND, closing(), corrected(**changes))
        assert [type(fact) for fact in board_facts(facts)] == [f.FeedbackPublished, f.FeedbackWithheld]
        assert state is not None
        assert state.publication is not None
        assert (state.publication.entry, state.publication.hidden) == (None, why)


def test_rework_takes_the_entry_off_and_the_next_closing_replaces_it() -> None:
    again = (rework(2, ReworkCause.RESIDENT_UNSATISFIED), dispatched(WATER, number=2), handled(2), passed())
    between, _, _ = tell(told(), *ROUND, closing(), *again)
    assert between is not None
    assert between.publication is not None
    assert (between.publication.entry, between.publication.hidden) == (None, Hidden.REWORKED)

    state, facts, _ = tell(told(), *ROUND, closing("第一次答复"), *again, closing("第二次答复"))
    first, off, second = board_facts(facts)
    assert isinstance(first, f.FeedbackPublished)
    assert isinstance(second, f.FeedbackPublished)
    assert isinstance(off, f.FeedbackWithheld)
    assert off.actor == RULE
    assert (first.result, second.result, second.satisfaction) == ("第一次答复", "第二次答复", None)
    assert state is not None
    assert state.publication is not None
    assert state.publication.entry == second


def withhold(reason: str = "涉及第三人隐私", unit: str = HUB) -> Withhold:
    return Withhold(asker=staff(unit), reason=reason)


def test_what_the_hub_took_off_stays_off() -> None:
    again = (rework(2, ReworkCause.RESIDENT_UNSATISFIED), dispatched(WATER, number=2), handled(2), passed(), closing())
    state, facts, _ = tell(told(), *ROUND, closing(), withhold(), *again)
    _, withheld = board_facts(facts)
    assert isinstance(withheld, f.FeedbackWithheld)
    assert (withheld.reason, withheld.actor.unit) == ("涉及第三人隐私", HUB)
    assert state is not None
    assert state.publication is not None
    assert (state.publication.entry, state.publication.hidden) == (None, Hidden.WITHHELD)


@pytest.mark.parametrize(
    ("history", "command", "code"),
    [
        ((), withhold(), "review_unknown"),
        ((told(), *ROUND), withhold(), "not_on_the_board"),
        ((told(confidential=True), *ROUND, closing()), withhold(), "not_on_the_board"),
        ((told(), *ROUND, closing(), withhold()), withhold(), "not_on_the_board"),
        ((told(), *ROUND, closing()), withhold(unit=COMMUNITY), "only_the_hub_withholds"),
        ((told(), *ROUND, closing()), withhold(reason="  "), "reason_required"),
    ],
)
def test_withholding_is_refused(history: tuple[object, ...], command: Withhold, code: str) -> None:
    state, _, _ = tell(*history)
    _, facts, (decision,) = tell(command, state=state)
    assert decision.refusal is not None
    assert decision.refusal.code == code
    assert facts == []


def test_a_long_text_ends_with_a_sentence() -> None:
    assert shortened("短。", 300) == "短。"
    sentences = "已更换水泵。" * 100
    assert shortened(sentences, 300) == "已更换水泵。" * 50
    assert shortened("啊" * 400, 300) == "啊" * 299 + "…"
    _, facts, _ = tell(told(title="漏水" * 60), *ROUND, closing(sentences))
    (published,) = board_facts(facts)
    assert isinstance(published, f.FeedbackPublished)
    assert (len(published.title), len(published.result)) == (60, 300)


def answered_with_another(answer: str) -> f.CaseAnswered:
    return f.CaseAnswered(
        number=NUMBER,
        source=Source.RESIDENT,
        stage=Stage.RATING,
        actor=RULE,
        answer=answer,
        ledger=closing().ledger,
        into=CASE,
        units=(WATER,),
        round=1,
        resident_to_ask=False,
        whistle_blower=COMMUNITY,
    )


def test_of_a_merged_case_the_others_answer_is_not_shown_for_the_other_may_be_confidential() -> None:
    _, facts, _ = tell(
        told(), answered_with_another("举报人反映的机房已查封"), rated(), closing("举报人反映的机房已查封")
    )
    (entry,) = board_facts(facts)
    assert isinstance(entry, f.FeedbackPublished)
    assert "机房" not in entry.model_dump_json()
    assert entry.result == TOLD_WITH_THE_OTHER


def test_done_once_more_by_itself_a_merged_case_shows_its_own_answer() -> None:
    _, facts, _ = tell(
        told(),
        answered_with_another("另一件的答复"),
        rework(2),
        handled(2),
        passed(),
        rated(),
        answered(),
        closing("已更换水管。"),
    )
    (entry,) = board_facts(facts)
    assert isinstance(entry, f.FeedbackPublished)
    assert entry.result == "已更换水管。"


@pytest.mark.parametrize(
    ("late", "on_time"), [((False, False), True), ((True, False), False), ((True, True), False), ((), None)]
)
def test_it_was_done_on_time_if_every_unit_was(late: tuple[bool, ...], on_time: bool | None) -> None:
    units = (WATER, COMMUNITY)[: len(late)]
    state, _, _ = tell(told(), dispatched(WATER, COMMUNITY))
    assert state is not None
    assert state.record is not None
    settled = dict(zip(units, late, strict=True))
    parts = tuple(
        one.model_copy(update={"handle": Settled(NOW, settled[one.unit]) if one.unit in settled else None})
        for one in state.record.parts
    )
    record = state.record.model_copy(update={"parts": parts})
    assert published(None, record, "已修复", None, NOW).on_time is on_time
