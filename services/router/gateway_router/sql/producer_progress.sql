-- What the ledger holds of each producer: every event from 1 to contiguous_sequence.
SELECT producer, contiguous_sequence
FROM billing.producer_progress
WHERE producer = ANY($1::text[])
