"""What people ask for at the doors. `actor` is who asks, vouched for by the door."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts import facts as f
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import AppealType, CaseList, Ledger, RequestKind, Stage, Urgency

Why = Annotated[str, Field(min_length=1, max_length=1000)]
Code = Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{2,32}$")]
Units = Annotated[tuple[Code, ...], Field(max_length=20)]


class Command(BaseModel):
    """Every command says who asks; most say why, and on what basis."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    actor: f.Actor

    def addressed(self, matter: f.Matter, tree: UnitTree) -> Self:
        """The same, where it names units that are gone, of those who succeeded them in such a matter."""

        def there(code: str) -> str:
            return tree.present(code, matter.region, matter.category) or code

        named: dict[str, object] = {}
        for field in ("unit", "to"):
            code = getattr(self, field, None)
            if isinstance(code, str) and code not in tree:
                named[field] = there(code)
        units = getattr(self, "units", ())
        if any(code not in tree for code in units):
            named["units"] = tuple(dict.fromkeys(map(there, units)))
        return self.model_copy(update=named) if named else self


class Reasoned(Command):
    reason: Why
    basis: Annotated[str, Field(max_length=1000)] = ""


# --- at the hub's desk


class Dispatch(Reasoned):
    """Give a case to units, the first of them the lead; after consultation this is the designation.

    List and ledger stay as they are where none is named.
    """

    units: Annotated[Units, Field(min_length=1)]
    case_list: CaseList | None = None
    ledger: Ledger | None = None


class RuleOnRefusal(Reasoned):
    """Uphold a refusal and name the units that take its place, or dismiss it: the unit keeps the case.

    `unit` says whose refusal, where more than one is argued.
    """

    upheld: bool
    units: Units = ()
    unit: Code | None = None


class OrderRework(Reasoned):
    """Reopen a closed case."""


# --- handling it together


class Transfer(Reasoned):
    """转办: another unit takes a unit's place, in its role. `unit` None = the lead's place."""

    unit: Code | None = None
    to: Code


class Join(Reasoned):
    """More co-handlers."""

    units: Annotated[Units, Field(min_length=1)]


class Release(Reasoned):
    """A co-handler is no longer needed."""

    unit: Code


class ChangeLead(Reasoned):
    """Another unit leads, one of the co-handlers or a new one; the former lead stays as a co-handler."""

    unit: Code


# --- time


class RuleOnRequest(Reasoned):
    """Approve what a unit asked for, as asked or less, or not. `unit` and `kind` where more than one is open."""

    approved: bool
    unit: Code | None = None
    kind: RequestKind | None = None
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    until: AwareDatetime | None = None


class Resume(Reasoned):
    """A suspended case goes on before its date."""


class ListCase(Reasoned):
    """列入三单. Phased: with milestones. Understanding: with explanation, when it was given, and the review date."""

    case_list: CaseList
    ledger: Ledger | None = None
    milestones: Annotated[tuple[f.Milestone, ...], Field(max_length=100)] = ()
    explanation: Annotated[str, Field(max_length=4000)] = ""
    explained_at: AwareDatetime | None = None
    review_at: AwareDatetime | None = None


# --- what changes nothing of who has it


class Supervise(Reasoned):
    """督办. `unit` None = the lead."""

    unit: Code | None = None


class EndSupervision(Reasoned):
    unit: Code


class ChangePriority(Reasoned):
    urgency: Urgency


class Correct(Reasoned):
    """Put right what the matter says; what is left out stays."""

    title: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    category: tuple[str, ...] | None = None
    address: Annotated[str, Field(max_length=500)] | None = None
    region: Code | None = None
    respondent: Annotated[str, Field(max_length=200)] | None = None
    appeal_type: AppealType | None = None


class Comment(Command):
    text: Annotated[str, Field(min_length=1, max_length=4000)]


class Withdraw(Reasoned):
    """撤单."""


# --- with other cases


class Merge(Reasoned):
    """并案 into another case: what the door found there, and how many were merged into this one."""

    into: UUID
    into_number: str
    into_stage: Stage
    followers: int = 0


class Unmerge(Reasoned):
    """撤销并案."""
