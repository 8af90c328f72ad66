-- Tasks by when they are due, built while rows are written. What a build that was interrupted has left behind goes first.
-- Its condition is one that only searches by these times repeat: as plain type = 'Task', it would seem best for others.
DROP INDEX CONCURRENTLY IF EXISTS resources_due;
CREATE INDEX CONCURRENTLY resources_due ON resources
    (program, type, (coalesce(status, '')), due_of(body), urgency_of(body), id) WHERE type || '' = 'Task';
