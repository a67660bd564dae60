"""What happens to cases, for the tests of the live statistics: facts with the units and categories they need."""

from uuid import UUID

from shared.contracts import facts as f
from shared.contracts.vocabulary import Ledger, Level, Obligation, ReworkCause, Role, Source, Stage
from tests.unit.feedback import histories as h

WATER, MARKET = h.WATER, h.MARKET
PART = UUID(int=1)
PIPES, RUBBISH = ("公用事业", "供水"), ("市容环卫", "垃圾")


def matter(number: str = h.NUMBER, **changes: object) -> f.Matter:
    values = {"number": number, "category": PIPES, "address": "湖畔社区3号楼2单元"} | changes
    return h.matter(Source.RESIDENT, False, h.COMMUNITY).model_copy(update=values)


def made(*units: str, begun: bool = True) -> tuple[f.AssignmentMade, ...]:
    return tuple(
        f.AssignmentMade(
            assignment_id=UUID(int=place + 1), unit=unit, role=Role.CO_HANDLER if place else Role.LEAD, begun=begun
        )
        for place, unit in enumerate(units)
    )


def of(fact: type[f.CaseFact], stage: Stage, number: str = h.NUMBER, **values: object) -> f.CaseFact:
    common = {"number": number, "source": Source.RESIDENT, "stage": stage, "actor": h.RULE}
    return fact.model_validate(common | values)


def opened(number: str = h.NUMBER, **changes: object) -> f.CaseFact:
    return of(f.CaseOpened, Stage.RECEIVED, number, matter=matter(number, **changes))


def dispatched(*units: str, kept: tuple[str, ...] = (), **changes: object) -> f.CaseFact:
    return of(
        f.CaseDispatched,
        Stage.DISPATCHED,
        level=Level.DEPARTMENT,
        ledger=Ledger.FIXED_DEADLINE,
        matter=matter(h.NUMBER, **changes),
        assignments=(*made(*kept, begun=False), *made(*units)),
        reason=f.Reason(zh="", en=""),
    )


def overdue(unit: str | None = WATER, obligation: Obligation = Obligation.HANDLE) -> f.CaseFact:
    return of(f.CaseOverdue, Stage.HANDLING, obligation=obligation, unit=unit, generation=1, due_at=h.NOW)


def refusal_ruled(unit: str, upheld: bool) -> f.CaseFact:
    return of(
        f.CaseRefusalRuled, Stage.DISPATCHED, assignment_id=UUID(int=1), unit=unit, upheld=upheld, reason="职责清单"
    )


def handed_over(before: str, unit: str, part: UUID | None = PART) -> f.CaseFact:
    return of(
        f.CaseHandedOver,
        Stage.HANDLING,
        before=before,
        unit=unit,
        assignment_id=part,
        role=Role.LEAD,
        matter=matter(),
        reason=f.Reason(zh="", en=""),
    )


def rework(*units: str, cause: ReworkCause = ReworkCause.CHECK_FAILED) -> f.CaseFact:
    return of(f.CaseReworkOrdered, Stage.REWORK, cause=cause, matter=matter(), assignments=made(*units), round=2)


def closed(*units: str, rule: str = "all_have_spoken") -> f.CaseFact:
    return of(
        f.CaseClosed,
        Stage.CLOSED,
        answer="已修复",
        ledger=Ledger.FIXED_DEADLINE,
        reason=f.Reason(zh="", en="", rule=rule),
        assignments=made(*units),
    )


def archived() -> f.CaseFact:
    return of(f.CaseArchived, Stage.ARCHIVED)


def withdrawn() -> f.CaseFact:
    return of(f.CaseWithdrawn, Stage.WITHDRAWN, reason="已自行修好")
