INSERT INTO billing.rating (event_id, kind, revision, tenant_id, price_version, tariff_version, nano_usd, reason)
SELECT event_id, kind, 1, tenant_id, price_version, tariff_version, nano_usd, reason
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
    AS rated (event_id, kind, tenant_id, price_version, tariff_version, nano_usd, reason)
ON CONFLICT DO NOTHING
