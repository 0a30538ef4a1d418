-- Who did what to whom, when, from where and why. Records outlive accounts and sessions, so they refer to neither.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    client_ip TEXT,
    kind TEXT NOT NULL,
    user_id INTEGER,
    session_uuid BLOB CHECK (length(session_uuid) = 16),
    detail TEXT
) STRICT;

-- What is asked for, newest first: to whom, by whom, what.
CREATE INDEX audit_of_user ON audit (user_id, number DESC) WHERE user_id IS NOT NULL;
CREATE INDEX audit_by_actor ON audit (actor, number DESC);
CREATE INDEX audit_of_kind ON audit (kind, number DESC);

-- A span of time, and what is older than it is to be kept.
CREATE INDEX audit_at ON audit (at);
