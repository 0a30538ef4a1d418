-- Moments are Unix milliseconds, UUIDs 16 bytes: the same values in both engines.
-- The *_key columns hold the form that is unique (lower case); the others keep the owner's spelling.
CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),
    username TEXT NOT NULL,
    username_key TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    credential_version INTEGER NOT NULL,
    staff INTEGER NOT NULL CHECK (staff IN (0, 1)),
    verified_at INTEGER,
    banned_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- The list of all users, newest first.
CREATE INDEX users_newest ON users (created_at DESC, id DESC);
