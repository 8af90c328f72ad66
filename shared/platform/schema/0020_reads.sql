-- Who read what: a row for each patient whose data a read or search was about. Only added to; partitioned by month of
-- clinic time.
CREATE TABLE reads (
    id          uuid NOT NULL,                -- of the AuditEvent that it is served as
    at          timestamptz NOT NULL,         -- clinic time
    program     text NOT NULL,
    patient     text NOT NULL,
    client      text NOT NULL,
    person      text NOT NULL,                -- the member of staff for whom the client read; empty where nobody is named
    type        text NOT NULL,                -- of the resources that were asked for
    interaction text NOT NULL,                -- read or search-type
    refused     boolean NOT NULL,             -- nothing was shown: the token lacks the scope
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE INDEX reads_patient ON reads (program, patient, at, id);
CREATE INDEX reads_at ON reads (program, at, id);
