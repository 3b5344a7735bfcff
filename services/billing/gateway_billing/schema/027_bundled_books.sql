-- Each start imports the files that come with a release. Where the operator has put others in their place, these stay.

ALTER TABLE billing.price_version ADD COLUMN is_bundled boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN billing.price_version.is_bundled IS 'Whether the file came with a release of the gateway (import-prices --bundled). Another such file replaces it; it never replaces an operator''s own.';
UPDATE billing.price_version SET is_bundled = true WHERE book = 'litellm';

ALTER TABLE billing.tariff_version ADD COLUMN is_bundled boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN billing.tariff_version.is_bundled IS 'Whether the file came with a release of the gateway (import-tariffs --bundled). Another such file replaces it; it never replaces an operator''s own.';
