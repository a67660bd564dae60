"""New ids, UUIDv7 so that they sort by when they were made, and the numbers people use."""

from datetime import datetime
from uuid import UUID

from uuid_utils import uuid7


def new_id() -> UUID:
    return UUID(bytes=uuid7().bytes)


def case_number(letters: str, serial: int, taken_at: datetime) -> str:
    """哨单编号: letters, the date in the district's zone, six digits: `HA20260302000017`."""
    return f"{letters}{taken_at:%Y%m%d}{serial:06d}"
