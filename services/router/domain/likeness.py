"""How alike two matters are: place, category, time and wording, weighed into a score from 0 to 1.

    score = 0.35 place + 0.15 category + 0.10 time + 0.40 wording

Made to be read by a person who decides about merging, so the score comes with its reasons in words. No model.

Measured on 2,973 real messages to a government forum (`tests/unit/router/test_likeness.py` measures it again): 600
of them told anew by rules (other words, sentences left out and moved, a greeting, half with the address in another
form, half with none); what different people wrote of the same four scandals, 1,302 pairs without an address; and
19,966 pairs of one street and category, a sixth of them of one community, about different things (34 more that had
many rare words in common were left out: reading them showed one matter). The threshold was chosen by the same table.
Found from a threshold on, up to three days apart:

    threshold   told anew   a third of it told anew   scandals: pairs   messages   unrelated, of 1,000
         0.50      100 %                     100 %             72 %       97 %                  15.2
         0.54      100 %                     100 %             65 %       92 %                   2.8
         0.58      100 %                     100 %             52 %       88 %                   0.9
         0.62      100 %                     100 %             35 %       82 %                   0.05
         0.66      100 %                     100 %             20 %       66 %                   0.05
         0.70      100 %                     100 %              9 %       48 %                   0
         0.74       96 %                      96 %              4 %       35 %                   0

"Messages": those for which at least one earlier message of the same scandal is found, which is what counts.

Tried for the wording, by the share of the scandals' pairs found where 1 in 1,000 of the unrelated pairs is:
rapidfuzz's token_set_ratio of the whole text 23 %, of title and content apart 40 %; the share of common words 56 %,
with the titles' token_set_ratio for a fifth of it 55 % (and 89 % where 1 in 100 is, without it 82 %): this one is
taken. token_set_ratio compares letters where words differ, so any two long texts are somewhat alike to it. Weighing
rare words more, by the newest cases of the street, finds 68 %, but then a score depends on what else came in.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rapidfuzz import fuzz

from shared.contracts import facts as f
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import UnitKind

OF_PLACE, OF_CATEGORY, OF_TIME, OF_WORDING = 0.35, 0.15, 0.10, 0.40

THRESHOLD = 0.62
"""Proposed from here on."""
SHARE_OF_TITLE = 0.2
"""How much of the wording is the titles alone; the rest is the words of title and content together."""
SAME_WORDING = 0.6
"""So much in common is as alike as wording gets: nobody says the same thing twice in the same words."""
UNKNOWN = 0.5
"""What counts for a category that is not known."""
SAME_PLACE_METRES, OTHER_PLACE_METRES = 50.0, 1000.0

Cut = Callable[[str], Iterable[str]]
"""Cuts a Chinese text into its words."""


@dataclass(frozen=True, slots=True)
class Part:
    """How alike two matters are in one respect, 0–1, and what to say of it; nothing where nothing is known."""

    score: float
    zh: str = ""
    en: str = ""


@dataclass(frozen=True, slots=True)
class Alike:
    """How alike two matters are, and in what."""

    place: Part
    category: Part
    time: Part
    wording: Part

    @property
    def score(self) -> float:
        weighed = (
            OF_PLACE * self.place.score
            + OF_CATEGORY * self.category.score
            + OF_TIME * self.time.score
            + OF_WORDING * self.wording.score
        )
        return round(weighed, 3)

    @property
    def reason(self) -> f.Reason:
        parts = [part for part in (self.place, self.category, self.time, self.wording) if part.zh]
        en = ", ".join(part.en for part in parts)
        return f.Reason(zh="，".join(part.zh for part in parts), en=en[:1].upper() + en[1:], rule="likeness")


@dataclass(frozen=True, slots=True)
class Address:
    """A written address in comparable form: the name of the place, and the building where one is said."""

    name: str
    building: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """What likeness goes by in a matter. `words` are those of title and content together."""

    number: str
    region: str
    address: Address | None
    longitude: float | None
    latitude: float | None
    category: tuple[str, ...]
    received_at: datetime
    title: str
    words: frozenset[str]


def told(matter: f.Matter, cut: Cut) -> Told:
    title = telling(matter.title, cut)
    return Told(
        number=matter.number,
        region=matter.region,
        address=address_of(matter.address),
        longitude=matter.longitude,
        latitude=matter.latitude,
        category=matter.category,
        received_at=matter.received_at,
        title=" ".join(title),
        words=frozenset((*title, *telling(matter.content, cut))),
    )


def likeness(one: Told, other: Told, tree: UnitTree, window: timedelta) -> Alike:
    """`window`: two matters so far apart in time are not alike in time at all."""
    return Alike(
        place=_place(one, other, tree),
        category=_category(one.category, other.category),
        time=_time(abs(one.received_at - other.received_at), window),
        wording=_wording(one, other),
    )


# --- place ------------------------------------------------------------------------------------------------

_SAME_BUILDING = Part(1.0, "同一楼栋", "the same building")
_SAME_ADDRESS = Part(0.95, "同一地址", "the same address")
_ADDRESSES_FIT = Part(0.85, "地址相符", "addresses that fit")
_OTHER_BUILDING = Part(0.5, "同一处的不同楼栋", "different buildings of one place")
_NO_COMMON_UNIT = Part(0.0, "不同辖区", "different areas")

_WITHIN = {
    UnitKind.BUILDING: Part(0.9, "同一楼栋", "the same building"),
    UnitKind.COMPOUND: Part(0.8, "同一小区", "the same compound"),
    UnitKind.GRID: Part(0.7, "同一网格", "the same grid"),
    UnitKind.COMMUNITY: Part(0.5, "同一社区", "the same community"),
    UnitKind.STREET: Part(0.3, "同一街道", "the same street"),
    UnitKind.HUB: Part(0.1, "同一区", "the same district"),
}
"""By the smallest unit that has both."""


def _place(one: Told, other: Told, tree: UnitTree) -> Part:
    """The best of what is known: the addresses, the distance, else the smallest unit that has both places.

    Addresses that differ make it half as likely only: one place has many names.
    """
    within = _within(one.region, other.region, tree)
    known = [part for part in (_addresses(one.address, other.address), _distance(one, other)) if part]
    if known:
        return max(known, key=lambda part: part.score)
    if one.address and other.address:
        return Part(within.score / 2, within.zh, within.en)
    return within


def _within(one: str, other: str, tree: UnitTree) -> Part:
    one, other = tree.present(one) or one, tree.present(other) or other
    unit = tree.get(one)
    around = [unit, *tree.ancestors(one)] if unit else []
    common = next((unit for unit in around if tree.is_within(other, unit.code)), None)
    return _WITHIN.get(common.kind, _NO_COMMON_UNIT) if common else _NO_COMMON_UNIT


def _addresses(one: Address | None, other: Address | None) -> Part | None:
    """None where they are not known, or name different places."""
    if one is None or other is None:
        return None
    fits = one.name in other.name or other.name in one.name
    if not fits:
        return None
    if one.building and other.building:
        return _SAME_BUILDING if one.building == other.building else _OTHER_BUILDING
    return _SAME_ADDRESS if one == other else _ADDRESSES_FIT


def _distance(one: Told, other: Told) -> Part | None:
    if one.longitude is None or one.latitude is None or other.longitude is None or other.latitude is None:
        return None
    metres = _metres(one.longitude, one.latitude, other.longitude, other.latitude)
    near = (OTHER_PLACE_METRES - metres) / (OTHER_PLACE_METRES - SAME_PLACE_METRES)
    score = min(1.0, max(0.0, near))
    if metres < 1000:
        return Part(score, f"相距 {metres:.0f} 米", f"{metres:.0f} m apart")
    return Part(score, f"相距 {metres / 1000:.1f} 公里", f"{metres / 1000:.1f} km apart")


def _metres(longitude: float, latitude: float, other_longitude: float, other_latitude: float) -> float:
    """Over a flat earth, which a street is."""
    north = (other_latitude - latitude) * 111_320
    east = (other_longitude - longitude) * 111_320 * math.cos(math.radians(latitude))
    return math.hypot(north, east)


_DIGITS = {"零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_NUMBER = re.compile(r"([一二两三四五六七八九]?)十([一二三四五六七八九]?)|([一二两三四五六七八九])")
_COUNTED = re.compile(r"[一二两三四五六七八九十]{1,3}(?=号|栋|幢|座|单元|期)")
_THREE_NUMBERS = re.compile(r"(\d+)-(\d+)-(\d+)(?=室|$)")
_NEGLIGIBLE = re.compile(r"[^0-9a-z\u4e00-\u9fff#]")
_BUILDING = re.compile(r"([a-z]?\d+|[a-z])(?:号楼|栋|幢|座|#楼?)")
_WITHOUT_BUILDING = re.compile(r"\d+单元.*$|\d{3,4}(?:室|房|户)?$")
_VAGUE = re.compile(r"(?:小区|附近|旁边|楼下|门口|门前|内|旁)+$")
_SHORTEST_NAME = 3


def address_of(written: str) -> Address | None:
    """`湖畔里小区三号楼 2单元` and `湖畔里3栋2单元501` name one building. None where no place is named."""
    text = unicodedata.normalize("NFKC", written).casefold()
    text = _THREE_NUMBERS.sub(r"\1栋\2单元\3室", re.sub(r"\s", "", text))
    text = _COUNTED.sub(lambda found: _counted(found.group()), _NEGLIGIBLE.sub("", text))
    building = _BUILDING.search(text)
    name = text[: building.start()] if building else _WITHOUT_BUILDING.sub("", text)
    name = _VAGUE.sub("", name)
    return Address(name, building.group(1) if building else None) if len(name) >= _SHORTEST_NAME else None


def _counted(chinese: str) -> str:
    """三 → 3, 十二 → 12, 二十 → 20; what is no number stays."""
    found = _NUMBER.fullmatch(chinese)
    if found is None:
        return chinese
    tens, ones, single = found.groups()
    return str(_DIGITS[single] if single else _DIGITS.get(tens, 1) * 10 + _DIGITS.get(ones, 0))


# --- category and time ------------------------------------------------------------------------------------


def _category(one: tuple[str, ...], other: tuple[str, ...]) -> Part:
    if not one or not other:
        return Part(UNKNOWN)
    shared = 0
    for level, same in zip(one, other, strict=False):
        if level != same:
            break
        shared += 1
    if shared == 0:
        return Part(0.0, "类别不同", "different categories")
    if shared == min(len(one), len(other)):
        return Part(shared / max(len(one), len(other)), "同类问题", "the same category")
    return Part(shared / max(len(one), len(other)), "大类相同", "the same broad category")


def _time(between: timedelta, window: timedelta) -> Part:
    score = max(0.0, 1 - between / window)
    minutes = between // timedelta(minutes=1)
    if minutes < 60:
        return Part(score, f"相隔 {minutes} 分钟", _plural(minutes, "minute"))
    if minutes < 48 * 60:
        return Part(score, f"相隔 {minutes // 60} 小时", _plural(minutes // 60, "hour"))
    return Part(score, f"相隔 {between.days} 天", _plural(between.days, "day"))


def _plural(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'} apart"


# --- wording ----------------------------------------------------------------------------------------------

_IN_EVERY_LETTER = """
的 了 是 在 有 和 与 及 以及 或 或者 并 并且 而 而且 且 但 但是 虽然 如果 因为 由于 所以 为 为了 对 将 把 被 让
给 从 向 到 由 跟 之 于 以 其 此 该 某 每 这 那 这个 那个 这样 那样 这种 这些 那些 什么 怎么 怎样 如何 为什么
为何 何时 谁 哪 吗 呢 吧 啊 也 都 就 还 还有 又 再 再次 很 更 最 太 非常 特别 强烈 一直 只 不 没 没有 不是 无 已
已经 应 应该 能 能否 能够 可 可以 会 要 要求 想 得 必须 是否 着 上 下 来 去 等 些 一些 一个 一下 多 大 点 时
时候 年 月 日 天 次 目前 现在 然后 进行 情况 问题 我 你 他 我们 你们 他们 大家 自己 各位 您 您好 你好 尊敬 敬请
请 请问 请求 恳请 麻烦 拜托 希望 望 盼 谢谢 感谢 领导 书记 市长 政府 部门 有关 相关 关于 有关部门 反映 反应 投诉
举报 咨询 求助 建议 解决 处理 落实 回复 答复 回应 尽快 早日 帮忙 居民 市民 群众 业主 住户 市 区 社区 小区 附近
家 人 住 看 说 称 号 号楼 栋 单元 室 楼
"""
_SAYS_NOTHING = frozenset(_IN_EVERY_LETTER.split())
_WORD = re.compile(r"[a-z\u4e00-\u9fff]+")


def telling(text: str, cut: Cut) -> list[str]:
    """The words that say what a matter is about: no numbers, no punctuation, none of those in every letter."""
    words = cut(unicodedata.normalize("NFKC", text).casefold())
    return [word for word in words if _WORD.fullmatch(word) and word not in _SAYS_NOTHING]


def _wording(one: Told, other: Told) -> Part:
    if not one.words or not other.words:
        return Part(0.0)
    shared = len(one.words & other.words) / math.sqrt(len(one.words) * len(other.words))
    titles = fuzz.token_set_ratio(one.title, other.title) / 100
    alike = min(1.0, ((1 - SHARE_OF_TITLE) * shared + SHARE_OF_TITLE * titles) / SAME_WORDING)
    return Part(alike, f"文字相似度 {alike:.0%}", f"{alike:.0%} alike in wording")
