from pathlib import Path

import pytest

from deploy.local.processes import SECRETS, SERVICES, STORING, Addresses, Telling, role_url

ADDRESSES = Addresses(
    kafka_bootstrap="127.0.0.1:9000",
    postgres_admin_url="postgresql://postgres:admin@127.0.0.1:5000/chuishao",
    services={service.name: f"http://127.0.0.1:{8000 + n}" for n, service in enumerate(SERVICES)},
)
INTAKE = SERVICES[0]


def telling(**user: str) -> Telling:
    return Telling(ADDRESSES, {name: f"secret of {name}" for name in SECRETS}, user, Path("/stack/api_keys.yaml"))


def test_a_service_is_told_its_own_role_and_port_and_everyones_address() -> None:
    told = telling().service(INTAKE)
    assert told["CHUISHAO_POSTGRES_URL"].startswith("postgresql://chuishao_intake:")
    assert told["CHUISHAO_HTTP_PORT"] == "8000"
    assert told["CHUISHAO_ROUTER_URL"] == "http://127.0.0.1:8001"
    assert told["CHUISHAO_KAFKA_BOOTSTRAP"] == "127.0.0.1:9000"
    assert told["CHUISHAO_SETUP"] == "deploy/district"


def test_the_administrators_rights_are_for_the_migration_alone() -> None:
    given = telling(CHUISHAO_POSTGRES_ADMIN_URL="postgresql://a:b@db/x")
    assert "CHUISHAO_POSTGRES_ADMIN_URL" not in given.service(INTAKE)
    assert not any(name.endswith("_POSTGRES_PASSWORD") for name in given.service(INTAKE))
    assert given.preparation()["CHUISHAO_POSTGRES_ADMIN_URL"] == ADDRESSES.postgres_admin_url
    assert all(service.password_name in given.preparation() for service in STORING)


def test_only_intake_can_read_who_blew_a_whistle() -> None:
    told = {service.name for service in SERVICES if "CHUISHAO_REPORTER_KEY" in telling().service(service)}
    assert told == {"intake"}


def test_the_users_settings_reach_the_services_and_the_rest_does_not() -> None:
    told = telling(CHUISHAO_SETUP="/my/district", CHUISHAO_KAFKA_SASL_USERNAME="me", AWS_SECRET="x").service(INTAKE)
    assert told["CHUISHAO_SETUP"] == "/my/district"
    assert told["CHUISHAO_KAFKA_SASL_USERNAME"] == "me"
    assert "AWS_SECRET" not in told


def test_a_proxy_is_not_asked_for_this_machine() -> None:
    assert telling(NO_PROXY="intra.example").service(INTAKE)["NO_PROXY"] == "intra.example,127.0.0.1,localhost"


@pytest.mark.parametrize(
    ("admin", "role"),
    [
        ("postgresql://a:b@h:5/d", "postgresql://r:p%2F@h:5/d"),
        ("postgresql://h/d", "postgresql://r:p%2F@h/d"),
        ("postgresql://a@h:5/d?sslmode=verify-full", "postgresql://r:p%2F@h:5/d?sslmode=verify-full"),
    ],
)
def test_another_login_keeps_server_database_and_options(admin: str, role: str) -> None:
    assert role_url(admin, "r", "p/") == role
