-- The Tasks that an update led to, by their ids with a space between: the same update again is answered with them.
ALTER TABLE puts ADD COLUMN asked text NOT NULL DEFAULT '';
