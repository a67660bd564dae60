"""Which facts travel on which topic: a fact's type begins with its topic's subject."""

from shared.contracts import topics as t
from shared.contracts.facts import FACTS, Fact

SUBJECTS = {
    t.WHISTLES: "whistle",
    t.CASES: "case",
    t.DEADLINES: "deadline",
    t.FEEDBACK: "feedback",
    t.HOTLINE_REPLIES: "hotline",
    t.SURGES: "surge",
    "assignments.<unit>": "assignment",
    "reports.<unit>": "report",
}
"""Every topic of the catalogue but the dead letters', which carry whatever could not be handled."""

OF_ANY_LOG = "log"
"""The subject of facts about a log itself, which stand in whichever log they are about."""
LOGS = (t.WHISTLES, t.CASES, t.DEADLINES, t.FEEDBACK)


def facts_on(topic: str) -> list[type[Fact]]:
    """The facts a topic carries, as they are declared."""
    subjects = {SUBJECTS[topic], OF_ANY_LOG} if topic in LOGS else {SUBJECTS[topic]}
    return [fact for fact in FACTS.values() if fact.NAME.partition(".")[0] in subjects]


def own_fields(fact: type[Fact]) -> list[str]:
    """The names of a fact's fields, inherited ones first, as the event carries them."""
    return list(fact.model_fields)
