-- A partner's lane: which of its rows have been due longest, and which row of a patient comes first.
CREATE INDEX outbox_due ON outbox (lane, (coalesce(not_before, stored_at)), id)
    WHERE parked IS NULL AND lane LIKE 'partner:%';
CREATE INDEX outbox_of_key ON outbox (lane, key, id) WHERE lane LIKE 'partner:%';
