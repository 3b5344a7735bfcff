-- What producers say of themselves, and how far the ledger was found complete for each. Both are bookkeeping, not
-- ledger: they are updated in place.

CREATE TABLE billing.producer (
    producer text PRIMARY KEY,
    sequence bigint NOT NULL CHECK (sequence >= 0),
    closed boolean NOT NULL,
    marked_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE billing.producer IS 'The newest mark of each producer: how many events it has ended, whether they arrived or not. What the ledger holds beside it is in producer_progress.';
COMMENT ON COLUMN billing.producer.producer IS 'The router process that says so, <instance>/<boot>.';
COMMENT ON COLUMN billing.producer.sequence IS 'The producer has ended this many events, numbered 1 to sequence.';
COMMENT ON COLUMN billing.producer.closed IS 'Whether there will be no more: the process was drained, or its journal was adopted by another.';
COMMENT ON COLUMN billing.producer.marked_at IS 'When the producer said so, by its own clock (UTC).';
COMMENT ON COLUMN billing.producer.received_at IS 'When that was recorded here (UTC).';

CREATE TABLE billing.producer_checkpoint (
    producer text PRIMARY KEY,
    sequence bigint NOT NULL DEFAULT 0 CHECK (sequence >= 0)
);

COMMENT ON TABLE billing.producer_checkpoint IS 'Every producer that was ever heard of, and a sequence up to which none was missing when it was last looked; producer_progress looks only behind it. Kept by triggers and advance_checkpoints().';
COMMENT ON COLUMN billing.producer_checkpoint.producer IS 'The router process that wrote the events, <instance>/<boot>.';
COMMENT ON COLUMN billing.producer_checkpoint.sequence IS 'All events from 1 to here are held, or were until their partition was removed; 0 when nothing is known.';

-- What is in quarantine is held too.
CREATE VIEW billing.held_sequence AS
SELECT producer, sequence FROM billing.event
UNION ALL
SELECT producer, sequence FROM billing.quarantine WHERE producer IS NOT NULL AND sequence >= 1;

COMMENT ON VIEW billing.held_sequence IS 'Every sequence of every producer that the ledger or the quarantine holds; one that both hold is there twice.';
COMMENT ON COLUMN billing.held_sequence.producer IS 'The router process that wrote the event, <instance>/<boot>.';
COMMENT ON COLUMN billing.held_sequence.sequence IS 'The event''s number among those of its producer, counted from 1.';

-- The first gap ends the search: its rank among what is held behind the checkpoint says where the gap begins.
CREATE OR REPLACE VIEW billing.producer_progress AS
SELECT
    checkpoint.producer,
    coalesce(
        (
            SELECT checkpoint.sequence + ranked.position - 1
            FROM (
                SELECT held.sequence, dense_rank() OVER (ORDER BY held.sequence) AS position
                FROM billing.held_sequence AS held
                WHERE held.producer = checkpoint.producer AND held.sequence > checkpoint.sequence
            ) AS ranked
            WHERE ranked.sequence > checkpoint.sequence + ranked.position
            ORDER BY ranked.sequence
            LIMIT 1
        ),
        (
            SELECT max(held.sequence) FROM billing.held_sequence AS held
            WHERE held.producer = checkpoint.producer AND held.sequence > checkpoint.sequence
        ),
        checkpoint.sequence
    ) AS contiguous_sequence,
    greatest(
        checkpoint.sequence,
        (
            SELECT max(held.sequence) FROM billing.held_sequence AS held
            WHERE held.producer = checkpoint.producer AND held.sequence > checkpoint.sequence
        )
    ) AS highest_sequence,
    checkpoint.sequence + (
        SELECT count(DISTINCT held.sequence) FROM billing.held_sequence AS held
        WHERE held.producer = checkpoint.producer AND held.sequence > checkpoint.sequence
    ) AS events_held
FROM billing.producer_checkpoint AS checkpoint;

COMMENT ON VIEW billing.producer_progress IS 'What the ledger holds of each producer: the contract by which a router removes journal segments.';
COMMENT ON COLUMN billing.producer_progress.producer IS 'The router process that wrote the events, <instance>/<boot>.';
COMMENT ON COLUMN billing.producer_progress.contiguous_sequence IS 'The highest sequence up to which none is missing; 0 when the first is missing.';
COMMENT ON COLUMN billing.producer_progress.highest_sequence IS 'The highest sequence held; above contiguous_sequence when some are missing, 0 when none is held.';
COMMENT ON COLUMN billing.producer_progress.events_held IS 'How many different sequences are held, in the ledger and in quarantine, or were until their partition was removed.';

CREATE FUNCTION billing.register_producers() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- In order, or two consumers that meet two new producers could deadlock.
    INSERT INTO billing.producer_checkpoint (producer)
    SELECT DISTINCT arrived.producer FROM arrived WHERE arrived.producer IS NOT NULL ORDER BY arrived.producer
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION billing.register_producers() IS 'Makes a checkpoint for each producer that is heard of for the first time.';

CREATE FUNCTION billing.lower_checkpoint() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO billing.producer_checkpoint AS checkpoint (producer) VALUES (OLD.producer)
    ON CONFLICT (producer) DO UPDATE SET sequence = least(checkpoint.sequence, OLD.sequence - 1);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION billing.lower_checkpoint() IS 'A row taken away by hand is missing again. Removing a whole partition takes nothing back.';

CREATE FUNCTION billing.reset_checkpoints() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE billing.producer_checkpoint SET sequence = 0;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION billing.reset_checkpoints() IS 'After a TRUNCATE nothing is known to be held.';

CREATE FUNCTION billing.advance_checkpoints() RETURNS integer
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most_rows CONSTANT integer := 1000000;
    item record;
    reached bigint;
    next_sequence bigint;
    advanced integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('billing.advance_checkpoints')) THEN
        RETURN 0;
    END IF;
    FOR item IN
        SELECT c.producer
        FROM billing.producer_checkpoint AS c
        LEFT JOIN billing.producer AS mark ON mark.producer = c.producer
        WHERE mark.producer IS NULL OR NOT mark.closed OR c.sequence < mark.sequence
    LOOP
        -- The row is locked before the look (each statement takes its own snapshot), so that whoever deletes a row
        -- either has been seen or lowers the checkpoint after this.
        SELECT c.sequence INTO reached FROM billing.producer_checkpoint AS c WHERE c.producer = item.producer FOR UPDATE;
        FOR next_sequence IN
            SELECT held.sequence FROM billing.held_sequence AS held
            WHERE held.producer = item.producer AND held.sequence > reached
            ORDER BY held.sequence
            LIMIT most_rows
        LOOP
            EXIT WHEN next_sequence > reached + 1;
            reached := next_sequence;
        END LOOP;
        UPDATE billing.producer_checkpoint AS c SET sequence = reached
        WHERE c.producer = item.producer AND c.sequence < reached;
        IF FOUND THEN
            advanced := advanced + 1;
        END IF;
    END LOOP;
    RETURN advanced;
END
$$;
COMMENT ON FUNCTION billing.advance_checkpoints() IS 'Moves each checkpoint over what has arrived without a gap, at most a million events a call; returns how many moved. The billing service calls it, as it may not write checkpoints itself.';

REVOKE ALL ON FUNCTION billing.register_producers(), billing.lower_checkpoint(), billing.reset_checkpoints(),
    billing.advance_checkpoints() FROM PUBLIC;

CREATE TRIGGER register_producers AFTER INSERT ON billing.event
    REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION billing.register_producers();
CREATE TRIGGER register_producers AFTER INSERT ON billing.quarantine
    REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION billing.register_producers();
CREATE TRIGGER register_producers AFTER INSERT ON billing.producer
    REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION billing.register_producers();

CREATE TRIGGER lower_checkpoint AFTER DELETE OR UPDATE OF producer, sequence ON billing.event
    FOR EACH ROW EXECUTE FUNCTION billing.lower_checkpoint();
CREATE TRIGGER lower_checkpoint AFTER DELETE OR UPDATE OF producer, sequence ON billing.quarantine
    FOR EACH ROW WHEN (OLD.producer IS NOT NULL AND OLD.sequence >= 1) EXECUTE FUNCTION billing.lower_checkpoint();

CREATE TRIGGER reset_checkpoints AFTER TRUNCATE ON billing.event
    FOR EACH STATEMENT EXECUTE FUNCTION billing.reset_checkpoints();
CREATE TRIGGER reset_checkpoints AFTER TRUNCATE ON billing.quarantine
    FOR EACH STATEMENT EXECUTE FUNCTION billing.reset_checkpoints();

INSERT INTO billing.producer_checkpoint (producer)
SELECT DISTINCT producer FROM billing.held_sequence ON CONFLICT DO NOTHING;
SELECT billing.advance_checkpoints();

GRANT SELECT, INSERT, UPDATE ON billing.producer TO billing;
GRANT SELECT ON billing.producer, billing.held_sequence TO billing_reader;
GRANT EXECUTE ON FUNCTION billing.advance_checkpoints() TO billing;
