-- A user's sessions, whatever their state, newest first. An id is unique among them. The moment is not negated, so that
-- nobody takes this index for that of the open ones, which a user may have few of among many.
CREATE INDEX sessions_of_user ON sessions (user_id, created_at DESC, id);

-- Everybody's of a dialect, or from an address, whatever their state, newest first. The moment is negated, so that no
-- planner takes the index over all sessions for this order, and reads on in it until it meets what is rare.
CREATE INDEX sessions_of_dialect ON sessions (dialect, (-created_at), id, uuid);
DROP INDEX sessions_from_address;
CREATE INDEX sessions_from_address ON sessions (client_ip, (-created_at), id, uuid) WHERE client_ip IS NOT NULL;

-- Open sessions whose second factor is pending: few of all, so that few logins pay for them.
CREATE INDEX sessions_pending ON sessions ((-created_at), id, uuid) WHERE second_factor_pending AND ended_at IS NULL;
