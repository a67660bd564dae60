"""Slows whoever tries links: an address has so many failures in a while, then it must wait. Memory is bounded."""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil

MOST_FAILURES = 30
WHILE_SECONDS = 600.0
MOST_ADDRESSES = 10_000


class Guesses:
    """Failures by address, an IPv6 network being one; the address heard of longest ago is forgotten first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, address: str) -> int:
        """For how many seconds it must wait; 0 if it may try."""
        failures, since = self._failures.get(_whose(address), (0, 0.0))
        left = since + WHILE_SECONDS - self._clock()
        return ceil(left) if failures >= MOST_FAILURES and left > 0 else 0

    def failed(self, address: str) -> None:
        whose, now = _whose(address), self._clock()
        failures, since = self._failures.pop(whose, (0, now))
        if now - since >= WHILE_SECONDS:
            failures, since = 0, now
        self._failures[whose] = (failures + 1, since)
        if len(self._failures) > MOST_ADDRESSES:
            self._failures.popitem(last=False)

    def __len__(self) -> int:
        return len(self._failures)


def _whose(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)
