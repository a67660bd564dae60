"""How alike two matters are, and what is said of it."""

import sys
from datetime import timedelta
from typing import Any

import pytest
import rjieba
from hypothesis import given, settings
from hypothesis import strategies as st

from services.router.domain.likeness import THRESHOLD, Address, Alike, address_of, likeness, telling, told
from shared.contracts import facts as f
from shared.contracts.units import Unit, build_tree
from shared.contracts.vocabulary import AppealType, UnitKind, Urgency
from tests.feeds import MESSAGES
from tests.unit.router import retold
from tests.unit.router.stories import COMMUNITY, HUB, NOW, OTHER_COMMUNITY, STREET, matter

GRID, NEXT_COMMUNITY, COMPOUND = "110199001001001", "110199001002", "hupanli"
TREE = build_tree(
    [
        Unit(code=HUB, name="区", kind=UnitKind.HUB),
        Unit(code=STREET, name="东湖街道", kind=UnitKind.STREET, parent=HUB),
        Unit(code="110199002", name="西山街道", kind=UnitKind.STREET, parent=HUB),
        Unit(code=COMMUNITY, name="湖畔社区", kind=UnitKind.COMMUNITY, parent=STREET),
        Unit(code=NEXT_COMMUNITY, name="柳荫社区", kind=UnitKind.COMMUNITY, parent=STREET),
        Unit(code=OTHER_COMMUNITY, name="枫林社区", kind=UnitKind.COMMUNITY, parent="110199002"),
        Unit(code=GRID, name="第一网格", kind=UnitKind.GRID, parent=COMMUNITY),
        Unit(code=COMPOUND, name="湖畔里", kind=UnitKind.COMPOUND, parent=GRID),
    ],
    "1",
)
DAYS = timedelta(days=14)
LIFT = ("房屋管理", "电梯", "电梯故障")

Said = dict[str, Any]

ONE: Said = {
    "title": "湖畔里小区3号楼电梯停运",
    "content": "您好，湖畔里小区3号楼的电梯坏了三天，老人下不了楼，物业一直不来修，请尽快处理。",
    "category": LIFT,
    "address": "东湖路12号湖畔里小区3号楼",
}
AGAIN: Said = {
    "title": "电梯坏了没人修",
    "content": "麻烦政府管一管：我们三号楼电梯停运好几天，家里老人下楼困难，找物业也不管。谢谢！",
    "category": LIFT,
    "address": "湖畔里 3 栋 2 单元",
}
OTHER: Said = {
    "title": "垃圾清运不及时",
    "content": "三号楼楼下的垃圾桶满了好几天，夏天味道很大，希望保洁每天清运。",
    "category": ("环境卫生", "垃圾清运"),
    "address": "湖畔里 3 栋",
}


def about(after: timedelta = timedelta(), region: str = COMMUNITY, **said: Any) -> f.Matter:
    return matter(region=region).model_copy(update={"received_at": NOW + after, "address": "", **said})


def compared(one: f.Matter, other: f.Matter) -> Alike:
    return likeness(told(one, rjieba.cut), told(other, rjieba.cut), TREE, DAYS)


def test_the_same_told_by_a_neighbour_is_proposed_and_says_why() -> None:
    alike = compared(about(**ONE), about(timedelta(hours=3), **AGAIN))
    assert alike.score >= THRESHOLD
    assert alike.reason == f.Reason(
        zh="同一楼栋，同类问题，相隔 3 小时，文字相似度 67%",
        en="The same building, the same category, 3 hours apart, 67% alike in wording",
        rule="likeness",
    )


NOT_PROPOSED = [
    ("another matter of the same building", OTHER, {}),
    ("the same in another street, without an address", AGAIN | {"address": ""}, {"region": OTHER_COMMUNITY}),
    ("the same two weeks later, in another building", AGAIN | {"address": "湖畔里8栋"}, {"after": timedelta(days=13)}),
    ("another category, no address", AGAIN | {"address": "", "category": ("供水", "停水")}, {}),
]


@pytest.mark.parametrize(("said", "how"), [case[1:] for case in NOT_PROPOSED], ids=[case[0] for case in NOT_PROPOSED])
def test_what_is_another_matter_is_not(said: Said, how: Said) -> None:
    assert compared(about(**ONE), about(**(said | how))).score < THRESHOLD


ADDRESSES = [
    ("湖畔里小区3号楼", Address("湖畔里", "3")),
    ("湖畔里小区三号楼2单元501室", Address("湖畔里", "3")),
    ("湖畔里３栋", Address("湖畔里", "3")),
    ("湖畔里 3 幢 附近", Address("湖畔里", "3")),
    ("湖畔里3-2-501", Address("湖畔里", "3")),
    ("湖畔里小区十二号楼", Address("湖畔里", "12")),
    ("湖畔里二十栋", Address("湖畔里", "20")),
    ("湖畔里A座1203", Address("湖畔里", "a")),
    ("湖畔里G2栋", Address("湖畔里", "g2")),
    ("湖畔里，3#楼", Address("湖畔里", "3")),
    ("东湖路 12 号", Address("东湖路12号", None)),
    ("东湖路十二号门口", Address("东湖路12号", None)),
    ("湖畔里小区", Address("湖畔里", None)),
    ("湖畔里2单元501", Address("湖畔里", None)),
    ("三里屯", Address("三里屯", None)),
    ("3号楼", None),
    ("附近", None),
    ("", None),
]


@pytest.mark.parametrize(("written", "address"), ADDRESSES)
def test_addresses_are_compared_however_they_are_written(written: str, address: Address | None) -> None:
    assert address_of(written) == address


PLACES: list[tuple[Said, Said, str, float]] = [
    # one, other → what is said, score
    ({"address": "湖畔里3号楼"}, {"address": "东湖路12号湖畔里小区三栋"}, "同一楼栋", 1.0),
    ({"address": "湖畔里小区"}, {"address": "湖畔里"}, "同一地址", 0.95),
    ({"address": "湖畔里"}, {"address": "东湖路12号湖畔里"}, "地址相符", 0.85),
    ({"address": "湖畔里"}, {"address": "湖畔里3号楼"}, "地址相符", 0.85),
    ({"address": "湖畔里3号楼"}, {"address": "湖畔里5号楼"}, "同一处的不同楼栋", 0.5),
    ({"address": "湖畔里3号楼"}, {"address": "柳荫里3号楼"}, "同一社区", 0.25),
    ({"address": "湖畔里3号楼"}, {}, "同一社区", 0.5),
    ({"region": COMPOUND}, {"region": COMPOUND}, "同一小区", 0.8),
    ({"region": COMPOUND}, {"region": GRID}, "同一网格", 0.7),
    ({"region": COMPOUND}, {"region": COMMUNITY}, "同一社区", 0.5),
    ({"region": COMMUNITY}, {"region": NEXT_COMMUNITY}, "同一街道", 0.3),
    ({"region": COMMUNITY}, {"region": STREET}, "同一街道", 0.3),
    ({"region": COMMUNITY}, {"region": OTHER_COMMUNITY}, "同一区", 0.1),
    ({"region": COMMUNITY}, {"region": "440305001001"}, "不同辖区", 0.0),
    ({"longitude": 116.4, "latitude": 39.9}, {"longitude": 116.4004, "latitude": 39.9}, "相距 34 米", 1.0),
    ({"longitude": 116.4, "latitude": 39.9}, {"longitude": 116.4, "latitude": 39.905}, "相距 557 米", 0.467),
    ({"longitude": 116.4, "latitude": 39.9}, {"longitude": 116.4, "latitude": 39.95}, "相距 5.6 公里", 0.0),
    (  # the better of the two
        {"longitude": 116.4, "latitude": 39.9, "address": "湖畔里"},
        {"longitude": 116.4, "latitude": 39.95, "address": "湖畔里"},
        "同一地址",
        0.95,
    ),
]


@pytest.mark.parametrize(("one", "other", "said", "score"), PLACES)
def test_place(one: Said, other: Said, said: str, score: float) -> None:
    place = compared(about(**one), about(**other)).place
    assert (place.zh, round(place.score, 3)) == (said, score)


CATEGORIES = [
    (("供水", "停水"), ("供水", "停水"), "同类问题", 1.0),
    (("供水",), ("供水", "停水"), "同类问题", 0.5),
    (("供水", "爆管"), ("供水", "停水"), "大类相同", 0.5),
    (("供水",), ("供电",), "类别不同", 0.0),
    ((), ("供电",), "", 0.5),
]


@pytest.mark.parametrize(("one", "other", "said", "score"), CATEGORIES)
def test_category(one: tuple[str, ...], other: tuple[str, ...], said: str, score: float) -> None:
    category = compared(about(category=one), about(category=other)).category
    assert (category.zh, category.score) == (said, score)


TIMES = [
    (timedelta(seconds=59), "相隔 0 分钟", "0 minutes apart", 1.0),
    (timedelta(minutes=1), "相隔 1 分钟", "1 minute apart", 1.0),
    (timedelta(hours=3, minutes=59), "相隔 3 小时", "3 hours apart", 0.988),
    (timedelta(days=7), "相隔 7 天", "7 days apart", 0.5),
    (timedelta(days=30), "相隔 30 天", "30 days apart", 0.0),
]


@pytest.mark.parametrize(("after", "zh", "en", "score"), TIMES)
def test_time(after: timedelta, zh: str, en: str, score: float) -> None:
    time = compared(about(), about(after)).time
    assert (time.zh, time.en, round(time.score, 3)) == (zh, en, score)


def test_numbers_greetings_and_punctuation_tell_nothing() -> None:
    assert telling("您好，３号楼2单元的ＬＥＤ路灯坏了，请尽快处理！", rjieba.cut) == ["led", "路灯", "坏"]


def test_without_a_telling_word_wording_says_nothing() -> None:
    assert compared(about(title="！", content=""), about(title="！", content="")).wording.zh == ""


texts = st.text(max_size=60)
matters = st.builds(
    about,
    after=st.timedeltas(timedelta(), timedelta(days=400)),
    region=st.sampled_from([*TREE.units, "999999"]),
    title=texts,
    content=texts,
    address=st.one_of(texts, st.text("湖畔里小区一二十3号楼栋单元室-# ", max_size=12)),
    category=st.sampled_from([(), LIFT, LIFT[:1], ("供水",)]),
    longitude=st.one_of(st.none(), st.floats(-180, 180)),
    latitude=st.one_of(st.none(), st.floats(-90, 90)),
    urgency=st.sampled_from(Urgency),
    appeal_type=st.sampled_from(AppealType),
)


@settings(max_examples=300)
@given(matters, matters)
def test_any_two_have_a_score_that_does_not_ask_which_was_first(one: f.Matter, other: f.Matter) -> None:
    alike = compared(one, other)
    assert 0 <= alike.score <= 1
    assert alike.score == compared(other, one).score
    assert alike.reason.zh.count("，") == alike.reason.en.count(", ")


@pytest.mark.slow
@pytest.mark.skipif(not MESSAGES.exists(), reason="the real messages are not on this machine (../shared/data)")
def test_the_threshold_finds_what_was_told_again_and_little_else() -> None:
    """The table in `likeness.py`; `pytest -s` shows it."""
    pairs = retold.pairs(rjieba.cut)
    again = retold.scores(pairs.retold, rjieba.cut)
    a_third = retold.scores(pairs.a_third_retold, rjieba.cut)
    scandals = retold.scores(pairs.scandals, rjieba.cut)
    scandal_messages = retold.best_of_each(pairs.scandals, scandals)
    unrelated = retold.scores(pairs.unrelated, rjieba.cut)
    for threshold in (0.50, 0.54, 0.58, 0.62, 0.66, 0.70, 0.74):
        found = [retold.share_from(threshold, those) for those in (again, a_third, scandals, scandal_messages)]
        shares = "".join(f"{share:8.0%}" for share in found)
        sys.stdout.write(f"{threshold:.2f}{shares}{1000 * retold.share_from(threshold, unrelated):8.2f} ‰\n")
    assert retold.share_from(THRESHOLD, again) >= 0.99
    assert retold.share_from(THRESHOLD, a_third) >= 0.99
    assert retold.share_from(THRESHOLD, scandal_messages) >= 0.8
    assert retold.share_from(THRESHOLD, unrelated) <= 0.0002
