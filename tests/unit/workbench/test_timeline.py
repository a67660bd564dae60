"""Four logs become one timeline."""

from datetime import timedelta
from typing import Any

import pytest

from services.workbench import timeline
from services.workbench.standing import Case
from services.workbench.timeline import Deadline, merge, read_log
from shared.contracts import facts as f
from shared.contracts.topics import shard_of
from shared.contracts.vocabulary import CaseList, Ledger, Obligation, Stage
from tests.unit.workbench import kit
from tests.unit.workbench.kit import CASE, NOW, WATER, speech


def rows(facts: list[f.Fact] | None = None) -> list[timeline.Logged]:
    found = kit.EXAMPLES if facts is None else facts
    return merge(read_log(service, kit.log_rows(found, service)) for service in ("feedback", "router", "sla", "intake"))


def case(stage: Stage = Stage.CLOSED, **changes: Any) -> Case:
    return Case.model_validate(kit.case_document(stage, **changes))


def test_all_facts_stand_in_the_order_of_time() -> None:
    assert [row.envelope.fact for row in rows() if row.envelope] == kit.EXAMPLES


def test_at_the_same_moment_what_was_stated_comes_before_what_was_decided() -> None:
    checked, decided = (
        f.FeedbackChecked(round=1, passed=True, actor=kit.actor()),
        kit.case_fact(f.CaseChecked, Stage.RATING, passed=True),
    )
    together = [
        timeline.Logged(service, 7, 1, "ab", kit.envelope(fact, 1))
        for service, fact in (("router", decided), ("feedback", checked))
    ]
    assert [row.service for row in merge([[one] for one in together])] == ["feedback", "router"]


def test_what_was_redacted_and_what_is_not_known_yet_keep_their_place() -> None:
    log = kit.log_rows([kit.dispatched(), kit.closed(), kit.case_fact(f.CaseArchived, Stage.ARCHIVED)], "router")
    del log[1]["event"]
    log[1]["redacted"] = True
    log[2]["event"]["type"] = "cn.chuishao.case.praised.v1"
    shown = timeline.moments(merge([read_log("router", log)]), speech(), confidential=False)
    assert [moment.log for moment in shown] == [f"cases {shard_of(CASE)}/{number}" for number in (1, 2, 3)]
    assert shown[1].text == "此条内容已依法删除，其摘要和位置仍在链上。"
    assert shown[1].hash == log[1]["hash"]
    assert shown[2].text == "此条由更新的版本记录，本版本尚不能解读。"
    assert shown[2].type == "cn.chuishao.case.praised.v1"


@pytest.mark.parametrize("row", [{}, {"shard": 1}, {"shard": "x", "sequence": 1, "hash": "", "event": {}}])
def test_rows_of_another_shape_are_refused(row: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"x|place"):
        read_log("router", [row])


def test_a_stage_is_named_where_it_is_entered() -> None:
    shown = timeline.moments(rows(), speech(), confidential=False)
    entered = [moment.stage for moment in shown if moment.stage]
    assert entered[:4] == ["进入 已接收", "进入 待派单", "进入 不予受理", "进入 待派单"]


def test_nobody_is_named_but_by_unit_and_nothing_free_is_shown_of_a_confidential_case() -> None:
    shown = timeline.moments(rows(), speech(), confidential=True)
    said = repr(shown)
    for free in (
        "p-1",
        "已换水管",
        "不归我们",
        "职责清单第三条",
        "二层仍无水",
        "已恢复供水",
        "谢谢",
        "修复后",
        "换立管",
        "水车",
    ):
        assert free not in said
    openly = repr(timeline.moments(rows(), speech(), confidential=False))
    assert "p-1" not in openly
    for free in ("已换水管", "不归我们", "职责清单第三条", "修复后"):
        assert free in openly


def test_a_reason_in_one_language_only_was_written_by_a_person() -> None:
    by_desk = f.Reason(zh="某某被举报", en="某某被举报")
    dispatched = kit.dispatched().model_copy(update={"reason": by_desk})
    shown = timeline.moments(rows([dispatched]), speech("en"), confidential=False)[0].lines[0]
    assert (shown.text, shown.free) == ("某某被举报", True)
    assert "某某被举报" not in repr(timeline.moments(rows([dispatched]), speech(), confidential=True))


def test_reasons_are_said_in_the_language_chosen() -> None:
    texts = [
        {line.text for moment in timeline.moments(rows(), speech(language), False) for line in moment.lines}
        for language in ("zh-CN", "en")
    ]
    assert "供水归供水公司" in texts[0]
    assert "water is the water company's" in texts[1]
    assert "规则 by-category（版本 3）" in texts[0]


def test_evidence_is_a_link_only_to_the_web() -> None:
    evil = f.Evidence(name="x", media_type="text/html", url="javascript:alert(1)")
    done = kit.of_unit(f.CaseUnitDone, Stage.HANDLED, result="好", evidence=(kit.PROOF, evil))
    found = timeline.moments(rows([done]), speech(), False)[0].evidence
    assert [link.url for link in found] == ["https://files.example/1.jpg", None]


@pytest.mark.parametrize(
    ("stage", "states"),
    [
        (Stage.VERIFYING, ["current", "ahead", "ahead", "ahead", "ahead"]),
        (Stage.DECLINED, ["stopped", "ahead", "ahead", "ahead", "ahead"]),
        (Stage.HANDLING, ["passed", "current", "ahead", "ahead", "ahead"]),
        (Stage.RATING, ["passed", "passed", "passed", "current", "ahead"]),
        (Stage.CLOSED, ["passed", "passed", "passed", "passed", "done"]),
    ],
)
def test_the_progress_along_the_loop(stage: Stage, states: list[str]) -> None:
    assert [step.state for step in timeline.steps(case(stage), rows(), speech())] == states


def test_a_withdrawn_case_stopped_where_it_was() -> None:
    withdrawn = kit.case_fact(f.CaseWithdrawn, Stage.WITHDRAWN, reason="x")
    shown = timeline.steps(case(Stage.WITHDRAWN), rows([kit.dispatched(), withdrawn]), speech())
    assert [step.state for step in shown] == ["passed", "stopped", "ahead", "ahead", "ahead"]
    assert shown[1].stage == "已撤单"


def lines(fact: f.Fact, language: str = "zh-CN") -> list[tuple[str, str]]:
    return [(line.label, line.text) for line in timeline.moments(rows([fact]), speech(language), False)[0].lines]


def example(kind: type[f.Fact]) -> f.Fact:
    return next(fact for fact in kit.EXAMPLES if type(fact) is kind)


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        (
            example(f.CaseRequested),
            [("理由", "等配件"), ("申请时长", "原时限的 50%"), ("审批单位", "和安区城市治理中心")],
        ),
        (
            example(f.CaseRequestRuled),
            [
                ("理由", "封冻期不能开挖"),
                ("复核日", "2027-03-01 10:30:00"),
                ("缘由", "挂账一次，不超过一年"),
                ("依据", "办理规程第十二条"),
            ],
        ),
        (
            example(f.CaseListed),
            [
                ("理由", "分两步改造"),
                ("台账", "承办件"),
                ("清单", "阶段性事项清单"),
                ("节点 1", "换立管，2026-12-03 前"),
                ("节点 2", "换支管，2027-01-02 前"),
            ],
        ),
        (
            kit.case_fact(
                f.CaseListed,
                Stage.SUSPENDED,
                case_list=CaseList.UNDERSTANDING,
                ledger=Ledger.FIXED_DEADLINE,
                reason="暂无管位",
                explanation="明年随道路改造",
                explained_at=NOW,
                review_at=NOW + timedelta(days=1),
            ),
            [
                ("理由", "暂无管位"),
                ("解释", "明年随道路改造"),
                ("台账", "限时件"),
                ("清单", "谅解清单"),
                ("已向诉求人说明", "2026-11-23 10:30:00"),
                ("复核日", "2026-11-24 10:30:00"),
            ],
        ),
        (example(f.CaseCommented), [("备注", "水车在北门")]),
        (example(f.CaseHandedOver), [("理由", "机构改革")]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_fact_says_beyond_its_sentence(fact: f.Fact, said: list[tuple[str, str]]) -> None:
    assert lines(fact) == said


def test_who_leads_and_who_helps_is_said_where_there_are_several() -> None:
    assert ("牵头", "和安供水公司") in lines(kit.dispatched(WATER, kit.HOUSING))
    assert ("协办", "区住建委") in lines(kit.dispatched(WATER, kit.HOUSING))
    assert "牵头" not in dict(lines(kit.dispatched(WATER)))


def test_what_was_decided_and_why_it_was_allowed_are_said_once_where_they_are_the_same() -> None:
    same = kit.dispatched().model_copy(update={"why": kit.REASON})
    assert [text for _, text in lines(same)].count("供水归供水公司") == 1


# --- clocks ---


def clock(now_after: timedelta, obligation: Obligation = Obligation.HANDLE, **values: Any) -> timeline.Clock:
    deadline = Deadline(
        obligation=obligation,
        unit=WATER,
        started_at=NOW,
        warn_at=NOW + timedelta(minutes=80),
        due_at=NOW + timedelta(minutes=100),
        **values,
    )
    return timeline.clocks([deadline], speech(), NOW + now_after)[0]


@pytest.mark.parametrize(
    ("minutes", "ended", "state", "lamp", "used", "text"),
    [
        (0, None, "armed", "green", 0, "还剩 1 小时 40 分"),
        (50, None, "armed", "green", 50, "还剩 50 分"),
        (80, None, "armed", "yellow", 80, "黄灯，还剩 20 分"),
        (100, None, "armed", "red", 100, "红灯，已超 0 秒"),
        (160, None, "overdue", "red", 100, "红灯，已超 1 小时"),
        (500, 60, "met", "met", 60, "按时，用时 1 小时"),
        (500, 100, "met", "met", 100, "按时，用时 1 小时 40 分"),
        (500, 130, "met", "late", 100, "超时 30 分 完成"),
        (500, 20, "cancelled", "off", 20, "不再计算"),
    ],
)
def test_a_clock_by_what_is_used_of_it(
    minutes: int, ended: int | None, state: str, lamp: str, used: float, text: str
) -> None:
    ended_at = None if ended is None else NOW + timedelta(minutes=ended)
    found = clock(timedelta(minutes=minutes), state=state, ended_at=ended_at)
    assert (found.lamp, found.used, found.text) == (lamp, used, text)
    assert found.warn == 80
    assert found.running == (ended is None)


@pytest.mark.parametrize("obligation", [Obligation.ARCHIVE, Obligation.REVIEW])
@pytest.mark.parametrize(
    ("minutes", "ended", "state", "lamp", "text"),
    [
        (0, None, "armed", "appointed", "还有 1 小时 40 分"),
        (90, None, "armed", "appointed", "还有 10 分"),
        (160, None, "overdue", "appointed", "日期已到"),
        (500, 101, "met", "appointed", "日期已到"),
        (500, 20, "cancelled", "off", "不再计算"),
    ],
)
def test_nobody_is_late_when_an_appointed_day_comes(
    obligation: Obligation, minutes: int, ended: int | None, state: str, lamp: str, text: str
) -> None:
    ended_at = None if ended is None else NOW + timedelta(minutes=ended)
    found = clock(timedelta(minutes=minutes), obligation=obligation, state=state, ended_at=ended_at)
    assert (found.lamp, found.text) == (lamp, text)


def test_what_was_overdue_before_somebody_else_took_over_stays_so() -> None:
    late: dict[str, Any] = {
        "state": "cancelled",
        "overdue_at": NOW + timedelta(minutes=100),
        "ended_at": NOW + timedelta(minutes=130),
    }
    assert (clock(timedelta(hours=9), **late).lamp, clock(timedelta(hours=9), **late).text) == (
        "late",
        "已超时，后不再计算",
    )
    lapsed = clock(timedelta(hours=9), Obligation.RATE, **late)
    assert (lapsed.lamp, lapsed.text) == ("off", "不再计算")


def test_a_paused_clock_stands_where_it_stood() -> None:
    paused: dict[str, Any] = {"state": "paused", "paused_at": NOW + timedelta(minutes=25)}
    found = clock(timedelta(minutes=500), left=timedelta(minutes=75), **paused)
    assert (found.lamp, found.used, found.text, found.running) == ("off", 25, "暂停，还剩 1 小时 15 分", False)
    late = clock(timedelta(minutes=500), overdue_at=NOW + timedelta(minutes=100), **paused)
    assert late.text == "暂停，此前已超时"


def test_running_clocks_come_first_the_most_pressing_on_top_and_appointed_days_last() -> None:
    def one(obligation: Obligation, due: int, ended: int | None) -> Deadline:
        at = None if ended is None else NOW + timedelta(minutes=ended)
        return Deadline(
            obligation=obligation, started_at=NOW, due_at=NOW + timedelta(minutes=due), ended_at=at, state=""
        )

    deadlines = [
        one(Obligation.REVIEW, 5, None),
        one(Obligation.SIGN_IN, 10, 5),
        one(Obligation.HANDLE, 90, None),
        one(Obligation.FIRST_CONTACT, 30, None),
    ]
    shown = timeline.clocks(deadlines, speech("en"), NOW)
    assert [clock.obligation for clock in shown] == ["first contact", "handling", "review", "sign-in"]


# --- verdicts ---


def test_verdicts_round_by_round() -> None:
    story = [
        f.FeedbackChecked(round=1, passed=False, actor=kit.actor()),
        f.FeedbackChecked(round=2, passed=True, actor=kit.actor()),
        f.FeedbackUnitRated(round=2, unit=WATER, contact=5, speed=1, result=3, actor=kit.actor()),
        f.FeedbackConcluded(
            round=2, close=True, reason=kit.REASON, unrated=(kit.HOUSING,), resident_silent=True, actor=kit.actor()
        ),
    ]
    first, second = timeline.verdicts(rows(list(story)))
    assert (first.round, first.passed, first.scores) == (1, False, [])
    assert (second.passed, second.scores) == (True, [(WATER, (5, 1, 3))])
    assert (second.unrated, second.resident_silent) == ((kit.HOUSING,), True)


def test_the_answer_is_that_of_the_last_closing() -> None:
    assert timeline.answer(rows([kit.closed("一"), kit.closed("二，电话13812345678")])) == "二，电话138****5678"
    assert timeline.answer(rows([kit.dispatched()])) == ""


def test_whose_time_it_was_is_what_the_last_end_stated() -> None:
    assert timeline.accounts(rows([kit.closed()])) == kit.ACCOUNTS
    assert timeline.accounts(rows([kit.dispatched()])) == ()
