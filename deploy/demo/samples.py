"""Whistles of our own writing for demonstrations: every source, every door, in the shapes of the real feeds.

The same count, seed and units give the same samples. Persons and phones are invented (the 010-5550 numbers are
nobody's); places are made of the district's own names.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count as count_from
from itertools import cycle
from typing import Any, Literal, NamedTuple, TypeAlias

from shared.contracts.units import Unit, UnitTree
from shared.contracts.vocabulary import AppealType, Source, UnitKind, Urgency

DoorName: TypeAlias = Literal["whistle", "order", "hotline_json", "hotline_csv"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One whistle ready for its door: POST /whistles, /orders, /hotline/orders, or a row of /hotline/orders/csv.

    `unit` is who blows the whistle at the first of them (the token's unit), None at the others.
    """

    door: DoorName
    body: Mapping[str, Any]
    region: str
    source: Source
    unit: str | None = None


class Template(NamedTuple):
    category: tuple[str, ...]
    appeal_type: AppealType
    urgency: Urgency
    title: str
    content: str
    self_handled: bool = False
    about_the_community: bool = False


A, U = AppealType, Urgency

TEMPLATES: tuple[Template, ...] = (
    Template(
        ("供水", "管道漏损"),
        A.HELP,
        U.URGENT,
        "{compound}{building}号楼水管爆裂",
        "今早{hour}点起{building}号楼门前主管道漏水，地下室已经进水，楼里没水用，请尽快派人抢修。",
    ),
    Template(
        ("供水", "水压不足"),
        A.COMPLAINT,
        U.NORMAL,
        "{compound}高层水压不足",
        "{building}号楼六层以上早晚用水高峰基本没有水，已持续{days}天，物业说要供水公司调压。",
    ),
    Template(
        ("供水", "水质"),
        A.CONSULT,
        U.NORMAL,
        "{compound}自来水发黄",
        "最近{days}天打开水龙头先流黄水，放很久才变清，想问水质是否合格，能否来检测。",
    ),
    Template(
        ("供电", "停电"),
        A.HELP,
        U.CRITICAL,
        "{compound}整栋楼停电，有人需用呼吸机",
        "{building}号楼从{hour}点起停电，楼里有老人在家使用呼吸机，备用电源撑不了多久，请马上处理。",
    ),
    Template(
        ("供电", "线路隐患"),
        A.REPORT,
        U.URGENT,
        "{road}电线垂落",
        "{road}{building}号门前一根电线垂到人行道上方一人高，孩子上学要从下面走，很危险。",
    ),
    Template(
        ("燃气", "燃气泄漏"),
        A.HELP,
        U.CRITICAL,
        "{compound}楼道有燃气味",
        "{building}号楼二单元楼道从{hour}点开始有明显燃气味，已经开窗并通知邻居，请燃气公司速来检查。",
    ),
    Template(
        ("燃气", "停气"),
        A.COMPLAINT,
        U.URGENT,
        "{compound}停气未提前通知",
        "昨天{hour}点突然停气，没有看到通知，家里做不了饭，何时恢复也问不到。",
    ),
    Template(
        ("供热", "温度不达标"),
        A.COMPLAINT,
        U.URGENT,
        "{compound}室温不达标",
        "{building}号楼边户室温只有十四五度，家里有新生儿，报修{days}天没有人来测温。",
    ),
    Template(
        ("供热", "暖气漏水"),
        A.HELP,
        U.URGENT,
        "{compound}暖气管漏水",
        "{building}号楼一层暖气立管接头漏水，已经泡了木地板，先用盆接着，请尽快来修。",
    ),
    Template(
        ("市政设施", "路灯"),
        A.HELP,
        U.NORMAL,
        "{road}路灯不亮",
        "{road}靠近{compound}一段有{days}盏路灯不亮，晚上接孩子放学看不清路面。",
    ),
    Template(
        ("市政设施", "井盖"),
        A.REPORT,
        U.CRITICAL,
        "{road}井盖缺失",
        "{road}{building}号门前人行道上一个井盖不见了，我们先放了锥桶，夜里很容易踩空，请马上补上。",
    ),
    Template(
        ("市政设施", "路面破损"),
        A.COMPLAINT,
        U.NORMAL,
        "{road}路面塌陷",
        "{road}{building}号附近路面下沉约十厘米，电动车经过容易摔倒，骑手已经摔了两个。",
    ),
    Template(
        ("环境卫生", "垃圾清运"),
        A.COMPLAINT,
        U.NORMAL,
        "{compound}垃圾清运不及时",
        "{compound}北门垃圾桶满溢{days}天，天热味道大，希望增加清运次数。",
    ),
    Template(
        ("环境卫生", "公厕管理"),
        A.SUGGESTION,
        U.NORMAL,
        "建议{road}增设公厕",
        "{road}一带商铺和骑手多，最近的公厕要走十几分钟，建议增设或开放沿街单位厕所。",
    ),
    Template(
        ("物业监管", "物业履职"),
        A.COMPLAINT,
        U.COMPLEX,
        "{compound}物业长期不作为",
        "{compound}电梯半年内停运{days}次，门禁损坏无人修，公共收益也没有公示，业主多次反映没有结果。",
    ),
    Template(
        ("物业监管", "物业收费"),
        A.CONSULT,
        U.NORMAL,
        "{compound}停车费上涨未征求意见",
        "{compound}物业贴通知说下月起停车费上涨，没有开业主大会，想问是否合规。",
    ),
    Template(
        ("噪声污染", "施工噪声"),
        A.COMPLAINT,
        U.URGENT,
        "{road}工地夜间施工",
        "{road}{building}号工地连续{days}晚施工到凌晨，打桩声很大，老人孩子睡不了觉。",
    ),
    Template(
        ("噪声污染", "社会生活噪声"),
        A.COMPLAINT,
        U.NORMAL,
        "{compound}旁广场音响扰民",
        "{compound}南侧小广场每晚{hour}点起音响开得很大，劝了几次没有用，希望管一管音量和时间。",
    ),
    Template(
        ("大气污染", "餐饮油烟"),
        A.REPORT,
        U.NORMAL,
        "{road}烧烤店油烟直排",
        "{road}{building}号烧烤店没有开净化设备，油烟直接排到{compound}住户窗口。",
    ),
    Template(
        ("食品安全", "餐饮卫生"),
        A.REPORT,
        U.URGENT,
        "{road}小饭馆用餐后不适",
        "昨天在{road}{building}号小饭馆吃饭，一起的三个人回家都腹泻，后厨卫生看着很差，请去检查。",
    ),
    Template(
        ("消费维权", "预付卡"),
        A.COMPLAINT,
        U.NORMAL,
        "{road}健身房关门不退卡",
        "{road}{building}号健身房上周关门，卡里还有钱，老板电话打不通，附近很多邻居都办了卡。",
    ),
    Template(
        ("公共交通", "公交站点"),
        A.SUGGESTION,
        U.NORMAL,
        "建议{compound}门口增设公交站",
        "{compound}老人多，最近的公交站要过两个路口，建议在{road}东口增设一站。",
    ),
    Template(
        ("交通秩序", "共享单车"),
        A.COMPLAINT,
        U.NORMAL,
        "{road}共享单车堵住盲道",
        "{road}地铁接驳口共享单车堆到盲道上，早高峰人都走到机动车道去了。",
    ),
    Template(
        ("社区服务", "邻里纠纷"),
        A.HELP,
        U.NORMAL,
        "{compound}楼上漏水引起邻里纠纷",
        "{building}号楼楼上卫生间漏水到楼下，两家说不拢，请社区帮助调解。",
        True,
    ),
    Template(
        ("社区服务", "便民设施"),
        A.SUGGESTION,
        U.NORMAL,
        "{compound}健身器材松动",
        "{compound}中心花园的健身器材螺丝松了，孩子常在上面玩，请先围起来再修。",
        True,
    ),
    Template(
        ("社区服务", "居务公开"),
        A.COMPLAINT,
        U.NORMAL,
        "{compound}活动室收费未公示",
        "{compound}居民活动室收了{days}个月的费用，标准和账目一直没有公示，问过社区没有答复，希望公开账目。",
        True,
        True,
    ),
    Template(
        ("市容环境", "楼道堆物"),
        A.COMPLAINT,
        U.NORMAL,
        "{compound}楼道堆放杂物",
        "{building}号楼楼道堆了纸箱和旧家具，占了消防通道，贴过通知没人理。",
    ),
    Template(
        ("养老服务", "助餐"),
        A.HELP,
        U.NORMAL,
        "{compound}独居老人需要助餐",
        "{building}号楼有位八十多岁独居老人腿脚不便，想申请送餐上门，请问如何办理。",
    ),
    Template(
        ("社会救助", "临时救助"),
        A.CONSULT,
        U.NORMAL,
        "{compound}住户咨询临时救助",
        "家里主要劳力生病住院，一时周转不开，想咨询临时救助需要哪些材料、到哪里办。",
    ),
    Template(
        ("教育文体", "教育行政管理"),
        A.CONSULT,
        U.NORMAL,
        "{compound}适龄儿童入学片区咨询",
        "{compound}明年入学的孩子有二十多个，听说片区有调整，想问清楚划到哪所学校。",
    ),
    Template(
        ("科技与信息产业", "电信"),
        A.COMPLAINT,
        U.NORMAL,
        "{compound}手机信号差",
        "{building}号楼地下车库和低层基本没有手机信号，叫救护车都打不出电话。",
    ),
    Template(
        ("城乡建设", "城乡规划"),
        A.COMPLAINT,
        U.COMPLEX,
        "{compound}旁空地长期闲置",
        "{road}{building}号空地围挡了三年多，杂草丛生还有人倒垃圾，想知道规划用途和何时开工。",
    ),
    Template(
        ("劳动和社会保障", "工资福利"),
        A.REPORT,
        U.COMPLEX,
        "{road}装修队拖欠工钱",
        "在{road}{building}号干完活两个多月，工钱一直没结，包工头说甲方没给钱，请帮忙协调。",
    ),
)
"""The last four are for nobody's list of duties: they go to the hub's desk."""

SURNAMES = "王李张刘陈杨赵黄周吴"
HOURS = range(5, 23)

# Which source at which door, in turn; a source is passed over where the district has no unit for it.
TURNS: tuple[tuple[DoorName, Source], ...] = (
    ("whistle", Source.COMMUNITY),
    ("hotline_json", Source.HOTLINE_12345),
    ("order", Source.RESIDENT),
    ("whistle", Source.GRID),
    ("hotline_csv", Source.HOTLINE_12345),
    ("whistle", Source.RIDER),
    ("order", Source.RESIDENT),
    ("whistle", Source.COMMUNITY),
    ("hotline_csv", Source.HOTLINE_12345),
    ("whistle", Source.COMPOUND),
    ("whistle", Source.SUGGESTION_BOX),
    ("hotline_json", Source.HOTLINE_12345),
    ("order", Source.RESIDENT),
    ("whistle", Source.PETITION),
    ("whistle", Source.VISIT),
)

TWICE = (Source.SUGGESTION_BOX, Source.HOTLINE_12345)
"""What was put into the suggestion box, somebody else calls 12345 about at once."""

URGENCY_ZH = {U.CRITICAL: "特急", U.URGENT: "紧急", U.NORMAL: "一般", U.COMPLEX: "复杂"}
APPEAL_ZH = {
    A.CONSULT: "咨询",
    A.HELP: "求助",
    A.COMPLAINT: "投诉",
    A.REPORT: "举报",
    A.SUGGESTION: "建议",
    A.PRAISE: "表扬",
    A.OTHER: "其他",
}


SELF_HANDLED = tuple(template for template in TEMPLATES if template.self_handled)


def samples(count: int, seed: int, units: UnitTree, at: datetime | None = None) -> Iterator[Sample]:
    """`count` samples. With `at` (an aware time) each occurred within the day before it; without, none says when."""
    chance = random.Random(seed)  # noqa: S311 - not a secret: the same seed gives the same samples
    communities = [unit for unit in units if unit.kind is UnitKind.COMMUNITY]
    turns = cycle([turn for turn in TURNS if _possible(turn[1], units)])
    templates: list[Template] = []
    community_turns = count_from(0)  # a community handles every fourth of its own by itself
    told, community, source = None, communities[0], Source.COMMUNITY
    for number in range(count):
        templates = templates or chance.sample(TEMPLATES, len(TEMPLATES))
        (door, source), before = next(turns), source
        if told is not None and (before, source) == TWICE:
            told = _again(told, chance)
        else:
            community = chance.choice(_homes(source, communities, units))
            by_itself = source is Source.COMMUNITY and next(community_turns) % 4 == 0
            template = chance.choice(SELF_HANDLED) if by_itself else templates.pop()
            told = _tell(template, community, chance)
        occurred = at - timedelta(minutes=chance.randrange(10, 24 * 60)) if at is not None else None
        yield _sample(door, source, told, community, units, f"{seed}-{number:06d}", occurred)


class _Told(NamedTuple):
    """A template with this community's places and somebody's name in it."""

    template: Template
    title: str
    content: str
    address: str
    name: str
    phone: str


def _tell(template: Template, community: Unit, chance: random.Random) -> _Told:
    stem = community.name.removesuffix("社区").removesuffix("村")
    places = {
        "compound": f"{stem}{chance.choice(('小区', '家园', '新村', '里'))}",
        "road": f"{stem}{chance.choice(('路', '街', '东街', '北路'))}",
        "building": str(chance.randrange(1, 29)),
        "hour": str(chance.choice(HOURS)),
        "days": str(chance.randrange(2, 8)),
    }
    return _Told(
        template,
        template.title.format(**places),
        template.content.format(**places),
        f"{places['road']}{places['building']}号{places['compound']}",
        *_somebody(chance),
    )


def _again(told: _Told, chance: random.Random) -> _Told:
    """The same matter in somebody else's words."""
    name, phone = _somebody(chance)
    return told._replace(content=f"您好，{told.content}邻居们都很着急，盼尽快处理。", name=name, phone=phone)


def _somebody(chance: random.Random) -> tuple[str, str]:
    name = chance.choice(SURNAMES) + chance.choice(("先生", "女士"))
    return name, f"010-5550{chance.randrange(10_000):04d}"


def _sample(
    door: DoorName,
    source: Source,
    told: _Told,
    community: Unit,
    units: UnitTree,
    reference: str,
    occurred: datetime | None,
) -> Sample:
    if door == "hotline_json":
        return Sample(door, _pushed(told, community, reference, occurred), community.code, source)
    if door == "hotline_csv":
        return Sample(door, _row(told, community, units, reference, occurred), community.code, source)
    body: dict[str, Any] = {
        "title": told.title,
        "content": told.content,
        "appeal_type": told.template.appeal_type.value,
        "urgency": told.template.urgency.value,
        "category": list(told.template.category),
        "region": community.code,
        "address": told.address,
        "reporter": {"name": told.name, "phone": told.phone},
        "confidential": told.template.appeal_type is A.REPORT,
    }
    if told.template.about_the_community:
        body["respondent"] = community.name
    if occurred is not None:
        body["occurred_at"] = occurred.isoformat(timespec="seconds")
    if door == "order":
        return Sample(door, body, community.code, source)
    body |= {"source": source.value, "source_ref": f"{source.value}-{reference}"}
    if source is Source.COMMUNITY:
        body["self_handled"] = told.template.self_handled
    return Sample(door, body, community.code, source, _blower(source, community, units).code)


def _pushed(told: _Told, community: Unit, reference: str, occurred: datetime | None) -> dict[str, Any]:
    order = {
        "orderNum": f"TS-{reference}",
        "callerName": told.name,
        "contactPhone": told.phone,
        "appealType": APPEAL_ZH[told.template.appeal_type],
        "appealSubject": told.title,
        "appealContent": told.content,
        "category": "->".join(told.template.category),
        "incidentAddress": told.address,
        "communityCode": community.code,
        "urgencyLevel": URGENCY_ZH[told.template.urgency],
        "assignedDept": "",
        "respondent": community.name if told.template.about_the_community else "",
    }
    return order | ({"callTime": f"{occurred:%Y-%m-%d %H:%M:%S%z}"} if occurred else {})


def _row(told: _Told, community: Unit, units: UnitTree, reference: str, occurred: datetime | None) -> dict[str, str]:
    street = units.nearest(community.code, UnitKind.STREET)
    return {
        "工单编号": f"GD-{reference}",
        "工单类型": APPEAL_ZH[told.template.appeal_type],
        "问题分类": "->".join(told.template.category),
        "标题": told.title,
        "主要内容": told.content,
        "紧急程度": URGENCY_ZH[told.template.urgency],
        "工单状态": "待派单",
        "来电人": told.name,
        "来电人电话": told.phone,
        "来电时间": f"{occurred:%Y-%m-%d %H:%M:%S%z}" if occurred else "",
        "被反映单位": community.name if told.template.about_the_community else "",
        "被反映区": units.hub.name.removesuffix("城市治理中心"),
        "被反映街乡镇": street.name if street else "",
        "地址": told.address,
        "工单性质": "主办",
        "村/社区": community.name,
    }


def _possible(source: Source, units: UnitTree) -> bool:
    kind = _KINDS.get(source)
    return kind is None or any(unit.kind is kind for unit in units)


_KINDS = {Source.GRID: UnitKind.GRID, Source.COMPOUND: UnitKind.COMPOUND}


def _homes(source: Source, communities: Sequence[Unit], units: UnitTree) -> Sequence[Unit]:
    """The communities that have a unit which blows whistles of this source."""
    kind = _KINDS.get(source)
    if kind is None:
        return communities
    inside = {community.code for unit in units if unit.kind is kind for community in units.ancestors(unit.code)}
    return [community for community in communities if community.code in inside]


def _blower(source: Source, community: Unit, units: UnitTree) -> Unit:
    """Who blows a community's whistle of this source: its grid or compound, itself, or the hub for a petition."""
    if source is Source.PETITION:
        return units.hub
    kind = _KINDS.get(source)
    if kind is None:
        return community
    return next(unit for unit in units if unit.kind is kind and community in units.ancestors(unit.code))
