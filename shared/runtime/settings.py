"""Settings every service has, from the environment (`CHUISHAO_…`); `docs/reference/settings.md` is made from them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR"],
    BeforeValidator(lambda given: given.upper() if isinstance(given, str) else given),
]


class KafkaSettings(BaseSettings):
    """How to reach Kafka."""

    model_config = SettingsConfigDict(env_prefix="CHUISHAO_KAFKA_", extra="ignore")

    bootstrap: str = Field(default="127.0.0.1:9092", description="host:port of one or more brokers, comma-separated")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="how the connection is secured"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-256", description="with SASL: how the password is shown"
    )
    sasl_username: str = Field(default="", description="with SASL: the user")
    sasl_password: SecretStr = Field(default=SecretStr(""), description="with SASL: the password")
    ca_file: Path | None = Field(default=None, description="with SSL: the authority that signed the broker (PEM)")
    cert_file: Path | None = Field(default=None, description="with SSL: our own certificate (PEM)")
    key_file: Path | None = Field(default=None, description="with SSL: our own key (PEM)")
    replication_factor: int = Field(default=1, description="copies of each topic that is created")


class ServiceSettings(BaseSettings):
    """What every service needs besides Kafka."""

    model_config = SettingsConfigDict(env_prefix="CHUISHAO_", extra="ignore")

    postgres_url: SecretStr = Field(
        default=SecretStr("postgresql://127.0.0.1:5432/chuishao"),
        description="the database, with the service's own role: postgresql://role:password@host:port/database",
    )
    postgres_ca_file: Path | None = Field(default=None, description="the authority that signed PostgreSQL (PEM)")
    http_host: str = Field(default="127.0.0.1", description="address the HTTP door listens on")
    http_port: int = Field(default=8000, description="port the HTTP door listens on")
    signing_key: SecretStr = Field(
        default=SecretStr(""), description="32 random bytes, base64url: signs and checks access tokens"
    )
    setup: Path = Field(
        default=Path("deploy/district"), description="folder of the district's set-up: units, rules, policy, API keys"
    )
    api_keys_file: Path | None = Field(
        default=None, description="file of the systems' API keys (SHA-256 only); default api_keys.yaml of the set-up"
    )
    log_level: LogLevel = Field(default="INFO", description="least severe log line")
    traces: Literal["off", "otlp"] = Field(
        default="off", description="`otlp`: send OpenTelemetry traces, one for each case, whose id is the case's"
    )
    traces_endpoint: str = Field(
        default="http://127.0.0.1:4318",
        pattern="^https?://",
        description="where traces are sent: the base address of an OTLP/HTTP receiver. Its other settings are "
        "OpenTelemetry's own (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_CERTIFICATE`, …)",
    )
    traces_ratio: float = Field(
        default=1.0, ge=0, le=1, description="share of cases that are traced, each wholly or not at all"
    )
    gap_alarm_seconds: float = Field(
        default=5.0, description="how long a missing sequence may stay missing before it is an alarm"
    )
