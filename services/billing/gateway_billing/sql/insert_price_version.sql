INSERT INTO billing.price_version
    (book, precedence, source, source_version, source_sha256, content_sha256, effective_from, is_bundled)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING version_id
