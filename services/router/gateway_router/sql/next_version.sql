-- Taken first by every change: the row's lock brings them into one order.
UPDATE router.configuration
SET version = version + 1, updated_at = now()
RETURNING version
