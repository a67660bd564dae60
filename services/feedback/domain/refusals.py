"""Every no of a review: its code, why, and what to do instead, in both languages."""

from services.feedback.domain.review import ReviewedCase, Round
from shared.contracts.facts import UnitCode
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


def _zh_list(units: tuple[UnitCode, ...]) -> str:
    return "、".join(units) or "无"


def _en_list(units: tuple[UnitCode, ...]) -> str:
    return ", ".join(units) or "none"
