-- The run-time roles own nothing. Facts are inserted and read; nobody may update or delete them.

GRANT USAGE ON SCHEMA billing TO billing, billing_reader, router;

GRANT SELECT, INSERT ON billing.event, billing.rating, billing.quarantine, billing.price_version, billing.price TO billing;
GRANT SELECT ON billing.migration, billing.event_default, billing.rating_default, billing.attempts, billing.usage,
    billing.usage_daily, billing.unpriced, billing.producer_progress TO billing;
GRANT EXECUTE ON FUNCTION billing.ensure_partitions() TO billing;
GRANT EXECUTE ON FUNCTION billing.uuid7_floor(timestamptz) TO billing, billing_reader;

GRANT SELECT ON billing.event, billing.rating, billing.quarantine, billing.price_version, billing.price,
    billing.attempts, billing.usage, billing.usage_daily, billing.unpriced, billing.producer_progress TO billing_reader;

GRANT SELECT ON billing.producer_progress TO router;
