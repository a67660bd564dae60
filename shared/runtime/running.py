"""A service's parts while it runs."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import asyncpg

from shared.runtime.consumer import Consumer
from shared.runtime.door import Door
from shared.runtime.identity import Gatekeeper
from shared.runtime.postgres import PostgresStore
from shared.runtime.relay import Relay
from shared.runtime.road import Road

S = TypeVar("S")


@dataclass(slots=True)
class Running(Generic[S]):
    """A service's parts while it runs; what its HTTP doors and its own tasks work with."""

    name: str
    pool: asyncpg.Pool
    store: PostgresStore
    road: Road[S]
    door: Door
    gatekeeper: Gatekeeper
    relay: Relay
    consumer: Consumer | None
