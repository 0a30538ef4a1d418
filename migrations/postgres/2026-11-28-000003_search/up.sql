-- Names are ordered byte by byte, as in SQLite: so the index that keeps them unique finds those that begin alike.
ALTER TABLE users ALTER COLUMN username_key TYPE TEXT COLLATE "C";

-- Everybody's sessions that were opened from an address, whatever their state, newest first.
CREATE INDEX sessions_from_address ON sessions (client_ip, created_at DESC, id, uuid) WHERE client_ip IS NOT NULL;

-- Records are listed by moment, so that a span of time is found in the same index: by user, by actor, by kind, by
-- address. With the number, for which SQLite needs no column, nothing is ever sorted.
DROP INDEX audit_of_user;
DROP INDEX audit_by_actor;
DROP INDEX audit_of_kind;
DROP INDEX audit_at;
CREATE INDEX audit_of_user ON audit (user_id, at, number) WHERE user_id IS NOT NULL;
CREATE INDEX audit_by_actor ON audit (actor, at, number);
CREATE INDEX audit_of_kind ON audit (kind, at, number);
CREATE INDEX audit_from_address ON audit (client_ip, at, number) WHERE client_ip IS NOT NULL;
CREATE INDEX audit_at ON audit (at, number);
