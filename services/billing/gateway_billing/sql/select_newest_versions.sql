SELECT
    coalesce((SELECT max(version_id) FROM billing.price_version), 0) AS price_version,
    coalesce((SELECT max(version_id) FROM billing.tariff_version), 0) AS tariff_version
