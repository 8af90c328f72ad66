-- A link is found by a handle of its own: whoever knows a page by its id, as its receiver does, can't count wrong
-- tokens against it.
ALTER TABLE pages ADD COLUMN handle text;
CREATE UNIQUE INDEX pages_handle ON pages (handle);
