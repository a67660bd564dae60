"""The live statistics' tables: what an event changes in them, what is told of it, what is seen of them. No Faust here.

Each number keeps the sequence of the last event that changed it, each shard that of the last event that moved a case,
each trait that of the last whistle of each shard: so everything is counted once.
"""

import time
from collections import Counter as Tally
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nlargest
from typing import Any

from services.feedback import live_metrics as metrics
from services.feedback.domain.live.common_traits import Trait, traits
from services.feedback.domain.live.live import OPEN_STAGES, Of, Standing, What, counted, standing
from services.feedback.domain.live.surges import Seen, Watched, passed, seen, sensitivity
from services.feedback.live_topics import DAYS_KEPT, HOURS_KEPT
from services.feedback.live_values import (
    Document,
    Sighting,
    announcement,
    ends_at,
    read_sighting,
    read_standing,
    read_trait,
    read_watched,
    standing_document,
    surge_shown,
    watched_document,
)
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, decode
from shared.contracts.lifecycle import STAGES
from shared.contracts.vocabulary import SurgeKind

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FORGOTTEN_AFTER = timedelta(days=180)
"""A trait that nothing came of for so long is as good as new: what it had taught has faded."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What Faust keeps. Keys begin with the shard where a number is counted from several: a table is kept by shard."""

    cases: Any
    hours: Any
    days: Any
    watched: Any


def count_one(tables: Tables, shard: int, envelope: Envelope) -> list[tuple[Trait, Sighting]]:
    """Count one event of a case, once, however often it comes; and name the traits of a case that is new.

    They are named again where the event comes again: their own tables know what they have seen.
    """
    key, fact = str(envelope.subject), envelope.fact
    if not isinstance(fact, f.CaseFact):
        metrics.EVENTS.labels("passed over").inc()
        return []
    known = tables.cases.get(key)
    before = read_standing(known) if known is not None else None
    for one in counted(before, fact):
        name = "|".join((str(shard), *one))
        for panes in (tables.hours, tables.days):
            number, last = panes[name].value()
            if envelope.sequence > last:
                panes[name] = [number + 1, envelope.sequence]
    if envelope.sequence > (tables.cases.get(_last_of(shard)) or 0):
        tables.cases[_last_of(shard)] = envelope.sequence
        after = standing(before, fact)
        if after is not None:
            _stand(tables, key, after)
        metrics.EVENTS.labels("counted").inc()
        metrics.BEHIND.set(max(0.0, time.time() - envelope.time.timestamp()))
    else:
        metrics.EVENTS.labels("repeated").inc()
    if not isinstance(fact, f.CaseOpened):
        return []
    sighting = Sighting(Seen(envelope.time, envelope.subject), fact.number, shard, envelope.sequence)
    return [(trait, sighting) for trait in traits(fact.matter)]


def trait_key(trait: Trait) -> str:
    return f"{trait.kind.value} {trait.key}"


def _last_of(shard: int) -> str:
    """Where the sequence of a shard's last event is kept, beside its cases."""
    return f"shard {shard}"


def _stand(tables: Tables, key: str, after: Standing) -> None:
    """A case that is over is forgotten, so that what is kept is what is open or may be opened again."""
    if STAGES[after.stage].final:
        tables.cases.pop(key, None)
    else:
        tables.cases[key] = standing_document(after)


def watch_one(tables: Tables, key: str, document: Document, readily: float) -> list[Envelope]:
    """One more whistle with this trait, or a look at the clock: what is to be told of it."""
    known = tables.watched.get(key)
    if "now" in document:
        return _look_at(tables, key, known, datetime.fromisoformat(document["now"]))
    trait, sighting = read_trait(document), read_sighting(document)
    watched = read_watched(known) if known is not None else Watched()
    if known is not None and sighting.sequence <= known["read"].get(str(sighting.shard), 0):
        return again(known)
    after, told = seen(watched, sighting.whistle, sensitivity(trait.kind, readily))
    found = [announcement(trait, one) for one in told]
    tables.watched[key] = watched_document(after, trait, known, sighting, found)
    _tell(found)
    return found


def _look_at(tables: Tables, key: str, known: Document | None, now: datetime) -> list[Envelope]:
    if known is None:
        return []
    watched, trait = read_watched(known), read_trait(known["trait"])
    if _last_seen(known) + FORGOTTEN_AFTER <= now and watched.surge is None:
        tables.watched.pop(key, None)
        return []
    after, told = passed(watched, now)
    if not told:
        return again(known)
    found = [announcement(trait, one) for one in told]
    tables.watched[key] = watched_document(after, trait, known, None, found)
    _tell(found)
    return found


def again(known: Document) -> list[Envelope]:
    """What was told last: the message that told it may be lost where this one comes again. It has the same id."""
    return [decode(told.encode()) for told in known["told"]]


def over(tables: Tables, now: datetime) -> list[str]:
    """The traits whose surge has ended by now, and those to be forgotten."""
    return [
        key
        for key, document in list(tables.watched.items())
        if (ends_at(document) or _last_seen(document) + FORGOTTEN_AFTER) <= now
    ]


def _last_seen(document: Document) -> datetime:
    return datetime.fromisoformat(document["last"])


def _tell(found: list[Envelope]) -> None:
    for told in found:
        metrics.SURGES_TOLD.labels(told.fact.NAME).inc()


# --- what is seen of it -----------------------------------------------------------------------------------------


def numbers(tables: Tables) -> Document:
    """The panes added up: the last 24 hours and 7 days, what is open by unit and category, the surges that last."""
    being = [one for one in list(tables.cases.values()) if isinstance(one, dict) and one["stage"] in OPEN_STAGES]
    lasting = [document for document in list(tables.watched.values()) if document["surge"] is not None]
    return {
        "hours": _summed(tables.hours, HOURS_KEPT - HOUR),
        "days": _summed(tables.days, DAYS_KEPT - DAY),
        "open": {
            "units": dict(Tally(unit for one in being for unit in one["units"])),
            "categories": dict(Tally(one["category"] for one in being)),
        },
        "surges": sorted(map(surge_shown, lasting), key=lambda one: (-one["count"], one["since"], one["shown"])),
    }


def _summed(panes: Any, back: timedelta) -> Document:
    """By unit and category, what was counted in the panes that began since then."""
    since = time.time() - back.total_seconds()
    found: Document = {of.value: {} for of in Of}
    for (name, (begins, _)), (number, _) in list(panes.table.items()):
        _, of, key, what = name.split("|", 3)
        if begins > since:
            row = found[of].setdefault(key, {one.value: 0 for one in What})
            row[what] += number
    return found


def show(tables: Tables) -> None:
    """The same numbers for Prometheus. What is no more is not shown with its last number."""
    found = numbers(tables)
    metrics.PANES.clear()
    for of, rows in found["hours"].items():
        for key, row in nlargest(metrics.MOST_KEYS, rows.items(), key=lambda one: sum(one[1].values())):
            for what, number in row.items():
                metrics.PANES.labels(of, key, what).set(number)
    metrics.OPEN.clear()
    for unit, number in Tally(found["open"]["units"]).most_common(metrics.MOST_KEYS):
        metrics.OPEN.labels(unit).set(number)
    lasting = Tally(one["kind"] for one in found["surges"])
    for kind in SurgeKind:
        metrics.SURGES.labels(kind.value).set(lasting[kind.value])
