"""Every fact has its sentence, in both languages."""

import pytest

from services.workbench.languages import CATALOGUES
from services.workbench.words import WORDS, About, Tone, is_news, masked, sentence, title_of, tone
from shared.contracts import facts as f
from shared.contracts.vocabulary import (
    CaseList,
    DispatchCause,
    Ledger,
    Obligation,
    RequestKind,
    Satisfaction,
    Source,
    Stage,
)
from tests.unit.workbench import kit
from tests.unit.workbench.kit import COMMUNITY, HOUSING, NOW, NUMBER, STREET, WATER, speech

ABOUT = About(NUMBER, "3号楼停水")
LOGGED = [fact for name, fact in f.FACTS.items() if name.split(".")[2] in kit.SERVICE_OF]


def test_the_table_and_the_examples_hold_every_fact_of_the_four_logs() -> None:
    assert {type(fact) for fact in kit.EXAMPLES} | {type(fact) for fact in kit.SURGES} == set(WORDS) == set(LOGGED)


@pytest.mark.parametrize("fact", kit.EXAMPLES, ids=lambda fact: type(fact).__name__)
@pytest.mark.parametrize("language", CATALOGUES)
def test_every_fact_is_one_sentence(fact: f.Fact, language: str) -> None:
    say = speech(language)
    alone, with_title = sentence(fact, say), sentence(fact, say, ABOUT)
    assert alone
    assert "{" not in alone
    assert "\n" not in alone
    assert "3号楼停水" not in alone
    assert "3号楼停水" in with_title
    assert isinstance(tone(fact, say), Tone)


@pytest.mark.parametrize(
    ("fact", "chinese", "english"),
    [
        (
            kit.dispatched(WATER),
            "湖畔社区 吹哨：3号楼停水 → 派 和安供水公司",
            "Hupan whistled: 3号楼停水 → He'an Water",
        ),
        (
            kit.dispatched(WATER, final=True),
            "会商指定：3号楼停水 → 由 和安供水公司 办理，不得再退",
            "Designated: 3号楼停水 → He'an Water, no further refusal",
        ),
        (
            kit.case_fact(f.CaseOpened, Stage.VERIFYING, matter=kit.matter(source=Source.RESIDENT)),
            "居民点单，待 湖畔社区 核实：3号楼停水",
            "A resident's order, for Hupan to verify: 3号楼停水",
        ),
        (
            kit.case_fact(f.CaseOpened, Stage.RECEIVED, matter=kit.matter(source=Source.HOTLINE_12345)),
            "12345 转来：3号楼停水",
            "From 12345: 3号楼停水",
        ),
        (
            kit.of_unit(f.CaseRefused, Stage.CONSULTATION, reason="x", basis="y", count=2),
            "和安供水公司 第 2 次退单：3号楼停水",
            "He'an Water refused, refusal no. 2: 3号楼停水",
        ),
        (
            kit.overdue(Obligation.SIGN_IN),
            "红灯：和安供水公司 签收超时：3号楼停水",
            "Red lamp: He'an Water, sign-in overdue: 3号楼停水",
        ),
        (
            kit.handed_out(DispatchCause.REFUSAL_UPHELD, (), begun=(HOUSING,)),
            "退单成立，改派 区住建委：3号楼停水",
            "Refusal upheld, now 区住建委: 3号楼停水",
        ),
        (
            kit.handed_out(DispatchCause.TRANSFERRED, (), begun=(HOUSING,), released=(WATER,)),
            "和安供水公司 转由 区住建委 办理：3号楼停水",
            "Transferred from He'an Water to 区住建委: 3号楼停水",
        ),
        (
            kit.handed_out(DispatchCause.JOINED, (WATER,), begun=(HOUSING,)),
            "增加 区住建委 协办：3号楼停水",
            "区住建委 joined as co-handler: 3号楼停水",
        ),
        (
            kit.handed_out(DispatchCause.RELEASED, (WATER,), released=(HOUSING,)),
            "区住建委 不再承办：3号楼停水",
            "区住建委 released: 3号楼停水",
        ),
        (
            kit.handed_out(DispatchCause.LEAD_CHANGED, (HOUSING, WATER)),
            "改由 区住建委 牵头：3号楼停水",
            "区住建委 leads from now on: 3号楼停水",
        ),
        (
            kit.handed_out(DispatchCause.ESCALATED, (), begun=(STREET,), released=(COMMUNITY,)),
            "提级办理：湖畔社区 超期，由 东湖街道 接办：3号楼停水",
            "Taken over from Hupan, which is overdue, by Donghu Street: 3号楼停水",
        ),
        (
            kit.case_fact(
                f.CaseSentToDesk,
                Stage.TO_DISPATCH,
                desk=kit.HUB,
                reason=kit.REASON,
                released=kit.assigned(WATER),
            ),
            "提级办理：和安供水公司 超期，转 和安区城市治理中心 重新派单：3号楼停水",
            "Taken over: He'an Water is overdue, He'an Hub dispatches anew: 3号楼停水",
        ),
        (
            kit.handed_out(DispatchCause.DESIGNATED, (WATER,)),
            "会商指定：3号楼停水 → 由 和安供水公司 办理，不得再退",
            "Designated: 3号楼停水 → He'an Water, no further refusal",
        ),
        (
            kit.of_unit(
                f.CaseRequestRuled, Stage.HANDLING, kind=RequestKind.EXTENSION, approved=False, reason="理由不足"
            ),
            "和安供水公司 延期未获准，时限照旧：3号楼停水",
            "Extension not approved, He'an Water keeps its limit: 3号楼停水",
        ),
        (
            kit.case_fact(
                f.CaseListed,
                Stage.SUSPENDED,
                case_list=CaseList.UNDERSTANDING,
                ledger=Ledger.FIXED_DEADLINE,
                reason="x",
                review_at=NOW,
            ),
            "列入谅解清单，2026-11-23 复核：3号楼停水",
            "Put on the list “to be understood”, review on 2026-11-23: 3号楼停水",
        ),
        (
            kit.case_fact(
                f.CaseHandedOver,
                Stage.CHECKING,
                before=COMMUNITY,
                unit=STREET,
                matter=kit.matter(),
                reason=kit.REASON,
            ),
            "机构调整，湖畔社区 的吹哨由 东湖街道 承接：3号楼停水",
            "Units changed, Donghu Street is the whistle-blower in place of Hupan: 3号楼停水",
        ),
        (
            kit.case_fact(
                f.CaseCorrected,
                Stage.HANDLING,
                matter=kit.matter(),
                changed=("address", "a_field_of_tomorrow"),
                reason="x",
            ),
            "更正地点、a_field_of_tomorrow：3号楼停水",
            "Corrected: Place, a_field_of_tomorrow: 3号楼停水",
        ),
        (
            kit.deadline(f.DeadlineOverdue, Obligation.ARCHIVE),
            "归档日已到：3号楼停水",
            "The date of archiving has come: 3号楼停水",
        ),
        (
            f.FeedbackResidentAnswered(
                round=1, contacted=True, solved=False, satisfaction=Satisfaction.UNSATISFIED, actor=kit.actor()
            ),
            "居民评价：不满意：3号楼停水",
            "The resident: not satisfied: 3号楼停水",
        ),
    ],
)
def test_in_the_words_of_the_field(fact: f.Fact, chinese: str, english: str) -> None:
    assert sentence(fact, speech(), ABOUT) == chinese
    assert sentence(fact, speech("en"), ABOUT) == english


@pytest.mark.parametrize("cause", [None, *DispatchCause])
def test_every_cause_of_a_dispatch_can_be_said(cause: DispatchCause | None) -> None:
    fact = kit.dispatched().model_copy(update={"cause": cause})
    for language in CATALOGUES:
        assert "{" not in sentence(fact, speech(language), ABOUT)


@pytest.mark.parametrize("kind", RequestKind)
@pytest.mark.parametrize("approved", [True, False])
def test_only_a_suspension_is_a_step_back(kind: RequestKind, approved: bool) -> None:
    ruled = kit.of_unit(
        f.CaseRequestRuled, Stage.HANDLING, kind=kind, approved=approved, reason="x", until=NOW, share=0.5
    )
    suspended = approved and kind is RequestKind.SUSPENSION
    assert tone(ruled, speech()) is (Tone.BACK if suspended else Tone.PLAIN)


@pytest.mark.parametrize("kind", [f.DeadlineWarned, f.DeadlineOverdue])
@pytest.mark.parametrize("obligation", Obligation)
def test_an_appointed_day_lights_no_lamp_and_is_no_news(kind: type[f.DeadlineStep], obligation: Obligation) -> None:
    fact = kit.deadline(kind, obligation)
    appointed = obligation in (Obligation.ARCHIVE, Obligation.REVIEW)
    assert (tone(fact, speech()) is Tone.PLAIN) == appointed
    assert is_news(fact) == (kind is f.DeadlineWarned and not appointed)


def test_every_field_of_a_matter_has_a_name() -> None:
    for name in f.Matter.model_fields:
        for language in CATALOGUES:
            assert speech(language).field(name) != name


def test_a_confidential_matter_keeps_its_title_to_itself() -> None:
    secret = About(NUMBER, "举报某某", confidential=True)
    for fact in kit.EXAMPLES:
        for language in CATALOGUES:
            assert "举报某某" not in sentence(fact, speech(language), secret)
    assert title_of(secret, speech()) == "保密"
    assert sentence(kit.closed(), speech(), secret) == "销号：（保密）"


def test_a_case_without_a_known_title_goes_by_its_number() -> None:
    assert sentence(kit.closed(), speech(), About(NUMBER, None)) == f"销号：{NUMBER}"
    assert sentence(kit.closed(), speech(), About(None, None)) == "销号"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("请联系13812345678谢谢", "请联系138****5678谢谢"),
        ("身份证11010519491231002X", "身份证110105********002X"),
        ("单号20261123000138123456781", "单号20261123000138123456781"),
        ("3号楼1单元201", "3号楼1单元201"),
    ],
)
def test_numbers_that_identify_people_are_covered(typed: str, shown: str) -> None:
    assert masked(typed) == shown


@pytest.mark.parametrize(
    ("fact", "chinese", "english"),
    [
        (
            kit.SURGES[0],
            "诉求激增：同一地点：湖畔社区，3 小时内 4 件。",
            "Surge: 4 cases at one place within 3 h (湖畔社区).",
        ),
        (kit.SURGES[1], "激增已过：同一地点，湖畔社区，共 4 件", "Surge over: 湖畔社区 (One place), 4 cases in all"),
    ],
)
def test_surges_are_told_for_themselves(fact: f.SurgeFact, chinese: str, english: str) -> None:
    nothing = About(None, None)
    assert sentence(fact, speech(), nothing) == chinese
    assert sentence(fact, speech("en"), nothing) == english


def test_a_number_that_somebody_typed_into_an_address_is_covered() -> None:
    ended = kit.SURGES[1].model_copy(update={"key": "湖畔社区13812345678"})
    assert "13812345678" not in sentence(ended, speech())
