"""docs/reference/metrics.md, from the metrics as they are declared."""

from importlib import import_module
from types import ModuleType

from prometheus_client import Histogram
from prometheus_client.metrics import MetricWrapperBase

from deploy.documents.markdown import code, table
from deploy.documents.markdown import page as whole_page
from deploy.local.processes import SERVICES, Service

INTRODUCTION = """\
Every service answers `GET /metrics` in Prometheus' text format. No case, person or phone ever stands in a
label. A histogram has `_bucket`, `_sum` and `_count` behind its name. Beside these there are the usual `process_…` and
`python_…` ones."""

OF_ALL = "shared.runtime.metrics"


def page() -> str:
    blocks = ["## Every service with a log", _table(import_module(OF_ALL))]
    for service in SERVICES:
        module = _metrics_of(service)
        if module is not None:
            blocks += [f"## {service.name}", _table(module)]
    return whole_page(
        "Metrics · 监控指标", "shared/runtime/metrics.py and services/*/metrics.py", INTRODUCTION, *blocks
    )


def declared(module: ModuleType) -> list[MetricWrapperBase]:
    """The metrics a module declares, in its order."""
    return [found for found in vars(module).values() if isinstance(found, MetricWrapperBase)]


def _metrics_of(service: Service) -> ModuleType | None:
    name = service.beside("metrics")
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


def _table(module: ModuleType) -> str:
    return table(("metric", "type", "labels", "meaning"), [_row(metric) for metric in declared(module)])


def _row(metric: MetricWrapperBase) -> tuple[str, ...]:
    described = next(iter(metric.describe()))
    name = f"{described.name}_total" if described.type == "counter" else described.name
    labels = ", ".join(map(code, metric._labelnames))
    kind = "histogram" if isinstance(metric, Histogram) else described.type
    return code(name), kind, labels or "—", described.documentation
