"""Prometheus' text format, read as a scraper would: the sum of a metric's samples."""

from prometheus_client.parser import text_string_to_metric_families


def total(text: str, sample_name: str, **labels: str) -> float:
    """The sum over all samples of that name whose labels include `labels`."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == sample_name and labels.items() <= sample.labels.items()
    )
