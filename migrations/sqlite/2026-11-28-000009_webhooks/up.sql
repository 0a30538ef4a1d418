-- Endpoints that events are posted to. Their secrets are encrypted; what is written beside them is how far each has got.
CREATE TABLE webhooks (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    types TEXT NOT NULL,
    personal INTEGER NOT NULL,
    sealed TEXT NOT NULL,
    -- The secret before this one, and until when it signs too.
    previous_sealed TEXT,
    previous_until INTEGER,
    created_at INTEGER NOT NULL,
    -- The last event that was taken, or was not for this endpoint.
    cursor TEXT NOT NULL,
    -- How often the next one was tried, and when it is tried again.
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER,
    -- Since when nothing is sent any more, and why.
    stopped_at INTEGER,
    stopped_why TEXT,
    succeeded_at INTEGER,
    failed_at INTEGER,
    failure TEXT,
    -- Who has the latest lease alone may write how far it has got.
    lease INTEGER NOT NULL,
    leased_until INTEGER
) STRICT;
