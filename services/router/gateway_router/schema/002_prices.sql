-- Before the code, and after billing's 024: prices that a provider is registered with.

ALTER TABLE router.provider ADD COLUMN prices jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(prices) = 'object');
COMMENT ON COLUMN router.provider.prices IS 'Its own prices as the operator wrote them, USD per 1,000,000 tokens by model and kind of token; what counts is the ledger''s book (billing.price)';
