DROP INDEX sessions_pending;
DROP INDEX sessions_from_address;
CREATE INDEX sessions_from_address ON sessions (client_ip, created_at DESC, id, uuid) WHERE client_ip IS NOT NULL;
DROP INDEX sessions_of_dialect;
DROP INDEX sessions_of_user;
