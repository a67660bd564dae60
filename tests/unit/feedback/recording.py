"""A case's log told in one line each, as what is measured is read from it."""

from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from services.feedback.domain.measuring.judged import Judged, judged, parts, whole
from services.feedback.domain.measuring.part import Part, Whole
from services.feedback.domain.measuring.record import CaseRecord, recorded
from shared.contracts import facts as f
from shared.contracts.vocabulary import (
    ActorKind,
    AppealType,
    DeclineReason,
    Ledger,
    Level,
    Obligation,
    RequestKind,
    ReworkCause,
    Role,
    Source,
    Stage,
    Urgency,
)
from tests.unit.feedback.rows import PINES

CASE = UUID("01938000-0000-7000-8000-000000000001")
NUMBER = "HA20261110-0001"
RULE = f.Actor(kind=ActorKind.RULE)
WHY = f.Reason(zh="", en="")


def assignment(unit: str, number: int = 1) -> UUID:
    return uuid5(NAMESPACE_URL, f"{unit}/{number}")


def matter(category: tuple[str, ...] = ("供水", "漏水"), region: str = PINES, whistle_blower: str = PINES) -> f.Matter:
    return f.Matter(
        number=NUMBER,
        source=Source.RESIDENT,
        appeal_type=AppealType.HELP,
        urgency=Urgency.NORMAL,
        category=category,
        title="楼道水管漏水",
        content="三单元一层楼道水管漏水两天",
        region=region,
        whistle_blower=whistle_blower,
        received_at=datetime.fromisoformat("2026-11-01T00:00:00+00:00"),
    )


class Story:
    """A case's log and feedback's, each with the time at which a fact was stated; `rows` is what is measured of it."""

    def __init__(self, at: datetime) -> None:
        self.record: CaseRecord | None = None
        self.words = Judged()
        self.at = at
        self.say(at, f.CaseOpened(**self.head(Stage.RECEIVED), matter=matter()))

    def head(self, stage: Stage = Stage.HANDLING) -> dict[str, object]:
        """A fact's heading."""
        return {"number": NUMBER, "source": Source.RESIDENT, "stage": stage, "actor": RULE}

    def say(self, at: datetime, fact: f.CaseFact) -> "Story":
        self.record = recorded(self.record, fact, at)
        return self

    def word(self, at: datetime, fact: f.Fact) -> "Story":
        self.words = judged(self.words, fact, at)
        return self

    def part(self, unit: str, number: int = 1) -> Part:
        return next(one for one in self.parts if (one.unit, one.round) == (unit, number))

    @property
    def parts(self) -> tuple[Part, ...]:
        assert self.record is not None
        return parts(CASE, self.record, self.words)

    @property
    def whole(self) -> Whole:
        assert self.record is not None
        return whole(CASE, self.record, self.words)

    # --- what happens, one line each; the first unit leads

    def dispatched(self, at: datetime, *units: str, level: Level = Level.DEPARTMENT, number: int = 1) -> "Story":
        fact = f.CaseDispatched(
            **self.head(Stage.DISPATCHED),
            level=level,
            matter=matter(),
            assignments=_made(units, number),
            ledger=Ledger.FIXED_DEADLINE,
            reason=WHY,
        )
        return self.say(at, fact)

    def signed_in(self, at: datetime, unit: str, number: int = 1) -> "Story":
        return self.say(at, f.CaseSignedIn(**self.head(), assignment_id=assignment(unit, number), unit=unit))

    def refused(self, at: datetime, unit: str) -> "Story":
        fact = f.CaseRefused(
            **self.head(Stage.REFUSAL_REVIEW), assignment_id=assignment(unit), unit=unit, reason="", basis="", count=1
        )
        return self.say(at, fact)

    def ruled(self, at: datetime, unit: str, upheld: bool) -> "Story":
        fact = f.CaseRefusalRuled(**self.head(), assignment_id=assignment(unit), unit=unit, upheld=upheld, reason="")
        return self.say(at, fact)

    def contacted(self, at: datetime, unit: str, contacted: bool = True) -> "Story":
        fact = f.CaseProgressed(**self.head(), assignment_id=assignment(unit), unit=unit, note="", contacted=contacted)
        return self.say(at, fact)

    def done(self, at: datetime, unit: str, number: int = 1, under: UUID | None = None) -> "Story":
        fact = f.CaseUnitDone(
            **self.head(), assignment_id=under or assignment(unit, number), unit=unit, result="已修复"
        )
        return self.say(at, fact)

    def extension(self, at: datetime, unit: str, approved: bool) -> "Story":
        fact = f.CaseRequestRuled(
            **self.head(),
            kind=RequestKind.EXTENSION,
            assignment_id=assignment(unit),
            unit=unit,
            approved=approved,
            reason="",
        )
        return self.say(at, fact)

    def overdue(
        self, at: datetime, unit: str, obligation: Obligation, due_at: datetime, under: UUID | None = None
    ) -> "Story":
        fact = f.CaseOverdue(
            **self.head(),
            obligation=obligation,
            unit=unit,
            assignment_id=under or assignment(unit),
            generation=1,
            due_at=due_at,
        )
        return self.say(at, fact)

    def supervised(self, at: datetime, unit: str) -> "Story":
        return self.say(at, f.CaseSupervised(**self.head(), unit=unit, assignment_id=assignment(unit), reason=""))

    def checked(self, at: datetime, *failed: str, passed: bool = False) -> "Story":
        return self.say(at, f.CaseChecked(**self.head(Stage.CHECKING), passed=passed, failed_units=failed))

    def rework(
        self, at: datetime, *units: str, number: int = 2, cause: ReworkCause = ReworkCause.CHECK_FAILED
    ) -> "Story":
        fact = f.CaseReworkOrdered(
            **self.head(Stage.REWORK),
            cause=cause,
            matter=matter(),
            assignments=_made(units, number),
            round=number,
        )
        return self.say(at, fact)

    def closed(self, at: datetime) -> "Story":
        fact = f.CaseClosed(
            **self.head(Stage.CLOSED), answer="已修复", ledger=Ledger.FIXED_DEADLINE, reason=WHY, assignments=()
        )
        return self.say(at, fact)

    def merged(self, at: datetime) -> "Story":
        fact = f.CaseMerged(**self.head(Stage.MERGED), into=UUID(int=9), into_number="HA-9", reason="")
        return self.say(at, fact)

    def unmerged(self, at: datetime) -> "Story":
        return self.say(at, f.CaseUnmerged(**self.head(Stage.TO_DISPATCH), reason=""))

    def answered(self, at: datetime, *units: str) -> "Story":
        fact = f.CaseAnswered(
            **self.head(Stage.RATING),
            answer="已修复",
            ledger=Ledger.FIXED_DEADLINE,
            into=UUID(int=9),
            units=units,
            round=1,
            resident_to_ask=True,
            whistle_blower=PINES,
        )
        return self.say(at, fact)

    def withdrawn(self, at: datetime) -> "Story":
        return self.say(at, f.CaseWithdrawn(**self.head(Stage.WITHDRAWN), reason=""))

    def declined(self, at: datetime) -> "Story":
        fact = f.CaseDeclined(**self.head(Stage.DECLINED), reason=DeclineReason.UNTRUE, explanation="")
        return self.say(at, fact)

    def to_desk(self, at: datetime, *released: str) -> "Story":
        fact = f.CaseSentToDesk(**self.head(Stage.TO_DISPATCH), desk="110199", reason=WHY, released=_made(released, 1))
        return self.say(at, fact)

    def corrected(self, at: datetime, *category: str, region: str = PINES) -> "Story":
        fact = f.CaseCorrected(**self.head(), matter=matter(category, region), changed=("category",), reason="")
        return self.say(at, fact)

    def handed_over(self, at: datetime, before: str, unit: str, role: Role = Role.LEAD) -> "Story":
        fact = f.CaseHandedOver(
            **self.head(),
            before=before,
            unit=unit,
            assignment_id=assignment(before),
            role=role,
            matter=matter(),
            reason=WHY,
        )
        return self.say(at, fact)


def _made(units: tuple[str, ...], number: int) -> tuple[f.AssignmentMade, ...]:
    return tuple(
        f.AssignmentMade(
            assignment_id=assignment(unit, number),
            unit=unit,
            role=Role.CO_HANDLER if place else Role.LEAD,
            round=number,
        )
        for place, unit in enumerate(units)
    )
