"""sla's settings, from the environment."""

from pydantic import Field

from shared.runtime.settings import ServiceSettings


class SlaSettings(ServiceSettings):
    """What sla needs besides what every service needs."""

    clock_jump_seconds: float = Field(
        default=3.0, gt=0, description="sla: how far the database's clock may jump before nothing fires any more"
    )
    clock_settle_seconds: float = Field(
        default=60.0, ge=0, description="sla: how long the database's clock must run evenly before firing goes on"
    )
    notice_days: int = Field(
        default=180, ge=1, description="sla: how many days digests are kept, and the notices that went out with them"
    )
