INSERT INTO billing.tariff_version (source, source_version, content_sha256, effective_from)
VALUES ($1, $2, $3, $4)
RETURNING version_id
