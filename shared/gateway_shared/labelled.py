"""Metrics by their label values, found once: `labels()` of the client library checks and locks at every call."""

from functools import lru_cache
from typing import TypeVar

from prometheus_client import Counter, Gauge, Histogram

Metric = TypeVar("Metric", Counter, Gauge, Histogram)


@lru_cache(maxsize=4096)  # label values are closed sets, so nothing is ever pushed out
def labelled(metric: Metric, *values: str) -> Metric:
    """The child of `metric` with these label values, in the order of its label names."""
    return metric.labels(*values)
