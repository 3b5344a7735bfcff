INSERT INTO billing.tariff_version (source, source_version, content_sha256, effective_from, is_bundled)
VALUES ($1, $2, $3, $4, $5)
RETURNING version_id
