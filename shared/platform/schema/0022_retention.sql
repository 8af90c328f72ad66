-- What is old is found by a look at few blocks of each table: rows lie in the order in which they came.
CREATE INDEX documents_received ON documents USING brin (received_at);
CREATE INDEX pages_rung ON pages USING brin (rung_at);
CREATE INDEX strays_met ON strays USING brin (at);
CREATE INDEX quarantine_since ON quarantine USING brin (quarantined_at);
CREATE INDEX redrives_done ON redrives USING brin (at);

-- When what is past its days was last deleted, all of it.
CREATE TABLE retention (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    finished_at timestamptz NOT NULL       -- machine time; of a new database its beginning
);
INSERT INTO retention (finished_at) VALUES (now());
