-- Words that nobody can read, taken out of their patient's sequence by a person: kept as they came, never decided.

CREATE TABLE set_aside (
    LIKE parked,
    by       text NOT NULL,
    aside_at timestamptz NOT NULL          -- clinic time
);
