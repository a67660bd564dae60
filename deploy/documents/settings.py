"""docs/reference/settings.md, from the settings classes."""

from importlib import import_module
from inspect import isclass
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from deploy.documents.markdown import code, table
from deploy.documents.markdown import page as whole_page
from deploy.local.processes import SERVICES, STORING, Service
from shared.runtime.failpoints import NAMES as FAILPOINTS
from shared.runtime.settings import KafkaSettings, ServiceSettings

INTRODUCTION = """\
Settings come from the environment. `make up` and docker-compose.yml set what is needed; on a machine of your
own you set it. Values are checked at the start: a service that is told something wrong says so and does not start."""

ADMIN_URL = (
    "`deploy.migrate`: the database, with a role that may create roles and schemas. For `make up`: use this "
    "PostgreSQL instead of starting one. No service is ever told it."
)
FAILPOINT = "tests only: `name`, `name:count` or `name:count:action`, where the process kills itself; one of "
FAILPOINTS_FILE = "tests only: a file of failpoints that the process reads again at SIGUSR1 (`chuishao faults`)"
BESIDES = (
    ("CHUISHAO_POSTGRES_ADMIN_URL", ADMIN_URL),
    *((one.password_name, f"`deploy.migrate`: the password the role {code(one.role)} is given") for one in STORING),
    ("CHUISHAO_FAILPOINT", FAILPOINT + ", ".join(map(code, FAILPOINTS))),
    ("CHUISHAO_FAILPOINTS_FILE", FAILPOINTS_FILE),
    ("CHUISHAO_MAVEN_REPOSITORY", "`make up`: where Kafka's jars are fetched from, instead of Maven Central"),
)


def page() -> str:
    blocks = [
        "## Every service",
        _table(ServiceSettings),
        "## Kafka: every service, and `deploy.topics`",
        _table(KafkaSettings),
    ]
    for service in SERVICES:
        own = settings_of(service)
        if own is not None and own_fields(own):
            blocks += [f"## {service.name}", _table(own, own_fields(own))]
    return whole_page(
        "Settings · 配置",
        "shared/runtime/settings.py and services/*/settings.py",
        INTRODUCTION,
        *blocks,
        "## Besides",
        table(("name", "meaning"), [(code(name), meaning) for name, meaning in BESIDES]),
    )


def settings_of(service: Service) -> type[BaseSettings] | None:
    """The settings class a service declares."""
    module = import_module(service.beside("settings"))
    found = (one for one in vars(module).values() if isclass(one) and one.__module__ == module.__name__)
    return next((one for one in found if issubclass(one, BaseSettings)), None)


def own_fields(settings: type[BaseSettings]) -> list[str]:
    """The fields a service has beside those of every service."""
    return [name for name in settings.model_fields if name not in ServiceSettings.model_fields]


def variable(settings: type[BaseSettings], field: str) -> str:
    """The name of the environment variable that sets a field."""
    return f"{settings.model_config.get('env_prefix', '')}{field}".upper()


def variables(settings: type[BaseSettings]) -> set[str]:
    return {variable(settings, field) for field in settings.model_fields}


def _table(settings: type[BaseSettings], fields: list[str] | None = None) -> str:
    names = fields if fields is not None else list(settings.model_fields)
    rows = [_row(variable(settings, name), settings.model_fields[name]) for name in names]
    return table(("name", "default", "meaning"), rows)


def _row(name: str, field: FieldInfo) -> tuple[str, ...]:
    return code(name), _default(field.default), field.description or ""


def _default(default: Any) -> str:
    if default is PydanticUndefined:
        return "**required**"
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    return code(default) if default not in (None, "") else "—"
