"""Counter, Gauge and Histogram, to be imported from here only: so their values can be those of several processes.

prometheus_client decides what a metric's value is when the metric is made; see metrics_file.py.
"""

from gateway_shared import metrics_file

metrics_file.use_for_all_metrics()

from prometheus_client import Counter, Gauge, Histogram  # noqa: E402 - see above

__all__ = ["Counter", "Gauge", "Histogram"]
