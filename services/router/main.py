"""派单: the router decides about every case. This is the map: which message runs which function.

Reading order: here → handlers.py → domain/ → store.py.
"""

from collections.abc import Callable
from functools import partial

from services.router import handlers as h
from services.router.api import routes
from services.router.domain import desk
from services.router.domain.case import Case
from services.router.domain.opening import District
from services.router.domain.rules import read_rules
from services.router.projection import project
from services.router.settings import RouterSettings
from services.router.store import CaseStates
from shared.contracts import facts as f
from shared.contracts.topics import CASES, DEADLINES, FEEDBACK, WHISTLES
from shared.contracts.units import read_units
from shared.runtime.decision import Decision
from shared.runtime.service import Handler, Service, ignore, run

READS = (WHISTLES, DEADLINES, FEEDBACK, "reports.<unit>")

HANDLERS: dict[type, Callable[..., Decision[Case]]] = {
    # from intake
    f.WhistleReceived: h.open_case,
    f.WhistleVerified: h.verify_case,
    f.WhistleDeclined: h.decline_case,
    # from units, by topic or by HTTP
    f.ReportSignedIn: h.take_report,
    f.ReportRefused: h.take_report,
    f.ReportProgressed: h.take_report,
    f.ReportDone: h.take_report,
    # from the hub's people
    desk.Dispatch: h.dispatch_case,
    desk.RuleOnRefusal: h.rule_on_refusal,
    desk.OrderRework: h.order_rework,
    # from sla
    f.DeadlineOverdue: h.record_overdue,
    f.DeadlineEscalated: h.record_escalation,
    # from feedback
    f.FeedbackChecked: h.check_case,
    f.FeedbackConcluded: h.conclude_case,
}

PASSED_OVER: dict[type, Handler] = {
    f.DeadlineWarned: ignore,  # a warning changes nothing about the case
    f.FeedbackUnitRated: ignore,  # counts in the verdict that follows
    f.FeedbackResidentAnswered: ignore,
}


def read_district(settings: RouterSettings) -> District:
    """Units and rules from the set-up folder. Raises with every problem found."""
    tree = read_units(settings.setup / "units.yaml")
    return District(tree, read_rules(settings.setup / "rules.yaml", tree))


def with_district(district: District) -> dict[type, Handler]:
    """The map, each handler bound to the district it decides for."""
    return {message: partial(handler, district) for message, handler in HANDLERS.items()} | PASSED_OVER


def make_service(district: District) -> Service[Case]:
    return Service(
        name="router",
        topic=CASES,
        reads=READS,
        handlers=with_district(district),
        states=CaseStates(),
        project=project,
        routes=partial(routes, district=district),
    )


if __name__ == "__main__":
    settings = RouterSettings()
    run(make_service(read_district(settings)), settings)
