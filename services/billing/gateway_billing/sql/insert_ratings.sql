INSERT INTO billing.rating (event_id, kind, revision, tenant_id, price_version, tariff_version, nano_usd, reason)
SELECT event_id, kind, 1, tenant_id, price_version, tariff_version, nano_usd, reason
FROM unnest($1::billing.rating_row[])
ON CONFLICT DO NOTHING
