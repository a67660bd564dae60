"""What must hold of a simulated chain once it has come to rest."""

from collections import Counter
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import UUID

from aiokafka import TopicPartition

from shared.contracts.envelope import decode
from shared.contracts.facts import ReportProgressed
from shared.contracts.topics import shard_of
from shared.runtime.decision import Fate
from shared.runtime.log import GENESIS, Head, verify_chain
from shared.runtime.ports import Versioned
from tests.unit.runtime.simulated import (
    CASE_IDS,
    INTAKE,
    READS,
    SHARDS,
    TOPIC,
    WRITER,
    SimulatedStore,
    consequences,
    fails,
)

if TYPE_CHECKING:
    from tests.unit.runtime.simulation import World

READERS = [(service, topics) for service, topics in READS.items() if topics]


class Broken(AssertionError):
    """An invariant does not hold."""


def check(world: "World") -> None:
    """Raise `Broken` for the first invariant that does not hold, once everything has come to rest."""
    for consumer in (consumer for service in READS for consumer in world.consumers(service)):
        expect(not consumer.gaps.open, f"a gap is reported where there is none: {consumer.gaps.open}")
    for service, store in world.stores.items():
        _check_log(world, service, store)
        _check_states(service, store)
    _check_commands(world)
    for service, topics in READERS:
        _check_consumed(world, service, [note for topic in topics for note in _notes(world, WRITER[topic])])


def _check_log(world: "World", service: str, store: SimulatedStore) -> None:
    for shard in SHARDS:
        rows, head = store.tables.log[shard], store.tables.heads[shard]
        breaks = verify_chain(rows, Head(shard, 0, GENESIS, 0), head)
        expect(not breaks, f"{service}'s chain: {breaks}")
        expect(head.published == head.sequence, f"{service}/{shard} is published up to {head.published}")
        topic: list[bytes | None] = []
        at = TopicPartition(TOPIC[service], shard)
        for offset, left in enumerate(world.broker.log(at)):
            record = left or world.broker.lost[at, offset]
            if read(record.value or b"")[1] == len(topic) + 1:
                topic.append(record.value)
        expect(topic == [row.event for row in rows], f"{service}/{shard}: the topic is not the log")
        counted: Counter[UUID] = Counter()
        for row in rows:
            counted[row.case_id] += 1
            caseseq = read(row.event or b"")[2]
            expect(caseseq == row.caseseq == counted[row.case_id], f"{service}: caseseq {caseseq} in {row}")
            expect(shard_of(row.case_id) == shard, f"{service}: {row.case_id} lies in shard {shard}")


def _check_states(service: str, store: SimulatedStore) -> None:
    for case_id in CASE_IDS:
        taken = store.tables.states.get(case_id, Versioned(())).state or ()
        expected = [fact for note in taken for fact in consequences(service, note)]  # type: ignore[attr-defined]
        logged = [read(row.event or b"")[0] for row in store.tables.log[shard_of(case_id)] if row.case_id == case_id]
        expect(logged == expected, f"{service}: the state of {case_id} and the log do not agree")


def _check_commands(world: "World") -> None:
    effects = Counter(_taken(world, INTAKE))
    for command in world.commands:
        found = effects[command.label]
        expect(found <= 1, f"{command.label} had its effect {found} times")
        if command.acknowledged in (Fate.DONE, Fate.REPEAT):
            expect(found == 1, f"{command.label} was acknowledged and is lost")
        if command.acknowledged in (Fate.REFUSED, Fate.FAILED):
            expect(found == 0, f"{command.label} was turned away and had an effect")


def _check_consumed(world: "World", service: str, stated: Collection[str]) -> None:
    taken = Counter(_taken(world, service))
    letters = Counter(
        read(burial.input.letter.value or b"")[0]
        for burial in world.stores[service].tables.burials
        if burial.input.letter is not None
    )
    for note in stated:
        bad = any(fails(service, note, how) for how in ("poison", "spoil", "refused"))
        expect(letters[note] == bad, f"{service}: {note} is {letters[note]} dead letters")
        expect(taken[note] == (world.mended or not bad), f"{service}: {note} had its effect {taken[note]} times")
    expect(set(taken) <= set(stated), f"{service} took what nobody stated")
    topics = {burial.input.letter.topic for burial in world.stores[service].tables.burials if burial.input.letter}
    said = {
        read(record.value or b"")[0]
        for topic in topics
        for record in world.broker.log(TopicPartition(f"{topic}.dlq", 0))
        if record is not None
    }
    expect(set(letters) <= said, f"{service}: dead letters missing on their topic: {set(letters) - said}")


def _taken(world: "World", service: str) -> Iterator[str]:
    for versioned in world.stores[service].tables.states.values():
        yield from versioned.state or ()  # type: ignore[misc]


def _notes(world: "World", service: str) -> Iterator[str]:
    for rows in world.stores[service].tables.log.values():
        for row in rows:
            yield read(row.event or b"")[0]


@lru_cache(maxsize=2_000)
def read(value: bytes) -> tuple[str, int, int]:
    """(note, sequence, caseseq) of an event."""
    envelope = decode(value)
    assert isinstance(envelope.fact, ReportProgressed)
    return envelope.fact.note, envelope.sequence, envelope.caseseq


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Broken(otherwise)
