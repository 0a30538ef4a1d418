-- A table like that of a server that keeps a flag for each session, with as many indexes.
CREATE TABLE flagged_sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    issued_at timestamp NOT NULL DEFAULT now(),
    expires_at timestamp NOT NULL,
    authenticated_at timestamp NOT NULL DEFAULT now(),
    identity_id uuid NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL DEFAULT now(),
    token varchar(39),
    active boolean,
    tenant_id uuid,
    logout_token varchar(39),
    level varchar(4) NOT NULL DEFAULT 'aal1',
    methods jsonb NOT NULL DEFAULT '[{"aal": "aal1", "method": "password", "completed_at": "2026-11-28T03:46:45.757538Z"}]'
);

INSERT INTO flagged_sessions (expires_at, identity_id, created_at, token, active, tenant_id, logout_token)
SELECT now() + interval '1 year', gen_random_uuid(), now() - g * interval '1 second', lpad(g::text, 39, '0'), TRUE,
    '00000000-0000-4000-8000-000000000001', lpad(g::text, 39, '0')
FROM generate_series(1, :rows) g;

CREATE UNIQUE INDEX ON flagged_sessions (token);
CREATE UNIQUE INDEX ON flagged_sessions (logout_token);
CREATE INDEX ON flagged_sessions (tenant_id, created_at DESC, id);
CREATE INDEX ON flagged_sessions (identity_id, tenant_id, created_at DESC);
CREATE INDEX ON flagged_sessions (tenant_id, expires_at, active, created_at DESC, id);

VACUUM ANALYZE flagged_sessions;
