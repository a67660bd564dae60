"""Every no of a review: its code, why, and what to do instead, in both languages."""

from collections.abc import Iterable

from services.feedback.domain.measuring.judged import Exclusion
from services.feedback.domain.review import ReviewedCase, Round, Sample
from shared.contracts.facts import UnitCode
from shared.contracts.vocabulary import Measure
from shared.runtime.decision import Refusal

UNKNOWN = Refusal(
    "review_unknown",
    zh="没有这个哨单，或其受理记录尚未传到；请核对哨单编号，刚受理的请稍后再试。",
    en="There is no such case, or its record has not arrived yet; check the number, or try again shortly.",
    field="case",
    status=404,
)

NOT_HANDLED_YET = Refusal(
    "not_handled_yet",
    zh="本件尚未办结，不能核查或评价；请待办理单位办结后再提交。",
    en="The case is not handled yet, so there is nothing to check or rate; wait until the units have finished.",
)

NOTE_REQUIRED = Refusal(
    "note_required",
    zh="核查不通过须写明原因，承办单位据此返工；请填写 note。",
    en="A failed check must say why, for the units to do it again by; fill in note.",
    field="note",
    status=422,
)

PASSED_WITH_FAILED_UNITS = Refusal(
    "passed_with_failed_units",
    zh="核查通过时不能填写不合格单位；如有单位未办好，请将 passed 设为 false。",
    en="A passed check names no failed units; where a unit's part is not done, say passed = false.",
    field="failed_units",
    status=422,
)

NO_RESIDENT_TO_ASK = Refusal(
    "no_resident_to_ask",
    zh="本件没有需回访的居民，无需居民评价；如有新的诉求，请另行受理。",
    en="No resident is to be asked about this case; if somebody has a new concern, take it in as a new order.",
)


def not_yours_to_check(case: ReviewedCase) -> Refusal:
    return Refusal(
        "not_yours_to_check",
        zh=f"本件由吹哨单位 {case.whistle_blower} 核查（12345 工单亦可由 12345 核查）；请由该单位提交。",
        en=f"The whistle-blower {case.whistle_blower} checks this case (12345 may check its own orders); "
        "let them submit it.",
        status=403,
    )


def not_yours_to_rate(case: ReviewedCase) -> Refusal:
    return Refusal(
        "not_yours_to_rate",
        zh=f"本件只由吹哨单位 {case.whistle_blower} 评价各报到单位；请由该单位提交。",
        en=f"Only the whistle-blower {case.whistle_blower} rates the units of this case; let them submit it.",
        status=403,
    )


def not_yours_to_answer(is_resident: bool) -> Refusal:
    if is_resident:
        return Refusal(
            "not_yours_to_answer",
            zh="该凭证不是为本件签发的；请使用为本件发送的凭证，或请社区电话代为登记。",
            en="These credentials were not issued for this case; use those sent for it, "
            "or ask the community to take your answer by phone.",
            status=403,
        )
    return Refusal(
        "not_yours_to_answer",
        zh="居民评价只由居民本人、12345 回访或吹哨单位电话回访登记；请由他们提交。",
        en="The resident's answer comes from the resident, 12345's call-back or the whistle-blower on the phone; "
        "let them submit it.",
        status=403,
    )


def already_checked(present: Round) -> Refusal:
    zh, en = ("通过", "passed") if present.passed else ("不通过", "failed")
    return Refusal(
        "already_checked",
        zh=f"第 {present.number} 轮已核查（{zh}），每轮只核查一次；如需更正，请联系区级治理中心。",
        en=f"Round {present.number} has been checked ({en}), and a round is checked once; "
        "to correct it, turn to the hub.",
    )


def check_still_with_whistle_blower(case: ReviewedCase) -> Refusal:
    return Refusal(
        "check_still_with_whistle_blower",
        zh=f"核查期限未到，仍由吹哨单位 {case.whistle_blower} 核查；逾期后区级治理中心方可代为核查。",
        en=f"The check is not overdue and still with the whistle-blower {case.whistle_blower}; "
        "the hub may check in their stead once it is.",
    )


def round_over(present: Round) -> Refusal:
    """Nothing can be added to a round whose verdict is given."""
    if present.failed:
        zh, en = "核查未通过，已返工", "failed its check and is being done again"
    elif present.conclusion is None:
        zh, en = "已由派单中心另行处理（返工或结案）", "was ended by the case going on (rework or closing)"
    elif present.conclusion.close:
        zh, en = "已作出结案结论", "was concluded: the case closes"
    else:
        zh, en = "已作出重办结论", "was concluded: the case is done once more"
    return Refusal(
        "round_over",
        zh=f"第 {present.number} 轮{zh}，不再接受核查和评价；"
        "再次办结后可对新一轮提交，结案后有异议请联系区级治理中心。",
        en=f"Round {present.number} {en}; nothing can be added to it. "
        "Submit again after the next 办结, or turn to the hub if the case is closed.",
    )


def unit_did_not_report(unit: UnitCode, present: Round) -> Refusal:
    return Refusal(
        "unit_did_not_report",
        zh=f"单位 {unit} 没有参与第 {present.number} 轮办理，不能核查或评价；参与的单位：{_zh_list(present.units)}。",
        en=f"Unit {unit} had no part in round {present.number} and cannot be checked or rated; "
        f"those who had: {_en_list(present.units)}.",
        field="unit",
        status=422,
    )


def already_rated(unit: UnitCode, present: Round) -> Refusal:
    return Refusal(
        "already_rated",
        zh=f"单位 {unit} 在第 {present.number} 轮已评价，每轮只评一次；尚未评价的单位：{_zh_list(present.unrated)}。",
        en=f"Unit {unit} has been rated in round {present.number}, and is rated once a round; "
        f"still unrated: {_en_list(present.unrated)}.",
        field="unit",
    )


def already_answered(present: Round) -> Refusal:
    return Refusal(
        "already_answered",
        zh=f"第 {present.number} 轮的居民评价已登记，每轮只登记一次；如有新意见，请向社区或 12345 反映。",
        en=f"The resident's answer for round {present.number} is recorded, and there is one a round; "
        "with something new, turn to the community or 12345.",
    )


# --- 验单, unit by unit ------------------------------------------------------------------------------------------


def judged_twice(unit: UnitCode) -> Refusal:
    return Refusal(
        "judged_twice",
        zh=f"verdicts 中单位 {unit} 出现了两次；请为每个单位只填写一条核查意见。",
        en=f"Unit {unit} stands twice in verdicts; give one verdict for each unit.",
        field="verdicts",
        status=422,
    )


def verdicts_missing(units: tuple[UnitCode, ...]) -> Refusal:
    return Refusal(
        "verdicts_missing",
        zh=f"分单位核查须包括本轮全部单位，尚缺：{_zh_list(units)}；请补充，或去掉 verdicts 作整体核查。",
        en=f"A check unit by unit covers every unit of the round; missing: {_en_list(units)}. "
        "Add them, or leave verdicts out and check the whole.",
        field="verdicts",
        status=422,
    )


def verdicts_disagree(failed: tuple[UnitCode, ...]) -> Refusal:
    if failed:
        zh, en = f"passed 为 true，但 {_zh_list(failed)} 不合格", f"passed is true, but {_en_list(failed)} failed"
    else:
        zh, en = "passed 为 false，但各单位均合格", "passed is false, but every unit passed"
    return Refusal(
        "verdicts_disagree",
        zh=f"{zh}；请改正 passed 或 verdicts，全部单位合格方为通过。",
        en=f"{en}; correct passed or verdicts: a check has passed when every unit has.",
        field="passed",
        status=422,
    )


def verdict_note_required(unit: UnitCode) -> Refusal:
    return Refusal(
        "note_required",
        zh=f"单位 {unit} 不合格须写明原因，该单位据此返工；请填写它的 note。",
        en=f"The verdict on unit {unit} must say why it failed, for it to do its part again by; fill in its note.",
        field="verdicts",
        status=422,
    )


def failed_units_disagree(failed: tuple[UnitCode, ...]) -> Refusal:
    return Refusal(
        "failed_units_disagree",
        zh=f"failed_units 与 verdicts 不一致，后者中不合格的是：{_zh_list(failed)}；请去掉 failed_units。",
        en=f"failed_units and verdicts disagree, by the latter {_en_list(failed)} failed; leave failed_units out.",
        field="failed_units",
        status=422,
    )


# --- 抽查 -----------------------------------------------------------------------------------------------------------

NOT_YOURS_TO_SAMPLE = Refusal(
    "not_yours_to_sample",
    zh="抽查由区级治理中心负责；如发现办理不实，请向其反映。",
    en="Samples are checked by the hub; if you found a matter not handled, tell them.",
    status=403,
)

SAMPLES_ARE_THE_HUBS = Refusal(
    "samples_are_the_hubs",
    zh="待抽查列表只供区级治理中心查看；请换用其他 waiting 值。",
    en="What is drawn for a check is listed for the hub only; ask for another waiting.",
    field="waiting",
    status=403,
)

NOT_DRAWN = Refusal(
    "not_drawn",
    zh="本件未被抽中，不能登记抽查结果；需要再次办理的，请由区级治理中心责令返工。",
    en="This case was not drawn, so there is no sample to check; to have it done again, let the hub order rework.",
)


def sample_checked_already(sample: Sample) -> Refusal:
    zh, en = ("合格", "in order") if sample.check is not None and sample.check.passed else ("不合格", "found wanting")
    return Refusal(
        "sample_checked_already",
        zh=f"第 {sample.round} 轮已抽查（{zh}），每次结案只抽查一次；需要再次办理的，请责令返工。",
        en=f"The sample of round {sample.round} has been checked ({en}), and a closing is checked once; "
        "to have it done again, order rework.",
    )


def sample_lapsed(sample: Sample) -> Refusal:
    return Refusal(
        "sample_lapsed",
        zh=f"第 {sample.round} 轮结案后已归档或返工，抽查机会已过；返工的可待再次结案。",
        en=f"Since round {sample.round} was closed the case was archived or reworked, and the sample has lapsed; "
        "a reworked case may be drawn again when it closes.",
    )


# --- 剔除 -----------------------------------------------------------------------------------------------------------

NOT_YOURS_TO_RULE = Refusal(
    "not_yours_to_rule",
    zh="剔除申请由区级治理中心审批；请等待其审批。",
    en="The hub rules on exclusions; wait for its ruling.",
    status=403,
)

EXCLUSION_UNKNOWN = Refusal(
    "exclusion_unknown",
    zh="本件没有这项剔除申请；请核对申请编号。",
    en="This case has no such exclusion; check its id.",
    field="exclusion",
    status=404,
)

ASKED_BY_YOURSELF = Refusal(
    "asked_by_yourself",
    zh="申请人不得审批自己的剔除申请；请由区级治理中心的另一位工作人员审批。",
    en="Who asked for an exclusion does not rule on it; let somebody else of the hub do so.",
    status=403,
)

RULING_WITHOUT_REASON = Refusal(
    "ruling_without_reason",
    zh="审批须写明理由，供单位和以后核对；请填写 reason。",
    en="A ruling must say why, for the unit and for later; fill in reason.",
    field="reason",
    status=422,
)


def ruled_already(asked: Exclusion) -> Refusal:
    zh, en = ("批准", "approved") if asked.approved else ("不予批准", "refused")
    return Refusal(
        "ruled_already",
        zh=f"该剔除申请已审批（{zh}），每项只审批一次；如有新的依据，请另行申请。",
        en=f"This exclusion has been ruled on ({en}), and is ruled on once; with a new basis, ask for another.",
    )


def not_yours_to_exclude(unit: UnitCode) -> Refusal:
    return Refusal(
        "not_yours_to_exclude",
        zh=f"单位 {unit} 的剔除只由该单位或区级治理中心申请；请由其提交。",
        en=f"Only unit {unit} itself or the hub asks for an exclusion of its part; let them submit it.",
        status=403,
    )


def had_no_part(unit: UnitCode, number: int) -> Refusal:
    return Refusal(
        "had_no_part",
        zh=f"单位 {unit} 没有参与本件第 {number} 轮办理，没有可剔除的；请核对 unit 和 round。",
        en=f"Unit {unit} had no part in round {number} of this case, so nothing can be excluded; check unit and round.",
        field="unit",
        status=422,
    )


def not_measured(measure: Measure, measured: Iterable[Measure]) -> Refusal:
    there = tuple(sorted(one.value for one in measured))
    return Refusal(
        "not_measured",
        zh=f"该单位在本轮没有 {measure} 的记录，不能剔除；可申请的指标：{_zh_list(there)}。",
        en=f"Nothing of {measure} was measured of that part, so it cannot be excluded; "
        f"what may be asked for: {_en_list(there)}.",
        field="measures",
        status=422,
    )


def exclusion_stands(standing: Exclusion) -> Refusal:
    zh, en = ("待审批", "not ruled on yet") if standing.approved is None else ("已批准", "approved")
    return Refusal(
        "exclusion_stands",
        zh=f"该单位本轮的同一指标已有剔除申请 {standing.id}（{zh}）；请勿重复申请，可另选指标。",
        en=f"Exclusion {standing.id} of the same part and measure is {en}; "
        "do not ask for it twice, or ask for other measures.",
        field="measures",
    )


def exclusion_incomplete(field: str) -> Refusal:
    return Refusal(
        "exclusion_incomplete",
        zh=f"剔除申请须写明指标、理由和依据；请填写 {field}。",
        en=f"An exclusion is asked for of some measures, for a reason and on a basis; fill in {field}.",
        field=field,
        status=422,
    )


ONLY_THE_HUB_WITHHOLDS = Refusal(
    "only_the_hub_withholds",
    zh="公示内容只由区级治理中心撤下；请联系区级治理中心。",
    en="Only the hub takes an entry off the public board; turn to the hub.",
    status=403,
)

NOT_ON_THE_BOARD = Refusal(
    "not_on_the_board",
    zh="本件目前不在公示栏上（未结案、不予公示、正在重办或已撤下），无需撤下。",
    en="The case is not on the public board now (not closed, not for showing, being reworked or taken off); "
    "there is nothing to take off.",
)

WITHHOLDING_NEEDS_A_REASON = Refusal(
    "reason_required",
    zh="撤下公示须写明原因；请填写 reason。",
    en="Say why the entry is taken off the board; fill in reason.",
    field="reason",
    status=422,
)


def _zh_list(units: tuple[UnitCode, ...]) -> str:
    return "、".join(units) or "无"


def _en_list(units: tuple[UnitCode, ...]) -> str:
    return ", ".join(units) or "none"
