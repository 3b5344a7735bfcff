-- What models cost now, by the books of the ledger.
SELECT price_provider, model, input_nano_usd, cached_input_nano_usd, output_nano_usd
FROM billing.list_price
