"""docker-compose.yml fits the specification, and what it names is what the code names."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from jsonschema import Draft7Validator

from deploy.documents.settings import settings_of, variables
from deploy.local import kafka, postgresql
from deploy.local.artifacts import LOCK
from deploy.local.places import PROJECT
from deploy.local.processes import FOR_INTAKE_ONLY, FOR_PREPARATION_ONLY, PREPARATIONS, SERVICES, STORING, Service
from services.workbench.settings import WorkbenchSettings
from shared.contracts.topics import TOPICS
from shared.runtime.settings import KafkaSettings, ServiceSettings
from tests.unit.compose.description import COMPOSE, SCHEMA, description, example, interpolated, with_defaults

ENGINES = {kafka.NAME, postgresql.NAME}
WATCHERS = {"prometheus": 9090, "alertmanager": 9093, "grafana": 3000}
"""What watches, and the port of its page inside."""
JOBS = {"migrate": PREPARATIONS[0], "topics": PREPARATIONS[1]}
NAMES = [service.name for service in SERVICES]
DOOR = ServiceSettings.model_fields["http_port"].default
STOPS_WITHIN_SECONDS = 10
"""What every service promises: finish the batch, commit, leave the group, exit 0."""
INNER_BOOTSTRAP = "kafka:9092"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return description()


def test_it_fits_the_compose_specification(compose: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    problems = [
        f"{list(error.absolute_path)}: {error.message}" for error in Draft7Validator(schema).iter_errors(compose)
    ]
    assert problems == []


def test_the_schema_would_notice_a_mistake(compose: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    wrong = compose | {"services": {"intake": {"image": "x", "port": ["1:1"]}}}
    assert list(Draft7Validator(schema).iter_errors(wrong))


# --- what runs


def test_it_runs_the_engines_the_jobs_the_services_and_what_watches_them(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == ENGINES | set(JOBS) | set(NAMES) | set(WATCHERS)


@pytest.mark.parametrize("service", SERVICES, ids=NAMES)
def test_a_service_is_its_module(compose: dict[str, Any], service: Service) -> None:
    assert compose["services"][service.name]["command"] == [service.module]


@pytest.mark.parametrize("job", JOBS)
def test_a_job_is_the_preparation_of_the_local_stack(compose: dict[str, Any], job: str) -> None:
    described = compose["services"][job]
    assert tuple(described["command"]) == JOBS[job]
    assert described["restart"] == "no"
    assert len(JOBS) == len(PREPARATIONS)


def test_the_broker_is_the_local_stacks(compose: dict[str, Any]) -> None:
    jars = LOCK.read_text(encoding="utf-8")
    image, _, version = compose["services"][kafka.NAME]["image"].partition(":")
    assert image == "apache/kafka"
    assert f"org.apache.kafka:kafka_2.13:{version} " in jars


def test_the_database_is_the_local_stacks(compose: dict[str, Any]) -> None:
    described = compose["services"][postgresql.NAME]
    assert described["image"] == f"postgres:{postgresql.INSTALLATION.name.removeprefix('pginstall')}"
    assert described["environment"]["POSTGRES_USER"] == postgresql.ADMIN
    assert described["environment"]["POSTGRES_DB"] == postgresql.DATABASE
    assert described["stop_signal"] == postgresql.STOP_SIGNAL.name


def test_topics_come_from_the_job_alone(compose: dict[str, Any]) -> None:
    assert compose["services"][kafka.NAME]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    environments = [json.dumps(one.get("environment", {})) for one in compose["services"].values()]
    named = [topic.name for topic in TOPICS if "." in topic.name and any(topic.name in text for text in environments)]
    assert named == []


# --- what it is told


@pytest.mark.parametrize("service", SERVICES, ids=NAMES)
def test_a_service_is_told_what_its_settings_know(compose: dict[str, Any], service: Service) -> None:
    settings = settings_of(service) or ServiceSettings
    told = set(compose["services"][service.name]["environment"])
    assert told <= variables(settings) | variables(KafkaSettings)
    required = {name for name in FOR_INTAKE_ONLY if service.name == "intake"}
    assert {"CHUISHAO_SIGNING_KEY", "CHUISHAO_HTTP_HOST", "CHUISHAO_KAFKA_BOOTSTRAP", *required} <= told


@pytest.mark.parametrize("service", SERVICES, ids=NAMES)
def test_no_service_is_told_what_is_not_for_it(compose: dict[str, Any], service: Service) -> None:
    described = json.dumps(compose["services"][service.name])
    others = {one.password_name for one in SERVICES if one is not service}
    not_for_it = {"POSTGRES_PASSWORD"} | others | (set() if service.name == "intake" else FOR_INTAKE_ONLY)
    assert not_for_it & set(interpolated(described)) == set()
    assert FOR_PREPARATION_ONLY & set(compose["services"][service.name]["environment"]) == set()


@pytest.mark.parametrize("service", [one for one in STORING if one.name != "workbench"], ids=lambda one: one.name)
def test_a_service_uses_its_own_role_and_password(compose: dict[str, Any], service: Service) -> None:
    url = compose["services"][service.name]["environment"]["CHUISHAO_POSTGRES_URL"]
    assert url == f"postgresql://{service.role}:${{{service.password_name}}}@{postgresql.NAME}:5432/chuishao"


def test_the_migration_gets_the_administrator_and_every_password(compose: dict[str, Any]) -> None:
    told = compose["services"]["migrate"]["environment"]
    assert set(told) == FOR_PREPARATION_ONLY | {"CHUISHAO_SETUP"}
    assert urlsplit(with_defaults(told["CHUISHAO_POSTGRES_ADMIN_URL"])).hostname == postgresql.NAME
    assert {name: with_defaults(told[name]) for name in told if name.endswith("_PASSWORD")} == {
        service.password_name: service.password_name for service in STORING
    }


def test_all_reach_the_same_broker_inside(compose: dict[str, Any]) -> None:
    told = [one["environment"] for name, one in compose["services"].items() if name in {*NAMES, "topics"}]
    assert {environment["CHUISHAO_KAFKA_BOOTSTRAP"] for environment in told} == {INNER_BOOTSTRAP}
    advertised = compose["services"][kafka.NAME]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert f"PLAINTEXT://{INNER_BOOTSTRAP}" in advertised


def test_the_workbench_finds_the_others(compose: dict[str, Any]) -> None:
    told = compose["services"]["workbench"]["environment"]
    for name in WorkbenchSettings().services:
        assert told[f"CHUISHAO_{name.upper()}_URL"] == f"http://{name}:{DOOR}"


def test_ports_outside_are_the_settings_defaults(compose: dict[str, Any]) -> None:
    for name, url in WorkbenchSettings().services.items():
        published = with_defaults(compose["services"][name]["ports"][0])
        assert published == f"127.0.0.1:{urlsplit(url).port}:{DOOR}"


def test_no_two_publish_the_same_port(compose: dict[str, Any]) -> None:
    published = [with_defaults(port) for one in compose["services"].values() for port in one.get("ports", ())]
    outside = [port.split(":")[1] for port in published]
    assert len(outside) == len(set(outside)) == len(SERVICES) + len(WATCHERS) + 1
    assert all(port.startswith("127.0.0.1:") for port in published)


# --- .env


def test_what_has_no_default_is_required_with_a_message() -> None:
    for name, ways in interpolated(COMPOSE.read_text(encoding="utf-8")).items():
        without_default = [way for way in ways if not way.startswith("-")]
        assert not without_default or any("example.env" in way for way in without_default), name


def test_example_env_has_every_variable_and_no_other() -> None:
    assert set(example()) == set(interpolated(COMPOSE.read_text(encoding="utf-8")))


def test_example_env_leaves_secrets_empty_and_says_the_defaults() -> None:
    asked = interpolated(COMPOSE.read_text(encoding="utf-8"))
    for name, value in example().items():
        expected = "" if any(way.startswith("?") for way in asked[name]) else next(iter(asked[name])).removeprefix("-")
        assert value == expected, name


# --- order and end


@pytest.mark.parametrize("name", NAMES)
def test_services_start_after_the_jobs_and_the_jobs_after_the_engines(compose: dict[str, Any], name: str) -> None:
    waits = compose["services"][name]["depends_on"]
    assert all(waits[job] == {"condition": "service_completed_successfully"} for job in JOBS)
    assert compose["services"]["migrate"]["depends_on"] == {postgresql.NAME: {"condition": "service_healthy"}}
    assert compose["services"]["topics"]["depends_on"] == {kafka.NAME: {"condition": "service_healthy"}}


def test_what_is_awaited_healthy_has_a_health_check(compose: dict[str, Any]) -> None:
    services = compose["services"]
    awaited = {
        name
        for one in services.values()
        for name, how in one.get("depends_on", {}).items()
        if how["condition"] == "service_healthy"
    }
    assert awaited == ENGINES | {"intake", "router", "sla", "feedback"}
    assert all("test" in services[name]["healthcheck"] for name in awaited)


@pytest.mark.parametrize("name", NAMES)
def test_a_service_has_time_to_finish(compose: dict[str, Any], name: str) -> None:
    described = compose["services"][name]
    assert described["stop_signal"] == "SIGTERM"
    assert int(described["stop_grace_period"].removesuffix("s")) > STOPS_WITHIN_SECONDS


def test_data_lies_in_declared_volumes(compose: dict[str, Any]) -> None:
    volumes = [volume for name in ENGINES | set(WATCHERS) for volume in compose["services"][name]["volumes"]]
    used = {volume.split(":")[0] for volume in volumes if isinstance(volume, str)}
    assert used == set(compose["volumes"])


def test_the_project_may_be_read_but_not_written(compose: dict[str, Any]) -> None:
    for name in [*JOBS, *NAMES]:
        described = compose["services"][name]
        assert described["read_only"] is True
        assert [volume["read_only"] for volume in described["volumes"]] == [True]
        assert urlsplit(described["volumes"][0]["target"]).path == "/srv/chuishao/deploy/district"


# --- what watches


@pytest.mark.parametrize("name", WATCHERS)
def test_a_watcher_reads_what_exists_and_writes_its_own_volume_alone(compose: dict[str, Any], name: str) -> None:
    described = compose["services"][name]
    assert described["read_only"] is True
    own, *read = described["volumes"]
    assert own.startswith(f"{name}-data:/")
    assert read
    for volume in read:
        assert volume["read_only"] is True
        assert (PROJECT / with_defaults(volume["source"])).exists()


@pytest.mark.parametrize(("name", "port"), WATCHERS.items())
def test_a_watcher_is_asked_on_its_own_port_and_nobody_waits_for_it(
    compose: dict[str, Any], name: str, port: int
) -> None:
    described = compose["services"][name]
    assert with_defaults(described["ports"][0]) == f"127.0.0.1:{port}:{port}"
    assert f"http://127.0.0.1:{port}/" in described["healthcheck"]["test"][-1]
    assert [other for other, one in compose["services"].items() if name in one.get("depends_on", {})] == []


def test_prometheus_is_told_where_everybody_is_inside(compose: dict[str, Any]) -> None:
    told = yaml.safe_load((PROJECT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    (job,) = told["scrape_configs"]
    targets = {one["labels"]["service"]: one["targets"] for one in job["static_configs"]}
    assert targets == {name: [f"{name}:{DOOR}"] for name in NAMES}
    (manager,) = told["alerting"]["alertmanagers"]
    assert manager["static_configs"] == [{"targets": [f"alertmanager:{WATCHERS['alertmanager']}"]}]
    mounted = {volume["target"] for volume in compose["services"]["prometheus"]["volumes"] if isinstance(volume, dict)}
    assert {str(Path(rules).parent) for rules in told["rule_files"]} <= mounted


def test_grafana_is_told_where_prometheus_and_its_dashboards_are(compose: dict[str, Any]) -> None:
    provisioning = PROJECT / "deploy/grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text("utf-8"))["datasources"]
    assert source["url"] == f"http://prometheus:{WATCHERS['prometheus']}"
    (provider,) = yaml.safe_load((provisioning / "dashboards/chuishao.yaml").read_text("utf-8"))["providers"]
    described = compose["services"]["grafana"]
    mounted = {volume["target"]: volume["source"] for volume in described["volumes"] if isinstance(volume, dict)}
    dashboards = PROJECT / mounted[provider["options"]["path"]]
    home = Path(described["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (dashboards / home.name).exists()


def test_images_name_no_registry(compose: dict[str, Any]) -> None:
    hosts = [one["image"].split("/")[0] for one in compose["services"].values() if "/" in one["image"]]
    assert [host for host in hosts if "." in host or ":" in host] == []
