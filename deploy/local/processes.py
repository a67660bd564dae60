"""The services as data: what runs, what is done before, and what each is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

PREFIX = "CHUISHAO_"
HOTLINE_KEY = "CHUISHAO_HOTLINE_KEY"
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Service:
    """One process. `stores`: it has a role and a schema of its own in PostgreSQL."""

    name: str
    module: str
    stores: bool = True

    def beside(self, what: str) -> str:
        """The module beside its own that has its settings, or its metrics."""
        package, _, entry = self.module.rpartition(".")
        return f"{package}.{what}" if entry == "main" else f"{package}.{entry}_{what}"

    @property
    def role(self) -> str:
        return f"chuishao_{self.name}"

    @property
    def password_name(self) -> str:
        return f"{PREFIX}{self.name.upper()}_POSTGRES_PASSWORD"


STORING = tuple(Service(name, f"services.{name}.main") for name in ("intake", "router", "sla", "feedback", "workbench"))
SERVICES = (*STORING, Service("live", "services.feedback.live", stores=False))

# Run once, in this order, when Kafka and PostgreSQL are ready and before any service starts.
PREPARATIONS = (("deploy.migrate",), ("deploy.topics", "apply"))

# What a process needs of the user's environment besides CHUISHAO_…; the rest is left behind.
PASSED_ON = {
    *("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
}
# The administrator's rights are for the migration alone.
FOR_PREPARATION_ONLY = {"CHUISHAO_POSTGRES_ADMIN_URL"} | {service.password_name for service in STORING}
FOR_INTAKE_ONLY = {"CHUISHAO_REPORTER_KEY"}


@dataclass(frozen=True)
class Addresses:
    """Where this stack is reached. `services`: the base URL of each service by its name.

    The database that `postgres_admin_url` names is the one the services use.
    """

    kafka_bootstrap: str
    postgres_admin_url: str
    services: Mapping[str, str]


@dataclass(frozen=True)
class Telling:
    """What environments are made from. `user` is the user's own environment."""

    addresses: Addresses
    secrets: Mapping[str, str]
    user: Mapping[str, str]
    api_keys: Path

    def service(self, service: Service) -> dict[str, str]:
        port = urlsplit(self.addresses.services[service.name]).port
        own = {"CHUISHAO_HTTP_PORT": str(port)}
        if service.stores:
            own["CHUISHAO_POSTGRES_URL"] = role_url(
                self.addresses.postgres_admin_url, service.role, self.secrets[service.password_name]
            )
        if service.name == "live":
            own["CHUISHAO_LIVE_FOLDER"] = str(self.api_keys.parent / "live")
        common = self._common()
        if service.name == "intake":
            # Only intake can read who blew a whistle.
            own["CHUISHAO_REPORTER_KEY"] = common.get("CHUISHAO_REPORTER_KEY") or self.secrets["CHUISHAO_REPORTER_KEY"]
        return {
            name: value for name, value in common.items() if name not in FOR_PREPARATION_ONLY | FOR_INTAKE_ONLY
        } | own

    def preparation(self) -> dict[str, str]:
        """Also what an operator's command may need: everything but a service's own role."""
        return (
            self._common()
            | {service.password_name: self.secrets[service.password_name] for service in STORING}
            | {"CHUISHAO_POSTGRES_ADMIN_URL": self.addresses.postgres_admin_url}
        )

    def _common(self) -> dict[str, str]:
        passed_on = {name: value for name, value in self.user.items() if name in PASSED_ON or name.startswith(PREFIX)}
        defaults = {
            "CHUISHAO_HTTP_HOST": HOST,
            "CHUISHAO_LOG_LEVEL": "INFO",
            "CHUISHAO_SETUP": "deploy/district",
            "CHUISHAO_SIGNING_KEY": self.secrets["CHUISHAO_SIGNING_KEY"],
            "CHUISHAO_API_KEYS_FILE": str(self.api_keys),
        }
        urls = {f"{PREFIX}{name.upper()}_URL": url for name, url in self.addresses.services.items()}
        return (
            defaults
            | passed_on
            | urls
            | {
                "CHUISHAO_KAFKA_BOOTSTRAP": self.addresses.kafka_bootstrap,
                "PYTHONUTF8": "1",
                "PYTHONUNBUFFERED": "1",
                # Services talk to each other on this machine; a proxy knows nothing of it.
                "NO_PROXY": _without_proxy(self.user),
                "no_proxy": _without_proxy(self.user),
            }
        )


def api_keys(secrets: Mapping[str, str]) -> str:
    """The systems' API keys of a local stack, as the services read them: only their SHA-256."""
    digest = sha256(secrets[HOTLINE_KEY].encode()).hexdigest()
    return f"- {{name: hotline-12345, kind: hotline, sha256: {digest}}}\n"


def _without_proxy(user: Mapping[str, str]) -> str:
    given = user.get("NO_PROXY") or user.get("no_proxy") or ""
    return ",".join(filter(None, [given, "127.0.0.1", "localhost"]))


def role_url(admin_url: str, role: str, password: str) -> str:
    """The same server, database and options, with another login."""
    parts = urlsplit(admin_url)
    where = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(role)}:{quote(password, safe='')}@{where}"))


SECRETS = (
    "postgres",
    "supervisor",
    "CHUISHAO_SIGNING_KEY",
    "CHUISHAO_REPORTER_KEY",
    HOTLINE_KEY,
    *(service.password_name for service in STORING),
)
