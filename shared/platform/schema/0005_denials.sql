-- A revoked consent keeps what it was about, so that a later no can say why; a denial is a row of its own.
ALTER TABLE consents
    ADD COLUMN denies  boolean NOT NULL DEFAULT false,
    ADD COLUMN revoked boolean NOT NULL DEFAULT false;
UPDATE consents SET revoked = true WHERE body IS NULL;
