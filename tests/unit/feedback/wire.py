"""Other services' logs, made by hand: facts as they lie in Kafka, with the sequences a service would give them."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from uuid_utils import uuid7

from shared.contracts.envelope import Envelope, encode
from shared.contracts.facts import Fact
from shared.contracts.topics import shard_of
from shared.runtime.consumer import to_input
from shared.runtime.decision import Input, Letter
from shared.runtime.log import GENESIS, Head, Row, after, next_row
from shared.runtime.relay import Message, log_message
from tests.unit.feedback.histories import NOW


@dataclass
class OtherLog:
    """The log of another service, as its relay publishes it."""

    service: str
    topic: str
    heads: dict[int, Head] = field(default_factory=dict)
    caseseqs: Counter[UUID] = field(default_factory=Counter)

    def append(self, case_id: UUID, fact: Fact, at: datetime = NOW) -> Message:
        """The next event of the case's shard, as a message."""
        shard = shard_of(case_id)
        head = self.heads.get(shard, Head(shard, 0, GENESIS, 0))
        self.caseseqs[case_id] += 1
        envelope = Envelope(
            id=str(uuid7()),
            source=f"/chuishao/{self.service}",
            subject=case_id,
            time=at,
            fact=fact,
            sequence=head.sequence + 1,
            caseseq=self.caseseqs[case_id],
        )
        row: Row = next_row(head, case_id, envelope.caseseq, encode(envelope))
        self.heads[shard] = after(head, row)
        return log_message(self.topic, row)


def arrived(message: Message) -> Input[object]:
    """The message as the consumer hands it to the road."""
    sequence = int(dict(message.headers)["sequence"])
    assert message.partition is not None
    return to_input(Letter(message.topic, message.partition, sequence - 1, message.value, message.headers))
