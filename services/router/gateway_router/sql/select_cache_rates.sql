-- Which models of a kind have rates for what comes out of a cache, or goes into it, by the books of the ledger.
SELECT model, cached_input_nano_usd, cache_write_5m_nano_usd, cache_write_1h_nano_usd
FROM billing.list_price
WHERE price_provider = $1
