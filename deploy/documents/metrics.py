"""docs/reference/metrics.md, from the metrics as they are declared."""

from collections import Counter
from importlib import import_module
from types import ModuleType

from prometheus_client import Histogram
from prometheus_client.metrics import MetricWrapperBase

from deploy.documents.markdown import code, table
from deploy.documents.markdown import page as whole_page
from deploy.local.processes import SERVICES, Service
from shared.runtime.metrics import LABELS, Labels, Values, name_of, values_of

INTRODUCTION = """\
Every service answers `GET /metrics` in Prometheus' text format. No case, person or phone ever stands in a label; what
each label may say, and so how many series there can be, stands below each table. A histogram has `_bucket`, `_sum` and
`_count` behind its name. Beside these there are the usual `process_…` and `python_…` ones."""

OF_ALL = "shared.runtime.metrics"


def page() -> str:
    blocks = ["## Every service with a log", *_of(import_module(OF_ALL))]
    for service in SERVICES:
        module = _metrics_of(service)
        if module is not None:
            blocks += [f"## {service.name}", *_of(module)]
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


def labels_of(module: ModuleType) -> Labels:
    """What a module says of its metrics' labels; what it says nothing of is as everywhere."""
    own: Labels = vars(module).get("LABELS", LABELS)
    return own


def _of(module: ModuleType) -> list[str]:
    return [_table(module), *_labels(module)]


def _labels(module: ModuleType) -> list[str]:
    said: dict[tuple[str, Values], list[str]] = {}
    for metric in declared(module):
        for label in metric._labelnames:
            said.setdefault((label, values_of(metric, label, labels_of(module))), []).append(name_of(metric))
    several = Counter(label for label, _ in said)
    rows = [
        (f"{code(label)} of {', '.join(map(code, names))}" if several[label] > 1 else code(label), *_values(values))
        for (label, values), names in sorted(said.items(), key=lambda one: one[0][0])
    ]
    return [table(("label", "what it says", "at most"), rows)] if rows else []


def _values(values: Values) -> tuple[str, str]:
    return ", ".join(map(code, values.words)) or values.what, str(values.most)


def _table(module: ModuleType) -> str:
    return table(("metric", "type", "labels", "meaning"), [_row(metric) for metric in declared(module)])


def _row(metric: MetricWrapperBase) -> tuple[str, ...]:
    described = next(iter(metric.describe()))
    labels = ", ".join(map(code, metric._labelnames))
    kind = "histogram" if isinstance(metric, Histogram) else described.type
    return code(name_of(metric)), kind, labels or "—", described.documentation
