-- Users with a session each, whose tokens are their numbers.
INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
SELECT 'u' || g, 'u', 'u' || g || '@example.org', FALSE, now(), now() FROM generate_series(1, 70000) g;

INSERT INTO session (id, "expiresAt", token, "createdAt", "updatedAt", "userId")
SELECT 's' || g, now() + interval '1 year', lpad(g::text, 32, '0'), now(), now(), 'u' || g
FROM generate_series(1, 70000) g;

VACUUM ANALYZE;
