"""Every event type: its name, its version, what it says of itself."""

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from shared.contracts import facts
from shared.contracts.facts import FACTS, AssignmentFact, CaseFact, DeadlineFact, Fact, HotlineFact, Report, SurgeFact

SUBJECTS: dict[str, type[Fact]] = {
    "whistle": Fact,
    "case": CaseFact,
    "deadline": DeadlineFact,
    "feedback": Fact,
    "report": Report,
    "assignment": AssignmentFact,
    "hotline": HotlineFact,
    "surge": SurgeFact,
    "log": Fact,
}


def below(kind: type[Fact]) -> Iterator[type[Fact]]:
    for each in kind.__subclasses__():
        yield each
        yield from below(each)


STATED = [kind for kind in below(Fact) if kind.__module__ == facts.__name__ and not kind.__subclasses__()]


def test_every_kind_of_fact_is_registered_under_a_name_of_its_own() -> None:
    assert [name for name, times in Counter(kind.NAME for kind in STATED).items() if times > 1] == []
    assert {f"cn.chuishao.{kind.NAME}": kind for kind in STATED} == FACTS


def test_kinds_that_are_never_stated_have_no_name() -> None:
    assert {kind.NAME for kind in SUBJECTS.values()} == {""}


@pytest.mark.parametrize("kind", STATED, ids=lambda kind: kind.NAME)
def test_a_name_says_subject_happening_and_version(kind: type[Fact]) -> None:
    found = re.fullmatch(r"([a-z]+)\.([a-z]+(?:_[a-z]+)*)\.v([1-9][0-9]*)", kind.NAME)
    assert found
    subject, happening, version = found.groups()
    assert issubclass(kind, SUBJECTS[subject])
    words = f"{subject}_{happening}".split("_")
    assert kind.__name__ == "".join(word.capitalize() for word in words) + ("" if version == "1" else f"V{version}")


@pytest.mark.parametrize("kind", STATED, ids=lambda kind: kind.NAME)
def test_a_fact_says_what_it_means(kind: type[Fact]) -> None:
    assert kind.__doc__
    assert kind.__doc__ != Fact.__doc__
    assert kind.__doc__.strip().endswith(".")


@pytest.mark.parametrize("kind", STATED, ids=lambda kind: kind.NAME)
def test_readers_ignore_what_a_newer_release_adds(kind: type[Fact]) -> None:
    assert (kind.model_config["extra"], kind.model_config["frozen"]) == ("ignore", True)


def test_reports_name_no_unit() -> None:
    """The topic or the door says which unit speaks, whatever the body says."""
    assert not any("unit" in kind.model_fields for kind in STATED if issubclass(kind, Report))
