-- Failed logins of ten minutes (from window_at on) at one account (its id; unknown: names that nobody has; others: too many
-- to tell apart) from one address (IPv6 by /64; empty: none). When the ten minutes are over, they become a record.
CREATE TABLE failed_logins (
    window_at INTEGER NOT NULL,
    target TEXT NOT NULL,
    client_ip TEXT NOT NULL,
    passwords INTEGER NOT NULL,
    factors INTEGER NOT NULL,
    throttled INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    user_agent TEXT,
    PRIMARY KEY (window_at, target, client_ip)
) STRICT, WITHOUT ROWID;
