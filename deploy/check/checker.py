"""The check itself: one pass over every log, topic and table, then the joins. Knows only `Source`."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import timedelta
from typing import TypeAlias

from deploy.check import units
from deploy.check.cases import judge
from deploy.check.chain import Chain
from deploy.check.logs import Bounds, Contents, ShardWalk
from deploy.check.report import SHOWN, Finding, Report, Violation
from deploy.check.scratch import Acknowledged, Buried, Deadline, Scratch, Stands, micros, micros_of
from deploy.check.source import ASSIGNMENTS, LOGS, Chains, DeadLetter, DeadlineRow, Head, Source
from deploy.check.topics import TopicWalk
from shared.contracts.topics import SHARDS, dead_letter_topic, topic_named

Telling: TypeAlias = Callable[[int, int], None]
"""Told how many rows and messages have been read, of how many."""

KINDS_SHOWN = 50
_EMPTY = bytes(32)


def _nobody(_done: int, _of: int) -> None:
    pass


class Check:
    """One check. `quiet`: nothing is on its way, so whatever is unpublished or unread is broken;
    `drained`: also every case is final; `strict`: also no dead letter waits."""

    def __init__(
        self,
        *,
        drained: bool = False,
        quiet: bool = True,
        strict: bool = False,
        telling: Telling = _nobody,
    ) -> None:
        self._source: Source
        self._drained = drained
        self._quiet = quiet or drained
        self._strict = strict
        self._telling = telling
        self._report = Report()
        self._scratch = Scratch()
        self._heads: dict[str, dict[int, Head]] = {}
        self._progress: dict[str, Mapping[tuple[str, int], int]] = {}
        self._done = self._of = 0

    def acknowledged(self, ledger: Iterable[Acknowledged]) -> None:
        """The client's ledger: to be taken before the source is opened, which must then know all of it."""
        for line in ledger:
            self._scratch.put(line)

    async def run(self, source: Source) -> Report:
        """Read everything once and judge it. A check runs once."""
        started = time.monotonic()
        self._source = source
        with closing(self._scratch):
            await self._read_positions()
            for service in LOGS:
                for shard in sorted(self._heads[service]):
                    contents = await self._walk_rows(service, shard)
                    await self._walk_topic(service, shard, contents)
                await self._read_standings(service)
                await self._read_dead_letters(service)
            await self._read_deadlines()
            await self._read_assignments()
            self._scratch.settle()
            self._excuse_old_assignments()
            judge(self._scratch, self._report, self._quiet, self._drained)
        self._report.seconds = time.monotonic() - started
        return self._report

    # --- positions: heads, progress, what is unread

    async def _read_positions(self) -> None:
        for service in LOGS:
            self._heads[service] = {head.shard: head for head in await self._source.heads(service)}
            self._progress[service] = await self._source.progress(service)
        spans = self._source.spans
        self._of = sum(head.sequence for heads in self._heads.values() for head in heads.values())
        self._of += sum(span.end - span.begin for span in spans.values())
        for service, topic in LOGS.items():
            self._judge_heads(service)
            for reader in topic.readers:
                if reader in LOGS:
                    self._judge_progress(service, topic.name, reader)
        finding = self._report.I7
        for unread in self._source.unread_reports:
            finding.checked += 1
            if self._quiet and unread.messages:
                finding.violate(
                    Violation(
                        f"the router has not handled {unread.messages} of its reports",
                        topic=unread.topic,
                        shard=unread.partition,
                    )
                )

    def _judge_heads(self, service: str) -> None:
        finding = self._report.I7
        for shard in range(SHARDS):
            head = self._heads[service].get(shard)
            finding.checked += 1
            if head is None:
                self._heads[service][shard] = Head(shard, 0, _EMPTY, 0)
                finding.violate(Violation("the shard has no head", service=service, shard=shard))
            elif head.published > head.sequence or (self._quiet and head.published < head.sequence):
                finding.violate(
                    Violation(
                        f"the head stands at {head.sequence}, published up to {head.published}",
                        service=service,
                        shard=shard,
                        sequence=head.published + 1,
                    )
                )

    def _judge_progress(self, service: str, log: str, reader: str) -> None:
        finding = self._report.I7
        lag = 0
        for shard, head in sorted(self._heads[service].items()):
            finding.checked += 1
            at = self._progress[reader].get((log, shard), 0)
            lag += max(0, head.sequence - at)
            if at > head.sequence or (self._quiet and at < head.sequence):
                finding.violate(
                    Violation(
                        f"{reader} has consumed {log} up to {at}, its head is {head.sequence}",
                        service=reader,
                        topic=log,
                        shard=shard,
                        sequence=min(at, head.sequence) + 1,
                    )
                )
        finding.measured.setdefault("lag", {})[f"{log} → {reader}"] = lag

    # --- logs and their topics

    async def _walk_rows(self, service: str, shard: int) -> Contents:
        head, topic = self._heads[service][shard], LOGS[service]
        bounds = Bounds(
            published=head.sequence if self._quiet else head.published,
            consumed=head.sequence if self._quiet else self._slowest(topic.name, shard, topic.readers),
            kept_since=self._source.now - timedelta(days=topic.retention_days),
        )
        walk = ShardWalk(service, shard, head, bounds, self._report, self._scratch)
        async for rows in self._source.rows(service, shard):
            walk.take(rows)
            self._tell(len(rows))
        contents = walk.end()
        measured = self._report.I5.measured
        measured["redacted"] = measured.get("redacted", 0) + len(contents.redacted)
        return contents

    async def _walk_topic(self, service: str, shard: int, contents: Contents) -> None:
        head, topic = self._heads[service][shard], LOGS[service]
        place = (topic.name, shard)
        span = self._source.spans.get(place)
        if span is None:
            self._report.I7.violate(Violation("the partition does not exist", topic=topic.name, shard=shard))
            return
        walk = TopicWalk(
            service,
            topic.name,
            head,
            contents,
            span,
            due=head.sequence if self._quiet else min(head.published, head.sequence),
            read=self._slowest(topic.name, shard, topic.readers),
            report=self._report,
        )
        async for messages in self._source.messages([place]):
            walk.take(messages)
            self._tell(len(messages))
        walk.end()

    def _slowest(self, log: str, shard: int, readers: Iterable[str]) -> int:
        return min(self._progress[reader].get((log, shard), 0) for reader in readers if reader in LOGS)

    # --- everything beside the logs

    async def _read_standings(self, service: str) -> None:
        async for standings in self._source.standings(service):
            for one in standings:
                self._scratch.put(Stands(service, one.case_id.bytes, one.caseseq, one.stage, one.number, one.ledger))

    async def _read_deadlines(self) -> None:
        async for rows in self._source.deadlines():
            for row in rows:
                self._scratch.put(_deadline(row))

    async def _read_assignments(self) -> None:
        spans = {place: span for place, span in self._source.spans.items() if place[0].startswith(ASSIGNMENTS)}
        waiting = [place for place, span in spans.items() if span.end > span.begin]
        async for messages in self._source.messages(waiting):
            self._tell(len(messages))
            for message in messages:
                settled = message.offset < spans[message.topic, message.partition].settled
                told = units.told(message, settled)
                if isinstance(told, str):
                    self._report.I4.violate(
                        Violation(told, topic=message.topic, shard=message.partition, offset=message.offset)
                    )
                else:
                    self._scratch.put(told)

    def _excuse_old_assignments(self) -> None:
        """What a unit's topic has dropped by age it owes no more."""
        for (topic, _), span in self._source.spans.items():
            declared = topic_named(topic)
            if topic.startswith(ASSIGNMENTS) and span.begin > 0 and declared is not None:
                kept_since = self._source.now - timedelta(days=declared.retention_days)
                self._scratch.query(
                    "update expected set owed = 0 where unit = :unit and at < :kept_since",
                    {"unit": topic.removeprefix(ASSIGNMENTS), "kept_since": micros(kept_since)},
                )

    async def _read_dead_letters(self, service: str) -> None:
        found = self._report.dead_letters
        by_reason: Counter[str] = Counter()
        total = waiting = 0
        listed: list[dict[str, object]] = found.setdefault("listed", [])
        async for letters in self._source.dead_letters(service):
            for letter in letters:
                total += 1
                self._judge_letter(service, letter)
                if letter.replayed:
                    continue
                reason = f"{letter.kind}: {letter.reason[:200]}"
                waiting += 1
                by_reason[f"{letter.kind}: {letter.reason.partition(':')[0][:60]}"] += 1
                self._scratch.put(Buried(service, letter.number, letter.case_id.bytes, reason))
                if len(listed) < SHOWN:
                    listed.append(
                        {
                            "service": service,
                            "number": letter.number,
                            "topic": letter.topic,
                            "partition": letter.partition,
                            "offset": letter.offset,
                            "case_id": str(letter.case_id),
                            "reason": reason,
                        }
                    )
        found["total"] = found.get("total", 0) + total
        found["waiting"] = found.get("waiting", 0) + waiting
        found.setdefault("by_reason", {})[service] = dict(by_reason.most_common(KINDS_SHOWN))

    def _judge_letter(self, service: str, letter: DeadLetter) -> None:
        finding = self._report.I7
        finding.checked += 1
        wrong: list[str] = []
        if self._quiet and not letter.published:
            wrong.append(f"is not on {dead_letter_topic(letter.topic)}")
        if self._strict and not letter.replayed:
            wrong.append(f"waits for a person ({letter.kind}: {letter.reason})")
        if wrong:
            finding.violate(
                Violation(
                    f"dead letter {letter.number} {' and '.join(wrong)}",
                    service=service,
                    topic=letter.topic,
                    shard=letter.partition,
                    offset=letter.offset,
                    case_id=letter.case_id,
                )
            )

    def _tell(self, more: int) -> None:
        self._done += more
        self._telling(self._done, max(self._of, self._done))


async def verify_chains(source: Chains, services: Iterable[str] = LOGS, telling: Telling = _nobody) -> Finding:
    """I5 alone: the hash chains of these services' logs."""
    finding = Finding()
    heads = {service: await source.heads(service) for service in services}
    of = sum(head.sequence for found in heads.values() for head in found)
    for service, found in heads.items():
        for head in found:
            chain = Chain(service, head.shard, finding)
            async for rows in source.rows(service, head.shard):
                for row in rows:
                    chain.take(row)
                telling(finding.checked, max(of, finding.checked))
            chain.end(head)
        for shard in sorted(set(range(SHARDS)) - {head.shard for head in found}):
            finding.violate(Violation("the shard has no head", service=service, shard=shard))
    return finding


def _deadline(row: DeadlineRow) -> Deadline:
    return Deadline(
        row.case_id.bytes,
        row.unit,
        row.obligation,
        row.generation,
        row.state,
        micros(row.warn_at) if row.warn_at else None,
        micros(row.due_at),
        micros(row.fired_at) if row.fired_at else None,
        micros(row.ended_at) if row.ended_at else None,
        micros(row.next_at) if row.next_at else None,
        micros(row.paused_at) if row.paused_at else None,
        micros_of(row.time_left) if row.time_left is not None else None,
    )
