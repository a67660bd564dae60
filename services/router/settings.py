"""The router's settings: the common ones."""

from shared.runtime.settings import ServiceSettings


class RouterSettings(ServiceSettings):
    """What the router needs besides Kafka; units and rules are read from the set-up folder."""
