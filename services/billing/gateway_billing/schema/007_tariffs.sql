-- What tenants pay. A tariff version is one imported file, which replaces the one before as a whole; each event gets
-- a second rating, of kind charge, beside its cost. Volume tiers are not in it: they count for a month as a whole.

CREATE TABLE billing.tariff_version (
    version_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    source_version text NOT NULL,
    content_sha256 text NOT NULL,
    effective_from timestamptz NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE billing.tariff_version IS 'One imported tariffs file, insert-only. The one with the latest effective_from that is not after an event counts for it.';
COMMENT ON COLUMN billing.tariff_version.version_id IS 'Number of the version; ratings of kind charge name it.';
COMMENT ON COLUMN billing.tariff_version.source IS 'Where the file comes from, in words.';
COMMENT ON COLUMN billing.tariff_version.source_version IS 'Version of the source, as the file says.';
COMMENT ON COLUMN billing.tariff_version.content_sha256 IS 'SHA-256 of the imported content, hexadecimal: the same content again is not imported.';
COMMENT ON COLUMN billing.tariff_version.effective_from IS 'From when on its rules count for events, and from which month''s start on its volume tiers (UTC).';
COMMENT ON COLUMN billing.tariff_version.imported_at IS 'When it was imported (UTC).';

CREATE TABLE billing.tariff_rule (
    version_id bigint NOT NULL REFERENCES billing.tariff_version,
    rule integer NOT NULL CHECK (rule >= 1),
    channel text NOT NULL CHECK (channel IN ('langchain', 'standard', '*')),
    plan_id text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    partial_policy text NOT NULL CHECK (partial_policy IN ('full', 'at_cost', 'free')),
    failed_policy text NOT NULL CHECK (failed_policy IN ('full', 'at_cost', 'free')),
    unknown_policy text NOT NULL CHECK (unknown_policy IN ('full', 'at_cost', 'free')),
    estimated_policy text NOT NULL CHECK (estimated_policy IN ('full', 'at_cost', 'free')),
    note text,
    PRIMARY KEY (version_id, rule),
    UNIQUE (version_id, channel, plan_id, provider, model)
);

COMMENT ON TABLE billing.tariff_rule IS 'Rules of one tariff version, insert-only. Of the rules that match an event, the one that is inside all others counts; the import refuses files where there could be none.';
COMMENT ON COLUMN billing.tariff_rule.version_id IS 'The version that the rule belongs to.';
COMMENT ON COLUMN billing.tariff_rule.rule IS 'Number of the rule in its file, from 1.';
COMMENT ON COLUMN billing.tariff_rule.channel IS 'langchain or standard: which kind of key it is for; * for both.';
COMMENT ON COLUMN billing.tariff_rule.plan_id IS 'The plan that it is for; * for any.';
COMMENT ON COLUMN billing.tariff_rule.provider IS 'The provider that it is for (billing.event.price_provider); * for any.';
COMMENT ON COLUMN billing.tariff_rule.model IS 'The model that it is for: a name, the beginning of one with * behind it, or * for any; compared without regard to case.';
COMMENT ON COLUMN billing.tariff_rule.partial_policy IS 'What a cut stream is charged: full, at_cost or free. Where several policies apply to an event, the one that is best for the tenant counts.';
COMMENT ON COLUMN billing.tariff_rule.failed_policy IS 'What a failed call is charged: full, at_cost or free.';
COMMENT ON COLUMN billing.tariff_rule.unknown_policy IS 'What a call is charged whose end or usage is not known: full, at_cost or free.';
COMMENT ON COLUMN billing.tariff_rule.estimated_policy IS 'What a call is charged whose tokens the gateway estimated: full, at_cost or free.';
COMMENT ON COLUMN billing.tariff_rule.note IS 'What to know about the rule, NULL when nothing.';

CREATE TABLE billing.tariff_rate (
    version_id bigint NOT NULL,
    rule integer NOT NULL,
    token_kind text NOT NULL CHECK (token_kind IN ('*', 'input', 'cached_input', 'cache_write_5m', 'cache_write_1h',
        'input_audio', 'output', 'reasoning', 'output_audio')),
    markup_bp integer CHECK (markup_bp >= 0),
    nano_usd_per_million_tokens bigint CHECK (nano_usd_per_million_tokens >= 0),
    PRIMARY KEY (version_id, rule, token_kind),
    FOREIGN KEY (version_id, rule) REFERENCES billing.tariff_rule,
    CHECK (num_nonnulls(markup_bp, nano_usd_per_million_tokens) = 1)
);

COMMENT ON TABLE billing.tariff_rate IS 'What a rule asks for one kind of token, insert-only: either a multiple of our cost or a fixed price.';
COMMENT ON COLUMN billing.tariff_rate.version_id IS 'The version that the rule belongs to.';
COMMENT ON COLUMN billing.tariff_rate.rule IS 'The rule (billing.tariff_rule.rule).';
COMMENT ON COLUMN billing.tariff_rate.token_kind IS 'Which tokens it is for, as in billing.price; * for the kinds that are not named.';
COMMENT ON COLUMN billing.tariff_rate.markup_bp IS 'Basis points of our cost rate: 10000 is our cost, 12000 is 1.2 times our cost; NULL when the price is fixed.';
COMMENT ON COLUMN billing.tariff_rate.nano_usd_per_million_tokens IS 'A fixed price, nano-USD per 1,000,000 tokens; NULL when it is a multiple of our cost.';

CREATE TABLE billing.tariff_tier (
    version_id bigint NOT NULL REFERENCES billing.tariff_version,
    channel text NOT NULL CHECK (channel IN ('langchain', 'standard', '*')),
    plan_id text NOT NULL,
    above_tokens bigint NOT NULL CHECK (above_tokens >= 0),
    discount_bp integer NOT NULL CHECK (discount_bp BETWEEN 0 AND 10000),
    PRIMARY KEY (version_id, channel, plan_id, above_tokens)
);

COMMENT ON TABLE billing.tariff_tier IS 'Volume tiers of one tariff version, insert-only; read them with billing.volume_tiers().';
COMMENT ON COLUMN billing.tariff_tier.version_id IS 'The version that the tier belongs to.';
COMMENT ON COLUMN billing.tariff_tier.channel IS 'langchain or standard: which kind of key it is for; * for both.';
COMMENT ON COLUMN billing.tariff_tier.plan_id IS 'The plan that it is for; * for any.';
COMMENT ON COLUMN billing.tariff_tier.above_tokens IS 'The discount counts for the part of a tenant''s tokens of a month above this number, tokens.';
COMMENT ON COLUMN billing.tariff_tier.discount_bp IS 'Discount on that part of the list amount, basis points (500 is 5 %).';

ALTER TABLE billing.rating ADD COLUMN tariff_version bigint;
COMMENT ON COLUMN billing.rating.tariff_version IS 'The tariff used (billing.tariff_version.version_id), for kind charge; NULL for a cost, and where the reason says why no tariff was needed.';
SELECT billing.copy_comments('billing.rating', inhrelid::regclass) FROM pg_inherits WHERE inhparent = 'billing.rating'::regclass;

CREATE FUNCTION billing.volume_tiers(month date, channel text, plan_id text)
RETURNS TABLE (tariff_version bigint, above_tokens bigint, up_to_tokens bigint, discount_bp integer)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH version AS (
        SELECT v.version_id
        FROM billing.tariff_version AS v
        CROSS JOIN (SELECT date_trunc('month', month::timestamp) AT TIME ZONE 'UTC' AS starts_at) AS m
        ORDER BY
            v.effective_from > m.starts_at,
            abs(extract(epoch FROM v.effective_from - m.starts_at)),
            v.version_id DESC
        LIMIT 1
    ),
    selected AS (
        SELECT t.version_id, t.channel, t.plan_id
        FROM billing.tariff_tier AS t
        JOIN version USING (version_id)
        WHERE t.channel IN (volume_tiers.channel, '*') AND t.plan_id IN (volume_tiers.plan_id, '*')
        ORDER BY (t.channel = '*')::integer + (t.plan_id = '*')::integer
        LIMIT 1
    ),
    tier AS (
        SELECT t.above_tokens, t.discount_bp FROM billing.tariff_tier AS t JOIN selected USING (version_id, channel, plan_id)
        UNION ALL
        SELECT 0, 0
        WHERE NOT EXISTS (
            SELECT FROM billing.tariff_tier AS t JOIN selected USING (version_id, channel, plan_id) WHERE t.above_tokens = 0
        )
    )
    SELECT
        (SELECT version_id FROM version),
        tier.above_tokens,
        lead(tier.above_tokens) OVER (ORDER BY tier.above_tokens),
        tier.discount_bp
    FROM tier
    ORDER BY tier.above_tokens;
END;
COMMENT ON FUNCTION billing.volume_tiers(date, text, text) IS 'The volume tiers of a month for a channel and plan, from 0 tokens up and without a gap: those of the tariff in force when the month began (of the first tariff, when there was none yet).';

CREATE FUNCTION billing.tier_shares(month date, channel text, plan_id text, tokens numeric, list_nano_usd numeric)
RETURNS TABLE (
    tariff_version bigint, above_tokens bigint, up_to_tokens bigint, tier_tokens bigint, tier_list_nano_usd bigint,
    discount_bp integer, discount_nano_usd bigint, nano_usd bigint
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH tier AS (
        SELECT
            t.tariff_version, t.above_tokens, t.up_to_tokens, t.discount_bp,
            least(tier_shares.tokens, t.up_to_tokens) - t.above_tokens AS tier_tokens
        FROM billing.volume_tiers(month, channel, plan_id) AS t
        WHERE t.above_tokens < tier_shares.tokens OR t.above_tokens = 0
    ),
    divided AS (
        SELECT
            tier.*,
            div(tier_shares.list_nano_usd * tier.tier_tokens, nullif(tier_shares.tokens, 0)) AS quotient,
            mod(tier_shares.list_nano_usd * tier.tier_tokens, nullif(tier_shares.tokens, 0)) AS remainder
        FROM tier
    ),
    ranked AS (
        SELECT
            divided.*,
            row_number() OVER (ORDER BY divided.remainder DESC, divided.above_tokens) AS remainder_rank,
            tier_shares.list_nano_usd - sum(divided.quotient) OVER () AS left_over
        FROM divided
    ),
    shared AS (
        SELECT
            ranked.*,
            coalesce(
                ranked.quotient + (ranked.remainder_rank <= ranked.left_over)::integer, tier_shares.list_nano_usd
            ) AS share
        FROM ranked
    ),
    discounted AS (
        SELECT shared.*, div(shared.share * shared.discount_bp + 5000, 10000) AS discount FROM shared
    )
    SELECT
        d.tariff_version, d.above_tokens, d.up_to_tokens, d.tier_tokens::bigint, d.share::bigint, d.discount_bp,
        d.discount::bigint, (d.share - d.discount)::bigint
    FROM discounted AS d
    ORDER BY d.above_tokens;
END;
COMMENT ON FUNCTION billing.tier_shares(date, text, text, numeric, numeric) IS 'Splits a month''s tokens over the volume tiers, the list amount (nano-USD) pro rata of each tier''s tokens by largest remainder, so that the shares sum to it exactly, and takes each tier''s discount off its share, rounded half up.';

CREATE VIEW billing.uncharged AS
SELECT
    e.event_id, e.request_id, e.tenant_id, e.plan_id, e.channel, e.price_provider, e.model_served, e.model_upstream,
    e.service_tier, e.started_at, e.status, e.usage_source, e.input_tokens, e.cached_input_tokens,
    e.cache_write_5m_tokens, e.cache_write_1h_tokens, e.input_audio_tokens, e.output_tokens, e.reasoning_tokens,
    e.output_audio_tokens, e.received_at
FROM billing.event AS e
WHERE NOT EXISTS (SELECT FROM billing.rating AS r WHERE r.event_id = e.event_id AND r.kind = 'charge');

COMMENT ON VIEW billing.uncharged IS 'Attempts without a charge: import a tariff for their channel and plan, or a price for their model, and they are rated.';
COMMENT ON COLUMN billing.uncharged.event_id IS 'Identity of the attempt: a UUIDv7 made by the gateway, whose first 48 bits are Unix milliseconds.';
COMMENT ON COLUMN billing.uncharged.request_id IS 'The x-request-id that the client saw; shared by all attempts of one request.';
COMMENT ON COLUMN billing.uncharged.tenant_id IS 'The tenant who pays.';
COMMENT ON COLUMN billing.uncharged.plan_id IS 'The plan of the key at the time of the request.';
COMMENT ON COLUMN billing.uncharged.channel IS 'langchain or standard: the kind of key that was used.';
COMMENT ON COLUMN billing.uncharged.price_provider IS 'The provider whose prices apply; differs from provider for the simulator only.';
COMMENT ON COLUMN billing.uncharged.model_served IS 'The model that the provider says it used, NULL when it did not say.';
COMMENT ON COLUMN billing.uncharged.model_upstream IS 'The model as the provider was asked for it.';
COMMENT ON COLUMN billing.uncharged.service_tier IS 'The service tier in the provider''s answer, NULL when it did not say.';
COMMENT ON COLUMN billing.uncharged.started_at IS 'When the provider was called (UTC, microseconds).';
COMMENT ON COLUMN billing.uncharged.status IS 'settled: the provider finished; partial: it was cut; failed: it refused or was never reached; unknown: the gateway was lost.';
COMMENT ON COLUMN billing.uncharged.usage_source IS 'Whose word the token counts are: provider, drained, estimated, unknown, or none when nothing was used.';
COMMENT ON COLUMN billing.uncharged.input_tokens IS 'All input, tokens; cached, cache-write and audio tokens are parts of it.';
COMMENT ON COLUMN billing.uncharged.cached_input_tokens IS 'Input read from the provider''s cache, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.uncharged.cache_write_5m_tokens IS 'Input written to the provider''s cache for 5 minutes, or for its only lifetime, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.uncharged.cache_write_1h_tokens IS 'Input written to the provider''s cache for 1 hour, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.uncharged.input_audio_tokens IS 'Audio input, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.uncharged.output_tokens IS 'All output, tokens; reasoning and audio tokens are parts of it.';
COMMENT ON COLUMN billing.uncharged.reasoning_tokens IS 'Output spent on reasoning, tokens; part of output_tokens.';
COMMENT ON COLUMN billing.uncharged.output_audio_tokens IS 'Audio output, tokens; part of output_tokens.';
COMMENT ON COLUMN billing.uncharged.received_at IS 'When the row was inserted (UTC).';

REVOKE ALL ON FUNCTION billing.volume_tiers(date, text, text), billing.tier_shares(date, text, text, numeric, numeric)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing.volume_tiers(date, text, text), billing.tier_shares(date, text, text, numeric, numeric)
    TO billing, billing_reader;
GRANT SELECT, INSERT ON billing.tariff_version, billing.tariff_rule, billing.tariff_rate, billing.tariff_tier TO billing;
GRANT SELECT ON billing.tariff_version, billing.tariff_rule, billing.tariff_rate, billing.tariff_tier TO billing_reader;
GRANT SELECT ON billing.uncharged TO billing, billing_reader;
