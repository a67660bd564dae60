"""What a service says of itself at /metrics."""

from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families


async def figure(url: str, name: str, labels: Mapping[str, str] | None = None) -> float | None:
    """The sum of a metric's samples that have these labels; None where it says nothing, or nobody answers."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        try:
            answer = await client.get(f"{url}/metrics")
        except httpx.TransportError:
            return None
    return read(answer.text, name, labels or {}) if answer.is_success else None


def read(text: str, name: str, labels: Mapping[str, str]) -> float | None:
    """The same of a page that is there."""
    found = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return sum(found) if found else None
