-- Whose group a session is of: it takes part in the Appointment. Read as text, and never by a pattern: it is asked of each
-- Appointment that is written, and what can't be read as JSON may not break a write.
CREATE FUNCTION group_of(body text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN nullif(split_part(split_part(body, '"HealthcareService/', 2), '"', 1), '');
