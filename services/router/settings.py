"""The router's settings: the common ones, what is a duplicate, and how 12345 is called back."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from services.router.callback_post import read_secret
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
    hotline_callback_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s/?#@]+(/[^\s#]*)?)?$",
        description="router: where 12345 takes replies by HTTP; empty = they are on hotline.replies alone",
    )
    hotline_callback_secret: SecretStr = Field(
        default=SecretStr(""),
        description="router: whsec_ and 24 to 64 bytes in base64: signs what 12345 is called back",
    )
    hotline_callback_ca_file: Path | None = Field(
        default=None, description="router: the authority that signed 12345's certificate (PEM); default the system's"
    )
    hotline_callback_from_start: bool = Field(
        default=False,
        description="router: switched on for the first time, begin at the log's start instead of its end",
    )
    hotline_callback_attempts: int = Field(
        default=5, ge=1, le=1000, description="router: a reply that 12345 refused (4xx) so often is put aside"
    )
    hotline_callback_patience_hours: float = Field(
        default=24,
        gt=0,
        le=8784,
        description="router: so is one not taken for so long, and so often, while 12345 took others",
    )

    def hotline_callback_key(self) -> bytes:
        return read_secret(self.hotline_callback_secret.get_secret_value())

    @model_validator(mode="after")
    def _can_be_signed(self) -> Self:
        if self.hotline_callback_url:
            try:
                self.hotline_callback_key()
            except ValueError as error:
                raise ValueError(f"hotline_callback_secret: {error}") from None
        return self
