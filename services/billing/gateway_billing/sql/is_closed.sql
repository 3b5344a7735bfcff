SELECT EXISTS (
    SELECT FROM billing.closed_month
    WHERE month = $1 AND (tenant_id IS NULL OR tenant_id = $2)
)
