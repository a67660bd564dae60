"""sla's settings, from the environment."""

from pathlib import Path

from pydantic import Field

from shared.runtime.settings import ServiceSettings


class SlaSettings(ServiceSettings):
    """What sla needs besides what every service needs."""

    policy_file: Path | None = Field(
        default=None, description="sla: file of the limits and the ladder; default policy.yaml of the set-up"
    )
    clock_jump_seconds: float = Field(
        default=3.0, gt=0, description="sla: how far the database's clock may jump before nothing fires any more"
    )
    clock_settle_seconds: float = Field(
        default=60.0, ge=0, description="sla: how long the database's clock must run evenly before firing goes on"
    )
