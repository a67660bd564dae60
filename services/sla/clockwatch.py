"""Watches the database's clock against the monotonic one. It is the authority, unless it jumps."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from services.sla import metrics

logger = structlog.get_logger(__name__)


class ClockWatch:
    """Nothing may fire while the database's clock jumps, nor until it has run evenly for `settle` seconds.

    A service's own clock is never asked. `monotonic` in seconds, as `time.monotonic`.
    """

    def __init__(self, jump: float, settle: float, monotonic: Callable[[], float]) -> None:
        self._jump = timedelta(seconds=jump)
        self._settle = settle
        self._monotonic = monotonic
        self._reference: tuple[datetime, float] | None = None
        self._jumped_at: float | None = None
        metrics.CLOCK_JUMPED.set(0)

    @property
    def trusted(self) -> bool:
        return self._jumped_at is None

    def now(self) -> datetime | None:
        """What the database's clock should show now; None before it was read for the first time."""
        return None if self._reference is None else self._expected(self._monotonic())

    def observe(self, shown: datetime, earliest: float) -> bool:
        """The clock showed this at some moment since `earliest` (monotonic). Returns whether it is trusted."""
        latest = self._monotonic()
        if self._reference is not None:
            self._compare(shown, earliest, latest)
        self._reference = (shown, latest)
        return self.trusted

    def _compare(self, shown: datetime, earliest: float, latest: float) -> None:
        low, high = self._expected(earliest) - self._jump, self._expected(latest) + self._jump
        if not low <= shown <= high:
            off = (shown - self._expected(latest)).total_seconds()
            self._jumped_at = latest
            metrics.CLOCK_JUMPED.set(1)
            logger.error("the database's clock jumped: nothing fires until it runs evenly", seconds=round(off, 3))
        elif self._jumped_at is not None and latest - self._jumped_at >= self._settle:
            self._jumped_at = None
            metrics.CLOCK_JUMPED.set(0)
            logger.warning("the database's clock runs evenly again: firing goes on", now=shown.isoformat())

    def _expected(self, monotonic: float) -> datetime:
        assert self._reference is not None
        shown, at = self._reference
        return shown + timedelta(seconds=monotonic - at)
