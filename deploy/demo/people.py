"""What the people of the rehearsal do when it is their turn: who refuses, who is late, who is not satisfied.

Each habit counts its own occasions, so a rehearsal of any length plays every branch in fixed proportions.
"""

from dataclasses import dataclass, field
from itertools import count


@dataclass(slots=True)
class Habit:
    """Happens on every `every`-th occasion, first on occasion `first` (counted from 0)."""

    every: int
    first: int = 0
    _seen: "count[int]" = field(default_factory=count)
    _missed: int = 0

    def strikes(self) -> bool:
        due = next(self._seen) % self.every == self.first
        if due or self._missed == 0:
            return due
        self._missed -= 1
        return True

    def missed(self) -> None:
        """It came too late this time: it happens on the next occasion that has nothing of its own."""
        self._missed += 1


@dataclass(slots=True)
class Habits:
    """All habits of one rehearsal."""

    community_declines: Habit = field(default_factory=lambda: Habit(6, 2))
    case_has_a_scene: Habit = field(default_factory=lambda: Habit(3, 1))
    duplicate_is_none: Habit = field(default_factory=lambda: Habit(3, 1))
    unit_refuses: Habit = field(default_factory=lambda: Habit(9, 3))
    second_unit_refuses_too: Habit = field(default_factory=lambda: Habit(3, 1))
    hub_dismisses: Habit = field(default_factory=lambda: Habit(3, 2))
    hub_designates_the_same: Habit = field(default_factory=lambda: Habit(2, 1))
    critical_unit_is_late: Habit = field(default_factory=lambda: Habit(2, 0))
    late_unit_waits_for_the_ladder: Habit = field(default_factory=lambda: Habit(2, 1))
    late_unit_waits_for_supervision: Habit = field(default_factory=lambda: Habit(2, 1))
    late_unit_waits_to_be_relieved: Habit = field(default_factory=lambda: Habit(2, 0))
    check_fails: Habit = field(default_factory=lambda: Habit(11, 4))
    check_is_unit_by_unit: Habit = field(default_factory=lambda: Habit(3, 1))
    resident_answers_on_the_phone: Habit = field(default_factory=lambda: Habit(4, 2))
    resident_is_not_satisfied: Habit = field(default_factory=lambda: Habit(9, 3))
    resident_stays_silent: Habit = field(default_factory=lambda: Habit(14, 6))
    whistle_blower_stays_silent: Habit = field(default_factory=lambda: Habit(14, 9))


RESULTS = (
    "已派人到现场处理完毕，恢复正常，已电话告知诉求人。",
    "现场核查属实，已整改到位，并安排专人每周巡查。",
    "已联系责任单位完成维修，诉求人现场确认。",
    "已清理并加装防护设施，后续纳入日常管理。",
)
REFUSAL_REASON = "经核实，该事项不属于本单位职责范围。"
REFUSAL_BASIS = "《和安区街道与部门职责清单（2026年版）》第三章"
REQUEST_REASON = "所需配件须由厂家定制，到货后方可更换。"
REQUEST_BASIS = "《和安区诉求办理规程（2026年版）》第十二条"
EXPLANATION = "该处已列入明年的改造计划，目前不具备施工条件，已向您当面说明，到期将再次复核。"
CHECK_FAILED = "现场复查问题仍然存在，请返工。"
DECLINED = "经社区上门核实，反映情况不属实。"
