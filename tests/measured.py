"""What a metric shows now, for tests."""

from prometheus_client.metrics import MetricWrapperBase

from shared.runtime.metrics import name_of


def shown(metric: MetricWrapperBase, suffix: str = "") -> dict[tuple[str, ...], float]:
    """Its value for each set of labels that there is; of a histogram, its `_sum` or `_count`."""
    [family] = metric.collect()
    samples = [sample for sample in family.samples if sample.name == name_of(metric) + suffix]
    return {tuple(sample.labels[label] for label in metric._labelnames): sample.value for sample in samples}
