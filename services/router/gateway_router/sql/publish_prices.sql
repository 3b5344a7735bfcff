-- Into the ledger's books, in the transaction that stores the provider.
SELECT billing.publish_provider_prices($1, $2, $3, $4)
