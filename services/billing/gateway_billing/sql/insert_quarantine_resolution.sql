INSERT INTO billing.quarantine_resolution (raw_sha256, resolution, event_id, edited, note)
VALUES ($1, $2, $3, $4, $5)
