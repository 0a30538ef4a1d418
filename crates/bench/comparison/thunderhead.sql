-- Users with a session each, whose tokens are their numbers.
INSERT INTO users (id, uuid, username, username_key, email, email_key, password_hash, credential_version, staff,
    created_at, updated_at)
SELECT g, uuid_send(gen_random_uuid()), 'u' || g, 'u' || g, 'u' || g || '@example.org', 'u' || g || '@example.org', '', 1,
    FALSE, 0, 0
FROM generate_series(1, 70000) g;

INSERT INTO sessions (uuid, user_id, id, opaque_digest, name, expires_at, created_at, updated_at, dialect,
    authentications, second_factor_pending)
SELECT uuid_send(gen_random_uuid()), g, g, sha256(lpad(g::text, 32, '0')::bytea), 's', ms + 31536000000, ms, ms,
    'current', 'password@1700000000000', FALSE
FROM generate_series(1, 70000) g, (SELECT (extract(epoch FROM now()) * 1000)::bigint AS ms) now;

VACUUM ANALYZE;
