-- The program on every row that is about a patient. A default stays: a process of the release before may still run.

ALTER TABLE claims ADD COLUMN program text NOT NULL DEFAULT '';
UPDATE claims c SET program = h.program FROM heard h WHERE h.cause = c.id;
UPDATE claims c SET program = p.program FROM parked p WHERE p.id = c.id AND c.program = '';
UPDATE claims c SET program = w.program FROM waiting w WHERE w.id = c.id AND c.program = '';

ALTER TABLE consent_versions ADD COLUMN program text NOT NULL DEFAULT '';
UPDATE consent_versions v SET program = c.program FROM consents c WHERE c.patient = v.patient;
