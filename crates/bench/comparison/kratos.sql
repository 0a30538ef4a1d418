-- Identities with a session each, whose tokens are their numbers.
INSERT INTO identities (id, schema_id, traits, nid, state, created_at, updated_at)
SELECT md5(g::text)::uuid, 'person', '{"username": "u"}', (SELECT id FROM networks), 'active', now(), now()
FROM generate_series(1, 70000) g;

INSERT INTO sessions (id, issued_at, expires_at, authenticated_at, identity_id, created_at, updated_at, token, active,
    nid, logout_token, authentication_methods)
SELECT gen_random_uuid(), now(), now() + interval '1 year', now(), md5(g::text)::uuid, now(), now(),
    'ory_st_' || lpad(g::text, 32, '0'), TRUE, (SELECT id FROM networks), 'ory_lo_' || lpad(g::text, 32, '0'),
    '[{"aal": "aal1", "method": "password", "completed_at": "2026-01-01T00:00:00Z"}]'
FROM generate_series(1, 70000) g;

VACUUM ANALYZE;
