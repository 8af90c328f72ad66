-- A hold remembers whether a person has acknowledged it, and has a deadline of its own: an open escalation, not a bare one.

UPDATE state SET due_at = (hold::json ->> 7)::timestamptz, hold = '[' || hold || ']' WHERE hold LIKE '["%';
