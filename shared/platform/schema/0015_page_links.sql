-- The link of a page: valid until the escalation is to be acted on. Its token stands nowhere, only a digest of it.
ALTER TABLE pages ADD COLUMN role text NOT NULL DEFAULT 'on-call';
ALTER TABLE pages ADD COLUMN digest text NOT NULL DEFAULT '';
ALTER TABLE pages ADD COLUMN valid_until timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE pages ADD COLUMN wrong integer NOT NULL DEFAULT 0;    -- tokens of this page that were wrong
ALTER TABLE pages ADD COLUMN used_at timestamptz;                 -- clinic time at which somebody took it on by it
