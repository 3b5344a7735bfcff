SELECT count(*) FROM billing.event WHERE started_at >= $1 AND started_at < now()
