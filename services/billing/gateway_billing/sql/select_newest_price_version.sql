SELECT version_id, content_sha256, effective_from, is_bundled
FROM billing.price_version
WHERE book = $1
ORDER BY version_id DESC
LIMIT 1
