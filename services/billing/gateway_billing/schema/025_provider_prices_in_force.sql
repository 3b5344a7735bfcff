-- Before the code: what a provider with prices of its own is registered with is compared with what is in force, not with
-- what was imported in advance; and the router sees which models have rates for cached tokens and cache writes.

CREATE OR REPLACE FUNCTION billing.publish_provider_prices(
    price_provider text, models text[], token_kinds text[], nano_usd_per_million_tokens bigint[]
) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    of_book text := 'provider/' || publish_provider_prices.price_provider;
    began timestamptz;
    content text;
    made bigint;
BEGIN
    IF publish_provider_prices.price_provider !~
        '^[a-z0-9][a-z0-9_.-]{0,63}@([A-Za-z0-9._-]{1,64}/)?[a-z0-9][a-z0-9._-]{0,63}$' THEN
        RAISE EXCEPTION 'not the name of a provider with prices of its own: %', publish_provider_prices.price_provider
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT encode(sha256(convert_to(
        string_agg(jsonb_build_array(r.model, r.token_kind, r.rate)::text, E'\n' ORDER BY r.model, r.token_kind), 'UTF8'
    )), 'hex')
    INTO content
    FROM unnest(models, token_kinds, publish_provider_prices.nano_usd_per_million_tokens) AS r (model, token_kind, rate);
    IF content IS NULL THEN
        RAISE EXCEPTION 'no prices' USING ERRCODE = 'check_violation';
    END IF;
    began := billing.change_books();
    IF content = (
        SELECT v.content_sha256 FROM billing.price_version AS v
        WHERE v.book = of_book AND v.effective_from <= began
        ORDER BY v.effective_from DESC, v.version_id DESC LIMIT 1
    ) THEN
        RETURN NULL;
    END IF;
    INSERT INTO billing.price_version (book, precedence, source, source_version, content_sha256, effective_from)
    VALUES (of_book, 200, 'registration of the provider', to_char(began AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), content, began)
    RETURNING version_id INTO made;
    INSERT INTO billing.price (
        version_id, provider, model, token_kind, service_tier, context_above_tokens, nano_usd_per_million_tokens,
        source, source_date
    )
    SELECT
        made, publish_provider_prices.price_provider, r.model, r.token_kind, 'standard', 0, r.rate,
        'registration of the provider', (began AT TIME ZONE 'UTC')::date
    FROM unnest(models, token_kinds, publish_provider_prices.nano_usd_per_million_tokens) AS r (model, token_kind, rate);
    RETURN made;
END
$$;
COMMENT ON FUNCTION billing.publish_provider_prices(text, text[], text[], bigint[]) IS 'Makes a version of the book of a provider with prices of its own, in force from now on: standard tier, any context, nano-USD per 1,000,000 tokens, three arrays of equal length. Returns its number, NULL where the version in force says the same. Holds the books until the transaction ends: to be the last thing in it. Contract with the router.';

CREATE OR REPLACE VIEW billing.list_price AS
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
    max(p.nano_usd_per_million_tokens) FILTER (WHERE p.token_kind = 'output') AS output_nano_usd,
    max(p.nano_usd_per_million_tokens) FILTER (WHERE p.token_kind = 'cache_write_5m') AS cache_write_5m_nano_usd,
    max(p.nano_usd_per_million_tokens) FILTER (WHERE p.token_kind = 'cache_write_1h') AS cache_write_1h_nano_usd
FROM priced AS b
JOIN billing.price AS p
    ON p.version_id = b.version_id AND p.provider = b.provider AND lower(p.model) = b.model
    AND p.service_tier = 'standard' AND p.context_above_tokens = 0
GROUP BY b.provider, b.model;
COMMENT ON COLUMN billing.list_price.cache_write_5m_nano_usd IS 'The rate, nano-USD per 1,000,000 input tokens written into the provider''s cache for 5 minutes; NULL: no rate of their own';
COMMENT ON COLUMN billing.list_price.cache_write_1h_nano_usd IS 'The rate, nano-USD per 1,000,000 input tokens written into the provider''s cache for 1 hour; NULL: no rate of their own';
