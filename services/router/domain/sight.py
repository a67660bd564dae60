"""Who may see a case."""

from services.router.domain.case import Case
from shared.contracts import facts as f
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import ActorKind, Source


def may_see(asker: f.Actor, case: Case, tree: UnitTree) -> bool:
    """The hub sees every case, a unit those that it or a unit below it blew, has or had, 12345 its own orders.

    A resident's access is issued for one case: its person is that case's number or id.
    """
    match asker.kind:
        case ActorKind.STAFF:
            return asker.unit is not None and asker.unit in {tree.hub.code, *_involved(case, tree)}
        case ActorKind.HOTLINE:
            return case.matter.source is Source.HOTLINE_12345
        case ActorKind.RESIDENT:
            return asker.person in (case.number, str(case.case_id))
        case _:
            return False


def _involved(case: Case, tree: UnitTree) -> set[str]:
    units = {case.matter.whistle_blower, *(one.unit for one in case.assignments)}
    return units | {above.code for unit in units for above in tree.ancestors(unit)}
