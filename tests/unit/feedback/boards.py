"""The public board on a dictionary, and what both it and PostgreSQL's must do."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.feedback.board.board import BoardPlace, BoardReader, Figures, Wanted
from services.feedback.domain.anonymity.anonymity import METHOD
from services.feedback.domain.moment import sortable
from services.feedback.domain.publication import Hidden, Publication
from shared.contracts import facts as f
from shared.contracts.vocabulary import Satisfaction

HERE, THERE = "110199001001", "110199002001"
FIRST = datetime(2026, 11, 1, 8, tzinfo=UTC)
NOVEMBER = (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))


class MemoryBoard:
    """The twin of `PostgresBoard`."""

    def __init__(self, publications: Mapping[UUID, Publication]) -> None:
        self.publications = dict(publications)

    async def page(self, wanted: Wanted, before: BoardPlace | None, most: int) -> Sequence[tuple[UUID, Publication]]:
        found = sorted(
            (sortable(one.closed_at), case_id)
            for case_id, one in self.publications.items()
            if one.entry is not None
            and (wanted.regions is None or one.entry.region in wanted.regions)
            and wanted.category in (None, *one.entry.category[:1])
            and _within(one, wanted)
        )
        places = [place for place in reversed(found) if before is None or place < (before.closed_at, before.case_id)]
        return [(case_id, self.publications[case_id]) for _, case_id in places[:most]]

    async def figures(self, wanted: Wanted) -> Figures:
        every = [one for one in self.publications.values() if _within(one, wanted)]
        rated = [one.satisfaction for one in every if one.satisfaction is not None]
        timed = [one.on_time for one in every if one.on_time is not None]
        hidden = [one.hidden for one in every if one.hidden is not None]
        return Figures(
            closed=len(every),
            on_time=sum(timed),
            timed=len(timed),
            satisfied=rated.count(Satisfaction.SATISFIED),
            basically_satisfied=rated.count(Satisfaction.BASICALLY_SATISFIED),
            rated=len(rated),
            hidden={why: hidden.count(why) for why in Hidden if why in hidden},
        )

    async def categories(self) -> Sequence[str]:
        entries = [one.entry for one in self.publications.values() if one.entry is not None]
        return sorted({entry.category[0] for entry in entries if entry.category})


def _within(one: Publication, wanted: Wanted) -> bool:
    return wanted.month is None or wanted.month[0] <= one.closed_at < wanted.month[1]


def entry(number: int, closed_at: datetime, region: str = HERE, category: str = "water") -> f.FeedbackPublished:
    return f.FeedbackPublished(
        number=f"HA20261101-{number:04}",
        title=f"第 {number} 件",
        result="已修复。",
        category=(category,),
        region=region,
        units=("util-water",),
        received_at=closed_at - timedelta(days=number % 4),
        closed_at=closed_at,
        satisfaction=None,
        method=METHOD,
    )


def shown(number: int, closed_at: datetime, region: str = HERE, category: str = "water") -> Publication:
    rating = (None, *Satisfaction)[number % 4]
    said = entry(number, closed_at, region, category).model_copy(update={"satisfaction": rating})
    return Publication(entry=said, closed_at=closed_at, on_time=(None, True, False)[number % 3], satisfaction=rating)


def publications() -> dict[UUID, Publication]:
    """Thirty closings of two months, two regions and two categories; some hidden; some closed at the same moment."""
    made = {}
    for number in range(30):
        closed_at = FIRST + timedelta(days=number // 2 * 3)
        one = shown(number, closed_at, (HERE, THERE)[number % 2], ("water", "roads", "noise")[number % 3])
        case_id = UUID(int=(number * 7919) % 1000 + 1)
        made[case_id] = one.taken_off(list(Hidden)[number % 5]) if number % 6 == 5 else one
    return made


async def check_board(board: BoardReader, known: Mapping[UUID, Publication]) -> None:
    """Pages that join without a gap, filters, figures and categories, each told by hand from what is known."""
    on_board = {case_id for case_id, one in known.items() if one.entry is not None}
    assert 0 < len(on_board) < len(known)
    whole = await walk(board, Wanted(), 7)
    assert len(whole) == len(set(whole))
    assert set(whole) == on_board
    moments = [known[case_id].closed_at for case_id in whole]
    assert moments == sorted(moments, reverse=True)

    for wanted in (
        Wanted(regions=frozenset({HERE})),
        Wanted(regions=frozenset()),
        Wanted(category="roads"),
        Wanted(category="' or true --"),
        Wanted(month=NOVEMBER),
        Wanted(frozenset({THERE, "x"}), "water", NOVEMBER),
    ):
        found = await walk(board, wanted, 3)
        assert found == await walk(MemoryBoard(known), wanted, 100)
        assert len(found) < len(whole)

    november = [one for one in known.values() if NOVEMBER[0] <= one.closed_at < NOVEMBER[1]]
    figures = await board.figures(Wanted(month=NOVEMBER))
    assert figures == await MemoryBoard(known).figures(Wanted(month=NOVEMBER))
    assert (figures.closed, sum(figures.hidden.values())) == (len(november), sum(one.entry is None for one in november))
    assert 0 < figures.satisfied < figures.rated
    assert 0 < figures.on_time < figures.timed
    assert await board.figures(Wanted(month=(FIRST - timedelta(days=60), FIRST - timedelta(days=30)))) == Figures()
    assert list(await board.categories()) == ["noise", "roads", "water"]


async def walk(board: BoardReader, wanted: Wanted, most: int) -> list[UUID]:
    found: list[UUID] = []
    place: BoardPlace | None = None
    while page := await board.page(wanted, place, most):
        assert len(page) <= most
        found += [case_id for case_id, _ in page]
        place = BoardPlace(sortable(page[-1][1].closed_at), page[-1][0])
    return found
