SELECT content_sha256 FROM billing.tariff_version ORDER BY version_id DESC LIMIT 1
