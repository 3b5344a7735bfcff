SELECT version_id, content_sha256, is_bundled FROM billing.tariff_version ORDER BY version_id DESC LIMIT 1
