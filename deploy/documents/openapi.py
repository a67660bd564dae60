"""docs/reference/openapi: an OpenAPI 3.1 description of each service's HTTP doors, made without a database."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from fastapi import FastAPI

from deploy.documents.schemas import as_json
from services.feedback import main as feedback
from services.feedback.settings import FeedbackSettings
from services.intake import main as intake
from services.router import api as router
from services.router.callback_api import callback_routes
from services.router.settings import RouterSettings
from services.router.setup_api import setup_routes
from services.sla import main as sla
from shared.runtime.admin import admin_routes
from shared.runtime.district import Setup
from shared.runtime.running import Running
from shared.runtime.service import health_routes, release

DESCRIPTION = (
    "Every door but /health and /metrics asks who you are: a person's short-lived signed token in `Authorization: "
    "Bearer …`, or a system's key in `X-API-Key`. Every no is a problem document (RFC 9457) with `detail` in Chinese, "
    "`detail_en` in English and, where there is one, the `field` at fault. A command may carry an `Idempotency-Key`: "
    "repeated with the same key and body within seven days, it has its effect once and gets the same answer. 503 with "
    "`Retry-After` means that nothing was accepted."
)


def documents() -> dict[str, str]:
    """Each service's description. The workbench has pages for people and no API."""
    return {name: as_json(described(name, add)) for name, add in doors().items()}


def doors() -> Mapping[str, Callable[[FastAPI, Running[Any]], None]]:
    """What each service adds to the doors that all have."""
    return {
        "intake": lambda app, _: intake.add_routes(app),
        "router": _router,
        "sla": partial(sla.doors, Setup(), cast(Any, None)),
        "feedback": feedback.routes(Setup(), FeedbackSettings.model_construct()),
    }


def described(name: str, add: Callable[[FastAPI, Running[Any]], None]) -> dict[str, Any]:
    """The routes of a service that does not run: they only note what they will work with."""
    app = FastAPI(title=f"chuishao {name}", version=release(), description=DESCRIPTION)
    parts = cast(Any, None)
    running: Running[Any] = Running(
        name=name, pool=parts, store=parts, road=parts, door=parts, gatekeeper=parts, relay=parts, consumer=None
    )
    health_routes(app, running)
    admin_routes(app, running)
    add(app, running)
    return app.openapi()


def _router(app: FastAPI, running: Running[Any]) -> None:
    router.routes(app, running, cast(Any, None))
    setup_routes(app, running, Setup())
    callback_routes(app, running, RouterSettings.model_construct())
