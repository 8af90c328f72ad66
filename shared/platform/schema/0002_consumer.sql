-- Up to where the consumed topic is stored, by partition. Written behind the deliveries it counts: a database set back
-- knows less than Kafka does, and the smaller of the two counts.
CREATE TABLE offsets (
    partition integer PRIMARY KEY,
    next      bigint NOT NULL,             -- of the first record that is not stored
    catch_up  bigint NOT NULL DEFAULT 0    -- up to where it was stored once: while `next` lies before it the gate is shut
);

-- Records that are no events of the hub's: not their content, it stays in Kafka as long as the topic's days.
CREATE TABLE strays (
    topic     text NOT NULL,
    partition integer NOT NULL,
    "offset"  bigint NOT NULL,
    size      integer NOT NULL,            -- bytes of the value
    digest    text NOT NULL,               -- SHA-256 of the value
    at        timestamptz NOT NULL,        -- clinic time
    PRIMARY KEY (topic, partition, "offset")
);

-- Where the consumer stopped, until a person lets it go on.
CREATE TABLE stops (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    topic     text NOT NULL,
    partition integer NOT NULL,
    "offset"  bigint NOT NULL,
    stored    boolean NOT NULL,            -- whether this record is stored (parked); else it is the first that is not
    place     text NOT NULL,               -- what failed, never what it held
    at        timestamptz NOT NULL         -- clinic time
);

-- Records that a person has the consumer skip.
CREATE TABLE skips (
    topic     text NOT NULL,
    partition integer NOT NULL,
    "offset"  bigint NOT NULL,
    by        text NOT NULL,
    reason    text NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    done      boolean NOT NULL DEFAULT false,
    PRIMARY KEY (topic, partition, "offset")
);
