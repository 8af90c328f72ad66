-- Of a gated lane's row: how many sends of it were committed before the first byte, and are not known to have left none.
ALTER TABLE outbox ADD COLUMN sends integer NOT NULL DEFAULT 0;
