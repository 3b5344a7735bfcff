-- Before the code, and before the router's 002: prices that providers are registered with, each provider's in a book of
-- its own. The function is the router's only way to the books, and it reaches no other book through it.

CREATE FUNCTION billing.publish_provider_prices(
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
    began := billing.change_books();
    SELECT encode(sha256(convert_to(
        string_agg(jsonb_build_array(r.model, r.token_kind, r.rate)::text, E'\n' ORDER BY r.model, r.token_kind), 'UTF8'
    )), 'hex')
    INTO content
    FROM unnest(models, token_kinds, publish_provider_prices.nano_usd_per_million_tokens) AS r (model, token_kind, rate);
    IF content IS NULL THEN
        RAISE EXCEPTION 'no prices' USING ERRCODE = 'check_violation';
    END IF;
    IF content = (
        SELECT v.content_sha256 FROM billing.price_version AS v WHERE v.book = of_book ORDER BY v.version_id DESC LIMIT 1
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
COMMENT ON FUNCTION billing.publish_provider_prices(text, text[], text[], bigint[]) IS 'Makes a version of the book of a provider with prices of its own, in force from now on: standard tier, any context, nano-USD per 1,000,000 tokens, three arrays of equal length. Returns its number, NULL where the newest version says the same. Contract with the router.';
REVOKE ALL ON FUNCTION billing.publish_provider_prices(text, text[], text[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing.publish_provider_prices(text, text[], text[], bigint[]) TO router;

COMMENT ON COLUMN billing.price_version.book IS 'Name of the book: litellm (the public map), overrides (ours), or provider/ and whose prices it has (those that a provider was registered with).';
COMMENT ON COLUMN billing.event.price_provider IS 'Whose prices apply: the provider''s kind, or kind@name (kind@tenant/name) for a provider with prices of its own.';
COMMENT ON COLUMN billing.attempts.price_provider IS 'Whose prices apply: the provider''s kind, or kind@name (kind@tenant/name) for a provider with prices of its own.';
COMMENT ON COLUMN billing.usage.price_provider IS 'Of the final attempt. Whose prices apply: the provider''s kind, or kind@name (kind@tenant/name) for a provider with prices of its own.';
COMMENT ON COLUMN billing.unpriced.price_provider IS 'Whose prices apply: the provider''s kind, or kind@name (kind@tenant/name) for a provider with prices of its own.';
COMMENT ON COLUMN billing.uncharged.price_provider IS 'Whose prices apply: the provider''s kind, or kind@name (kind@tenant/name) for a provider with prices of its own.';
