"""What is found in a text that leads to a person, and what is shown in its place."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What leads to a person."""

    PHONE = "phone"
    IDENTITY = "identity"
    NUMBER = "number"
    PLATE = "plate"
    EMAIL = "email"
    ACCOUNT = "account"
    LINK = "link"
    COURT_CASE = "court_case"
    BIRTH_DATE = "birth_date"
    NAME = "name"
    DOOR = "door"


SHOWN = {
    Kind.PHONE: "（电话略）",
    Kind.IDENTITY: "（证件号略）",
    Kind.NUMBER: "（号码略）",
    Kind.PLATE: "（车牌略）",
    Kind.EMAIL: "（邮箱略）",
    Kind.ACCOUNT: "（账号略）",
    Kind.LINK: "",
    Kind.COURT_CASE: "（案号略）",
    Kind.BIRTH_DATE: "（日期略）",
    Kind.NAME: "某某",
    Kind.DOOR: "",
}


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """The stretch `[start, end)` of a shadow. `shown` replaces what stands for its kind."""

    start: int
    end: int
    kind: Kind
    shown: str | None = None
