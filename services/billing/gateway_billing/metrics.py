"""Metrics of the billing service, all `gateway_billing_...`; labels are closed sets."""

from gateway_shared.metrics import Counter, Gauge, Histogram

EVENTS = Counter("gateway_billing_events", "Events taken from the queue, by what became of them", ["result"])
USAGE_SOURCE = Counter(
    "gateway_billing_usage_source", "Events inserted, by whose word the tokens are", ["usage_source"]
)
UNPRICED_EVENTS = Counter("gateway_billing_unpriced_events", "Events inserted for which no price was known")
UNCHARGED_EVENTS = Counter("gateway_billing_uncharged_events", "Events inserted for which no charge could be stated")
UNPRICED = Gauge("gateway_billing_unpriced", "Events in the ledger without a cost, at the last count")
MARKS = Counter("gateway_billing_producer_marks", "Producers' marks recorded")
MISSING = Gauge(
    "gateway_billing_missing", "Events that producers have ended and that are nowhere, at the last count (5 min)"
)
QUARANTINE_OPEN = Gauge(
    "gateway_billing_quarantine_open", "Entries in quarantine not resolved, at the last count (5 min)"
)
UNCHARGED = Gauge("gateway_billing_uncharged", "Events in the ledger without a charge, at the last count")
BATCH_SECONDS = Histogram(
    "gateway_billing_batch_seconds",
    "From a batch complete to its acknowledgement, seconds",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
BATCH_EVENTS = Histogram(
    "gateway_billing_batch_events", "Events in a batch", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000)
)
FRESHNESS_SECONDS = Histogram(
    "gateway_billing_freshness_seconds",
    "From the end of an attempt to its row, seconds; one observation a batch, of its oldest event",
    buckets=(0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600, 3600),
)
QUEUE_CONNECTED = Gauge("gateway_billing_queue_connected", "1 while the queues are consumed")
PAUSES = Counter("gateway_billing_pauses", "Times the consumer gave its subscription up", ["reason"])
TOPOLOGY_MISMATCH = Gauge("gateway_billing_topology_mismatch", "1 while the broker has our names with other arguments")
DEFAULT_PARTITION_EVENTS = Gauge(
    "gateway_billing_default_partition_events", "Events whose id is of no month that has a partition"
)
PRICE_VERSIONS = Gauge("gateway_billing_price_versions", "Price versions loaded")
TARIFF_VERSIONS = Gauge("gateway_billing_tariff_versions", "Tariff versions loaded")

for result in ("inserted", "duplicate", "quarantined"):
    EVENTS.labels(result)
