-- The run-time role may set revoked_at, to revoke; without this it could also take a revocation back.

CREATE FUNCTION edge.refuse_unrevoking() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'a revoked key stays revoked: make a new one' USING ERRCODE = 'restrict_violation';
END
$$;
COMMENT ON FUNCTION edge.refuse_unrevoking() IS 'Keeps revoked_at as it is once it is set';
REVOKE ALL ON FUNCTION edge.refuse_unrevoking() FROM PUBLIC;
CREATE TRIGGER refuse_unrevoking BEFORE UPDATE OF revoked_at ON edge.api_key
    FOR EACH ROW WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
    EXECUTE FUNCTION edge.refuse_unrevoking();

COMMENT ON TABLE edge.migration IS 'Which schema files were applied, and with which text';
COMMENT ON COLUMN edge.migration.file_name IS 'Name of the schema file';
COMMENT ON COLUMN edge.migration.sha256 IS 'SHA-256 of the file''s text, hexadecimal';
COMMENT ON COLUMN edge.migration.applied_at IS 'When it was applied (UTC)';
