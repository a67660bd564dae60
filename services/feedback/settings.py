"""Feedback's settings beside those of every service."""

from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from shared.runtime.settings import ServiceSettings


class FeedbackSettings(ServiceSettings):
    """From the environment (`CHUISHAO_…`)."""

    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s?#]+)?$",
        description="feedback: base of the links residents get, as they reach it; default the service's own address",
    )
    time_zone: str = Field(
        default="Asia/Shanghai",
        description="the district's zone: times on pages and of periods, 12345's times without offset",
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        ZoneInfo(value)
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def base_of_links(self) -> str:
        return self.public_url or f"http://{self.http_host}:{self.http_port}"
