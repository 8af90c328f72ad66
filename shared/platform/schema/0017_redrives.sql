-- What operators did with parked deliveries: who (a person, by the client they used), of which key, and what came of it.
CREATE TABLE redrives (
    at          timestamptz NOT NULL,      -- clinic time
    client      text NOT NULL,
    by          text NOT NULL,             -- a person, as they name themselves; the client's own name where it names nobody
    key_kind    text NOT NULL,
    key         text NOT NULL,
    program     text NOT NULL,
    quarantined uuid,                      -- the delivery that was taken out
    decided     integer NOT NULL,
    parked      integer NOT NULL,
    sent_again  integer NOT NULL
);
