-- A session's pass, by its digest: a browser shows it to applications of a domain, and proxies are told of the session by
-- it. It ends with its session.
ALTER TABLE sessions ADD COLUMN pass_digest BLOB CHECK (length(pass_digest) = 32);

CREATE UNIQUE INDEX sessions_pass ON sessions (pass_digest) WHERE pass_digest IS NOT NULL;
