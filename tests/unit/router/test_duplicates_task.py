"""The search for duplicates on the in-memory router: what is proposed on which case, and that nothing is missed."""

import subprocess
import sys
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.router import duplicates
from services.router.domain import commands as c
from services.router.domain.likeness import THRESHOLD
from services.router.duplicates import Days, Neighbourhoods, Read, Search, cutter
from shared.contracts import facts as f
from shared.contracts.topics import SHARDS, shard_of
from shared.contracts.vocabulary import Stage
from shared.runtime.memory import Away
from tests.unit.router.memory import MemoryRouter
from tests.unit.router.memory_duplicates import MemoryOpenCases
from tests.unit.router.stories import (
    BLOWER,
    COMMUNITY,
    FOR_STREET,
    GRID,
    HUB,
    OTHER_COMMUNITY,
    STREET,
    TREE,
    Said,
    declined,
    finishes,
    matter,
    residents_order,
    signs_in,
    verified,
    whistle,
)

MADE = 0x0193_8000_0000
"""When the first case came in, in the milliseconds its id begins with."""
DAY = 24 * 60 * 60 * 1000


def case(number: int, at: int = 0) -> UUID:
    """The id of a case that came in so many milliseconds after the first."""
    return UUID(int=(MADE + at) << 80 | 0x7 << 76 | 0x2 << 62 | number)


class Rig:
    """A router and its search; `restart` forgets all that the search had in memory."""

    def __init__(self) -> None:
        self.router = MemoryRouter()
        self.cases = MemoryOpenCases(self.router)
        self.held = set(range(SHARDS))
        self.search = self.restart()

    def restart(self) -> Search:
        self.search = Search(
            road=self.router.road,
            cases=self.cases,
            tree=lambda: TREE,
            holds=self.held.__contains__,
            cut=cutter(),
            threshold=THRESHOLD,
            window=timedelta(days=14),
        )
        return self.search

    async def opens(self, case_id: UUID, about: f.Matter | f.WhistleReceived | None = None) -> UUID:
        received = about if isinstance(about, f.WhistleReceived) else whistle(about or burst())
        await self.router.travel(self.router.from_log(received, case_id))
        return case_id

    async def hears(self, case_id: UUID, *said: Said | f.Fact) -> None:
        for one in said:
            item = self.router.from_door(one, case_id) if isinstance(one, Said) else self.router.from_log(one, case_id)
            await self.router.travel(item)

    def proposed(self, case_id: UUID) -> list[UUID]:
        return [one.case_id for one in self.router.cases[case_id].candidates]

    def stated(self, case_id: UUID) -> int:
        """How many times something was proposed on a case."""
        return sum(isinstance(one.fact, f.CaseDuplicateFound) for one in self.router.logged(case_id))


def burst(**changes: Any) -> f.Matter:
    return matter(title="湖畔里三号楼前水管爆裂", content="自来水喷了一地，停水一上午了。").model_copy(
        update={"address": "湖畔里3号楼", **changes}
    )


def burst_again(**changes: Any) -> f.Matter:
    content = "您好，湖畔里三号楼门口自来水喷了一地，家里停水了。"
    return burst(**({"title": "水管爆裂没人管", "content": content, "address": "湖畔里小区三栋"} | changes))


def lamps(**changes: Any) -> f.Matter:
    return matter(FOR_STREET, title="路灯不亮", content="小区东门的路灯坏了半个月。").model_copy(update=changes)


async def test_the_later_of_two_that_are_alike_is_told_once_and_says_why() -> None:
    rig = Rig()
    first = await rig.opens(case(1))
    later = await rig.opens(case(2, at=1000), burst_again(number="HA-2"))
    await rig.opens(case(3, at=2000), lamps(number="HA-3"))
    assert await rig.search.turn() == 3
    assert [rig.proposed(case(n, at)) for n, at in ((1, 0), (2, 1000), (3, 2000))] == [[], [first], []]
    (found,) = rig.router.cases[later].candidates
    assert found.reason.zh.startswith("同一楼栋，同类问题，相隔 0 分钟，文字相似度")
    assert found.score >= THRESHOLD
    assert await rig.search.turn() == 0
    assert rig.stated(later) == 1


async def test_several_are_proposed_most_alike_first_and_no_more_than_five() -> None:
    rig = Rig()
    others = [await rig.opens(case(number), burst(number=f"HA-{number}")) for number in range(1, 8)]
    latest = await rig.opens(case(9, at=1000), burst_again(number="HA-9"))
    await rig.search.turn()
    assert len(rig.proposed(latest)) == 5
    assert set(rig.proposed(latest)) <= set(others)
    scores = [one.score for one in rig.router.cases[latest].candidates]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("apart", [False, True], ids=["in one look", "in two"])
async def test_the_later_one_is_told_even_if_the_router_heard_of_it_first(apart: bool) -> None:
    rig = Rig()
    later = await rig.opens(case(2, at=60_000), burst_again(number="HA-2"))
    if apart:
        await rig.search.turn()
    earlier = await rig.opens(case(1))
    await rig.search.turn()
    assert (rig.proposed(earlier), rig.proposed(later)) == ([], [earlier])


async def test_what_was_not_remembered_is_looked_at_again_and_proposed_once() -> None:
    rig = Rig()
    first = await rig.opens(case(1))
    later = await rig.opens(case(2, at=1000), burst_again(number="HA-2"))
    await rig.search.turn()
    rig.cases.sequences.clear()  # as after a crash before it was remembered
    assert await rig.restart().turn() == 2
    assert rig.proposed(later) == [first]
    assert rig.stated(later) == 1


async def test_a_restart_goes_on_where_it_was_and_knows_the_cases_of_before() -> None:
    rig = Rig()
    first = await rig.opens(case(1))
    await rig.search.turn()
    rig.restart()
    later = await rig.opens(case(2, at=1000), burst_again(number="HA-2"))
    assert await rig.search.turn() == 1
    assert rig.proposed(later) == [first]


async def test_a_long_log_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MOST_FACTS", 2)
    rig = Rig()
    first = await rig.opens(case(1))
    shard = shard_of(first)
    number = next(number for number in range(2, 99) if shard_of(case(number, at=1000)) == shard)
    later = await rig.opens(case(number, at=1000), burst_again(number="HA-2"))
    log = rig.router.store.tables.log[shard]
    waiting = [len(log)]
    while waiting[-1]:
        await rig.search.turn()
        waiting.append(len(rig.router.store.tables.log[shard]) - rig.cases.sequences[shard])
    assert len(log) == 6
    assert waiting == [6, 5, 3, 1, 0]  # two at once; what it proposed came to the log
    assert rig.proposed(later) == [first]


async def test_only_open_cases_are_candidates_and_only_open_ones_are_told() -> None:
    rig = Rig()
    gone = await rig.opens(case(1), residents_order())
    await rig.hears(gone, declined())
    withdrawn = await rig.opens(case(2, at=500), burst(number="HA-2"))
    await rig.hears(withdrawn, Said(c.Withdraw(actor=BLOWER, reason="已解决"), COMMUNITY))
    assert rig.router.cases[withdrawn].stage is Stage.WITHDRAWN
    later = await rig.opens(case(3, at=1000), burst_again(number="HA-3"))
    await rig.search.turn()
    assert [rig.proposed(one) for one in (gone, withdrawn, later)] == [[], [], []]


async def test_one_that_is_finished_but_not_closed_is_a_candidate() -> None:
    rig = Rig()
    first = await rig.opens(case(1))
    await rig.hears(first, signs_in(), finishes())
    later = await rig.opens(case(2, at=1000), burst_again(number="HA-2"))
    await rig.search.turn()
    assert rig.proposed(later) == [first]


async def test_what_verification_put_right_is_looked_at_anew() -> None:
    rig = Rig()
    first = await rig.opens(case(1), burst(address=""))
    vague = burst(number="HA-2", address="", category=("其他",), title="停水", content="家里一上午没有自来水。")
    later = await rig.opens(case(2, at=1000), whistle(vague, needs_verification=True))
    await rig.search.turn()
    assert rig.proposed(later) == []
    await rig.hears(later, verified(category=matter().category))
    await rig.search.turn()
    assert rig.proposed(later) == [first]


async def test_so_far_apart_in_time_nothing_is_compared() -> None:
    rig = Rig()
    await rig.opens(case(1))
    later = await rig.opens(case(2, at=15 * DAY), burst_again(number="HA-2"))
    await rig.search.turn()
    assert rig.proposed(later) == []


async def test_another_street_is_not_compared_but_an_order_that_names_only_the_district_is() -> None:
    rig = Rig()
    await rig.opens(case(1), burst(region=OTHER_COMMUNITY))
    later = await rig.opens(case(2, at=1000), burst_again(number="HA-2"))
    await rig.search.turn()
    assert rig.proposed(later) == []
    of_the_hub = await rig.opens(case(3, at=2000), burst_again(number="HA-3", region=HUB))
    await rig.search.turn()
    assert set(rig.proposed(of_the_hub)) == {case(1), case(2, at=1000)}
    last = await rig.opens(case(4, at=3000), burst(number="HA-4"))
    await rig.search.turn()
    assert set(rig.proposed(last)) == {later, of_the_hub}


async def test_only_shards_of_this_process_are_looked_at() -> None:
    rig = Rig()
    first, later = await rig.opens(case(1)), await rig.opens(case(2, at=1000), burst_again(number="HA-2"))
    rig.held.clear()
    assert await rig.search.turn() == 0
    rig.held.update(range(SHARDS))
    assert await rig.search.turn() == 2
    assert rig.proposed(later) == [first]


async def test_a_case_is_read_once_and_kept_ready() -> None:
    rig = Rig()
    for number in range(1, 6):
        await rig.opens(case(number), lamps(number=f"HA-{number}"))
    await rig.search.turn()
    rig.cases.loaded.clear()
    await rig.opens(case(6), lamps(number="HA-6"))
    await rig.search.turn()
    assert rig.cases.loaded == [case(6)]


async def test_what_is_kept_ready_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MOST_KEPT", 3)
    rig = Rig()
    opened = [await rig.opens(case(number), lamps(number=f"HA-{number}")) for number in range(1, 6)]
    await rig.search.turn()
    assert len(rig.search._ready.missing(opened)) == 2


async def test_a_case_that_cannot_be_compared_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    cut = cutter()

    def fails_at_lamps(text: str) -> Iterable[str]:
        if "路灯" in text:
            raise ValueError("no such words")
        return cut(text)

    monkeypatch.setattr(rig.search._ready, "_cut", fails_at_lamps)
    first = await rig.opens(case(1))
    await rig.opens(case(2), lamps(number="HA-2", region=OTHER_COMMUNITY))
    later = await rig.opens(case(3, at=1000), burst_again(number="HA-3"))
    assert await rig.search.turn() == 3
    assert rig.proposed(later) == [first]
    assert await rig.search.turn() == 0


async def test_run_survives_that_the_store_is_away_and_ends_with_a_fault_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig()
    first, later = await rig.opens(case(1)), await rig.opens(case(2, at=1000), burst_again(number="HA-2"))
    monkeypatch.setattr(duplicates, "LOOK_SECONDS", 0.0)
    faults: list[Exception | None] = [Away(), None, LookupError("a fault of ours")]
    read = rig.cases.read

    async def read_or_fail(shards: Collection[int], most: int) -> dict[int, Read]:
        fault = faults.pop(0)
        if fault is not None:
            raise fault
        return await read(shards, most)

    monkeypatch.setattr(rig.cases, "read", read_or_fail)
    with pytest.raises(LookupError):
        await rig.search.run()
    assert rig.proposed(later) == [first]


NEIGHBOURS = [
    (COMMUNITY, {HUB, STREET, COMMUNITY, GRID}),
    (GRID, {HUB, STREET, COMMUNITY, GRID}),
    (STREET, {HUB, STREET, COMMUNITY, GRID}),
    (HUB, None),
    ("999999", None),
]


@pytest.mark.parametrize(("region", "around"), NEIGHBOURS)
def test_who_is_compared_with_whom(region: str, around: set[str] | None) -> None:
    found = Neighbourhoods(TREE).around(region)
    assert (found if found is None else set(found)) == around


def test_days_begin_and_end_with_the_ids_of_their_time() -> None:
    days = Days.around(case(5, at=20 * DAY), timedelta(days=14))
    inside = [case(0, at=6 * DAY), case(1, at=20 * DAY), case(9, at=34 * DAY)]
    outside = [case(9, at=6 * DAY - 1), case(0, at=34 * DAY + 1)]
    assert [days.first <= one <= days.last for one in (*inside, *outside)] == [True] * 3 + [False] * 2


def test_the_dictionary_is_not_loaded_with_the_service() -> None:
    asked = "import sys, services.router.main, services.router.duplicates; sys.exit('rjieba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked]).returncode == 0
