"""Measures the HTTP requests of an app: how many, how long until they are answered, and with what status."""

from time import perf_counter

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.runtime import metrics

FAILED = 500


class MeasuredRequests:
    """Pure ASGI, so that an open event stream passes through as it is; it counts as answered once it begins.

    A request that raises is one answered with 500. Labels are bounded: the route's template, known methods.
    """

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service
        self._under_way = metrics.REQUESTS_UNDER_WAY.labels(service)
        self._known: dict[tuple[str, str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, answered = perf_counter(), False

        def answer(status: int) -> None:
            nonlocal answered
            answered = True
            self._of(scope, status).observe(perf_counter() - began)
            self._under_way.dec()

        async def measured_send(message: Message) -> None:
            if message["type"] == "http.response.start" and not answered:
                answer(message["status"])
            await send(message)

        self._under_way.inc()
        try:
            await self._app(scope, receive, measured_send)
        except Exception:
            if not answered:
                answer(FAILED)
            raise
        finally:
            if not answered:  # whoever asked is gone, or we are stopping: nobody was answered
                self._under_way.dec()

    def _of(self, scope: Scope, status: int) -> Histogram:
        method = scope["method"] if scope["method"] in metrics.METHODS else metrics.OTHER
        # Below a mount (static files) there is no route, but where it is mounted.
        route = getattr(scope.get("route"), "path", None) or scope.get("root_path") or metrics.UNKNOWN
        key = (method, route, status)
        child = self._known.get(key)
        if child is None:
            child = self._known[key] = metrics.REQUESTS.labels(self._service, *key)
        return child
