-- Whether what was consumed of this partition before was consumed without its consents: by a service that has a gate only from
-- now on. A no may be among what it passed over. No service with a ledger has.
ALTER TABLE offsets ADD COLUMN consents_unread boolean NOT NULL DEFAULT false;
UPDATE offsets SET consents_unread = NOT EXISTS (SELECT FROM ledger) AND NOT EXISTS (SELECT FROM consents);
