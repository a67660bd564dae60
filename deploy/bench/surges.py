"""`chuishao bench surges`: how many planted clusters the detector finds in real messages, and what else it finds.

The messages' times are real; what they have in common is read from their texts, and then dealt out among them anew
(`shuffled`), so that no cluster is left in them but the planted ones and precision can be told. The messages as they
are (`as_they_are`) are replayed, too: what is found there that was not planted are surges of life.
"""

import csv
import gzip
import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from services.feedback.domain.live.surges import SENSITIVITY, Change, Seen, Watched, seen
from shared.contracts.vocabulary import SurgeKind

MESSAGES = Path("../shared/data/citizen_messages.csv.gz")
SIZES = (4, 5, 6, 8, 12, 20, 30)
LENGTHS = (timedelta(hours=2), timedelta(hours=12), timedelta(days=1), timedelta(days=3))
WARMING = timedelta(days=28)
"""Nothing is planted before: a district that begins knows nothing of what is usual."""

_REGION = re.compile(r"A\d{1,2}[区县市]")
_PLACE = re.compile(
    r"[\u4e00-\u9fa5]{2,5}(?:小区|花园|新城|学校|中学|小学|幼儿园|广场|公寓|家园|大道|公园|市场|医院|路|街|村)"
)
_RESPONDENT = re.compile(r"[\u4e00-\u9fa5]{2,10}(?:公司|物业|局|街道|居委会|村委会|银行|学院)")
_TOPICS = {
    "交通": "公交|地铁|停车|交通|红绿灯|车辆|出租",
    "噪音": "噪音|扰民|广场舞|夜间施工",
    "房产": "房产|开发商|业主|物业|购房|房屋|拆迁",
    "教育": "学校|教育|学生|老师|入学|幼儿园",
    "环境": "垃圾|污染|臭味|油烟|污水|环境",
    "民生": "社保|医保|养老|工资|补贴|户口",
}


class Key(NamedTuple):
    kind: SurgeKind
    name: str


class Message(NamedTuple):
    """One message: when it came, which it is, and what it has in common with others."""

    at: datetime
    id: UUID
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Planted:
    """A cluster that was put there: `size` messages of one key within `length`."""

    key: Key
    begins: datetime
    length: timedelta
    messages: tuple[Message, ...]

    @property
    def size(self) -> int:
        return len(self.messages)


class Found(NamedTuple):
    """A surge that was told: of which key, when, and which messages it had then."""

    key: Key
    at: datetime
    ids: frozenset[UUID]


def read(path: Path) -> list[Message]:
    """The messages of the file, in the order of their times. Raises OSError, and ValueError for another file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    if not rows or not {"id", "subject", "content", "created_at"} <= set(rows[0]):
        raise ValueError(f"{path}: expected the columns id, subject, content, created_at")
    messages = [
        Message(datetime.fromisoformat(row["created_at"]), UUID(int=number), tuple(_keys(row)))
        for number, row in enumerate(rows)
    ]
    newest = max(message.at for message in messages)
    year = timedelta(days=400)
    return sorted(message for message in messages if newest - message.at < year)


def _keys(row: dict[str, str]) -> Iterator[Key]:
    text = row["subject"] + row["content"]
    region = found.group() if (found := _REGION.search(text)) else "全市"
    plain = _REGION.sub("", text)
    if place := _PLACE.search(plain):
        yield Key(SurgeKind.PLACE, f"{region} {place.group()}")
    if respondent := _RESPONDENT.search(plain):
        yield Key(SurgeKind.RESPONDENT, respondent.group())
    topic = next((name for name, words in _TOPICS.items() if re.search(words, plain)), "其他")
    yield Key(SurgeKind.CATEGORY, f"{region} {topic}")


def shuffled(messages: Sequence[Message], chance: random.Random) -> list[Message]:
    """The same times, the same keys, dealt out anew: nothing is left that came together for a reason."""
    keys = [message.keys for message in messages]
    chance.shuffle(keys)
    return [message._replace(keys=dealt) for message, dealt in zip(messages, keys, strict=True)]


def plant(messages: Sequence[Message], clusters: int, chance: random.Random) -> list[Planted]:
    """Clusters of every kind and size, at keys that are there, over the whole time but the first weeks."""
    names = {kind: sorted({key for one in messages for key in one.keys if key.kind is kind}) for kind in SurgeKind}
    first, last = messages[0].at + WARMING, messages[-1].at - max(LENGTHS)
    planted: list[Planted] = []
    taken: set[Key] = set()
    number = 1_000_000
    while len(planted) < clusters:
        kind = list(SurgeKind)[len(planted) % len(SurgeKind)]
        free = [key for key in names[kind] if key not in taken]
        if not free:
            raise ValueError(f"there are not enough keys of the kind {kind.value} for {clusters} clusters")
        key = chance.choice(free)
        taken.add(key)
        size, length = chance.choice(SIZES), chance.choice(LENGTHS)
        begins = first + (last - first) * chance.random()
        times = sorted(begins + length * chance.random() for _ in range(size))
        theirs = tuple(Message(at, UUID(int=number + place), (key,)) for place, at in enumerate(times))
        number += size
        planted.append(Planted(key, begins, length, theirs))
    return planted


def replay(messages: Iterable[Message]) -> list[Found]:
    """Every surge that began or grew, as the messages come in."""
    known: dict[Key, Watched] = {}
    found: list[Found] = []
    for message in sorted(messages):
        for key in message.keys:
            before = known.get(key, Watched())
            known[key], told = seen(before, Seen(message.at, message.id), SENSITIVITY[key.kind])
            found += [Found(key, one.at, frozenset(one.surge.cases)) for one in told if one.change is not Change.ENDED]
    return found


def measure(messages: Sequence[Message], clusters: int, seed: int) -> dict[str, Any]:
    """Precision and recall on the shuffled messages, by kind and size; and what is found in them as they are."""
    chance = random.Random(seed)  # noqa: S311 - a sample, no secret
    background = shuffled(messages, chance)
    planted = plant(background, clusters, chance)
    found = replay([*background, *(one for cluster in planted for one in cluster.messages)])
    rows = [_outcome(cluster, found) for cluster in planted]
    meant = {one for row in rows for one in row["announcements"]}
    surges = _begun(found)
    false = [one for one in surges if not any(one.ids & ids for ids in meant)]
    life = _begun(replay(messages))
    return {
        "messages": len(messages),
        "seed": seed,
        "planted": len(planted),
        "found": sum(row["found"] for row in rows),
        "recall": _share(sum(row["found"] for row in rows), len(rows)),
        "precision": _share(len(surges) - len(false), len(surges)),
        "false_alarms": len(false),
        "false_alarms_per_1000_messages": round(1000 * len(false) / len(messages), 3),
        "by_kind": {kind.value: _summed([row for row in rows if row["kind"] is kind]) for kind in SurgeKind},
        "by_size": {size: _summed([row for row in rows if row["size"] == size]) for size in SIZES},
        "as_they_are": [
            {"kind": one.key.kind.value, "key": one.key.name, "at": one.at.isoformat(), "messages": len(one.ids)}
            for one in life
        ],
    }


def _outcome(cluster: Planted, found: Sequence[Found]) -> dict[str, Any]:
    """Found, if a surge of its key was told while it lasted, half of whose messages or more are planted ones."""
    ids = frozenset(message.id for message in cluster.messages)
    theirs = [one for one in found if one.key == cluster.key and 2 * len(one.ids & ids) >= len(one.ids)]
    first = min(theirs, key=lambda one: one.at, default=None)
    seen_then = sum(message.at <= first.at for message in cluster.messages) if first else None
    return {
        "kind": cluster.key.kind,
        "size": cluster.size,
        "found": first is not None,
        "after_messages": seen_then,
        "after_hours": (first.at - cluster.messages[0].at) / timedelta(hours=1) if first else None,
        "announcements": [one.ids for one in theirs],
    }


def _begun(found: Sequence[Found]) -> list[Found]:
    """Each surge once: the first that was told of messages that were in none before."""
    begun: list[Found] = []
    for one in found:
        if not any(one.key == other.key and other.ids <= one.ids for other in begun):
            begun.append(one)
    return begun


def _summed(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    hits = [row for row in rows if row["found"]]
    hours, after = sorted(row["after_hours"] for row in hits), sorted(row["after_messages"] for row in hits)
    return {
        "planted": len(rows),
        "found": len(hits),
        "recall": _share(len(hits), len(rows)),
        "median_messages": after[len(after) // 2] if after else None,
        "median_hours": round(hours[len(hours) // 2], 2) if hours else None,
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


# --- the command ----------------------------------------------------------------------------------------------


def register(bench: typer.Typer) -> None:
    bench.command("surges")(surges)


def surges(
    messages: Annotated[Path, typer.Option(help="the messages: a CSV file, gzipped")] = MESSAGES,
    clusters: Annotated[int, typer.Option(min=1, max=300, help="how many are planted")] = 60,
    seed: Annotated[int, typer.Option(help="of what is planted where")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """How well surges are found (诉求激增): clusters planted in a replay of real messages, precision and recall."""
    try:
        found = measure(read(messages), clusters, seed)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{error}", param_hint="--messages") from None
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    _show(found)


def _show(found: dict[str, Any]) -> None:
    console = Console()
    table = Table("", "埋入 planted", "发现 found", "召回 recall", "第几件 at message", "几小时 after h")
    for name, row in [*found["by_kind"].items(), *found["by_size"].items()]:
        shown = (row["planted"], row["found"], row["recall"], row["median_messages"], row["median_hours"])
        table.add_row(str(name), *("—" if one is None else str(one) for one in shown))
    console.print(table)
    console.print(
        f"{found['messages']:,} messages 条留言: 精确 precision {found['precision']}, 召回 recall {found['recall']}, "
        f"误报 false alarms {found['false_alarms']} ({found['false_alarms_per_1000_messages']} per 1,000)",
        highlight=False,
    )
    console.print(f"未打乱时另见 found in them as they are: {len(found['as_they_are'])}", highlight=False)
    for one in found["as_they_are"][:10]:
        console.print(f"  {one['at'][:16]}  {one['kind']}  {one['key']}  {one['messages']}", highlight=False)
