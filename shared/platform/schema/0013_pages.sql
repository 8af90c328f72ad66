-- Whoever is on call is told of an escalation by pages: one for each tier that it reached and each role of the rota.
CREATE TABLE pages (
    id         uuid PRIMARY KEY,          -- the webhook-id of every try
    row_id     bigint NOT NULL,           -- the row of the outbox that sends it; another one for the same page sends nothing
    program    text NOT NULL,
    escalation text NOT NULL,
    person     text NOT NULL,             -- of the program's staff
    rung_at    timestamptz NOT NULL,      -- clinic time of the first try
    failures   integer NOT NULL DEFAULT 0,
    ended      text                       -- made, gave-up, not-needed
);
