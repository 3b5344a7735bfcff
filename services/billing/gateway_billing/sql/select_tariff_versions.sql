SELECT version_id, effective_from FROM billing.tariff_version
