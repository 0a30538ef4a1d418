-- Failed logins of ten minutes (from window_at on) at one account (its id; unknown: names that nobody has; others: too many
-- to tell apart) from one address (IPv6 by /64; empty: none). When the ten minutes are over, they become a record.
CREATE TABLE failed_logins (
    window_at BIGINT NOT NULL,
    target TEXT NOT NULL,
    client_ip TEXT NOT NULL,
    passwords BIGINT NOT NULL,
    factors BIGINT NOT NULL,
    throttled BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    user_agent TEXT,
    PRIMARY KEY (window_at, target, client_ip)
);
