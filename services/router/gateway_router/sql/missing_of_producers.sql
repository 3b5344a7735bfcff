-- Ranges of events that the producers have ended and that are nowhere, lowest first.
SELECT producer, first_sequence, last_sequence
FROM billing.missing_of_producers($1::text[])
