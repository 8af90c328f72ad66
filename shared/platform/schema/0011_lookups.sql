-- Each key begins with what a row is looked up by: the planner, which knows nothing of an empty table and remembers its
-- plan while the table grows, can't take an index for a look that ignores the patient.
ALTER TABLE resources DROP CONSTRAINT resources_pkey, ADD PRIMARY KEY (id, type, program);
ALTER TABLE puts DROP CONSTRAINT puts_pkey, ADD PRIMARY KEY (id, type, program);
ALTER TABLE alias DROP CONSTRAINT alias_pkey, ADD PRIMARY KEY (digest, program);
DROP INDEX waiting_digest;
CREATE INDEX waiting_digest ON waiting (digest, program);
