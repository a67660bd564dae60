"""What a measurement was made on: without it, no figure says anything."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import psutil

from deploy.local import artifacts

LIBRARIES = ("asyncpg", "aiokafka", "pydantic", "uvloop")


def machine() -> dict[str, object]:
    """Processors, memory, system, and how busy it was in the last minute."""
    return {
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load": load(),
    }


def load() -> float:
    """Processes that wanted to run in the last minute, on average."""
    return round(os.getloadavg()[0], 2)


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "kafka": artifacts.kafka_version()}
    return found | {name: _version(name) for name in LIBRARIES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
