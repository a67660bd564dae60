"""What intake is told from outside."""

import base64
import binascii
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from shared.runtime.settings import ServiceSettings

KEY_BYTES = 32


class IntakeSettings(ServiceSettings):
    """Intake's own settings beside those of every service."""

    # A key that does not fit would otherwise stand in the message that says so.
    model_config = SettingsConfigDict(env_prefix="CHUISHAO_", extra="ignore", hide_input_in_errors=True)

    reporter_key: SecretStr = Field(
        description="32 random bytes, base64url: enciphers the reporters' names and phones; without it they are lost"
    )
    district_letters: str = Field(
        default="HA", pattern=r"^[A-Z]{2,4}$", description="what the district's case numbers begin with"
    )
    time_zone: str = Field(
        default="Asia/Shanghai",
        description="the district's zone: case numbers' date, 12345's times without offset",
    )

    @field_validator("reporter_key")
    @classmethod
    def _whole_key(cls, value: SecretStr) -> SecretStr:
        key_bytes(value)
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        ZoneInfo(value)
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


def key_bytes(value: SecretStr) -> bytes:
    """The key behind its base64url text, with or without padding. Raises ValueError without showing it."""
    text = value.get_secret_value()
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("CHUISHAO_REPORTER_KEY is not base64url") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"CHUISHAO_REPORTER_KEY has {len(key)} bytes, it needs {KEY_BYTES}")
    return key
