-- Work lists: when a Task is due, and how urgent it is (1 stat to 4 routine). What can't be read has no due time and is
-- routine: no stored body may break a write of it. A cast to timestamptz depends on no setting where the zone is written.
CREATE FUNCTION due_of(body text) RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    written text;
    due timestamptz;
BEGIN
    written := body::jsonb #>> '{restriction,period,end}';
    IF written ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2})$' THEN
        due := written::timestamptz;
    END IF;
    RETURN CASE WHEN due >= '1900-01-01T00:00:00Z' AND due < '9999-01-01T00:00:00Z' THEN due END;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;
CREATE FUNCTION urgency_of(body text) RETURNS integer LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN CASE body::jsonb ->> 'priority' WHEN 'stat' THEN 1 WHEN 'asap' THEN 2 WHEN 'urgent' THEN 3 ELSE 4 END;
EXCEPTION WHEN data_exception THEN
    RETURN 4;
END $$;
