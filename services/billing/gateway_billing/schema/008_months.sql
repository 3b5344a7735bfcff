-- Closed months. What was invoiced stays as it was: what is found out later is an adjustment, dated in an open month.

CREATE INDEX event_started ON billing.event USING brin (started_at);

CREATE TABLE billing.closed_month (
    month date NOT NULL CHECK (date_part('day', month) = 1),
    tenant_id text,
    events bigint NOT NULL,
    unpriced_events bigint NOT NULL,
    uncharged_events bigint NOT NULL,
    cost_nano_usd bigint NOT NULL,
    charge_nano_usd bigint NOT NULL,
    note text,
    closed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (month, tenant_id)
);

COMMENT ON TABLE billing.closed_month IS 'Months that are closed, insert-only, with their totals at that time. Ask billing.is_closed() rather than this table whether a month is closed.';
COMMENT ON COLUMN billing.closed_month.month IS 'First day of the calendar month (UTC), by the time at which attempts started.';
COMMENT ON COLUMN billing.closed_month.tenant_id IS 'The tenant it is closed for; NULL is the whole ledger with its totals, and closes the month for all tenants, those without a row of their own too.';
COMMENT ON COLUMN billing.closed_month.events IS 'Attempts of the month that were in the ledger.';
COMMENT ON COLUMN billing.closed_month.unpriced_events IS 'Those of them without a cost, which is 0 unless the month was closed by force.';
COMMENT ON COLUMN billing.closed_month.uncharged_events IS 'Those of them without a charge, which is 0 unless the month was closed by force.';
COMMENT ON COLUMN billing.closed_month.cost_nano_usd IS 'Sum of their costs, nano-USD.';
COMMENT ON COLUMN billing.closed_month.charge_nano_usd IS 'Sum of their list charges before volume discounts, nano-USD; the invoice is in billing.statement_line.';
COMMENT ON COLUMN billing.closed_month.note IS 'What was passed over when it was closed by force, NULL when nothing.';
COMMENT ON COLUMN billing.closed_month.closed_at IS 'When it was closed (UTC).';

CREATE FUNCTION billing.is_closed(month date, tenant_id text) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (
    SELECT FROM billing.closed_month AS c
    WHERE c.month = date_trunc('month', is_closed.month::timestamp)::date
        AND (c.tenant_id = is_closed.tenant_id OR c.tenant_id IS NULL)
);
COMMENT ON FUNCTION billing.is_closed(date, text) IS 'Whether the calendar month (UTC) of that day is closed for the tenant.';

CREATE TABLE billing.adjustment (
    event_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('cost', 'charge')),
    number integer NOT NULL CHECK (number >= 1),
    tenant_id text NOT NULL,
    month_adjusted date NOT NULL CHECK (date_part('day', month_adjusted) = 1),
    month_booked date NOT NULL CHECK (date_part('day', month_booked) = 1),
    cause text NOT NULL CHECK (cause IN ('late_event', 'late_rating', 'rerating')),
    nano_usd bigint NOT NULL,
    price_version bigint,
    tariff_version bigint,
    reason text NOT NULL,
    adjusted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, kind, number)
);
CREATE INDEX adjustment_tenant_month ON billing.adjustment (tenant_id, month_booked);

COMMENT ON TABLE billing.adjustment IS 'What closed months would have had more or less, insert-only. It belongs on the statement of month_booked, whole and without volume discount.';
COMMENT ON COLUMN billing.adjustment.event_id IS 'The event it is about (billing.event).';
COMMENT ON COLUMN billing.adjustment.kind IS 'cost: what the provider asks of us; charge: what we ask of the tenant.';
COMMENT ON COLUMN billing.adjustment.number IS 'Number of the adjustment of this event and kind, from 1.';
COMMENT ON COLUMN billing.adjustment.tenant_id IS 'The tenant of the event.';
COMMENT ON COLUMN billing.adjustment.month_adjusted IS 'First day of the closed month in which the event started (UTC).';
COMMENT ON COLUMN billing.adjustment.month_booked IS 'First day of the open month on whose statement it is (UTC).';
COMMENT ON COLUMN billing.adjustment.cause IS 'late_event: it arrived after the close; late_rating: it was first rated after it; rerating: it was rated again. An event''s amount now is its newest rating plus its adjustments of cause rerating.';
COMMENT ON COLUMN billing.adjustment.nano_usd IS 'The difference, nano-USD; negative is a credit.';
COMMENT ON COLUMN billing.adjustment.price_version IS 'The price version used, as in billing.rating.';
COMMENT ON COLUMN billing.adjustment.tariff_version IS 'The tariff version used, as in billing.rating.';
COMMENT ON COLUMN billing.adjustment.reason IS 'How the amount came about, in words.';
COMMENT ON COLUMN billing.adjustment.adjusted_at IS 'When it was made (UTC).';

-- The frozen copy of the view billing.statement (010), whose columns of the same names are copied when a month closes;
-- the view shows these lines for closed months.
CREATE TABLE billing.statement_line (
    month date NOT NULL,
    tenant_id text NOT NULL,
    line integer NOT NULL CHECK (line >= 1),
    item text NOT NULL CHECK (item IN ('usage', 'adjustment')),
    channel text,
    plan_id text,
    tariff_version bigint,
    events bigint NOT NULL,
    tokens bigint NOT NULL,
    list_nano_usd bigint NOT NULL,
    tier_above_tokens bigint,
    tier_up_to_tokens bigint,
    tier_tokens bigint,
    tier_list_nano_usd bigint,
    discount_bp integer,
    discount_nano_usd bigint NOT NULL,
    nano_usd bigint NOT NULL,
    month_adjusted date,
    description text NOT NULL,
    PRIMARY KEY (month, tenant_id, line)
);

COMMENT ON TABLE billing.statement_line IS 'Statements of closed months as they were when they were closed, insert-only: one line is one volume tier of a channel and plan, or the adjustments of an earlier month.';
COMMENT ON COLUMN billing.statement_line.month IS 'First day of the calendar month (UTC).';
COMMENT ON COLUMN billing.statement_line.tenant_id IS 'The tenant who pays.';
COMMENT ON COLUMN billing.statement_line.line IS 'Number of the line in the tenant''s statement of the month, from 1.';
COMMENT ON COLUMN billing.statement_line.item IS 'usage: a volume tier of a channel and plan; adjustment: what an earlier month would have had more or less.';
COMMENT ON COLUMN billing.statement_line.channel IS 'langchain or standard: the kind of key that was used.';
COMMENT ON COLUMN billing.statement_line.plan_id IS 'The plan of the keys.';
COMMENT ON COLUMN billing.statement_line.tariff_version IS 'The tariff whose volume tiers count for the month; NULL for adjustments.';
COMMENT ON COLUMN billing.statement_line.events IS 'Attempts of that channel and plan in the month, or adjusted ones.';
COMMENT ON COLUMN billing.statement_line.tokens IS 'Their input and output, tokens; the number that is split over the tiers.';
COMMENT ON COLUMN billing.statement_line.list_nano_usd IS 'Sum of their charges before volume discounts, nano-USD.';
COMMENT ON COLUMN billing.statement_line.tier_above_tokens IS 'Where the tier begins, tokens; NULL for adjustments.';
COMMENT ON COLUMN billing.statement_line.tier_up_to_tokens IS 'Where the tier ends, tokens; NULL for the last tier and for adjustments.';
COMMENT ON COLUMN billing.statement_line.tier_tokens IS 'How many of the tokens are in the tier, tokens; NULL for adjustments.';
COMMENT ON COLUMN billing.statement_line.tier_list_nano_usd IS 'The tier''s share of the list amount, pro rata of its tokens, nano-USD; NULL for adjustments.';
COMMENT ON COLUMN billing.statement_line.discount_bp IS 'The tier''s discount, basis points (500 is 5 %); NULL for adjustments.';
COMMENT ON COLUMN billing.statement_line.discount_nano_usd IS 'The discount on the share, nano-USD.';
COMMENT ON COLUMN billing.statement_line.nano_usd IS 'What the tenant pays for the line, nano-USD; negative is a credit.';
COMMENT ON COLUMN billing.statement_line.month_adjusted IS 'First day of the month that is adjusted (UTC); NULL for usage.';
COMMENT ON COLUMN billing.statement_line.description IS 'The line in words.';

-- Rating reads the books in the transaction that writes the rating; importing a version and closing a month change
-- them. So no event is rated by a version that is no longer the newest, nor falls between two months.
CREATE FUNCTION billing.read_books(OUT price_version bigint, OUT tariff_version bigint, OUT closed_month date)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext('billing.books'));
    SELECT coalesce(max(v.version_id), 0) INTO price_version FROM billing.price_version AS v;
    SELECT coalesce(max(v.version_id), 0) INTO tariff_version FROM billing.tariff_version AS v;
    SELECT max(c.month) INTO closed_month FROM billing.closed_month AS c;
END
$$;
COMMENT ON FUNCTION billing.read_books() IS 'Keeps the books as they are until the transaction ends; returns the newest price version and the newest tariff version, 0 when there is none, and the latest month that is closed for anybody, NULL when there is none.';

CREATE FUNCTION billing.change_books() RETURNS timestamptz
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('billing.books'));
    RETURN clock_timestamp();
END
$$;
COMMENT ON FUNCTION billing.change_books() IS 'Waits until nobody reads the books and holds them alone until the transaction ends; returns the time at which it had them.';

REVOKE ALL ON FUNCTION billing.is_closed(date, text), billing.read_books(), billing.change_books() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing.is_closed(date, text) TO billing, billing_reader;
GRANT EXECUTE ON FUNCTION billing.read_books(), billing.change_books() TO billing;
GRANT SELECT, INSERT ON billing.closed_month, billing.adjustment, billing.statement_line TO billing;
GRANT SELECT ON billing.closed_month, billing.adjustment, billing.statement_line TO billing_reader;
