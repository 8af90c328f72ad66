-- The last good copy of each cached public feed: what a service goes on with while its file can't be trusted.
CREATE TABLE feeds (
    program    text NOT NULL,
    name       text NOT NULL,
    content    text NOT NULL,              -- as the service that reads the feed writes it
    stored_at  timestamptz NOT NULL,
    PRIMARY KEY (program, name)
);
