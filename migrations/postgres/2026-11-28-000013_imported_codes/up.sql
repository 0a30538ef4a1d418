-- Backup codes that came from another program, beside those that are made here. A code is spent once. One of 80 bits is
-- kept as its SHA-512; one of 41 bits could be found from a hash, so it is encrypted (JWE), under an id of its own.
CREATE TABLE imported_codes (
    code BYTEA PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    sealed TEXT,
    spent_at BIGINT,
    CONSTRAINT imported_codes_whole CHECK (
        (octet_length(code) = 64 AND sealed IS NULL) OR (octet_length(code) = 16 AND sealed IS NOT NULL)
    )
);

CREATE INDEX imported_codes_of_user ON imported_codes (user_id);
