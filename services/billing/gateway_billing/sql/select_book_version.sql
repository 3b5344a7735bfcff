SELECT version_id, book, precedence, source, source_version, source_sha256, effective_from
FROM billing.price_version
WHERE book = $1
ORDER BY effective_from > $2, abs(extract(epoch FROM effective_from - $2)), version_id DESC
LIMIT 1
