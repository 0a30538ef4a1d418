-- Other services that ask whose token something is. Rows stay when they are revoked, so that no name is used again.
-- Names are ordered byte by byte, as in SQLite.
CREATE TABLE services (
    name TEXT COLLATE "C" PRIMARY KEY,
    secret_digest BYTEA NOT NULL CHECK (octet_length(secret_digest) = 32),
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);
