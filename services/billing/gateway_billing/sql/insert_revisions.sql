INSERT INTO billing.rating (event_id, kind, revision, tenant_id, price_version, tariff_version, nano_usd, reason)
SELECT event_id, kind, revision, tenant_id, price_version, tariff_version, nano_usd, reason
FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[])
    AS rated (event_id, kind, revision, tenant_id, price_version, tariff_version, nano_usd, reason)
