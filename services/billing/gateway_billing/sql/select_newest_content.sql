SELECT content_sha256 FROM billing.price_version WHERE book = $1 ORDER BY version_id DESC LIMIT 1
