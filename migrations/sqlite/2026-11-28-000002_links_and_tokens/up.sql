-- One-time links, by which somebody sets a password who cannot log in. The digest of a link's 256 random bits is enough.
CREATE TABLE one_time_links (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- The user's when the link was made: with another password it is good for nothing.
    credential_version INTEGER NOT NULL,
    made_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;

CREATE INDEX one_time_links_of_user ON one_time_links (user_id);
-- What can be used no longer.
CREATE INDEX one_time_links_oldest ON one_time_links (expires_at);

-- Opaque tokens that were replaced by another of the same session, by their digests. Whoever shows one a moment later
-- may have the other by then.
CREATE TABLE replaced_tokens (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    replaced_at INTEGER NOT NULL
) STRICT;

CREATE INDEX replaced_tokens_oldest ON replaced_tokens (replaced_at);
