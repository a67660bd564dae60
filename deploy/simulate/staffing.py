"""How many people a unit needs: what it was given to do is worked through again with more of them, or fewer.

No formula: the same desk, the same hours, the same order and the same tasks, one unit at a time, until the fewest are
found with which the share that is done in time reaches the goal. A part that was refused is worked through as if it
were not: the load is a little too high. What a part takes beside work (visits, other people)
does not get shorter by more people; where that alone misses the goal, the goal is that share of what can be reached.
"""

import heapq
import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from deploy.simulate.assumptions import Order
from deploy.simulate.desk import FOREVER, Desk, Hands, Shifts, Started, Task

MOST_CASES = 150_000
FEWEST_DAYS = 14
"""A run of more cases is worked through again for its first days only."""

_PRESSING = 2
"""The first so many urgencies are worked on by night, too."""
_WIDTH = 9
"""Numbers that say what one task, or one part with its three steps, is: when, urgency, (seconds, due) × 3, days."""


@dataclass(slots=True)
class Given:
    """What one unit was given to do, as it came; `steps` = how many tasks that is."""

    hands: Hands
    shifts: Shifts
    order: Order
    numbers: "array[float]" = field(default_factory=lambda: array("d"))
    steps: int = 0

    def alone(self, at: float, urgency: int, seconds: float, due: float) -> None:
        self.numbers.extend((at, urgency, seconds, due, -1.0, 0.0, -1.0, 0.0, 0.0))
        self.steps += 1

    def part(
        self,
        at: float,
        urgency: int,
        sign_in: tuple[float, float],
        first_contact: tuple[float, float],
        handle: tuple[float, float],
        elapsed: float,
    ) -> None:
        self.numbers.extend((at, urgency, *sign_in, *first_contact, *handle, elapsed))
        self.steps += 3


class Load:
    """What all units were given until then."""

    def __init__(self, days: int, per_day: float) -> None:
        enough = max(FEWEST_DAYS, int(MOST_CASES / per_day)) if per_day else days
        self.days = min(days, enough)
        self.until = self.days * 86_400.0
        self.of: dict[str, Given] = {}


class Need(NamedTuple):
    """`reachable` = the share in time if nobody ever waited for staff, `goal` = what `staff` reaches at least."""

    staff: int
    now: int
    share_now: float
    share: float
    goal: float
    reachable: float
    by_staff_alone: bool
    offered: float


def need(given: Given, target: float) -> Need | None:
    """The fewest people on duty by day for the target; None where nothing was given to do."""
    if not given.numbers:
        return None

    def share(day: int, least: float = 0.0) -> float:
        return replay(given, Hands(day, given.hands.night, given.hands.productive), least)

    now = given.hands.day
    reachable = replay(given, Hands(len(given.numbers), len(given.numbers), given.hands.productive))
    share_now = share(now)
    endless = share(len(given.numbers))
    goal = target if endless >= target else target * endless
    fewest = _fewest(now, share_now, goal, share)
    return Need(
        fewest,
        now,
        share_now,
        share_now if fewest == now else share(fewest),
        goal,
        reachable,
        endless >= target,
        _offered(given),
    )


def _fewest(now: int, share_now: float, goal: float, share: Callable[[int, float], float]) -> int:
    """More people never do less in time but for small changes in who is served first: halving finds the edge."""
    if share_now >= goal:
        low, high = 0, now
    else:
        low, high = now, now * 2
        while share(high, goal) < goal:
            low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if share(middle, goal) >= goal:
            high = middle
        else:
            low = middle
    return high


def _offered(given: Given) -> float:
    """People busy on average if nothing were left undone: below this many, the queue only grows."""
    numbers = given.numbers
    seconds = sum(max(0.0, numbers[place]) for step in (2, 4, 6) for place in range(step, len(numbers), _WIDTH))
    last = max(numbers[place] for place in range(0, len(numbers), _WIDTH))
    there = given.shifts.worked(math.ceil((last + 1) / 86_400) * 86_400.0)
    return seconds / given.hands.productive / there if there else 0.0


def replay(given: Given, hands: Hands, least: float = 0.0) -> float:
    """The share of a unit's tasks that are done in time with these people; everything is worked to its end.

    Once so many are late that `least` is out of reach, it is left at that: what is told then is less than `least`.
    """
    desk = Desk(hands, given.shifts)
    numbers, order = given.numbers, given.order
    rows = len(numbers) // _WIDTH
    events: list[tuple[float, int, Started | None]] = []
    numbered = count(rows)
    last = numbers[(rows - 1) * _WIDTH]
    for turn in given.shifts.turns(FOREVER):
        heapq.heappush(events, (turn, next(numbered), None))
    coming, in_time, late = 0, 0, 0
    most_late = given.steps * (1 - least) + 0.5

    def put(row: int, step: int, now: float) -> None:
        place = row * _WIDTH
        urgency, due = int(numbers[place + 1]), numbers[place + 3 + 2 * step]
        rank = rank_of(order, due, urgency)
        desk.put(Task(rank, next(numbered), now, numbers[place + 2 + 2 * step], urgency < _PRESSING, (row, step)))

    while events or coming < rows:
        if coming < rows and (not events or numbers[coming * _WIDTH] <= events[0][0]):
            now = numbers[coming * _WIDTH]
            put(coming, 0, now)
            coming += 1
        else:
            now, _, started = heapq.heappop(events)
            if started is None and coming >= rows and now > last and not desk.waiting:
                continue
            if started is not None:
                desk.done(started)
                row, step = started.task.what
                place = row * _WIDTH
                ends = now + (numbers[place + 8] if step == 2 else 0.0)
                if ends <= numbers[place + 3 + 2 * step]:
                    in_time += 1
                else:
                    late += 1
                    if late > most_late:
                        break
                if step < 2 and numbers[place + 4 + 2 * step] >= 0:
                    put(row, step + 1, now)
        for begun in desk.start(now):
            if begun.until < FOREVER:
                heapq.heappush(events, (begun.until, next(numbered), begun))
    return in_time / given.steps  # whether or not these people get to all of it


def rank_of(order: Order, due: float, urgency: int) -> float:
    """The lowest first; equals as they came."""
    if order is Order.DUE_FIRST:
        return due
    return float(urgency) if order is Order.URGENT_FIRST else 0.0
