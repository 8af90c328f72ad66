-- The last update of a resource by its content: the same again changes nothing, and gets the answer that one got.
CREATE TABLE puts (
    program    text NOT NULL,
    type       text NOT NULL,
    id         text NOT NULL,
    digest     text NOT NULL,
    version    integer NOT NULL,           -- of the resource, once it was decided; another one: something changed since
    remarks    text NOT NULL,              -- what was said of it, as JSON
    incomplete boolean NOT NULL,           -- parked: it is decided later
    PRIMARY KEY (program, type, id)
);
