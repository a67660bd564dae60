"""Where somebody lives, below the compound: house, building, entrance, floor, door. Road and compound stay."""

import re
from collections.abc import Iterator

from services.feedback.domain.anonymity.found import Found, Kind
from services.feedback.domain.anonymity.shadow import Shadow

_N = r"[甲乙丙丁附]?[0-9十百a-z](?:[\s.]?[0-9十百a-z]){0,5}"
_TO = r"[\s\-—~、,，_.·/#]{0,2}"
_BUILDING = rf"{_N}\s?(?:#\s?楼?|号\s?楼|号\s?院|号\s?栋|栋\s?楼?|幢\s?楼?|座)"
_PART = (
    rf"{_N}\s?(?:#\s?楼?|号\s?楼|号\s?院|号\s?栋|栋|幢|座|单\s?元|梯|门洞|门|层\s?楼?|楼|室|房|户|号(?!线)|排|弄|组)"
)
_TAIL = rf"(?:{_TO}(?:{_PART}))*(?:{_TO}[0-9]{{3,4}}(?![0-9元人户米平年]))?"

_ROAD = re.compile(
    rf"(?<=[路街巷弄胡同道条屯组队村区园苑院])(?<![通到知])\s?(?:第)?(?P<found>(?:{_N}(?:\s?[-—~]\s?[0-9]{{1,4}})?\s?号(?!线|地铁|台风)"
    rf"(?:之[0-9]{{1,3}})?(?:院|附[0-9]{{1,3}}号?)?){_TAIL})"
)
_DATE_AFTER = re.compile(r"(?:停|开始|起|前|后|早|晚|上午|下午|中午|凌晨|就|至|到|左右|以来|当天|那天)")
_HOUSE = re.compile(rf"第?(?:{_BUILDING}|{_N}\s?单\s?元){_TAIL}")
_ROOM = re.compile(r"(?<![0-9a-z第])(?:[a-z]?[0-9](?:\s?[0-9]){2,3})\s?(?:室|房(?![价屋产贷租款子]))(?!内公告)")
_CHAIN = re.compile(rf"(?<![0-9a-z第年月共有])(?:{_N}\s?(?:楼|层|排|门|梯|号)){_TO}(?:{_PART}){_TAIL}")
_DASHED = re.compile(
    r"(?<![0-9a-z.\-/])[a-z]?[0-9]{1,2}\s?[栋幢]?[-#/—－_]\s?[0-9a-z]{1,2}\s?[-#/—－_]\s?[0-9]{3,4}(?![0-9\-/])(?:\s?[室房号户])?"
    r"|(?<![0-9a-z.\-/])[a-z]?[0-9]{1,2}\s?#\s?(?:[0-9]{1,2}\s?[-—]\s?)?[0-9]{3,4}(?![0-9])(?:\s?[室房号户])?"
    r"|(?<=[园苑村庭府湾院庄寓邸坊郡区墅城住栋幢座])\s?[a-z]?[0-9]{1,2}\s?[-—－_]\s?[0-9]{3,4}(?![0-9\-/元人户米平年])(?:\s?[室房号户])?"
)
_TOLD = re.compile(
    r"(?:门牌号?码?|房号|房间号|楼栋号|楼号|室号|单元号)[:是为\s]{0,3}(?P<found>[甲乙丙丁a-z]?[0-9][0-9a-z#\-.—/]{0,12}(?:号|室)?)"
)
_NO_HOUSE_BEFORE = re.compile(
    r"(?:同|每|某|这|那|哪|任|另|统|各|整|几|几百|共|共有|有|新建|拆除|约|近|前|后|建了|盖了)$"
)
_HOW_MANY = re.compile(r"[一两二三四五六七八九十]\s?座|两[栋幢]|[一二三四五六七八九十][栋幢]楼")


def find_doors(shadow: Shadow) -> Iterator[Found]:
    figures = shadow.figures
    for pattern in (_ROAD, _TOLD):
        for match in pattern.finditer(figures):
            if pattern is not _ROAD or not _is_date(figures, match):
                yield Found(*match.span("found"), Kind.DOOR)
    for pattern in (_HOUSE, _ROOM, _CHAIN, _DASHED):
        for match in pattern.finditer(figures):
            if _has_number(match.group()) and not _is_quantity(shadow, match):
                yield Found(*match.span(), Kind.DOOR)


def _has_number(said: str) -> bool:
    return "座" in said or any(character.isdigit() or character in "十百" for character in said[:8])


def _is_date(figures: str, match: re.Match[str]) -> bool:
    """小区5号停水: a day of the month, not a house."""
    said = match["found"]
    before = figures[match.start("found") - 1 : match.start("found")]
    return (
        before in "区园苑村院"
        and bool(re.fullmatch(r"[12]?[0-9]号|3[01]号", said))
        and bool(_DATE_AFTER.match(figures, match.end()))
    )


def _is_quantity(shadow: Shadow, match: re.Match[str]) -> bool:
    """一栋楼, 共12栋: how many, not which."""
    start = match.start()
    counted = _NO_HOUSE_BEFORE.search(shadow.plain, max(0, start - 3), start)
    single = _HOW_MANY.fullmatch(shadow.plain, start, match.end())
    short = re.fullmatch(r"[0-9]{1,3}(?:栋楼?|幢楼?|单元|座)", match.group())
    return bool(single) or bool(counted and short)
