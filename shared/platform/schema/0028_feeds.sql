-- A copy is sealed, for it holds how a group is joined from afar. What was read last, and what came of it, stands beside
-- it, for whoever fetches next and for whoever asks. Instants are machine time: publishers know no other.
ALTER TABLE feeds
    ALTER COLUMN content DROP NOT NULL,    -- of an earlier release, without what is secret; until the next good copy
    ALTER COLUMN stored_at DROP NOT NULL,  -- when the copy was last found to be what is published
    ADD COLUMN sealed bytea,
    ADD COLUMN digest text NOT NULL DEFAULT '',      -- of the copy: other processes read it again where it changes
    ADD COLUMN meetings integer NOT NULL DEFAULT 0,
    ADD COLUMN origin text NOT NULL DEFAULT '',      -- digest of the settings and the build it was read with
    ADD COLUMN validators text NOT NULL DEFAULT '',  -- ETag and Last-Modified of the copy
    ADD COLUMN counts text NOT NULL DEFAULT '',      -- of what was last read: entries, and what can't be used, by reason
    ADD COLUMN tried_at timestamptz,
    ADD COLUMN next_at timestamptz,
    ADD COLUMN trouble text NOT NULL DEFAULT '',     -- a code; empty while all is well
    ADD COLUMN troubled_at timestamptz,
    ADD COLUMN asked text NOT NULL DEFAULT '';       -- what a person asks: refresh, or trust what comes this once
UPDATE feeds SET digest = md5(content), meetings = jsonb_array_length(content::jsonb);
