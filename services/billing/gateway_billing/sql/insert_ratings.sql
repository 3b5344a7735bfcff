INSERT INTO billing.rating (event_id, kind, revision, tenant_id, price_version, nano_usd, reason)
SELECT event_id, 'cost', 1, tenant_id, price_version, nano_usd, reason
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::text[])
    AS rating (event_id, tenant_id, price_version, nano_usd, reason)
ON CONFLICT DO NOTHING
