"""Metrics of journal, publisher and retention; the labels are closed sets."""

from gateway_shared.metrics import Counter, Gauge, Histogram

APPENDS = Counter("gateway_journal_appends", "Records appended to the journal.", ["kind"])
FSYNC_SECONDS = Histogram(
    "gateway_journal_fsync_seconds",
    "Duration of one group commit.",
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
)
FAILED = Gauge(
    "gateway_journal_failed",
    "1 after a write or fsync error: the process must be restarted.",
    multiprocess_mode="livemax",
)
HAS_ROOM = Gauge(
    "gateway_journal_has_room",
    "0 while the journal's disk is nearly full: no new call is taken, those in flight are still recorded.",
    multiprocess_mode="livemin",
)
OPEN_INTENTS = Gauge(
    "gateway_journal_open_intents", "Calls to a provider that have not been settled yet.", multiprocess_mode="livesum"
)
RECOVERED = Counter("gateway_journal_recovered_events", "Terminal records appended for calls that a crash cut off.")
DAMAGED_BYTES = Counter("gateway_journal_damaged_bytes", "Bytes of adopted journals that no valid record holds.")
ADOPTED = Counter("gateway_journal_adopted_folders", "Journals of dead processes that were taken over.")
REMOVED = Counter("gateway_journal_removed_segments", "Journal segments removed because the ledger has their events.")

UNPUBLISHED = Gauge(
    "gateway_usage_unpublished_events", "Settled events that the broker has not confirmed.", multiprocess_mode="livesum"
)
OLDEST_UNPUBLISHED_S = Gauge(
    "gateway_usage_oldest_unpublished_seconds", "Age of the oldest unconfirmed event.", multiprocess_mode="livemax"
)
PRODUCED = Counter(
    "gateway_usage_produced_events",
    "Events to publish: settled here, or found unpublished in a dead process's journal.",
)
PUBLISHED = Counter("gateway_usage_published_events", "Events that the broker confirmed, each counted once.")
REPAIRED = Counter(
    "gateway_usage_published_again_events",
    "Events published once more because the ledger lacked them after the broker had confirmed them.",
)
UNACCOUNTED = Gauge(
    "gateway_usage_unaccounted_events",
    "Produced, less published, less unpublished, of the living processes: not 0 when a journal was damaged.",
    multiprocess_mode="livesum",
)
PUBLISHES = Counter(
    "gateway_usage_publishes",
    "Messages published, by result: confirmed, unroutable, refused, timeout, lost (the connection).",
    ["result"],
)
BROKER_CONNECTED = Gauge(
    "gateway_usage_broker_connected",
    "1 while the publisher has a connection to the broker.",
    multiprocess_mode="livemin",
)
