-- Statements, and the margin after them.

CREATE VIEW billing.late_event AS
SELECT event_id, kind, bool_or(cause = 'late_event') AS arrived_late
FROM billing.adjustment
WHERE cause IN ('late_event', 'late_rating')
GROUP BY event_id, kind;

COMMENT ON VIEW billing.late_event IS 'Events whose amounts are not in their own month, which was closed, but in adjustments.';
COMMENT ON COLUMN billing.late_event.event_id IS 'The event (billing.event).';
COMMENT ON COLUMN billing.late_event.kind IS 'cost: what the provider asks of us; charge: what we ask of the tenant.';
COMMENT ON COLUMN billing.late_event.arrived_late IS 'Whether the event itself came after the close; else only its amount did.';

-- An event that arrived after its month was closed is on another month's statement, as an adjustment; one that was
-- first charged after the close keeps its place here, and its amount is there.
CREATE VIEW billing.statement_usage AS
SELECT
    (date_trunc('month', e.started_at AT TIME ZONE 'UTC'))::date AS month,
    e.tenant_id, e.channel, e.plan_id, e.provider,
    coalesce(e.model_served, e.model_upstream) AS model,
    count(*) FILTER (WHERE e.is_final) AS requests,
    count(*) AS attempts,
    sum(e.input_tokens)::bigint AS input_tokens,
    sum(e.cached_input_tokens)::bigint AS cached_input_tokens,
    sum(e.cache_write_5m_tokens)::bigint AS cache_write_5m_tokens,
    sum(e.cache_write_1h_tokens)::bigint AS cache_write_1h_tokens,
    sum(e.input_audio_tokens)::bigint AS input_audio_tokens,
    sum(e.output_tokens)::bigint AS output_tokens,
    sum(e.reasoning_tokens)::bigint AS reasoning_tokens,
    sum(e.output_audio_tokens)::bigint AS output_audio_tokens,
    sum(e.input_tokens + e.output_tokens)::bigint AS tokens,
    count(*) FILTER (WHERE charge.event_id IS NULL) AS uncharged_attempts,
    coalesce(sum(charge.nano_usd) FILTER (WHERE late.event_id IS NULL), 0)::bigint AS list_nano_usd,
    (coalesce(sum(charge.nano_usd) FILTER (WHERE late.event_id IS NULL), 0) / 1000000000)::numeric(20, 9) AS list_usd
FROM billing.event AS e
LEFT JOIN billing.current_rating AS charge ON charge.event_id = e.event_id AND charge.kind = 'charge'
LEFT JOIN billing.late_event AS late ON late.event_id = e.event_id AND late.kind = 'charge'
WHERE late.arrived_late IS NOT TRUE
GROUP BY
    (date_trunc('month', e.started_at AT TIME ZONE 'UTC'))::date,
    e.tenant_id, e.channel, e.plan_id, e.provider,
    coalesce(e.model_served, e.model_upstream);

COMMENT ON VIEW billing.statement_usage IS 'What a statement is made of: tokens and list charges by month, tenant, channel, plan, provider and model. The sums of a channel and plan are tokens and list_nano_usd of its lines in billing.statement.';
COMMENT ON COLUMN billing.statement_usage.month IS 'First day of the calendar month (UTC).';
COMMENT ON COLUMN billing.statement_usage.tenant_id IS 'The tenant who pays.';
COMMENT ON COLUMN billing.statement_usage.channel IS 'langchain or standard: the kind of key that was used.';
COMMENT ON COLUMN billing.statement_usage.plan_id IS 'The plan of the key at the time of the request.';
COMMENT ON COLUMN billing.statement_usage.provider IS 'The provider that was called, by the operator''s name for it.';
COMMENT ON COLUMN billing.statement_usage.model IS 'The model that the provider says it used, else the one it was asked for.';
COMMENT ON COLUMN billing.statement_usage.requests IS 'Requests whose final attempt is among these.';
COMMENT ON COLUMN billing.statement_usage.attempts IS 'Attempts: calls to the provider.';
COMMENT ON COLUMN billing.statement_usage.input_tokens IS 'Sum over the attempts. All input, tokens; cached, cache-write and audio tokens are parts of it.';
COMMENT ON COLUMN billing.statement_usage.cached_input_tokens IS 'Sum over the attempts. Input read from the provider''s cache, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.statement_usage.cache_write_5m_tokens IS 'Sum over the attempts. Input written to the provider''s cache for 5 minutes, or for its only lifetime, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.statement_usage.cache_write_1h_tokens IS 'Sum over the attempts. Input written to the provider''s cache for 1 hour, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.statement_usage.input_audio_tokens IS 'Sum over the attempts. Audio input, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.statement_usage.output_tokens IS 'Sum over the attempts. All output, tokens; reasoning and audio tokens are parts of it.';
COMMENT ON COLUMN billing.statement_usage.reasoning_tokens IS 'Sum over the attempts. Output spent on reasoning, tokens; part of output_tokens.';
COMMENT ON COLUMN billing.statement_usage.output_audio_tokens IS 'Sum over the attempts. Audio output, tokens; part of output_tokens.';
COMMENT ON COLUMN billing.statement_usage.tokens IS 'Input and output, tokens: the number that volume tiers count.';
COMMENT ON COLUMN billing.statement_usage.uncharged_attempts IS 'Attempts that have no charge yet and are missing in the list charge.';
COMMENT ON COLUMN billing.statement_usage.list_nano_usd IS 'Sum of the charges before volume discounts, nano-USD.';
COMMENT ON COLUMN billing.statement_usage.list_usd IS 'The same in USD, exact to the nano-USD.';

-- The calendar comes first, so that a closed month's events are not read: its lines are kept.
CREATE VIEW billing.statement AS
WITH usage AS (
    SELECT
        calendar.month, e.tenant_id, e.channel, e.plan_id,
        count(*) AS events,
        sum(e.input_tokens + e.output_tokens) AS tokens,
        coalesce(sum(charge.nano_usd), 0) AS list_nano_usd,
        count(*) FILTER (WHERE charge.event_id IS NULL) AS uncharged_events
    FROM (
        SELECT (date '2000-01-01' + make_interval(months => number))::date AS month
        FROM generate_series(0, 11999) AS number
    ) AS calendar
    JOIN billing.event AS e ON (date_trunc('month', e.started_at AT TIME ZONE 'UTC'))::date = calendar.month
    LEFT JOIN billing.current_rating AS charge ON charge.event_id = e.event_id AND charge.kind = 'charge'
    WHERE (SELECT c.month FROM billing.closed_month AS c WHERE c.month = calendar.month AND c.tenant_id IS NULL) IS NULL
    GROUP BY calendar.month, e.tenant_id, e.channel, e.plan_id
),
open_line AS (
    SELECT
        u.month, u.tenant_id, 'usage' AS item, u.channel, u.plan_id, s.tariff_version,
        u.events, u.tokens::bigint AS tokens, u.list_nano_usd::bigint AS list_nano_usd,
        s.above_tokens AS tier_above_tokens, s.up_to_tokens AS tier_up_to_tokens, s.tier_tokens,
        s.tier_list_nano_usd, s.discount_bp, s.discount_nano_usd, s.nano_usd,
        NULL::date AS month_adjusted,
        format('%s keys, plan %s: ', u.channel, u.plan_id)
            || CASE WHEN u.tokens = 0 THEN 'no tokens'
                ELSE format(
                    'tokens %s to %s',
                    to_char(s.above_tokens + 1, 'FM999,999,999,999,999,990'),
                    to_char(s.above_tokens + s.tier_tokens, 'FM999,999,999,999,999,990')) END
            || CASE WHEN s.discount_bp > 0 THEN format(', %s %% off', round(s.discount_bp / 100.0, 2)) ELSE '' END
            AS description,
        u.uncharged_events
    FROM usage AS u
    CROSS JOIN LATERAL billing.tier_shares(u.month, u.channel, u.plan_id, u.tokens, u.list_nano_usd) AS s
    WHERE NOT EXISTS (SELECT FROM billing.closed_month AS c WHERE c.month = u.month AND c.tenant_id = u.tenant_id)
    UNION ALL
    SELECT
        a.month_booked, a.tenant_id, 'adjustment', NULL, NULL, NULL,
        count(DISTINCT a.event_id), 0, sum(a.nano_usd)::bigint, NULL, NULL, NULL, NULL, NULL,
        0, sum(a.nano_usd)::bigint,
        a.month_adjusted,
        format('adjustment of %s', to_char(a.month_adjusted, 'YYYY-MM')),
        0
    FROM billing.adjustment AS a
    WHERE a.kind = 'charge' AND NOT billing.is_closed(a.month_booked, a.tenant_id)
    GROUP BY a.month_booked, a.tenant_id, a.month_adjusted
)
SELECT
    o.month, o.tenant_id,
    row_number() OVER (
        PARTITION BY o.month, o.tenant_id
        ORDER BY o.item DESC, o.channel COLLATE "C", o.plan_id COLLATE "C", o.tier_above_tokens, o.month_adjusted
    )::integer AS line,
    o.item, o.channel, o.plan_id, o.tariff_version, o.events, o.tokens, o.list_nano_usd, o.tier_above_tokens,
    o.tier_up_to_tokens, o.tier_tokens, o.tier_list_nano_usd, o.discount_bp, o.discount_nano_usd, o.nano_usd,
    o.month_adjusted, o.description, o.uncharged_events,
    (o.nano_usd::numeric / 1000000000)::numeric(20, 9) AS usd,
    false AS is_closed
FROM open_line AS o
UNION ALL
SELECT
    c.month, c.tenant_id, c.line, c.item, c.channel, c.plan_id, c.tariff_version, c.events, c.tokens,
    c.list_nano_usd, c.tier_above_tokens, c.tier_up_to_tokens, c.tier_tokens, c.tier_list_nano_usd, c.discount_bp,
    c.discount_nano_usd, c.nano_usd, c.month_adjusted, c.description, 0,
    (c.nano_usd::numeric / 1000000000)::numeric(20, 9),
    true
FROM billing.statement_line AS c;

COMMENT ON VIEW billing.statement IS 'What a tenant pays for a calendar month (UTC), line by line, with the arithmetic of the volume tiers. The total is the sum of nano_usd.';
COMMENT ON COLUMN billing.statement.month IS 'First day of the calendar month (UTC).';
COMMENT ON COLUMN billing.statement.tenant_id IS 'The tenant who pays.';
COMMENT ON COLUMN billing.statement.line IS 'Number of the line in the tenant''s statement of the month, from 1.';
COMMENT ON COLUMN billing.statement.item IS 'usage: a volume tier of a channel and plan; adjustment: what an earlier month would have had more or less.';
COMMENT ON COLUMN billing.statement.channel IS 'langchain or standard: the kind of key that was used; NULL for adjustments.';
COMMENT ON COLUMN billing.statement.plan_id IS 'The plan of the keys; NULL for adjustments.';
COMMENT ON COLUMN billing.statement.tariff_version IS 'The tariff whose volume tiers count for the month; NULL for adjustments.';
COMMENT ON COLUMN billing.statement.events IS 'Attempts of that channel and plan in the month, or adjusted ones.';
COMMENT ON COLUMN billing.statement.tokens IS 'Their input and output, tokens: the number that is split over the tiers; 0 for adjustments.';
COMMENT ON COLUMN billing.statement.list_nano_usd IS 'Sum of their charges before volume discounts, nano-USD.';
COMMENT ON COLUMN billing.statement.tier_above_tokens IS 'Where the tier begins, tokens; NULL for adjustments.';
COMMENT ON COLUMN billing.statement.tier_up_to_tokens IS 'Where the tier ends, tokens; NULL for the last tier and for adjustments.';
COMMENT ON COLUMN billing.statement.tier_tokens IS 'How many of the tokens are in the tier, tokens; NULL for adjustments.';
COMMENT ON COLUMN billing.statement.tier_list_nano_usd IS 'list_nano_usd x tier_tokens / tokens, nano-USD: the tier''s share; what is lost in rounding goes to the largest remainders. NULL for adjustments.';
COMMENT ON COLUMN billing.statement.discount_bp IS 'The tier''s discount, basis points (500 is 5 %); NULL for adjustments.';
COMMENT ON COLUMN billing.statement.discount_nano_usd IS 'tier_list_nano_usd x discount_bp / 10000, rounded half up, nano-USD.';
COMMENT ON COLUMN billing.statement.nano_usd IS 'What the tenant pays for the line, nano-USD: tier_list_nano_usd - discount_nano_usd; negative is a credit.';
COMMENT ON COLUMN billing.statement.month_adjusted IS 'First day of the month that is adjusted (UTC); NULL for usage.';
COMMENT ON COLUMN billing.statement.description IS 'The line in words.';
COMMENT ON COLUMN billing.statement.uncharged_events IS 'Attempts of it that have no charge yet and are missing in the amounts; 0 once the month is closed.';
COMMENT ON COLUMN billing.statement.usd IS 'nano_usd in USD, exact to the nano-USD.';
COMMENT ON COLUMN billing.statement.is_closed IS 'Whether the month is closed for the tenant: then the line is as it was at that time and stays so.';

CREATE VIEW billing.statement_total AS
SELECT
    month, tenant_id,
    bool_and(is_closed) AS is_closed,
    count(*)::integer AS lines,
    coalesce(sum(tier_list_nano_usd), 0)::bigint AS list_nano_usd,
    sum(discount_nano_usd)::bigint AS discount_nano_usd,
    coalesce(sum(nano_usd) FILTER (WHERE item = 'adjustment'), 0)::bigint AS adjustment_nano_usd,
    sum(nano_usd)::bigint AS nano_usd,
    (sum(nano_usd) / 1000000000)::numeric(20, 9) AS usd,
    coalesce(sum(uncharged_events) FILTER (WHERE tier_above_tokens = 0), 0)::bigint AS uncharged_events
FROM billing.statement
GROUP BY month, tenant_id;

COMMENT ON VIEW billing.statement_total IS 'The totals of billing.statement by month and tenant: list minus discount plus adjustment is the amount.';
COMMENT ON COLUMN billing.statement_total.month IS 'First day of the calendar month (UTC).';
COMMENT ON COLUMN billing.statement_total.tenant_id IS 'The tenant who pays.';
COMMENT ON COLUMN billing.statement_total.is_closed IS 'Whether the month is closed for the tenant.';
COMMENT ON COLUMN billing.statement_total.lines IS 'How many lines the statement has.';
COMMENT ON COLUMN billing.statement_total.list_nano_usd IS 'Charges of the month before volume discounts, nano-USD.';
COMMENT ON COLUMN billing.statement_total.discount_nano_usd IS 'Volume discounts, nano-USD.';
COMMENT ON COLUMN billing.statement_total.adjustment_nano_usd IS 'Adjustments of earlier months that are booked in this one, nano-USD; negative is a credit.';
COMMENT ON COLUMN billing.statement_total.nano_usd IS 'What the tenant pays, nano-USD.';
COMMENT ON COLUMN billing.statement_total.usd IS 'The same in USD, exact to the nano-USD.';
COMMENT ON COLUMN billing.statement_total.uncharged_events IS 'Attempts that have no charge yet and are missing in the amounts; 0 once the month is closed.';

-- Both sides as they are booked: what came after a close counts in the month of its adjustment.
CREATE VIEW billing.margin_monthly AS
WITH booked AS (
    SELECT
        (date_trunc('month', e.started_at AT TIME ZONE 'UTC'))::date AS month, e.tenant_id,
        count(*) FILTER (WHERE cost.event_id IS NULL) AS unpriced_attempts,
        0::numeric AS uncharged_attempts,
        coalesce(sum(cost.nano_usd) FILTER (WHERE late.event_id IS NULL), 0) AS cost_nano_usd,
        0::numeric AS charge_nano_usd
    FROM billing.event AS e
    LEFT JOIN billing.current_rating AS cost ON cost.event_id = e.event_id AND cost.kind = 'cost'
    LEFT JOIN billing.late_event AS late ON late.event_id = e.event_id AND late.kind = 'cost'
    GROUP BY (date_trunc('month', e.started_at AT TIME ZONE 'UTC'))::date, e.tenant_id
    UNION ALL
    SELECT month_booked, tenant_id, 0, 0, sum(nano_usd), 0
    FROM billing.adjustment
    WHERE kind = 'cost'
    GROUP BY month_booked, tenant_id
    UNION ALL
    SELECT month, tenant_id, 0, uncharged_events, 0, nano_usd FROM billing.statement_total
)
SELECT
    month, tenant_id,
    sum(unpriced_attempts)::bigint AS unpriced_attempts,
    sum(uncharged_attempts)::bigint AS uncharged_attempts,
    sum(cost_nano_usd)::bigint AS cost_nano_usd,
    (sum(cost_nano_usd) / 1000000000)::numeric(20, 9) AS cost_usd,
    sum(charge_nano_usd)::bigint AS charge_nano_usd,
    (sum(charge_nano_usd) / 1000000000)::numeric(20, 9) AS charge_usd,
    sum(charge_nano_usd - cost_nano_usd)::bigint AS margin_nano_usd,
    (sum(charge_nano_usd - cost_nano_usd) / 1000000000)::numeric(20, 9) AS margin_usd
FROM booked
GROUP BY month, tenant_id;

COMMENT ON VIEW billing.margin_monthly IS 'What a tenant pays for a month (UTC) minus what the providers ask for it, as booked: after volume discounts, with adjustments in the month that books them.';
COMMENT ON COLUMN billing.margin_monthly.month IS 'First day of the calendar month (UTC).';
COMMENT ON COLUMN billing.margin_monthly.tenant_id IS 'The tenant who pays.';
COMMENT ON COLUMN billing.margin_monthly.unpriced_attempts IS 'Attempts that have no cost yet and are missing in the cost.';
COMMENT ON COLUMN billing.margin_monthly.uncharged_attempts IS 'Attempts that have no charge yet and are missing in the charge.';
COMMENT ON COLUMN billing.margin_monthly.cost_nano_usd IS 'What the providers ask, nano-USD.';
COMMENT ON COLUMN billing.margin_monthly.cost_usd IS 'The same in USD, exact to the nano-USD.';
COMMENT ON COLUMN billing.margin_monthly.charge_nano_usd IS 'The total of the statement, nano-USD.';
COMMENT ON COLUMN billing.margin_monthly.charge_usd IS 'The same in USD, exact to the nano-USD.';
COMMENT ON COLUMN billing.margin_monthly.margin_nano_usd IS 'Charge minus cost, nano-USD.';
COMMENT ON COLUMN billing.margin_monthly.margin_usd IS 'The same in USD, exact to the nano-USD.';

GRANT SELECT ON billing.late_event, billing.statement_usage, billing.statement, billing.statement_total,
    billing.margin_monthly
    TO billing, billing_reader;
