"""The workbench's settings, from the environment (`CHUISHAO_…`)."""

from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from shared.runtime.settings import ServiceSettings


class WorkbenchSettings(ServiceSettings):
    """Where the other services are, and what the pages need."""

    intake_url: str = Field(default="http://127.0.0.1:8001", description="base URL of intake")
    router_url: str = Field(default="http://127.0.0.1:8002", description="base URL of the router")
    sla_url: str = Field(default="http://127.0.0.1:8003", description="base URL of sla")
    feedback_url: str = Field(default="http://127.0.0.1:8004", description="base URL of feedback")
    live_url: str = Field(default="http://127.0.0.1:8006", description="base URL of the live statistics")
    time_zone: str = Field(default="Asia/Shanghai", description="zone in which the pages print times (IANA name)")
    most_watchers: int = Field(
        default=1000, ge=1, description="open live boards at a time; more are answered 503 and try again"
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        ZoneInfo(value)
        return value

    @property
    def services(self) -> dict[str, str]:
        """The base URL of each service the workbench asks, in the order of the loop."""
        return {
            "intake": self.intake_url,
            "router": self.router_url,
            "sla": self.sla_url,
            "feedback": self.feedback_url,
        }

    @property
    def aside(self) -> dict[str, str]:
        """What the loop can do without: where it does not answer, the workbench is ready all the same."""
        return {"live": self.live_url}
