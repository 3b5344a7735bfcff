-- How quarantine is emptied, and whether the ledger has everything that producers have ended.

CREATE TABLE billing.quarantine_resolution (
    raw_sha256 text PRIMARY KEY REFERENCES billing.quarantine,
    resolution text NOT NULL CHECK (resolution IN ('resubmitted', 'edited', 'dismissed')),
    event_id uuid CHECK ((event_id IS NULL) = (resolution = 'dismissed')),
    edited bytea CHECK ((edited IS NOT NULL) = (resolution = 'edited')),
    note text NOT NULL,
    resolved_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE billing.quarantine_resolution IS 'How entries left quarantine, insert-only: each once.';
COMMENT ON COLUMN billing.quarantine_resolution.raw_sha256 IS 'The entry (billing.quarantine).';
COMMENT ON COLUMN billing.quarantine_resolution.resolution IS 'resubmitted: its bytes were read anew and recorded; edited: an edited event was recorded in its place; dismissed: it is no event, or the ledger has it.';
COMMENT ON COLUMN billing.quarantine_resolution.event_id IS 'The event that was recorded (billing.event); NULL when dismissed.';
COMMENT ON COLUMN billing.quarantine_resolution.edited IS 'The edited event as it was submitted; NULL unless edited.';
COMMENT ON COLUMN billing.quarantine_resolution.note IS 'Why, in the words of who did it.';
COMMENT ON COLUMN billing.quarantine_resolution.resolved_at IS 'When (UTC).';

CREATE VIEW billing.quarantine_open AS
SELECT q.raw_sha256, q.received_at, q.tenant_id, q.producer, q.sequence, q.error, q.raw
FROM billing.quarantine AS q
WHERE NOT EXISTS (SELECT FROM billing.quarantine_resolution AS r WHERE r.raw_sha256 = q.raw_sha256);

COMMENT ON VIEW billing.quarantine_open IS 'Entries of the quarantine that nobody has resolved yet: it should be empty.';
COMMENT ON COLUMN billing.quarantine_open.raw_sha256 IS 'SHA-256 of the raw bytes, hexadecimal: names the entry in `quarantine show`.';
COMMENT ON COLUMN billing.quarantine_open.received_at IS 'When it was put here (UTC).';
COMMENT ON COLUMN billing.quarantine_open.tenant_id IS 'The tenant, where it could be read.';
COMMENT ON COLUMN billing.quarantine_open.producer IS 'The producer, where it could be read.';
COMMENT ON COLUMN billing.quarantine_open.sequence IS 'The producer''s number of the event, where it could be read.';
COMMENT ON COLUMN billing.quarantine_open.error IS 'Why it could not be read or stored.';
COMMENT ON COLUMN billing.quarantine_open.raw IS 'The bytes of the one event as the broker delivered them.';

CREATE FUNCTION billing.missing_ranges(of_producer text, after_sequence bigint)
RETURNS TABLE (first_sequence bigint, last_sequence bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH covered AS (
        SELECT held.sequence AS first, held.sequence AS last
        FROM billing.held_sequence AS held
        WHERE held.producer = of_producer AND held.sequence > after_sequence
        UNION ALL
        SELECT dropped.first_sequence, dropped.last_sequence
        FROM billing.dropped_range AS dropped
        WHERE dropped.producer = of_producer AND dropped.last_sequence > after_sequence
        UNION ALL
        SELECT mark.sequence + 1, mark.sequence
        FROM billing.producer AS mark
        WHERE mark.producer = of_producer
            AND NOT EXISTS (
                SELECT FROM billing.held_sequence AS held
                WHERE held.producer = of_producer AND held.sequence > mark.sequence
            )
    ),
    in_order AS (
        SELECT
            covered.first,
            greatest(after_sequence, max(covered.last) OVER (
                ORDER BY covered.first, covered.last ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            )) AS reached
        FROM covered
    )
    SELECT reached + 1, first - 1 FROM in_order WHERE first > reached + 1 ORDER BY first;
END;
COMMENT ON FUNCTION billing.missing_ranges(text, bigint) IS 'Ranges of the numbers behind after_sequence that the producer has ended and that are nowhere: not in the ledger, not in quarantine, not dropped by retention. The tail up to the producer''s own mark is included.';

CREATE VIEW billing.missing_sequences AS
SELECT checkpoint.producer, gap.first_sequence, gap.last_sequence, gap.last_sequence - gap.first_sequence + 1 AS missing
FROM billing.producer_checkpoint AS checkpoint
CROSS JOIN LATERAL billing.missing_ranges(checkpoint.producer, checkpoint.sequence) AS gap;

COMMENT ON VIEW billing.missing_sequences IS 'Events that a producer has ended and that are neither in the ledger nor in quarantine, as ranges of their numbers; the tail up to the producer''s own mark included. It should be empty but for seconds.';
COMMENT ON COLUMN billing.missing_sequences.producer IS 'The router process that ended them, <instance>/<boot>.';
COMMENT ON COLUMN billing.missing_sequences.first_sequence IS 'The first missing number of a range without a gap.';
COMMENT ON COLUMN billing.missing_sequences.last_sequence IS 'The last missing number of that range.';
COMMENT ON COLUMN billing.missing_sequences.missing IS 'How many they are.';

CREATE VIEW billing.completeness AS
SELECT
    progress.producer,
    greatest(mark.sequence, progress.highest_sequence) AS produced,
    greatest(mark.sequence, progress.highest_sequence) - gaps.missing - aside.quarantined - aside.dismissed
        AS in_ledger,
    aside.quarantined, aside.dismissed, gaps.missing, gaps.missing_ranges,
    coalesce(mark.closed, false) AS closed,
    mark.sequence AS marked_sequence,
    mark.marked_at
FROM billing.producer_progress AS progress
LEFT JOIN billing.producer AS mark ON mark.producer = progress.producer
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(m.missing), 0)::bigint AS missing,
        string_agg(
            CASE WHEN m.first_sequence = m.last_sequence THEN m.first_sequence::text
                ELSE format('%s-%s', m.first_sequence, m.last_sequence) END,
            ', ' ORDER BY m.first_sequence
        ) FILTER (WHERE m.place <= 10) AS missing_ranges
    FROM (
        SELECT s.*, row_number() OVER (ORDER BY s.first_sequence) AS place
        FROM billing.missing_sequences AS s
        WHERE s.producer = progress.producer
    ) AS m
) AS gaps
CROSS JOIN LATERAL (
    SELECT
        count(DISTINCT q.sequence) FILTER (WHERE r.resolution IS NULL) AS quarantined,
        count(DISTINCT q.sequence) FILTER (WHERE r.resolution = 'dismissed') AS dismissed
    FROM billing.quarantine AS q
    LEFT JOIN billing.quarantine_resolution AS r ON r.raw_sha256 = q.raw_sha256
    WHERE q.producer = progress.producer
        AND q.sequence >= 1
        AND NOT EXISTS (SELECT FROM billing.event AS e WHERE e.producer = q.producer AND e.sequence = q.sequence)
) AS aside;

COMMENT ON VIEW billing.completeness IS 'Whether the ledger has everything that each router process ended: missing is 0 for every producer. produced = in_ledger + quarantined + dismissed + missing. `reconcile` proves it anew from the events themselves.';
COMMENT ON COLUMN billing.completeness.producer IS 'The router process, <instance>/<boot>.';
COMMENT ON COLUMN billing.completeness.produced IS 'How many events it has ended, numbered from 1: by its own mark, or by the highest number that arrived.';
COMMENT ON COLUMN billing.completeness.in_ledger IS 'How many of them are in the ledger, or were until retention removed their month.';
COMMENT ON COLUMN billing.completeness.quarantined IS 'How many wait in quarantine.';
COMMENT ON COLUMN billing.completeness.dismissed IS 'How many were dismissed from quarantine.';
COMMENT ON COLUMN billing.completeness.missing IS 'How many are nowhere.';
COMMENT ON COLUMN billing.completeness.missing_ranges IS 'The numbers of the first ten missing ranges, NULL when none is missing.';
COMMENT ON COLUMN billing.completeness.closed IS 'Whether the producer has said that there will be no more.';
COMMENT ON COLUMN billing.completeness.marked_sequence IS 'How many events it said it has ended, NULL while it has said nothing.';
COMMENT ON COLUMN billing.completeness.marked_at IS 'When it said so, by its own clock (UTC).';

REVOKE ALL ON FUNCTION billing.missing_ranges(text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing.missing_ranges(text, bigint) TO billing, billing_reader;
GRANT SELECT, INSERT ON billing.quarantine_resolution TO billing;
GRANT SELECT ON billing.producer, billing.producer_checkpoint, billing.held_sequence TO billing;
GRANT SELECT ON billing.quarantine_resolution, billing.producer_checkpoint TO billing_reader;
GRANT SELECT ON billing.quarantine_open, billing.missing_sequences, billing.completeness
    TO billing, billing_reader;
