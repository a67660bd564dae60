"""Times whose text sorts as they do."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import PlainSerializer


def sortable(moment: datetime) -> str:
    """A time as the one-width UTC text that its order can be told by."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


SortableMoment = Annotated[datetime, PlainSerializer(sortable, return_type=str)]
"""A time written in UTC and in one width, so that its text sorts as the time does."""
