-- One schema for all four services. Bodies are text: PostgreSQL never needs to look inside.

-- What the next decision needs, one row a key. A key is a patient or, where a service has a second kind, a group.
CREATE TABLE state (
    kind    text NOT NULL DEFAULT 'patient',
    key     text NOT NULL,
    program text NOT NULL,
    version integer NOT NULL DEFAULT 0,    -- of the body's shape
    body    text NOT NULL DEFAULT '',
    due_at  timestamptz,                   -- clinic time of the next deadline
    hold    text,                          -- the hub-hold escalation while deliveries of this key are parked
    PRIMARY KEY (kind, key)
) WITH (fillfactor = 60);
CREATE INDEX state_due ON state (kind, due_at) WHERE due_at IS NOT NULL;

-- The read model: every FHIR resource that was emitted or accepted.
CREATE TABLE resources (
    type       text NOT NULL,
    id         text NOT NULL,
    version    integer NOT NULL DEFAULT 1,
    program    text NOT NULL,
    patient    text NOT NULL,
    status     text,
    at         timestamptz,                -- clinical time
    updated_at timestamptz NOT NULL,       -- clinic time of the last change
    sealed     boolean NOT NULL DEFAULT false,
    body       text NOT NULL,
    PRIMARY KEY (type, id)
) WITH (fillfactor = 80);
CREATE INDEX resources_patient ON resources (patient, type, at);
CREATE INDEX resources_status ON resources (program, type, status, at);

-- Every decision with everything it was given. Partitioned by month of clinic time.
CREATE TABLE journal (
    now             timestamptz NOT NULL,
    sequence        bigint GENERATED ALWAYS AS IDENTITY,
    listening_since timestamptz NOT NULL,
    kind            text NOT NULL,         -- of the key
    key             text NOT NULL,
    program         text NOT NULL,
    cause           uuid NOT NULL,
    producer        text NOT NULL,
    delivery        text NOT NULL,         -- consumed, commanded or internal
    event           text NOT NULL,         -- the event's name, or those of the commands
    content         text NOT NULL,
    outcome         text NOT NULL,         -- decided, held (the hub-hold's own), or the code of a refusal
    settings        text NOT NULL,         -- digest of a row of `settings`
    code            text NOT NULL,         -- the build that decided
    emitted         uuid[] NOT NULL
) PARTITION BY RANGE (now);
CREATE INDEX journal_key ON journal (key, now);

-- Each set of settings that a decision used, once.
CREATE TABLE settings (
    digest  text NOT NULL,
    program text NOT NULL,
    body    text NOT NULL,
    PRIMARY KEY (program, digest)
);

-- The inbox's idempotency keys; for commands with the content's digest and the answer, so that the same again gets it.
CREATE TABLE processed (
    id      uuid PRIMARY KEY,
    program text NOT NULL,
    at      timestamptz NOT NULL DEFAULT now(),
    digest  text,
    answer  text
);
CREATE INDEX processed_at ON processed USING brin (at);

CREATE TABLE outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY,
    lane       text NOT NULL,
    program    text NOT NULL DEFAULT '',
    key        text,                       -- the patient; null for the ledger's heartbeat and operations
    partition  integer,                    -- only the heartbeat names one
    headers    text NOT NULL,
    body       text NOT NULL,
    stored_at  timestamptz NOT NULL DEFAULT now(),
    attempts   integer NOT NULL DEFAULT 0,
    not_before timestamptz,                -- machine time; a destination backs off
    parked     text                        -- class and place, where sending failed by a bug: a person redrives it
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
CREATE INDEX outbox_lane ON outbox (lane, id);
CREATE INDEX outbox_parked ON outbox (lane, key) WHERE parked IS NOT NULL;

CREATE TABLE alias (
    program text NOT NULL,
    digest  text NOT NULL,                 -- key id and HMAC of an identifier
    patient text NOT NULL,
    PRIMARY KEY (program, digest)
);
CREATE INDEX alias_patient ON alias (patient);

CREATE TABLE consents (
    program    text NOT NULL,
    patient    text NOT NULL,
    consent_id text NOT NULL,
    emitted_at timestamptz NOT NULL,       -- an event that could be read only later must not overtake a newer one
    body       text,                       -- null once revoked: the row keeps a late ConsentGiven from reviving it
    PRIMARY KEY (patient, consent_id)
);
CREATE TABLE consent_versions (
    patient text PRIMARY KEY,
    program text NOT NULL,
    version integer NOT NULL               -- consent events applied so far
);
CREATE TABLE ledger (
    partition  integer PRIMARY KEY,
    current_at timestamptz NOT NULL,       -- machine time up to which this partition's consents are known
    lost       boolean NOT NULL DEFAULT false -- records expired unread: a revocation may be among them, the gate stays shut
);

-- Laboratory facts for an identifier that nobody knows yet.
CREATE TABLE waiting (
    sequence  bigint GENERATED ALWAYS AS IDENTITY,
    id        uuid NOT NULL,
    program   text NOT NULL,
    digest    text NOT NULL,
    producer  text NOT NULL,
    content   text NOT NULL,
    resources text NOT NULL DEFAULT '[]',
    at        timestamptz NOT NULL,
    PRIMARY KEY (id, program, digest)
);
CREATE INDEX waiting_digest ON waiting (program, digest);

CREATE TABLE service (
    one             boolean PRIMARY KEY DEFAULT true CHECK (one),
    heartbeat_at    timestamptz NOT NULL,  -- clinic time
    listening_since timestamptz NOT NULL   -- clinic time
);

-- A sequenced dead-letter queue per key: what could not be decided, and what queued behind it.
CREATE TABLE parked (
    sequence  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id        uuid NOT NULL,
    key_kind  text NOT NULL DEFAULT 'patient',
    key       text NOT NULL,
    program   text NOT NULL,
    class     text NOT NULL CHECK (class IN ('unreadable', 'bug', 'queued')),
    place     text NOT NULL,               -- where it failed, never what it held
    kind      text NOT NULL,               -- consumed, commanded or internal
    event     text NOT NULL,
    headers   text NOT NULL,
    content   bytea NOT NULL,
    at        timestamptz NOT NULL
);
CREATE INDEX parked_key ON parked (key, sequence);

-- Deliveries that nobody can read, taken out of their patient's sequence by a person: as they came, never decided.
CREATE TABLE quarantine (
    LIKE parked,
    by             text NOT NULL,
    quarantined_at timestamptz NOT NULL    -- clinic time
);

-- Bytes as received at an edge, encrypted with the service's key; deleted after the setting's days unless unmatched.
CREATE TABLE documents (
    id          uuid PRIMARY KEY,
    program     text NOT NULL,
    client      text NOT NULL,
    media_type  text NOT NULL,
    content     bytea NOT NULL,
    digest      text NOT NULL,              -- of the content in the clear: another one under the same id is refused
    unmatched   boolean NOT NULL,
    received_at timestamptz NOT NULL
);
