DROP INDEX audit_from_address;
DROP INDEX audit_of_kind;
DROP INDEX audit_by_actor;
DROP INDEX audit_of_user;
CREATE INDEX audit_of_user ON audit (user_id, number DESC) WHERE user_id IS NOT NULL;
CREATE INDEX audit_by_actor ON audit (actor, number DESC);
CREATE INDEX audit_of_kind ON audit (kind, number DESC);
DROP INDEX sessions_from_address;
