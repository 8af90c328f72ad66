-- What the hub has answered of a resource that a client sent, by element: a later update by its sender leaves it.
ALTER TABLE resources ADD COLUMN answer text;
