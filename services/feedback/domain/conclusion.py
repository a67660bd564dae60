"""When a round is concluded, and how: close, or rework once more by right.

A verdict needs a passed check and then either everybody's word or the end of the time for it.
Silence is 未评价: it is named in the verdict and never taken for satisfaction.
"""

from services.feedback.domain.review import Answer, Conclusion, Review, Round
from shared.contracts.facts import Reason
from shared.contracts.vocabulary import Satisfaction

RULES_VERSION = "1"


def conclude(review: Review) -> Conclusion | None:
    """The verdict on the present round, or None while it is not due."""
    present = review.round
    if present is None or not present.open or not present.passed:
        return None
    silent = review.resident_awaited
    if (present.unrated or silent) and not review.rate_overdue:
        return None
    answer = present.answer
    objection = answer if answer is not None and answer.objects else None
    return Conclusion(
        close=objection is None or review.reopened_by_right,
        reason=_reason(present, objection, review.reopened_by_right, silent),
        unrated=present.unrated,
        resident_silent=silent,
    )


def _reason(present: Round, objection: Answer | None, reopened_before: bool, silent: bool) -> Reason:
    zh_silence, en_silence = _silence(present, silent)
    if objection is None:
        rule = "rating_time_over" if present.unrated or silent else "all_have_spoken"
        zh, en = f"核查通过，{_zh_resident(present, silent)}", f"the check passed; {_en_resident(present, silent)}"
    elif reopened_before:
        rule = "reopened_by_right_before"
        zh = f"居民仍表示{_zh_objection(objection)}；本件已依规重办过一次，予以结案，如需再次重办，由区级治理中心责令"
        en = (
            f"the resident still says it is {_en_objection(objection)}; the case was reopened by right once before, "
            "so it closes, and only the hub may order it reopened again"
        )
    else:
        rule = "resident_reopens_once"
        zh = f"核查通过，但居民表示{_zh_objection(objection)}，依规重办一次"
        en = f"the check passed, but the resident says it is {_en_objection(objection)}: reopened once by right"
    return Reason(
        zh=f"第 {present.number} 轮：{zh}{zh_silence}。",
        en=f"Round {present.number}: {en}{en_silence}.",
        rule=rule,
        version=RULES_VERSION,
    )


def _silence(present: Round, resident_silent: bool) -> tuple[str, str]:
    """Who let the time pass without a word, for the end of the sentence."""
    if not present.unrated and not resident_silent:
        return "", ""
    zh, en = "；评价期限已到", "; the time to rate is over"
    if present.unrated:
        count = len(present.unrated)
        zh += f"，{count} 个单位未评价"
        en += f", {count} {'unit was' if count == 1 else 'units were'} not rated"
    if resident_silent:
        zh += "，居民未评价"
        en += ", the resident did not answer, which counts as not rated"
    return zh, en


def _zh_resident(present: Round, silent: bool) -> str:
    if present.answer is not None:
        words = {Satisfaction.SATISFIED: "满意", Satisfaction.BASICALLY_SATISFIED: "基本满意"}
        return f"居民表示已解决、{words[present.answer.satisfaction]}，予以结案"
    return "予以结案" if silent else "无需居民评价，予以结案"


def _en_resident(present: Round, silent: bool) -> str:
    if present.answer is not None:
        words = {Satisfaction.SATISFIED: "satisfied", Satisfaction.BASICALLY_SATISFIED: "basically satisfied"}
        return f"the resident says it is solved and is {words[present.answer.satisfaction]}; the case closes"
    return "the case closes" if silent else "there is no resident to ask; the case closes"


def _zh_objection(answer: Answer) -> str:
    said = [("未解决", not answer.solved), ("不满意", answer.satisfaction is Satisfaction.UNSATISFIED)]
    return "、".join(word for word, holds in said if holds)


def _en_objection(answer: Answer) -> str:
    said = [
        ("not solved", not answer.solved),
        ("not satisfactory", answer.satisfaction is Satisfaction.UNSATISFIED),
    ]
    return " and ".join(word for word, holds in said if holds)
