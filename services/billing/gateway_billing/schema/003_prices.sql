-- The price book. A version is one imported file; it replaces the earlier version of the same book as a whole.

CREATE TABLE billing.price_version (
    version_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    book text NOT NULL,
    precedence integer NOT NULL,
    source text NOT NULL,
    source_version text NOT NULL,
    source_sha256 text,
    content_sha256 text NOT NULL,
    effective_from timestamptz NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE billing.price_version IS 'One imported price file, insert-only. Of two books that price a model, the one with the higher precedence counts.';
COMMENT ON COLUMN billing.price_version.version_id IS 'Number of the version; ratings name it.';
COMMENT ON COLUMN billing.price_version.book IS 'Name of the book: litellm (the public map) or overrides (ours).';
COMMENT ON COLUMN billing.price_version.precedence IS 'Which book counts when several price a model; higher first.';
COMMENT ON COLUMN billing.price_version.source IS 'Where the file comes from, in words.';
COMMENT ON COLUMN billing.price_version.source_version IS 'Version of the source, for example LiteLLM''s.';
COMMENT ON COLUMN billing.price_version.source_sha256 IS 'SHA-256 of the source that the file was made from, hexadecimal; NULL when it is its own source.';
COMMENT ON COLUMN billing.price_version.content_sha256 IS 'SHA-256 of the imported content, hexadecimal: the same content again is not imported.';
COMMENT ON COLUMN billing.price_version.effective_from IS 'From when on its rates count (UTC).';
COMMENT ON COLUMN billing.price_version.imported_at IS 'When it was imported (UTC).';

CREATE TABLE billing.price (
    version_id bigint NOT NULL REFERENCES billing.price_version,
    provider text NOT NULL,
    model text NOT NULL,
    token_kind text NOT NULL CHECK (token_kind IN ('input', 'cached_input', 'cache_write_5m', 'cache_write_1h',
        'input_audio', 'output', 'reasoning', 'output_audio')),
    service_tier text NOT NULL,
    context_above_tokens bigint NOT NULL CHECK (context_above_tokens >= 0),
    nano_usd_per_million_tokens bigint NOT NULL CHECK (nano_usd_per_million_tokens >= 0),
    source text NOT NULL,
    source_date date,
    note text,
    PRIMARY KEY (version_id, provider, model, token_kind, service_tier, context_above_tokens)
);

COMMENT ON TABLE billing.price IS 'Rates of one version, insert-only: one row for one kind of token of one model. A rate of 0 is a stated gift, never a gap.';
COMMENT ON COLUMN billing.price.version_id IS 'The version that the rate belongs to.';
COMMENT ON COLUMN billing.price.provider IS 'Whose price it is (billing.event.price_provider).';
COMMENT ON COLUMN billing.price.model IS 'The model, as the provider names it; compared without regard to case.';
COMMENT ON COLUMN billing.price.token_kind IS 'Which tokens it is for: input, cached_input, cache_write_5m, cache_write_1h, input_audio, output, reasoning or output_audio.';
COMMENT ON COLUMN billing.price.service_tier IS 'The service tier it is for: standard, priority, flex, batch or the provider''s own name.';
COMMENT ON COLUMN billing.price.context_above_tokens IS 'The rate counts for requests with more input than this, tokens; 0 for all.';
COMMENT ON COLUMN billing.price.nano_usd_per_million_tokens IS 'The rate, nano-USD per 1,000,000 tokens (2.50 USD per million tokens is 2,500,000,000).';
COMMENT ON COLUMN billing.price.source IS 'Where the rate was read.';
COMMENT ON COLUMN billing.price.source_date IS 'When it was read there; NULL when the source does not say.';
COMMENT ON COLUMN billing.price.note IS 'What to know about the rate, NULL when nothing.';
