-- What a laboratory's own codes mean, as a person of the program reviewed it. A row is what counts now: what counted before
-- stands in the settings that the journal names.
CREATE TABLE laboratory_codes (
    program text NOT NULL,
    laboratory text NOT NULL,   -- a client of clients.toml
    code text NOT NULL,
    meaning text NOT NULL,
    former text NOT NULL DEFAULT '',  -- its meaning before: what was read under it is read again
    reviewed_by text NOT NULL,
    valid_from date NOT NULL,   -- clinic time; before this day the row counts for nothing
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (program, laboratory, code)
);
