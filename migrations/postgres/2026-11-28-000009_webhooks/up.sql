-- Endpoints that events are posted to. Their secrets are encrypted; what is written beside them is how far each has got.
-- Names are ordered byte by byte, as in SQLite.
CREATE TABLE webhooks (
    id BYTEA PRIMARY KEY CHECK (octet_length(id) = 16),
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    url TEXT NOT NULL,
    types TEXT NOT NULL,
    personal BOOLEAN NOT NULL,
    sealed TEXT NOT NULL,
    -- The secret before this one, and until when it signs too.
    previous_sealed TEXT,
    previous_until BIGINT,
    created_at BIGINT NOT NULL,
    -- The last event that was taken, or was not for this endpoint.
    cursor TEXT NOT NULL,
    -- How often the next one was tried, and when it is tried again.
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT,
    -- Since when nothing is sent any more, and why.
    stopped_at BIGINT,
    stopped_why TEXT,
    succeeded_at BIGINT,
    failed_at BIGINT,
    failure TEXT,
    -- Who has the latest lease alone may write how far it has got.
    lease BIGINT NOT NULL,
    leased_until BIGINT
);
