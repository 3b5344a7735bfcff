-- Before the code: a router asks which of its own events are missing, and publishes them again from its journal.

CREATE FUNCTION billing.missing_of_producers(producers text[])
RETURNS TABLE (producer text, first_sequence bigint, last_sequence bigint)
LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT of.producer, gap.first_sequence, gap.last_sequence
    FROM unnest(missing_of_producers.producers) AS of (producer)
    CROSS JOIN LATERAL (
        SELECT missing.first_sequence, missing.last_sequence
        FROM billing.missing_sequences AS missing
        WHERE missing.producer = of.producer
        ORDER BY missing.first_sequence
        LIMIT 100
    ) AS gap
    ORDER BY of.producer, gap.first_sequence;
END;
COMMENT ON FUNCTION billing.missing_of_producers(text[]) IS 'The ranges in missing_sequences of these producers, the first hundred of each: the contract by which a router publishes again what was lost on the way. It tells nothing of the events but their numbers.';

REVOKE ALL ON FUNCTION billing.missing_of_producers(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing.missing_of_producers(text[]) TO router;
