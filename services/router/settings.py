"""The router's settings: the common ones, and what is a duplicate."""

from pydantic import Field

from services.router.domain.likeness import THRESHOLD
from shared.runtime.settings import ServiceSettings


class RouterSettings(ServiceSettings):
    """What the router needs besides Kafka."""

    duplicate_threshold: float = Field(
        default=THRESHOLD, ge=0, le=1, description="router: how alike two cases must be to be proposed as duplicates"
    )
    duplicate_days: float = Field(
        default=14, gt=0, le=366, description="router: cases further apart in time than this are not compared"
    )
