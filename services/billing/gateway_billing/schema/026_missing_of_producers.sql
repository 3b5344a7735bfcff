-- Before the code: a router asks which of its own events are missing, and publishes them again from its journal.

CREATE FUNCTION billing.missing_of_producers(producers text[])
RETURNS TABLE (producer text, first_sequence bigint, last_sequence bigint)
LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT gap.producer, gap.first_sequence, gap.last_sequence
    FROM billing.missing_sequences AS gap
    WHERE gap.producer = ANY (missing_of_producers.producers)
    ORDER BY gap.producer, gap.first_sequence
    LIMIT 100;
END;
COMMENT ON FUNCTION billing.missing_of_producers(text[]) IS 'The ranges in missing_sequences of these producers, the first hundred: the contract by which a router publishes again what was lost on the way. It tells nothing of the events but their numbers.';

REVOKE ALL ON FUNCTION billing.missing_of_producers(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing.missing_of_producers(text[]) TO router;
