"""The generated documents are what the code says, and each says what a reader looks for."""

from collections import Counter
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from deploy.documents import openapi, schemas
from deploy.documents.__main__ import main
from deploy.documents.asyncapi import description
from deploy.documents.catalogue import REFERENCE, documents, stale, write
from deploy.documents.facts import SUBJECTS, facts_on
from shared.contracts.facts import FACTS, LogRedacted
from shared.contracts.topics import TOPICS


def test_they_are_fresh() -> None:
    assert stale(documents(), REFERENCE) == []


def test_a_missing_a_changed_and_a_left_over_one_are_named(tmp_path: Path) -> None:
    wanted = {"topics.md": "topics", "schemas/a.json": "{}"}
    write(wanted, tmp_path)
    assert stale(wanted, tmp_path) == []
    (tmp_path / "topics.md").write_text("changed", encoding="utf-8")
    (tmp_path / "schemas" / "b.json").write_text("{}", encoding="utf-8")
    (tmp_path / "schemas" / "a.json").unlink()
    assert stale(wanted, tmp_path) == [
        "docs/reference/topics.md: not what the code says",
        "docs/reference/schemas/a.json: missing",
        "docs/reference/schemas/b.json: made no more",
    ]
    write(wanted, tmp_path)
    assert stale(wanted, tmp_path) == []


def test_unknown_arguments_are_answered_with_the_usage() -> None:
    assert main([]) == 2
    assert main(["release", "one"]) == 2


def test_every_fact_travels_on_a_topic_of_the_catalogue() -> None:
    carried = [fact.type_name() for topic in SUBJECTS for fact in facts_on(topic)]
    assert set(carried) == set(FACTS)
    assert {name for name, times in Counter(carried).items() if times > 1} == {LogRedacted.type_name()}
    assert set(SUBJECTS) == {topic.name for topic in TOPICS} - {"<topic>.dlq"}


def test_every_fact_has_a_meaning() -> None:
    assert [name for name, fact in FACTS.items() if not fact.__doc__] == []


def test_schemas_are_json_schemas_2020_12() -> None:
    for fact in FACTS.values():
        Draft202012Validator.check_schema(schemas.schema_of(fact))


def test_asyncapi_leads_nowhere_that_is_not_there() -> None:
    document = description()
    assert document["asyncapi"] == "3.0.0"
    for reference in _references(document):
        if reference.startswith("./"):
            assert (REFERENCE / reference).exists(), reference
            continue
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    assert yaml.safe_load((REFERENCE / "asyncapi.yaml").read_text(encoding="utf-8")) == document


def test_every_service_with_doors_is_described() -> None:
    described = {name: openapi.described(name, add) for name, add in openapi.doors().items()}
    assert set(described) == {"intake", "router", "sla", "feedback"}
    for document in described.values():
        assert document["openapi"].startswith("3.1")
        assert {"/health/ready", "/metrics", "/log/{case_id}", "/dead-letters"} <= set(document["paths"])
    assert "/hotline/orders" in described["intake"]["paths"]
    assert "/cases/{case}/sign-in" in described["router"]["paths"]


def _references(document: object) -> list[str]:
    if isinstance(document, dict):
        own = [document["$ref"]] if isinstance(document.get("$ref"), str) else []
        return own + [found for value in document.values() for found in _references(value)]
    if isinstance(document, list):
        return [found for value in document for found in _references(value)]
    return []
