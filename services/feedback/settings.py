"""Feedback's settings: those of every service; it needs none of its own."""

from shared.runtime.settings import ServiceSettings


class FeedbackSettings(ServiceSettings):
    """From the environment (`CHUISHAO_…`)."""
