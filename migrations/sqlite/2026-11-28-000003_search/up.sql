-- Everybody's sessions that were opened from an address, whatever their state, newest first.
CREATE INDEX sessions_from_address ON sessions (client_ip, created_at DESC, id, uuid) WHERE client_ip IS NOT NULL;

-- Records are listed by moment, so that a span of time is found in the same index: by user, by actor, by kind, by
-- address.
DROP INDEX audit_of_user;
DROP INDEX audit_by_actor;
DROP INDEX audit_of_kind;
CREATE INDEX audit_of_user ON audit (user_id, at) WHERE user_id IS NOT NULL;
CREATE INDEX audit_by_actor ON audit (actor, at);
CREATE INDEX audit_of_kind ON audit (kind, at);
CREATE INDEX audit_from_address ON audit (client_ip, at) WHERE client_ip IS NOT NULL;
