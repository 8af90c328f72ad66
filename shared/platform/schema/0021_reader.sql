-- Whoever makes decisions again or explains them (`iop replay`, `iop why`) reads as this role, which can write nothing. It is
-- made where our user may make roles; where not, an administrator runs what docs/operate.md has.
DO $$
BEGIN
    IF to_regrole('iop_reader') IS NULL
        AND (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user) THEN
        CREATE ROLE iop_reader NOLOGIN;
        GRANT iop_reader TO CURRENT_USER;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- another service, whose database is on the same server, was first
END $$;
DO $$
BEGIN
    IF to_regrole('iop_reader') IS NOT NULL THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO iop_reader', current_schema());
        GRANT SELECT ON journal, settings, state, resources TO iop_reader;
    END IF;
END $$;
