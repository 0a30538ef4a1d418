-- Moments are Unix milliseconds, UUIDs 16 bytes: the same values in both engines.
-- The *_key columns hold the form that is unique (lower case); the others keep the owner's spelling.
CREATE TABLE users (
    id BIGINT PRIMARY KEY,
    uuid BYTEA NOT NULL UNIQUE CHECK (octet_length(uuid) = 16),
    username TEXT NOT NULL,
    username_key TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    credential_version BIGINT NOT NULL,
    staff BOOLEAN NOT NULL,
    verified_at BIGINT,
    banned_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- The list of all users, newest first.
CREATE INDEX users_newest ON users (created_at DESC, id DESC);
