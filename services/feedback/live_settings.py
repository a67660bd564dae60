"""The live statistics' settings: those of every service, and where Faust keeps its own."""

from pathlib import Path

from pydantic import Field

from shared.runtime.settings import ServiceSettings


class LiveSettings(ServiceSettings):
    """From the environment (`CHUISHAO_…`)."""

    live_folder: Path = Field(default=Path("var/live"), description="folder of the live statistics' own files")
    live_edition: int = Field(
        default=1, ge=1, description="raised by one, the live statistics begin anew and are made again from `cases`"
    )
    live_topic_replication: int = Field(
        default=1, ge=1, description="copies of the topics in which the live statistics keep their tables"
    )
    surge_sensitivity: float = Field(
        default=1.0,
        gt=0,
        description="how readily a surge is told: the probability below which it is, times this",
    )

    @property
    def live_app(self) -> str:
        """The name of the consumer group, and what the topics of the tables begin with."""
        return "chuishao-live" if self.live_edition == 1 else f"chuishao-live-{self.live_edition}"
