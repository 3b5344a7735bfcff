SELECT
    (SELECT count(*) FROM billing.event WHERE tenant_id = $1 AND end_user = $2 AND schema_version = 1) AS events,
    (SELECT count(*) FROM billing.quarantine WHERE position(convert_to($2, 'UTF8') IN raw) > 0) AS quarantined
