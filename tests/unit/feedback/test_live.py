"""实时统计: what each fact of a case adds, where the case stands after it, and what whistles have in common."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback.domain.live.common_traits import traits
from services.feedback.domain.live.live import NO_CATEGORY, OPEN_STAGES, Count, Of, Standing, What, counted, standing
from shared.contracts import facts as f
from shared.contracts.vocabulary import Obligation, ReworkCause, Stage, SurgeKind
from tests.unit.feedback import lives
from tests.unit.feedback.lives import MARKET, RUBBISH, WATER

PIPES = lives.PIPES[0]
HANDLING = Standing(Stage.HANDLING, PIPES, (WATER, MARKET))


def units(what: What, *names: str) -> tuple[Count, ...]:
    return tuple(Count(Of.UNIT, name, what) for name in names)


def category(what: What, name: str = PIPES) -> Count:
    return Count(Of.CATEGORY, name, what)


@pytest.mark.parametrize(
    ("before", "fact", "added"),
    [
        (None, lives.opened(), (category(What.RECEIVED),)),
        (None, lives.opened(category=()), (category(What.RECEIVED, NO_CATEGORY),)),
        (None, lives.overdue(), ()),
        (
            HANDLING,
            lives.dispatched(WATER, MARKET),
            (*units(What.DISPATCHED, WATER, MARKET), category(What.DISPATCHED)),
        ),
        (
            HANDLING,
            lives.dispatched(MARKET, kept=(WATER,)),
            (*units(What.DISPATCHED, MARKET), category(What.DISPATCHED)),
        ),
        (HANDLING, lives.dispatched(kept=(WATER,)), ()),
        (HANDLING, lives.overdue(), (*units(What.OVERDUE, WATER), category(What.OVERDUE))),
        (HANDLING, lives.overdue(None, Obligation.DISPATCH), (category(What.OVERDUE),)),
        (HANDLING, lives.overdue(None, Obligation.ARCHIVE), ()),
        (HANDLING, lives.overdue(WATER, Obligation.REVIEW), ()),
        (
            HANDLING,
            lives.closed(WATER),
            (*units(What.CLOSED, WATER), category(What.CLOSED), *units(What.RATED, WATER), category(What.RATED)),
        ),
        (HANDLING, lives.closed(WATER, rule="rating_time_over"), (*units(What.CLOSED, WATER), category(What.CLOSED))),
        (HANDLING, lives.rework(WATER), (*units(What.DISPATCHED, WATER), category(What.DISPATCHED))),
        (
            HANDLING,
            lives.rework(WATER, cause=ReworkCause.RESIDENT_UNSATISFIED),
            (
                *units(What.DISPATCHED, WATER),
                category(What.DISPATCHED),
                *units(What.RATED, WATER, MARKET),
                category(What.RATED),
            ),
        ),
        (HANDLING, lives.refusal_ruled(WATER, upheld=True), ()),
        (HANDLING, lives.withdrawn(), ()),
    ],
)
def test_what_a_fact_adds(before: Standing | None, fact: f.CaseFact, added: tuple[Count, ...]) -> None:
    assert counted(before, fact) == added


@pytest.mark.parametrize(
    ("fact", "after"),
    [
        (lives.dispatched(WATER, category=RUBBISH), Standing(Stage.DISPATCHED, RUBBISH[0], (WATER,))),
        (lives.rework(MARKET), Standing(Stage.REWORK, PIPES, (MARKET,))),
        (lives.refusal_ruled(WATER, upheld=True), Standing(Stage.DISPATCHED, PIPES, (MARKET,))),
        (lives.refusal_ruled(WATER, upheld=False), Standing(Stage.DISPATCHED, PIPES, (WATER, MARKET))),
        (lives.handed_over(WATER, "dept-housing"), Standing(Stage.HANDLING, PIPES, ("dept-housing", MARKET))),
        (lives.handed_over(WATER, MARKET), Standing(Stage.HANDLING, PIPES, (MARKET,))),
        (lives.handed_over(WATER, "dept-housing", None), HANDLING),
        (lives.withdrawn(), Standing(Stage.WITHDRAWN, PIPES)),
        (lives.overdue(), HANDLING),
        (lives.closed(WATER), Standing(Stage.CLOSED, PIPES, (WATER, MARKET))),
    ],
)
def test_where_a_case_stands(fact: f.CaseFact, after: Standing) -> None:
    assert standing(HANDLING, fact) == after


def test_what_is_not_known_of_stands_nowhere_until_something_says_all_of_it() -> None:
    assert standing(None, lives.overdue()) is None
    assert standing(None, lives.archived()) is None
    assert standing(None, lives.rework(WATER)) == Standing(Stage.REWORK, PIPES, (WATER,))


def test_what_is_open() -> None:
    assert set(Stage) - OPEN_STAGES == {Stage.CLOSED, Stage.ARCHIVED, Stage.DECLINED, Stage.WITHDRAWN}


ANY_FACT = st.sampled_from(
    [
        lives.opened(),
        lives.dispatched(WATER, MARKET),
        lives.dispatched(MARKET, kept=(WATER,), category=RUBBISH),
        lives.overdue(),
        lives.overdue(None, Obligation.DISPATCH),
        lives.refusal_ruled(WATER, upheld=True),
        lives.handed_over(WATER, MARKET),
        lives.rework(WATER, cause=ReworkCause.RESIDENT_UNSATISFIED),
        lives.closed(WATER, MARKET),
        lives.archived(),
        lives.withdrawn(),
    ]
)


@given(st.lists(ANY_FACT, max_size=12), st.lists(ANY_FACT, max_size=12), st.data())
def test_cases_do_not_touch_each_other_however_their_facts_come_between(
    first: list[f.CaseFact], second: list[f.CaseFact], data: st.DataObject
) -> None:
    order = data.draw(st.permutations([0] * len(first) + [1] * len(second)))
    alone = _told([first]) + _told([second])
    queues = [iter(first), iter(second)]
    known: list[Standing | None] = [None, None]
    found: Counter[Count] = Counter()
    for which in order:
        fact = next(queues[which])
        found.update(counted(known[which], fact))
        known[which] = standing(known[which], fact)
    assert found == alone


@given(st.lists(ANY_FACT, max_size=20))
def test_no_fact_counts_the_same_twice_and_no_unit_has_a_case_twice(facts: list[f.CaseFact]) -> None:
    before: Standing | None = None
    for fact in facts:
        added = counted(before, fact)
        assert len(set(added)) == len(added)
        before = standing(before, fact)
        assert before is None or len(set(before.units)) == len(before.units)
        assert before is None or before.stage is fact.stage


def _told(histories: list[list[f.CaseFact]]) -> Counter[Count]:
    found: Counter[Count] = Counter()
    for facts in histories:
        before: Standing | None = None
        for fact in facts:
            found.update(counted(before, fact))
            before = standing(before, fact)
    return found


# --- what whistles have in common


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("湖畔社区3号楼2单元501室", "湖畔社区"),
        ("湖畔社区３号楼２单元", "湖畔社区"),
        ("湖畔社区 3 号楼", "湖畔社区"),
        ("湖畔社区三号楼", "湖畔社区"),
        ("湖畔社区，3栋", "湖畔社区"),
        ("湖畔社区B座1201", "湖畔社区"),
        ("湖畔社区3-2-501", "湖畔社区"),
        ("湖畔社区３－２－５０１", "湖畔社区"),
        ("建设路甲12号", "建设路"),
        ("幸福路10号院3号楼", "幸福路10号院"),
        ("地铁5号线湖畔站", "地铁5号线湖畔站"),
        ("三号路与东湖街交口", "三号路与东湖街交口"),
        ("湖畔社区（北门）", "湖畔社区北门"),
    ],
)
def test_a_place_ends_before_the_house(address: str, place: str) -> None:
    trait = next(one for one in traits(lives.matter(address=address)) if one.kind is SurgeKind.PLACE)
    assert (trait.shown, trait.region) == (place, "110199001001")
    assert trait.key == f"110199001001 {place}"


@pytest.mark.parametrize("address", ["", "   ", "3号楼", "５号", "——"])
def test_where_there_is_no_address_there_is_no_place(address: str) -> None:
    assert SurgeKind.PLACE not in {one.kind for one in traits(lives.matter(address=address))}


def test_respondents_are_the_same_however_they_are_typed() -> None:
    typed = ["和安物业（湖畔）公司", "和安物业(湖畔)公司", " 和安物业 湖畔 公司 "]
    found = {
        one.key for name in typed for one in traits(lives.matter(respondent=name)) if one.kind is SurgeKind.RESPONDENT
    }
    assert found == {"和安物业湖畔公司"}


def test_a_category_is_one_of_its_street() -> None:
    (trait,) = traits(lives.matter(address=""))
    assert trait == (SurgeKind.CATEGORY, "110199001 公用事业 / 供水", "公用事业 / 供水", "110199001")
    assert traits(lives.matter(address="", category=())) == ()


def test_of_a_confidential_matter_only_the_category_is_told() -> None:
    (trait,) = traits(lives.matter(respondent="和安物业", confidential=True))
    assert trait.kind is SurgeKind.CATEGORY
