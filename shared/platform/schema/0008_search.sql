-- A search is read page by page in the order of an index, whatever it asks for.
DROP INDEX resources_status;
CREATE INDEX resources_happened ON resources (program, type, (coalesce(status, '')), at, id);
CREATE INDEX resources_changed ON resources (program, type, (coalesce(status, '')), updated_at, id);
