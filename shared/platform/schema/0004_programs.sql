-- Nothing crosses programs: a resource, a consent and the count of consent events are of one program and never meet
-- those of another, whatever their ids.
ALTER TABLE resources DROP CONSTRAINT resources_pkey, ADD PRIMARY KEY (type, id, program);
ALTER TABLE consents DROP CONSTRAINT consents_pkey, ADD PRIMARY KEY (patient, consent_id, program);
ALTER TABLE consent_versions DROP CONSTRAINT consent_versions_pkey, ADD PRIMARY KEY (patient, program);
