SELECT
    (SELECT coalesce(sum(m.missing), 0)::bigint FROM billing.missing_sequences AS m) AS missing,
    (SELECT count(*) FROM billing.quarantine_open) AS quarantined
