-- What a fact that waits says of its patient, to be compared once they are identified: keyed digests of family name and birth
-- date as JSON, empty where it says nothing. They go with the row.
ALTER TABLE waiting ADD COLUMN traits text NOT NULL DEFAULT '';
