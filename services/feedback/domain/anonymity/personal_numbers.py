"""Numbers that lead to a person: phones, identity papers, cards, plates, accounts; and addresses on the net.

A number is recognised by how many digits follow each other, whatever is put between them and however they are
written; a date, an amount, a short public number or a list that counts is left alone.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from services.feedback.domain.anonymity.found import Found, Kind
from services.feedback.domain.anonymity.shadow import Shadow

_GAP = r"\s\-‐-―−—~_.·•・*+/|\\()\[\]【】<>《》「」#=:'\"“”‘’^`,，、。;；!?…"
_RUN = re.compile(rf"[0-9](?:[ol]{{0,8}}[{_GAP}]{{0,4}}[ol]{{0,8}}[0-9])*")
"""Digits with little between them; an o or l among them is meant as one."""
_GROUP = re.compile(r"[0-9ol]+")
_LIST = re.compile(r"[,，、。;；!?…\n]")
_DATE = re.compile(
    r"(?<![0-9])(?:19|20)[0-9]{2}(?:[-./][01]?[0-9][-./][0-3]?[0-9]|[-./][01]?[0-9])(?![0-9])"
    r"(?:[\st]{0,2}[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9])?(?![0-9]))?"
    r"|(?<![0-9])(?:19|20)[0-9]{2}(?=年)"
    r"|[\[(〔【](?:19|20)[0-9]{2}[\])〕】]"
)
_CLOCK = re.compile(r"(?<![0-9:])[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9])?(?![0-9:])")
_AMOUNT = re.compile(
    r"[0-9]{1,10}(?:,[0-9]{3}){0,3}(?:\.[0-9]{1,6})?\s?[)余多几]?\s?"
    r"(?:元|万|亿|千|百|块|人|户|平方|平米|㎡|m2|米|m|公里|千米|km|吨|kg|公斤|斤|件|次|辆|台|个|度|%|小时|分钟|天|年|岁|名|株|棵|盏|处|套|亩|倍)"
)
_CUE = re.compile(
    r"(?:电话|手机|联系|致电|拨打|打给|热线|座机|号码|短信|tel|phone|mobile|身份证|证件|护照|卡号|账号|帐号|账户|银行|"
    r"q\s?q|扣扣|企鹅号|微信|v信|加v|加微|vx|wx|wechat)[^0-9\n]{0,8}$"
)
_CUE_REACH = 20
_PUBLIC = re.compile(r"(?:110|119|120|122|12[0-9]{3}|95[0-9]{3}|96[0-9]{3,4}|100[0-9]{2}|11[0-9]{3})$")
"""Numbers everybody may call: emergency, hotlines, public services."""
_EXTENSION = re.compile(r"\s{0,2}(?:转|分机|ext\.?|-)\s{0,2}(?:分机)?[号:\s]{0,2}[0-9]{1,6}(?![0-9])")

_PROVINCE = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使领"
_BETWEEN = rf"[{_GAP}]{{0,3}}"
_PLATE = re.compile(
    rf"[{_PROVINCE}]{_BETWEEN}[a-z](?={_BETWEEN}(?:[a-z]{_BETWEEN}){{0,5}}[0-9])"
    rf"{_BETWEEN}(?:[a-z0-9]{_BETWEEN}){{3,6}}[a-z0-9挂学警港澳领使](?![a-z0-9])"
)
_PLATE_TOLD = re.compile(r"(?:车牌号?码?|牌照|尾号)[为是:\s]{0,3}(?=[a-z0-9]{0,6}[0-9])[a-z][a-z0-9]{4,7}")
_EMAIL = re.compile(
    r"(?<![a-z0-9])[a-z0-9][a-z0-9._%+-]{0,63}\s{0,3}(?:@|\(at\)|\[at\]|【at】|\sat\s|艾特)\s{0,3}"
    r"[a-z0-9-]{1,63}(?:\s{0,2}(?:[.。·]|点|\(dot\)|\sdot\s)\s{0,2}[a-z0-9-]{1,63}){1,4}"
    r"|(?<![a-z0-9])[a-z0-9][a-z0-9._%+-]{0,63}\s{0,2}[#*]\s{0,2}[a-z0-9-]{1,63}\s{0,2}[.。]\s{0,2}(?:com|cn|net|org)(?![a-z])"
)
_ACCOUNT = re.compile(
    r"(?:微信|威信|薇信|v信|加微|加v|vx|v\s?x|wx|weixin|wechat|qq|q\s{1,2}q|扣扣|企鹅|抖音|快手|微博|小红书|飞书|钉钉|支付宝|陌陌|telegram)"
    r"(?:账号|帐号|号码|号|id|昵称|同号)?[^\S\n]?[ :是为,，(“\"'-]{0,6}"
    r"(?P<id>[a-z0-9_](?:[ .·-]{0,2}[a-z0-9_]){4,40})"
)
_MENTION = re.compile(r"@[^\s@,，.。:：;；!?()【】]{1,30}")
_QUERY = re.compile(r"(?:https?://|www\.)[^\s?#\u4e00-\u9fff]{1,300}(?P<query>[?#][^\s\u4e00-\u9fff]{1,2000})")
_COURT = re.compile(r"[(\[〔【]\s?[0-9]{4}\s?[)\]〕】]\s?[\u4e00-\u9fff][0-9\u4e00-\u9fff]{0,12}?[0-9]{1,7}号")
_COURT_WORDS = re.compile(r"[民刑行执破赔初终再审调诉]")
_BIRTH_DATE = r"(?:[0-9]{2,4})\s?[年\-./]\s?[0-9十]{1,3}\s?(?:[月\-./]\s?(?:[0-9十]{1,3}\s?[日号]?)?)?"
_BORN = re.compile(
    rf"(?:出生日期|出生年月|出生时间|出生于|(?<![先学医发产师新])生于|生日|出生)[是为在:\s]{{0,3}}(?P<before>{_BIRTH_DATE}|[0-9]{{6,8}}(?![0-9]))"
    rf"|(?P<after>{_BIRTH_DATE})(?=\s?(?:出生|生人|生[,，。]))"
)


def find_numbers(shadow: Shadow) -> Iterator[Found]:
    yield from _matches(_EMAIL, shadow, Kind.EMAIL)
    yield from _matches(_PLATE, shadow, Kind.PLATE)
    yield from _matches(_PLATE_TOLD, shadow, Kind.PLATE)
    for match in _ACCOUNT.finditer(_harmless(shadow.figures)):
        yield Found(*match.span("id"), Kind.ACCOUNT)
    yield from _matches(_MENTION, shadow, Kind.ACCOUNT)
    for match in _QUERY.finditer(shadow.figures):
        yield Found(*match.span("query"), Kind.LINK)
    for match in _COURT.finditer(shadow.figures):
        if _COURT_WORDS.search(match.group()):
            yield Found(*match.span(), Kind.COURT_CASE)
    for match in _BORN.finditer(shadow.figures):
        yield Found(*match.span("before" if match["before"] else "after"), Kind.BIRTH_DATE)
    yield from _long_numbers(shadow)


def _matches(pattern: re.Pattern[str], shadow: Shadow, kind: Kind) -> Iterator[Found]:
    return (Found(*match.span(), kind) for match in pattern.finditer(shadow.figures))


def _long_numbers(shadow: Shadow) -> Iterator[Found]:
    figures = shadow.figures
    harmless = _harmless(figures)
    for run in _RUN.finditer(harmless):
        told = bool(_CUE.search(figures[max(0, run.start() - _CUE_REACH) : run.start()]))
        groups = [(run.start() + group.start(), run.start() + group.end()) for group in _GROUP.finditer(run.group())]
        for start, end, digits in _parts(figures, groups, told):
            whole = _widened(figures, start, end, digits)
            lettered = figures[whole[0]].isalpha() and len(digits) < 11
            yield Found(*whole, Kind.NUMBER if lettered else _kind(digits))


def _harmless(figures: str) -> str:
    """The same text with dates, times and amounts blotted out, so that no run of digits goes through them.

    What is long enough to be a phone is no amount, whatever unit follows it.
    """
    for pattern in (_DATE, _CLOCK):
        figures = pattern.sub(lambda match: "年" * len(match.group()), figures)
    return _AMOUNT.sub(_blotted, figures)


def _blotted(match: re.Match[str]) -> str:
    whole, before = match.group(), match.string[max(0, match.start() - 1) : match.start()]
    glued = bool(before) and (before.isdigit() or before in "-.· _*/+,")
    like_a_phone = sum(character.isdigit() for character in whole) >= 7 and whole[-1] not in "元万亿块"
    return whole if glued or like_a_phone else "年" * len(whole)


def _parts(figures: str, groups: list[tuple[int, int]], told: bool) -> Iterator[tuple[int, int, str]]:
    """The stretches of a run that are somebody's number, with their digits."""
    if told:
        yield from _told(figures, groups)
        return
    taken = 0
    for first, last in _chains(figures, groups):
        chain = groups[first:last]
        digits = [_digits(figures, group) for group in chain]
        if sum(map(len, digits)) >= 7 and not _counts_up(digits):
            yield chain[0][0], chain[-1][1], "".join(digits)
            taken = last
    if not taken:
        yield from _spelt_as_list(figures, groups)


def _told(figures: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int, str]]:
    digits = "".join(_digits(figures, group) for group in groups)
    first = _digits(figures, groups[0])
    if _PUBLIC.match(first):
        if len(groups) > 1:
            yield from _parts(figures, groups[1:], len(digits) - len(first) >= 7)
    elif len(digits) >= 5:
        yield groups[0][0], groups[-1][1], digits


def _chains(figures: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Groups with nothing between them that sets the parts of a list apart, as [first, last)."""
    first = 0
    for place in range(1, len(groups) + 1):
        if place == len(groups) or _LIST.search(figures, groups[place - 1][1], groups[place][0]):
            yield first, place
            first = place


def _spelt_as_list(figures: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int, str]]:
    """138、1234、5678: groups in a list that together are exactly a mobile phone, a landline or an identity number."""
    place = 0
    while place < len(groups):
        digits, end = "", place
        while end < len(groups) and len(digits) < 19:
            digits += _digits(figures, groups[end])
            end += 1
            if end - place > 1 and _SHAPES.fullmatch(digits):
                yield groups[place][0], groups[end - 1][1], digits
                place = end - 1
                break
        place += 1


_SHAPES = re.compile(r"1[3-9][0-9]{9}|0[0-9]{9,11}|[1-8][0-9]{5}(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]{4,5}")


def _digits(figures: str, group: tuple[int, int]) -> str:
    return figures[slice(*group)].replace("o", "0").replace("l", "1")


def _counts_up(digits: list[str]) -> bool:
    """1 2 3 4 5 6 7: a list, where every number is one more than the one before."""
    return len(digits) > 2 and all(int(b[-6:]) - int(a[-6:]) == 1 for a, b in pairwise(digits))


def _widened(figures: str, start: int, end: int, digits: str) -> tuple[int, int]:
    """With the letters that belong to it: a passport's, an identity number's x, the extension of a phone."""
    while start > 0 and figures[start - 1].isascii() and figures[start - 1].isalpha():
        start -= 1
    if start > 0 and figures[start - 1] == "+":
        start -= 1
    if len(digits) in (14, 17):
        end = _past(re.compile(r"[\s.\-_]{0,3}[x×✕✖ⅹ]"), figures, end)
    while end < len(figures) and figures[end].isascii() and figures[end].isalpha():
        end += 1
    end = _past(_EXTENSION, figures, end)
    if figures[start - 1 : start] == "(":
        if figures.count(")", start, end) > figures.count("(", start, end):
            return start - 1, end
        if figures[end : end + 1] == ")":
            return start - 1, end + 1
    return start, end


def _past(pattern: re.Pattern[str], text: str, place: int) -> int:
    match = pattern.match(text, place)
    return match.end() if match else place


def _kind(digits: str) -> Kind:
    if len(digits) in (15, 17, 18) and digits[0] != "0":
        return Kind.IDENTITY
    if len(digits) > 13:
        return Kind.NUMBER
    if len(digits) in (11, 13) and re.search(r"1[3-9][0-9]{9}$", digits):
        return Kind.PHONE
    return Kind.PHONE if digits.startswith(("0", "400", "800")) or len(digits) in (7, 8) else Kind.NUMBER
