-- Of a resource that is received piece by piece, in whatever order: which of two versions stands. Compared as bytes.
ALTER TABLE resources ADD COLUMN rank text COLLATE "C";
