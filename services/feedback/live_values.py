"""The live statistics' values as they lie in Faust's tables and topics: JSON, and back."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID, uuid5

from services.feedback.domain.live.common_traits import Trait
from services.feedback.domain.live.live import Standing
from services.feedback.domain.live.surges import Change, Seen, Surge, Told, Watched
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, encode
from shared.contracts.vocabulary import Stage, SurgeKind

Document: TypeAlias = dict[str, Any]

SOURCE = "/chuishao/live"
MOST_CASES = 50
MOST_SHOWN = 5
_SURGES = UUID("5e1b4d0c-3a86-4a0e-9a0c-5c7f0b9f7d11")


def standing_document(standing: Standing) -> Document:
    return {"stage": standing.stage.value, "category": standing.category, "units": list(standing.units)}


def read_standing(document: Document) -> Standing:
    return Standing(Stage(document["stage"]), document["category"], tuple(document["units"]))


class Sighting(NamedTuple):
    """A whistle that has a trait, its case's number, and where in `cases` it stands."""

    whistle: Seen
    number: str
    shard: int
    sequence: int


def sighting_document(trait: Trait, sighting: Sighting) -> Document:
    return _trait_document(trait) | {
        "at": sighting.whistle.at.isoformat(),
        "case": str(sighting.whistle.case_id),
        "number": sighting.number,
        "shard": sighting.shard,
        "sequence": sighting.sequence,
    }


def read_sighting(document: Document) -> Sighting:
    whistle = Seen(datetime.fromisoformat(document["at"]), UUID(document["case"]))
    return Sighting(whistle, document["number"], document["shard"], document["sequence"])


def _trait_document(trait: Trait) -> Document:
    return {"kind": trait.kind.value, "key": trait.key, "shown": trait.shown, "region": trait.region}


def read_trait(document: Document) -> Trait:
    return Trait(SurgeKind(document["kind"]), document["key"], document["shown"], document["region"])


def watched_document(
    watched: Watched, trait: Trait, before: Document | None, sighting: Sighting | None, told: Sequence[Envelope]
) -> Document:
    """`read`: the sequence of the last whistle of each shard; `told`: what was told last; `numbers`: of its cases."""
    surge = watched.surge
    read, numbers = (before["read"], before["numbers"]) if before else ({}, {})
    last = before["last"] if before else ""
    if sighting is not None:
        read = read | {str(sighting.shard): sighting.sequence}
        numbers = numbers | {str(sighting.whistle.case_id): sighting.number}
        at = sighting.whistle.at
        last = max(at, datetime.fromisoformat(last)).isoformat() if last else at.isoformat()
    kept = {str(one.case_id) for one in watched.recent} if surge is None else set(map(str, surge.cases[:MOST_SHOWN]))
    return {
        "trait": _trait_document(trait),
        "recent": [[one.at.isoformat(), str(one.case_id)] for one in watched.recent],
        "learnt": watched.learnt,
        "days": watched.days,
        "learnt_until": watched.learnt_until.isoformat() if watched.learnt_until else None,
        "surge": None if surge is None else _surge_document(surge),
        "read": read,
        "last": last,
        "numbers": {case: number for case, number in numbers.items() if case in kept},
        "told": [encode(one).decode() for one in told] or (before["told"] if before else []),
    }


def surge_shown(document: Document) -> Document:
    """A surge that lasts, as the board shows it: `cases` = the first of them, id and number."""
    surge, numbers = document["surge"], document["numbers"]
    first = surge["cases"][:MOST_SHOWN]
    trait: Document = document["trait"]
    return trait | {
        "since": surge["since"],
        "usual_per_day": round(surge["usual_per_day"], 3),
        "count": len(surge["cases"]),
        "cases": [{"case_id": case, "number": numbers.get(case)} for case in first],
    }


def ends_at(document: Document) -> datetime | None:
    """When the surge of this trait is over, if nothing new comes; none where there is none."""
    surge = document["surge"]
    return None if surge is None else _read_surge(surge).ends_at


def read_watched(document: Document) -> Watched:
    until = document["learnt_until"]
    return Watched(
        recent=tuple(Seen(datetime.fromisoformat(at), UUID(case)) for at, case in document["recent"]),
        learnt=document["learnt"],
        days=document["days"],
        learnt_until=datetime.fromisoformat(until) if until else None,
        surge=None if document["surge"] is None else _read_surge(document["surge"]),
    )


def _surge_document(surge: Surge) -> Document:
    return {
        "since": surge.since.isoformat(),
        "window": surge.window.total_seconds(),
        "usual_per_day": surge.usual_per_day,
        "cases": [str(case) for case in surge.cases],
        "last_at": surge.last_at.isoformat(),
        "told": surge.told,
    }


def _read_surge(document: Document) -> Surge:
    return Surge(
        since=datetime.fromisoformat(document["since"]),
        window=timedelta(seconds=document["window"]),
        usual_per_day=document["usual_per_day"],
        cases=tuple(UUID(case) for case in document["cases"]),
        last_at=datetime.fromisoformat(document["last_at"]),
        told=document["told"],
    )


def announcement(trait: Trait, told: Told) -> Envelope:
    """What is told of a surge, as an event. Told again after everything was rebuilt, it has the same id."""
    surge = told.surge
    surge_id = uuid5(_SURGES, f"{trait.kind.value} {trait.key} {surge.since.isoformat()}")
    common: Document = {
        "kind": trait.kind,
        "key": trait.shown,
        "region": trait.region or None,
        "since": surge.since,
        "count": len(surge.cases),
        "usual_per_day": round(surge.usual_per_day, 3),
    }
    fact: f.SurgeFact
    if told.change is Change.ENDED:
        fact = f.SurgeEnded(**common, ended_at=told.at)
    else:
        fact = f.SurgeFound(**common, cases=surge.cases[:MOST_CASES], reason=_reason(trait, surge))
    name = f"{surge_id} {told.change.value} {len(surge.cases)}"
    return Envelope(id=str(uuid5(_SURGES, name)), source=SOURCE, subject=surge_id, time=told.at, fact=fact)


_IN_COMMON = {
    SurgeKind.PLACE: ("同一地点", "at one place"),
    SurgeKind.RESPONDENT: ("同一被反映单位", "about one respondent"),
    SurgeKind.CATEGORY: ("同一区域同类诉求", "of one category in one area"),
}


def _reason(trait: Trait, surge: Surge) -> f.Reason:
    zh, en = _IN_COMMON[trait.kind]
    count, rate = len(surge.cases), surge.usual_per_day
    usual = f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"
    hours = max(1, round((surge.last_at - surge.since) / timedelta(hours=1)))
    return f.Reason(
        zh=f"{zh}：{trait.shown}，{hours} 小时内 {count} 件，平时每天约 {usual} 件。",
        en=f"{count} cases {en} within {hours} h ({trait.shown}); usually some {usual} a day.",
        rule="surge",
    )
