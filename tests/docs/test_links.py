"""Links between the documents lead somewhere, and the documents name no package registry."""

import re
from pathlib import Path

import pytest

from deploy.local.places import PROJECT

DOCUMENTS = sorted([*(PROJECT / "docs").rglob("*.md"), *PROJECT.glob("*.md")])
REGISTRIES = re.compile(r"\b[\w.-]*\b(pypi|docker|ghcr|quay|npmjs|maven)\.(org|io|com)\b")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?!https?:|mailto:)([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as the usual readers of Markdown make them."""
    text = path.read_text(encoding="utf-8")
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in _HEADING.findall(text)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_links_lead_somewhere(path: Path) -> None:
    for link in _LINK.findall(path.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), link
        if anchor and found.suffix == ".md":
            assert anchor in anchors(found), link


@pytest.mark.parametrize("name", ["docker-compose.yml", "deploy/Dockerfile", "deploy/compose/example.env"])
def test_no_registry_is_named(name: str) -> None:
    assert REGISTRIES.search((PROJECT / name).read_text(encoding="utf-8")) is None


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_document_names_a_registry(path: Path) -> None:
    assert REGISTRIES.search(path.read_text(encoding="utf-8")) is None


def test_every_decision_names_its_check_and_stands_in_the_list() -> None:
    decisions = sorted((PROJECT / "docs" / "adr").glob("0*.md"))
    listed = (PROJECT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    assert decisions
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        for heading in ("## Context", "## Decision", "## Why", "## Consequences", "## Check"):
            assert heading in text, (path.name, heading)
        assert path.name in listed


@pytest.mark.parametrize("path", sorted((PROJECT / "docs" / "adr").glob("0*.md")), ids=lambda path: path.stem)
def test_the_checks_a_decision_names_exist(path: Path) -> None:
    check = path.read_text(encoding="utf-8").partition("## Check")[2]
    named = re.findall(r"`((?:tests|deploy|shared|services)/[\w/.-]+)`", check)
    assert named, "a check is a file"
    assert [one for one in named if not (PROJECT / one).exists()] == []
