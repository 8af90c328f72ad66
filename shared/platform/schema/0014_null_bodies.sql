-- A record may be null: on a compacted topic it says that its key is no more. There the key is an escalation's id.
ALTER TABLE outbox ALTER COLUMN body DROP NOT NULL;
