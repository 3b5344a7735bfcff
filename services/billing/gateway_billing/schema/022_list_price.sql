-- What models cost by the books that are in force, for the router's list of models: its only way to the prices.

CREATE VIEW billing.list_price AS
WITH in_force AS (
    SELECT DISTINCT ON (v.book) v.version_id, v.precedence
    FROM billing.price_version AS v
    WHERE v.effective_from <= now()
    ORDER BY v.book, v.effective_from DESC, v.version_id DESC
),
priced AS (
    SELECT DISTINCT ON (p.provider, lower(p.model)) p.provider, lower(p.model) AS model, p.version_id
    FROM billing.price AS p
    JOIN in_force AS f ON f.version_id = p.version_id
    ORDER BY p.provider, lower(p.model), f.precedence DESC
)
SELECT
    b.provider AS price_provider,
    b.model,
    max(p.nano_usd_per_million_tokens) FILTER (WHERE p.token_kind = 'input') AS input_nano_usd,
    max(p.nano_usd_per_million_tokens) FILTER (WHERE p.token_kind = 'cached_input') AS cached_input_nano_usd,
    max(p.nano_usd_per_million_tokens) FILTER (WHERE p.token_kind = 'output') AS output_nano_usd
FROM priced AS b
JOIN billing.price AS p
    ON p.version_id = b.version_id AND p.provider = b.provider AND lower(p.model) = b.model
    AND p.service_tier = 'standard' AND p.context_above_tokens = 0
GROUP BY b.provider, b.model;

COMMENT ON VIEW billing.list_price IS 'What providers ask for a model now: standard tier, short context, of several books the one with the highest precedence. Contract with the router.';
COMMENT ON COLUMN billing.list_price.price_provider IS 'Whose price it is (billing.event.price_provider)';
COMMENT ON COLUMN billing.list_price.model IS 'The model, as the provider names it, in lower case';
COMMENT ON COLUMN billing.list_price.input_nano_usd IS 'The rate, nano-USD per 1,000,000 input tokens';
COMMENT ON COLUMN billing.list_price.cached_input_nano_usd IS 'The rate, nano-USD per 1,000,000 input tokens that came out of the provider''s cache; NULL: no rate of their own';
COMMENT ON COLUMN billing.list_price.output_nano_usd IS 'The rate, nano-USD per 1,000,000 output tokens; NULL: no rate';

GRANT SELECT ON billing.list_price TO router, billing_reader;
