-- The sessions of a group in the order of time, built while rows are written; of what a build left behind see 0019.
DROP INDEX CONCURRENTLY IF EXISTS resources_group;
CREATE INDEX CONCURRENTLY resources_group ON resources
    (program, (group_of(body)), (coalesce(status, '')), at, id) WHERE type || '' = 'Appointment' AND group_of(body) IS NOT NULL;
