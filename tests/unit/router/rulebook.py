"""A small district, matters in it, and any rules and matters that fit it, for the tests of rules."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from services.router.domain.routing.conditions import Condition
from services.router.domain.routing.rules import Because, Outcome, Rule, Rules
from shared.contracts.facts import Matter
from shared.contracts.units import Unit, UnitTree, build_tree, next_version
from shared.contracts.vocabulary import AppealType, CaseList, Ledger, Level, Source, UnitKind, Urgency

MONDAY_NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
"""2026-11-23 12:00 in Shanghai, a Monday."""

HUB = "110199"
STREET, OTHER_STREET = "110199001", "110199002"
COMMUNITY, NEXT_COMMUNITY, OTHER_COMMUNITY = "110199001001", "110199001002", "110199002001"
GRID = "110199001001001"
WATER, MARKET, HOUSING, HOUSING_TEAM = "util-water", "dept-market", "dept-housing", "team-housing"
NOWHERE = "110288001001"

UNITS = (
    Unit(code=HUB, name="区治理中心", kind=UnitKind.HUB),
    Unit(code=STREET, name="东湖街道", kind=UnitKind.STREET, parent=HUB, capabilities=("物业管理",)),
    Unit(code=OTHER_STREET, name="西山街道", kind=UnitKind.STREET, parent=HUB),
    Unit(code=COMMUNITY, name="湖畔社区", kind=UnitKind.COMMUNITY, parent=STREET),
    Unit(code=NEXT_COMMUNITY, name="柳荫社区", kind=UnitKind.COMMUNITY, parent=STREET),
    Unit(code=OTHER_COMMUNITY, name="枫林社区", kind=UnitKind.COMMUNITY, parent=OTHER_STREET),
    Unit(code=GRID, name="湖畔第一网格", kind=UnitKind.GRID, parent=COMMUNITY),
    Unit(
        code=WATER, name="供水公司", aliases=("自来水公司",), kind=UnitKind.UTILITY, parent=HUB, capabilities=("供水",)
    ),
    Unit(code="util-water-east", name="东湖供水站", kind=UnitKind.UTILITY, parent=STREET, capabilities=("供水",)),
    Unit(code=MARKET, name="市场监管局", kind=UnitKind.DEPARTMENT, parent=HUB),
    Unit(code=HOUSING, name="住建委", kind=UnitKind.DEPARTMENT, parent=HUB, capabilities=("房屋管理",)),
    Unit(code=HOUSING_TEAM, name="房屋安全科", kind=UnitKind.DEPARTMENT, parent=HOUSING),
)
TREE = build_tree(UNITS, "1")


def merged_tree() -> UnitTree:
    """A version later: the market bureau's work went to housing, the other street was split in two."""
    gone = {MARKET, OTHER_STREET, OTHER_COMMUNITY}
    stayed = [one for one in UNITS if one.code not in gone]
    housing = next(one for one in stayed if one.code == HOUSING).model_copy(update={"succeeds": (MARKET,)})
    return next_version(
        TREE,
        [
            *(one for one in stayed if one.code != HOUSING),
            housing,
            Unit(code="110199003", name="西山南街道", kind=UnitKind.STREET, parent=HUB, succeeds=(OTHER_STREET,)),
            Unit(code="110199004", name="西山北街道", kind=UnitKind.STREET, parent=HUB, succeeds=(OTHER_STREET,)),
            Unit(
                code="110199004001",
                name="新枫林社区",
                kind=UnitKind.COMMUNITY,
                parent="110199004",
                succeeds=(OTHER_COMMUNITY,),
            ),
        ],
        "2",
    )


def rule(id_: str, when: Condition, then: Outcome) -> Rule:
    return Rule(id=id_, when=when, then=then, because=Because(zh=f"规则 {id_}", en=f"rule {id_}"))


def rules(*every: Rule) -> Rules:
    return Rules("7", every)


def matter(
    category: tuple[str, ...] = ("供水",),
    region: str = COMMUNITY,
    title: str = "3 号楼前爆管",
    content: str = "水漫到路面，车辆打滑。",
    source: Source = Source.COMMUNITY,
    appeal_type: AppealType = AppealType.HELP,
    urgency: Urgency = Urgency.NORMAL,
    respondent: str | None = None,
    confidential: bool = False,
    number: str = "HA20261123-0001",
) -> Matter:
    return Matter(
        number=number,
        source=source,
        appeal_type=appeal_type,
        urgency=urgency,
        category=category,
        title=title,
        content=content,
        region=region,
        whistle_blower=region,
        received_at=MONDAY_NOON,
        respondent=respondent,
        confidential=confidential,
    )


# --- any rules and matters ------------------------------------------------------------------------------------

PATHS = (("公共服务", "供水", "爆管"), ("公共服务", "供热"), ("市容", "占道"), ("市容", "噪声"), ("噪声",))
REGIONS = (HUB, STREET, OTHER_STREET, COMMUNITY, NEXT_COMMUNITY, OTHER_COMMUNITY, GRID)
WORDS = ("爆管", "爆", "噪声", "夜间噪声", "Gas", "电梯")
NAMES = ("公共服务", "供水", "爆管", "供热", "市容", "占道", "噪声", "公共服务->供水", "市容->噪声", "未列入")
ABOUT = (WATER, "自来水公司", "住建委", "物业", "公司", "湖畔社区")
HOURS = ("18:00-08:00", "08:00-12:00", "00:00-24:00", "22:00-06:00", "12:00-18:00")
DATES = ("2026-11-15..2027-03-15", "2026-11-23", "2026-01-01..2026-12-31", "2027-01-01..2027-01-31")


def some(values: tuple[str, ...], most: int = 2) -> st.SearchStrategy[tuple[str, ...]]:
    return st.just(()) | st.lists(st.sampled_from(values), max_size=most, unique=True).map(tuple)


def conditions() -> st.SearchStrategy[Condition]:
    """Conditions on few fields each, so that they hold and cover one another often enough."""
    fields = {
        "category": some(NAMES),
        "region": some((*REGIONS, NOWHERE)),
        "source": st.lists(st.sampled_from(Source), max_size=2, unique=True).map(tuple),
        "appeal_type": st.lists(st.sampled_from(AppealType), max_size=len(AppealType), unique=True).map(tuple),
        "urgency": st.lists(st.sampled_from(Urgency), max_size=4, unique=True).map(tuple),
        "respondent": some(ABOUT),
        "keywords": some(WORDS),
        "not_keywords": some(WORDS),
        "hours": some(HOURS),
        "weekdays": st.lists(st.integers(1, 7), max_size=7, unique=True).map(tuple),
        "dates": some(DATES),
        "self_handled": st.booleans(),
        "confidential": st.booleans(),
    }
    names = st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: fields[name] for name in chosen})).map(
        Condition.model_validate
    )


def outcomes() -> st.SearchStrategy[Outcome]:
    helping = some((MARKET, HOUSING_TEAM, "street", "community"))
    named = st.lists(st.sampled_from((WATER, MARKET, HOUSING, STREET)), min_size=1, max_size=2, unique=True).map(tuple)
    return st.one_of(
        st.builds(Outcome, level=st.just(Level.HUB)),
        st.builds(Outcome, level=st.just(Level.COMMUNITY), co_handlers=helping),
        st.builds(
            Outcome,
            level=st.just(Level.STREET),
            co_handlers=helping,
            capability=st.sampled_from((None, "物业管理")),
            urgency=st.sampled_from((None, Urgency.URGENT, Urgency.CRITICAL)),
        ),
        st.builds(
            Outcome,
            level=st.just(Level.DEPARTMENT),
            units=named,
            co_handlers=st.just(("street",)),
            list=st.sampled_from((None, *CaseList)),
            ledger=st.sampled_from((None, *Ledger)),
        ),
        st.builds(Outcome, level=st.just(Level.DEPARTMENT), capability=st.sampled_from(("供水", "房屋管理", "没有"))),
    )


def any_rules(most: int = 12) -> st.SearchStrategy[Rules]:
    pairs = st.lists(st.tuples(conditions(), outcomes()), max_size=most)
    return pairs.map(lambda found: rules(*(rule(f"r{place}", *pair) for place, pair in enumerate(found))))


def any_matters() -> st.SearchStrategy[Matter]:
    texts = st.lists(st.sampled_from((*WORDS, "gas", "水", "夜间", " ")), max_size=4).map("".join)
    return st.builds(
        matter,
        category=st.sampled_from((*PATHS, (), ("供水",), ("未列入",), ("公共服务->供水",))),
        region=st.sampled_from((*REGIONS, NOWHERE)),
        title=texts,
        content=texts,
        source=st.sampled_from(Source),
        appeal_type=st.sampled_from(AppealType),
        urgency=st.sampled_from(Urgency),
        respondent=st.sampled_from(
            (None, WATER, "自来水公司", "供水公司", "某物业公司", "住建委", "房屋安全科", "湖畔社区")
        ),
        confidential=st.booleans(),
    )


def any_moment() -> st.SearchStrategy[datetime]:
    minutes = st.integers(0, 400 * 24 * 60)
    return minutes.map(lambda after: datetime(2026, 6, 1, tzinfo=UTC) + timedelta(minutes=after))
