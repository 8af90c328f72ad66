-- Of a decision: of its row, of the state it was made from, and of each thing emitted, in order. Without: older rows.
ALTER TABLE journal ADD COLUMN digests text[];
