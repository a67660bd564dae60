"""时间责任: at every moment of its open life a case is one unit's, and what each had of it adds up to that life."""

from datetime import timedelta

import pytest

from shared.contracts import facts as f
from shared.contracts.vocabulary import Obligation, Role
from tests.unit.router.stories import (
    CITY,
    COMMUNITY,
    FOR_NOBODY,
    FOR_SHOPS,
    HUB,
    LAKESIDE,
    MARKET,
    MERGED_TREE,
    PARKS,
    SPLIT_TREE,
    WATER,
    WORKS,
    Story,
    Told,
    asks_extension,
    asks_suspension,
    concluded,
    dismisses,
    dispatches,
    district,
    failed,
    finishes,
    followed,
    grants,
    makes_lead,
    matter,
    merges,
    orders_rework,
    overdue,
    passed,
    refuses,
    residents_order,
    resumes,
    signs_in,
    story,
    transfers,
    units_have_changed,
    unmerges,
    upholds,
    verified,
    whistle,
    withdraws,
)

HOUR = timedelta(hours=1)
WHILE_CLOSED = 99 * HOUR
SHOPS = whistle(matter(FOR_SHOPS))
DONE_BY_WATER = (whistle(), HOUR, signs_in(), 2 * HOUR, finishes())


def held(case: Story) -> dict[str, int]:
    """Whole hours of each unit, by the last fact that accounts for them."""
    fact = next(one for one in reversed(case.facts) if isinstance(one, f.CaseClosed | f.CaseWithdrawn))
    return {one.unit: round(one.held / HOUR) for one in fact.accounts if one.held}


HISTORIES: list[tuple[tuple[Told, ...], dict[str, int]]] = [
    # what happened, in hours                                                                 whose time it was
    ((*DONE_BY_WATER, 4 * HOUR, passed(), 8 * HOUR, concluded()), {WATER: 3, COMMUNITY: 12}),
    ((residents_order(), 5 * HOUR, verified(), HOUR, withdraws()), {COMMUNITY: 5, WATER: 1}),
    ((whistle(matter(FOR_NOBODY)), 6 * HOUR, dispatches(MARKET), HOUR, withdraws()), {HUB: 6, MARKET: 1}),
    # a refusal is argued: the first receiver's
    ((whistle(), HOUR, refuses(), 7 * HOUR, upholds(MARKET), 2 * HOUR, withdraws()), {WATER: 8, MARKET: 2}),
    ((whistle(), HOUR, refuses(), 7 * HOUR, dismisses(), 2 * HOUR, withdraws()), {WATER: 10}),
    # a co-handler's refusal, and all it takes, is the lead's time
    ((SHOPS, HOUR, refuses(PARKS), 7 * HOUR, upholds(WATER), 2 * HOUR, withdraws(HUB)), {MARKET: 10}),
    ((whistle(), HOUR, transfers(MARKET), 2 * HOUR, transfers(WATER), 4 * HOUR, withdraws()), {WATER: 5, MARKET: 2}),
    ((SHOPS, HOUR, makes_lead(PARKS), 2 * HOUR, withdraws(HUB)), {MARKET: 1, PARKS: 2}),
    # merged it is its whistle-blower's; undone it is its units' again
    ((whistle(), HOUR, merges(), 5 * HOUR, unmerges(), 2 * HOUR, withdraws()), {WATER: 3, COMMUNITY: 5}),
    ((whistle(), HOUR, merges(), 5 * HOUR, followed(), 2 * HOUR, concluded()), {WATER: 1, COMMUNITY: 7}),
    # closed it is nobody's, until it is reopened
    (
        (*DONE_BY_WATER, passed(), HOUR, concluded(), WHILE_CLOSED, orders_rework(), 4 * HOUR, withdraws(HUB)),
        {WATER: 7, COMMUNITY: 1},
    ),
    # units change: what was before is the former unit's
    (
        (
            *(whistle(), HOUR, district(SPLIT_TREE), units_have_changed(), 2 * HOUR, signs_in(WORKS), finishes(WORKS)),
            *(HOUR, passed(), concluded()),
        ),
        {WATER: 1, WORKS: 2, LAKESIDE: 1},
    ),
    ((SHOPS, HOUR, district(MERGED_TREE), 3 * HOUR, units_have_changed(), HOUR, withdraws(HUB)), {MARKET: 4, CITY: 1}),
]


@pytest.mark.parametrize(("told", "expected"), HISTORIES)
def test_whose_time_it_was(told: tuple[Told, ...], expected: dict[str, int]) -> None:
    case = story(*told)
    assert held(case) == expected
    open_for = sum((said for said in told if isinstance(said, timedelta) and said != WHILE_CLOSED), timedelta())
    assert sum(held(case).values()) * HOUR == open_for


def account_of(case: Story, unit: str) -> f.UnitAccount:
    fact = case.facts[-1]
    assert isinstance(fact, f.CaseClosed | f.CaseWithdrawn)
    return next(one for one in fact.accounts if one.unit == unit)


def test_what_each_did_with_it() -> None:
    case = story(SHOPS, HOUR, refuses(PARKS), HOUR, dismisses(), signs_in(MARKET), overdue(Obligation.SIGN_IN, PARKS))
    case.goes_on(signs_in(PARKS), asks_extension(PARKS), grants(), HOUR, finishes(PARKS), finishes(MARKET), failed())
    case.goes_on(HOUR, signs_in(PARKS), overdue(Obligation.HANDLE, MARKET), overdue(Obligation.CHECK, COMMUNITY))
    case.goes_on(finishes(PARKS), signs_in(MARKET), finishes(MARKET), passed(2), HOUR, concluded(round_=2))
    assert account_of(case, MARKET) == f.UnitAccount(
        unit=MARKET, role=Role.LEAD, held=4 * HOUR, missed=(Obligation.HANDLE,), rounds=2
    )
    assert account_of(case, PARKS) == f.UnitAccount(
        unit=PARKS,
        role=Role.CO_HANDLER,
        held=timedelta(),
        missed=(Obligation.SIGN_IN,),
        refusals=1,
        extensions=1,
        rounds=2,
    )
    assert account_of(case, COMMUNITY) == f.UnitAccount(unit=COMMUNITY, held=HOUR, missed=(Obligation.CHECK,))


def test_what_of_it_was_suspended() -> None:
    case = story(whistle(), HOUR, signs_in(), asks_suspension(), HOUR, grants(), 5 * HOUR, resumes(), HOUR, finishes())
    case.goes_on(passed(), concluded())
    account = account_of(case, WATER)
    assert (account.held, account.suspended) == (8 * HOUR, 5 * HOUR)


def test_the_hub_is_named_for_what_it_missed_though_the_time_was_the_units() -> None:
    case = story(whistle(), refuses(), HOUR, overdue(Obligation.RULE_ON_REFUSAL, HUB), dismisses(), withdraws(HUB))
    assert account_of(case, HUB) == f.UnitAccount(unit=HUB, held=timedelta(), missed=(Obligation.RULE_ON_REFUSAL,))


def test_a_case_that_is_reopened_accounts_for_the_whole_of_its_life() -> None:
    case = story(*DONE_BY_WATER, passed(), concluded(), 9 * HOUR, orders_rework(), signs_in(), HOUR, finishes())
    case.goes_on(passed(2), concluded(round_=2))
    assert held(case) == {WATER: 4}
