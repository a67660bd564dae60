"""Pairs of real messages of which it is known whether they are about one matter, to measure likeness by.

The messages are read from where they lie (`tests.feeds.MESSAGES`); places, addresses and times are made up.
"""

import csv
import gzip
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from zlib import crc32

from services.router.domain.likeness import Cut, Told, likeness, told
from shared.contracts import facts as f
from shared.contracts.units import Unit, UnitTree, build_tree
from shared.contracts.vocabulary import AppealType, Source, UnitKind, Urgency
from tests.feeds import CATEGORIES, MESSAGES, NO_CATEGORY

SEED = 20261123
WINDOW = timedelta(days=14)
RETOLD, UNRELATED = 600, 20_000
STREETS, COMMUNITIES = 9, 6
NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)

SAME_WORDS = (
    ("噪音", "噪声"),
    ("扰民", "影响休息"),
    ("投诉", "反映"),
    ("严重", "厉害"),
    ("物业公司", "物业"),
    ("希望", "盼望"),
    ("尽快", "早日"),
    ("解决", "处理"),
    ("没有", "没"),
    ("开发商", "建设方"),
    ("停水", "没水"),
    ("路面", "马路"),
    ("政府", "有关部门"),
    ("不能", "无法"),
    ("现在", "如今"),
    ("孩子", "小孩"),
    ("业主", "住户"),
    ("车位", "停车位"),
)
GREETINGS = ("您好，我是附近居民。", "领导你好！", "麻烦政府管一管：", "今天再次来电反映。")
ENDINGS = ("请尽快处理，谢谢。", "盼回复。", "望有关部门重视。", "")
SCANDALS = (("丽发", "搅拌"), ("伊景|滨河苑", "车位"), ("魅力之城", "油烟|夜宵|烧烤"), ("58车",))
"""What many wrote about at once, each by words that all of these messages have."""
SO_MANY_RARE_WORDS = 0.2
"""Messages with so much in common were about one matter, as reading them showed: they prove nothing false."""


@dataclass(frozen=True)
class Message:
    title: str
    content: str
    region: str
    category: tuple[str, ...]
    address: str = ""

    def told(self, cut: Cut) -> Told:
        return told(
            f.Matter(
                number="",
                source=Source.COMMUNITY,
                appeal_type=AppealType.HELP,
                urgency=Urgency.NORMAL,
                category=self.category,
                title=self.title,
                content=self.content,
                address=self.address,
                region=self.region,
                whistle_blower=self.region,
                received_at=NOON,
            ),
            cut,
        )


def tree() -> UnitTree:
    streets = [f"110199{street:03d}" for street in range(STREETS + 1)]
    communities = [(f"{street}{number:03d}", street) for street in streets for number in range(COMMUNITIES)]
    return build_tree(
        [
            Unit(code="110199", name="区", kind=UnitKind.HUB),
            *(Unit(code=code, name=code, kind=UnitKind.STREET, parent="110199") for code in streets),
            *(Unit(code=code, name=code, kind=UnitKind.COMMUNITY, parent=street) for code, street in communities),
        ],
        "measured",
    )


def messages() -> list[Message]:
    with gzip.open(MESSAGES, "rt", encoding="utf-8-sig", newline="") as file:
        return [_message(row["subject"].strip(), row["content"].strip()) for row in csv.DictReader(file)]


def _message(title: str, content: str) -> Message:
    """In the street its text names, in any community there, every second one with an address."""
    text = title + content
    chance = crc32(text.encode())
    district = re.search(r"A(\d)区", text)
    street = int(district.group(1)) if district else 0
    category = next((written for word, written in CATEGORIES if word in text), NO_CATEGORY)
    compound = "春夏秋冬梅兰竹菊"[chance % 8] + "光景园庭苑府"[chance % 6]
    home = f"东湖路{chance % 97 + 1}号{compound}里小区{chance % 20 + 1}号楼"
    return Message(
        title,
        content,
        region=f"110199{street:03d}{chance % COMMUNITIES:03d}",
        category=tuple(category.split("->")),
        address=home if chance // 97 % 2 else "",
    )


def retold(message: Message, chance: random.Random, kept: float) -> Message:
    """The same by somebody else: other words, sentences left out and moved, the address in another form."""
    sentences = [one for one in re.split(r"(?<=[。！？；!?;，])", message.content) if one.strip()]
    left = [one for one in sentences if chance.random() < kept] or sentences[:1]
    if chance.random() < 0.5:
        chance.shuffle(left)
    title, content = message.title, "".join(left)
    for word, other in SAME_WORDS:
        if chance.random() < 0.7:
            title, content = title.replace(word, other), content.replace(word, other)
    if chance.random() < 0.5:
        title = re.sub(r"^(投诉|反映|咨询|举报|关于|建议)", "", title)[: chance.randint(8, 20)]
    address = re.sub(r"^.*?号", "", message.address).replace("小区", "").replace("号楼", "栋")
    return replace(
        message,
        title=title,
        content=chance.choice(GREETINGS) + content + chance.choice(ENDINGS),
        address=address and f"{address}{chance.randint(1, 4)}单元",
        category=message.category if chance.random() < 0.85 else (),
    )


Pair = tuple[Message, Message]


@dataclass(frozen=True)
class Pairs:
    """`retold` and `a_third_retold` by rules, of which the second keeps a third; `scandals` by different people."""

    retold: Sequence[Pair]
    a_third_retold: Sequence[Pair]
    scandals: Sequence[Pair]
    unrelated: Sequence[Pair]


def pairs(cut: Cut) -> Pairs:
    chance = random.Random(SEED)
    every = messages()
    telling = chance.sample([one for one in every if len(one.content) > 40], RETOLD)
    scandals = [
        [one for one in every if all(re.search(word, one.title + one.content) for word in words)] for words in SCANDALS
    ]
    of_scandal = {one: number for number, about in enumerate(scandals) for one in about}
    alike_places: dict[tuple[str, tuple[str, ...]], list[Message]] = defaultdict(list)
    for one in every:
        alike_places[one.region[:9], one.category].append(one)
    others = [
        pair
        for together in alike_places.values()
        for pair in combinations(together, 2)
        if of_scandal.get(pair[0], -1) != of_scandal.get(pair[1], -2)
    ]
    return Pairs(
        retold=[(one, retold(one, chance, kept=0.7)) for one in telling],
        a_third_retold=[(one, retold(one, chance, kept=0.35)) for one in telling],
        scandals=[
            (replace(one, region=about[0].region, address=""), replace(other, region=about[0].region, address=""))
            for about in scandals
            for one, other in combinations(about, 2)
        ],
        unrelated=_unrelated(chance.sample(others, UNRELATED), every, cut),
    )


def _unrelated(found: Sequence[Pair], every: Sequence[Message], cut: Cut) -> list[Pair]:
    words = {one: one.told(cut).words for one in every}
    in_how_many = Counter(word for said in words.values() for word in said)
    rarity = {word: math.log(len(every) / count) + 1 for word, count in in_how_many.items()}

    def in_common(one: Message, other: Message) -> float:
        squares = [sum(rarity[word] ** 2 for word in words[side]) for side in (one, other)]
        shared = sum(rarity[word] ** 2 for word in words[one] & words[other])
        return shared / math.sqrt(math.prod(squares) or 1)

    return [pair for pair in found if in_common(*pair) < SO_MANY_RARE_WORDS]


def scores(those: Sequence[Pair], cut: Cut) -> list[float]:
    """Each pair's score, the second told within three days of the first."""
    chance = random.Random(SEED)
    units = tree()
    prepared = {one: one.told(cut) for one in {one for pair in those for one in pair}}
    found = []
    for one, other in those:
        later = replace(prepared[other], received_at=NOON + timedelta(minutes=chance.randrange(3 * 24 * 60)))
        found.append(likeness(prepared[one], later, units, WINDOW).score)
    return found


def share_from(threshold: float, found: Sequence[float]) -> float:
    return sum(score >= threshold for score in found) / len(found)


def best_of_each(those: Sequence[Pair], found: Sequence[float]) -> list[float]:
    """The best score of each message with an earlier one."""
    best: dict[Message, float] = {}
    for (_, other), score in zip(those, found, strict=True):
        best[other] = max(score, best.get(other, 0.0))
    return list(best.values())
