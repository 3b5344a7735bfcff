INSERT INTO billing.unrated (event_id)
SELECT event_id FROM billing.unpriced WHERE event_id >= billing.uuid7_floor(now() - interval '1 hour')
UNION
SELECT event_id FROM billing.uncharged WHERE event_id >= billing.uuid7_floor(now() - interval '1 hour')
ON CONFLICT DO NOTHING
