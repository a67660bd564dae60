"""Every table there is, and what it is made of: what can be made anew from the logs is, what cannot says why.

A table that is not here fails a test: nobody may keep something by which a case is decided, and forget to say where
it comes from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class MadeOf(StrEnum):
    """What the rows of a table follow from."""

    OWN_LOG = "own_log"  # 本服务日志
    LOGS = "logs"  # 本服务日志与所读日志
    NOTHING = "nothing"  # 日志之外


@dataclass(frozen=True, slots=True)
class Table:
    """`why`: what it is made of in detail, or why it cannot be made from the logs, and what follows from that."""

    made_of: MadeOf
    why: str

    @property
    def is_rebuilt(self) -> bool:
        return self.made_of is not MadeOf.NOTHING


_RUNTIME: Mapping[str, Table] = {
    "log": Table(MadeOf.NOTHING, "it is what everything is made of; `chuishao audit verify` checks it"),
    "head": Table(MadeOf.OWN_LOG, "the last row of each shard; `published` is a mark of the relay's, moved lazily"),
    "progress": Table(MadeOf.NOTHING, "how far other logs were read: it says which of their events count here"),
    "door": Table(MadeOf.NOTHING, "what the doors remember of requests, for a stated time; they are no facts"),
    "dead_letter": Table(MadeOf.NOTHING, "what could not be handled: it had no effect, and says so here alone"),
    "redaction": Table(MadeOf.NOTHING, "who asked that something be forgotten; once done, the log says it as well"),
    "migration": Table(MadeOf.NOTHING, "which release the schema is of"),
}

_OWN: Mapping[str, Mapping[str, Table]] = {
    "intake": {
        "state": Table(MadeOf.OWN_LOG, "the whistle, fact by fact"),
        "reporter": Table(MadeOf.NOTHING, "names and phones, enciphered: by law they are in no log; back them up"),
    },
    "router": {
        "state": Table(MadeOf.OWN_LOG, "the case: `evolve`, fact by fact"),
        "assignment": Table(MadeOf.OWN_LOG, "the parts of each case, beside it"),
        "callback": Table(MadeOf.NOTHING, "how far 12345 was called back: its own memory of what it was sent"),
        "callback_failed": Table(MadeOf.NOTHING, "what 12345 would not take: a fact of the line, not of the case"),
    },
    "sla": {
        "state": Table(MadeOf.LOGS, "the clock: the router's log, with the steps and reckonings of sla's own"),
        "deadline": Table(MadeOf.LOGS, "the deadlines of each clock, beside it"),
        "reckoning": Table(MadeOf.NOTHING, "what people asked to be reckoned anew; what came of it is in the log"),
        "reckoning_shard": Table(MadeOf.NOTHING, "how far each of those is"),
        "notice_cursor": Table(MadeOf.NOTHING, "how far notices were made of the log: their own memory"),
        "mailbox": Table(MadeOf.NOTHING, "when each recipient was told last, and is to be told next"),
        "notice": Table(MadeOf.NOTHING, "what somebody is to be told; kept for a stated time, and then deleted"),
        "digest_head": Table(MadeOf.NOTHING, "the number of the last digest"),
        "digest": Table(MadeOf.NOTHING, "what people were told, word for word; kept for a stated time"),
        "digest_read": Table(MadeOf.NOTHING, "who has read what: people's own marks"),
    },
    "feedback": {
        "state": Table(MadeOf.LOGS, "the review: the logs of the router and of sla, with what was judged here"),
        "part": Table(MadeOf.LOGS, "what is measured of each unit's part, beside the review"),
        "whole": Table(MadeOf.LOGS, "what is measured of each case, beside the review"),
        "scorecard": Table(
            MadeOf.NOTHING, "issued documents: `chuishao scorecard verify` makes each anew from the logs"
        ),
        "appeal": Table(MadeOf.NOTHING, "申诉 are papers about a scorecard; they are in no case's log"),
    },
}

_WITHOUT_A_LOG: Mapping[str, Mapping[str, Table]] = {
    "workbench": {"migration": _RUNTIME["migration"]},
    "district": {
        "version": Table(MadeOf.NOTHING, "the district's set-up: imported files, every version kept; back them up"),
        "in_force": Table(MadeOf.NOTHING, "which version decides; its history is `version`"),
        "migration": _RUNTIME["migration"],
    },
}

CATALOGUE: Mapping[str, Mapping[str, Table]] = {
    **{schema: {**_RUNTIME, **tables} for schema, tables in _OWN.items()},
    **_WITHOUT_A_LOG,
}
"""By schema and name."""
