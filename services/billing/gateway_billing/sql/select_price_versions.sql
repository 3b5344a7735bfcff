SELECT version_id, book, precedence, effective_from FROM billing.price_version
