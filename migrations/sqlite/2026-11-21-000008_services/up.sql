-- Other services that ask whose token something is. Rows stay when they are revoked, so that no name is used again.
CREATE TABLE services (
    name TEXT NOT NULL PRIMARY KEY,
    secret_digest BLOB NOT NULL CHECK (length(secret_digest) = 32),
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
