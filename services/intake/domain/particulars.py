"""What anybody may say about a matter, at whatever door: the fields and their limits, checked once, here.

Limits in characters: title 200, content 10,000, address 500. Coordinates are GCJ-02 or CGCS2000 degrees as
the source gave them, inside the box that holds China. A text that PostgreSQL cannot store (NUL, lone
surrogates) is refused; white space around a text is dropped, and inside a one-line text it becomes one space.
"""

import re
from datetime import datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shared.contracts.facts import Evidence
from shared.contracts.vocabulary import AppealType, Urgency

LONGEST_TITLE = 200
LONGEST_CONTENT = 10_000
LONGEST_ADDRESS = 500
LONGEST_REFERENCE = 100
MOST_ATTACHMENTS = 20
CATEGORY_SEPARATOR = "->"

_DATE_AND_TIME = re.compile(r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")


def _one_line(value: object) -> object:
    return " ".join(value.split()) if isinstance(value, str) else value


def _trimmed(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _storable(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError(
            "nul_character",
            "it holds a NUL character, which cannot be stored; remove it",
            {"zh": "含有 NUL 字符，无法保存；请删除该字符"},
        )
    return text


def _written_time(value: object) -> object:
    """Numbers and bare dates mean different moments to different people; only a date with a time is taken."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE_AND_TIME.match(value)):
        return value
    raise PydanticCustomError(
        "time_expected",
        "it must be a date and time with its offset, for example 2026-03-02T09:30:00+08:00",
        {"zh": "应为带时区的日期时间，例如 2026-03-02T09:30:00+08:00"},
    )


def _web_address(url: str) -> str:
    if not url.lower().startswith(("https://", "http://")):
        raise PydanticCustomError(
            "web_address_expected",
            "it must begin with https:// or http://",
            {"zh": "应以 https:// 或 http:// 开头"},
        )
    return url


def levels_of(value: object) -> object:
    """A category written as one text: `a->b->c`, or a single name or code."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(CATEGORY_SEPARATOR) if part.strip())
    return value


Title = Annotated[
    str,
    BeforeValidator(_one_line),
    StringConstraints(min_length=1, max_length=LONGEST_TITLE),
    AfterValidator(_storable),
]
Content = Annotated[
    str,
    BeforeValidator(_trimmed),
    StringConstraints(min_length=1, max_length=LONGEST_CONTENT),
    AfterValidator(_storable),
]
Note = Annotated[str, BeforeValidator(_trimmed), StringConstraints(max_length=4000), AfterValidator(_storable)]
Explanation = Annotated[
    str,
    BeforeValidator(_trimmed),
    StringConstraints(min_length=1, max_length=4000),
    AfterValidator(_storable),
]
Address = Annotated[
    str, BeforeValidator(_one_line), StringConstraints(max_length=LONGEST_ADDRESS), AfterValidator(_storable)
]
Name = Annotated[
    str,
    BeforeValidator(_one_line),
    StringConstraints(min_length=1, max_length=100),
    AfterValidator(_storable),
]
PersonName = Annotated[str, BeforeValidator(_one_line), StringConstraints(max_length=100), AfterValidator(_storable)]
PhoneAsWritten = Annotated[str, BeforeValidator(_one_line), StringConstraints(max_length=40), AfterValidator(_storable)]
Reference = Annotated[
    str,
    BeforeValidator(_one_line),
    StringConstraints(min_length=1, max_length=LONGEST_REFERENCE),
    AfterValidator(_storable),
]
Url = Annotated[
    str,
    BeforeValidator(_trimmed),
    StringConstraints(min_length=1, max_length=1000),
    AfterValidator(_storable),
    AfterValidator(_web_address),
]
Flag = Annotated[bool, Strict()]
Longitude = Annotated[float, Strict(), Field(ge=73, le=136, allow_inf_nan=False)]
Latitude = Annotated[float, Strict(), Field(ge=3, le=54, allow_inf_nan=False)]
Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_written_time),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-03-02T09:30:00+08:00"]}),
]


def category_of(most: int) -> WithJsonSchema:
    """How a category may be written, for the API's description."""
    name = {"type": "string", "minLength": 1, "maxLength": 100}
    return WithJsonSchema(
        {"anyOf": [{"type": "array", "items": name, "maxItems": most}, name], "examples": [["供水", "停水"]]}
    )


class Attachment(BaseModel):
    """A file that lies elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[Name, Field(max_length=200)]
    media_type: Name
    url: Url

    @property
    def evidence(self) -> Evidence:
        return Evidence(name=self.name, media_type=self.media_type, url=self.url)


class Particulars(BaseModel):
    """The matter itself, as its source tells it. Nothing in it identifies the reporter."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=LONGEST_CONTENT)

    title: Title
    content: Content
    appeal_type: AppealType
    urgency: Urgency = Urgency.NORMAL
    category: Annotated[tuple[Name, ...], Field(max_length=5), BeforeValidator(levels_of), category_of(5)] = Field(
        default=(), description="levels of the catalogue from the top, or one code of it"
    )
    address: Address = ""
    longitude: Longitude | None = None
    latitude: Latitude | None = None
    occurred_at: Moment | None = None
    respondent: Name | None = Field(default=None, description="被反映单位: who the matter is about")
    confidential: Flag = Field(default=False, description="保密: the handling unit must not learn who reported")
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=MOST_ATTACHMENTS)] = ()

    @model_validator(mode="after")
    def _whole_place(self) -> "Particulars":
        if (self.longitude is None) != (self.latitude is None):
            raise PydanticCustomError(
                "half_a_place",
                "longitude and latitude are given together or not at all",
                {"zh": "经度和纬度须同时填写，或都不填", "field": "longitude"},
            )
        return self
