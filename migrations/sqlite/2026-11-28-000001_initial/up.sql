-- Moments are Unix milliseconds, UUIDs and digests are bytes: the same values in both engines.

-- The *_key columns hold the form that is unique (lower case); the others keep the owner's spelling.
CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),
    username TEXT NOT NULL,
    username_key TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    -- Begins with "nfc" where the password was in that Unicode form when it was hashed.
    password_hash TEXT NOT NULL,
    credential_version INTEGER NOT NULL,
    staff INTEGER NOT NULL CHECK (staff IN (0, 1)),
    -- Whether the user has a row in second_factors: every request of staff asks for it.
    has_second_factor INTEGER NOT NULL DEFAULT 0 CHECK (has_second_factor IN (0, 1)),
    verified_at INTEGER,
    banned_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- All sessions of a user end at once by this number: a session counts only while its generation is the user's.
    session_generation INTEGER NOT NULL DEFAULT 0,
    -- Counts what opens, ends or extends sessions, so that it can be told whether a count of them still holds.
    session_changes INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The list of all users, newest first.
CREATE INDEX users_newest ON users (created_at DESC, id DESC);

-- Users who were deleted and whose sessions and challenges are still being deleted. Nobody gets such an id.
CREATE TABLE deleted_users (
    user_id INTEGER NOT NULL PRIMARY KEY
) STRICT;

-- Rows outlive their sessions: an ended one says when it ended, by whom and why. They do not refer to users, who are
-- deleted at once; the rows follow in batches.
CREATE TABLE sessions (
    uuid BLOB NOT NULL PRIMARY KEY CHECK (length(uuid) = 16),
    user_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0,
    opaque_digest BLOB UNIQUE CHECK (length(opaque_digest) = 32),
    name TEXT NOT NULL,
    -- NULL is an ordinary session, a number the scopes of a scoped one.
    permission_flags INTEGER,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    dialect TEXT NOT NULL,
    client_ip TEXT,
    user_agent TEXT,
    -- Oldest first: password@1700000000000,totp@1700000001000
    authentications TEXT NOT NULL,
    second_factor_pending INTEGER NOT NULL CHECK (second_factor_pending IN (0, 1)),
    ended_at INTEGER,
    ended_by TEXT,
    end_reason TEXT,
    -- What an open session counts as: 0 full, 1 scoped, 2 full with its second factor pending. NULL once it has ended.
    kind INTEGER GENERATED ALWAYS AS (
        CASE WHEN ended_at IS NOT NULL THEN NULL
            WHEN permission_flags IS NOT NULL THEN 1
            WHEN second_factor_pending THEN 2
            ELSE 0 END
    ) STORED,
    -- An id is not used again while its row exists; the index also serves the search for a free one.
    CONSTRAINT sessions_id_of_user UNIQUE (user_id, id),
    CONSTRAINT sessions_end_complete CHECK (
        (ended_at IS NULL) = (ended_by IS NULL) AND (ended_at IS NULL) = (end_reason IS NULL)
    )
) STRICT;

-- A user's open sessions, newest first. Those of one millisecond got descending ids, so the smaller id is newer. The
-- moment is negated so that no planner takes the index over everybody's sessions for this order: it may begin with very
-- many of generations that are over.
CREATE INDEX sessions_open_of_user ON sessions (user_id, generation, (-created_at), id, expires_at)
    WHERE ended_at IS NULL;

-- A user's open sessions to be counted, from this index alone.
CREATE INDEX sessions_by_kind ON sessions (user_id, generation, kind, expires_at) WHERE kind IS NOT NULL;

-- Everybody's sessions, whatever their state, newest first.
CREATE INDEX sessions_newest ON sessions (created_at DESC, id, uuid);

-- The oldest session that is live: signing keys from before it are not needed any more.
CREATE INDEX sessions_open_oldest ON sessions (created_at, expires_at) WHERE ended_at IS NULL;

-- What is over for longer than it is to be kept.
CREATE INDEX sessions_over ON sessions (COALESCE(ended_at, expires_at));

-- How generations ended, until each of their rows says so itself.
CREATE TABLE ended_generations (
    user_id INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    ended_by TEXT NOT NULL,
    end_reason TEXT NOT NULL,
    PRIMARY KEY (user_id, generation)
) STRICT;

-- Users who were found with more sessions than they may have: the surplus ends in batches.
CREATE TABLE sessions_over_cap (
    user_id INTEGER NOT NULL PRIMARY KEY
) STRICT;

-- A switch without a row is off. The bits of those that are on add up to the set of switches.
CREATE TABLE kill_switches (
    id INTEGER PRIMARY KEY CHECK (id BETWEEN 0 AND 8),
    bit INTEGER NOT NULL GENERATED ALWAYS AS (1 << id) STORED,
    is_on INTEGER NOT NULL CHECK (is_on IN (0, 1)),
    changed_by TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

-- Changes to users, open sessions and switches are numbered without gaps in the order of commits: whoever numbers a
-- change holds this row until the end of the transaction.
CREATE TABLE change_counter (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
) STRICT;

INSERT INTO change_counter (id, number) VALUES (1, 0);

-- The latest changes; older ones are deleted as new ones come.
CREATE TABLE changes (
    number INTEGER NOT NULL PRIMARY KEY,
    -- user, switches or everything
    invalidation TEXT NOT NULL,
    -- No reference: the user may be gone, which is the change.
    user_id INTEGER,
    -- Random. Tells a change from the one that has its number in another history of this database: after a backup was
    -- restored, numbers are given again.
    nonce INTEGER NOT NULL DEFAULT (random())
) STRICT;

INSERT INTO changes (number, invalidation) VALUES (0, 'everything');

-- Failures in a row; no row, no failure. Keys: account:<user id> (strangers), network:<user id>:<network>,
-- session:<user id>:<uuid>, and name:<keyed hash> of what strangers typed.
CREATE TABLE failure_budgets (
    key TEXT NOT NULL PRIMARY KEY,
    -- Whose password the attempts are for, where there is such an account.
    user_id INTEGER,
    failures INTEGER NOT NULL CHECK (failures >= 0),
    last_at INTEGER NOT NULL
) STRICT;

CREATE INDEX failure_budgets_of_user ON failure_budgets (user_id) WHERE user_id IS NOT NULL;
-- Budgets that nobody has used for longer than they are to be kept.
CREATE INDEX failure_budgets_oldest ON failure_budgets (last_at);

-- Networks (/24, /48) from which sessions were opened.
CREATE TABLE known_networks (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, network)
) STRICT, WITHOUT ROWID;

CREATE INDEX known_networks_oldest ON known_networks (last_at);

-- Failed logins of ten minutes (from window_at on) at one account (its id; unknown: names that nobody has; others: too
-- many to tell apart) from one address (IPv6 by /64; empty: none). When the ten minutes are over, they become a record.
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

CREATE TABLE second_factors (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    -- TOTP: the secret, encrypted (JWE), and the step of the last code that was used.
    sealed TEXT,
    last_step INTEGER,
    -- WebAuthn: the authenticator's name for the key, the public key, and the authenticator's counter.
    credential_id BLOB UNIQUE,
    credential TEXT,
    sign_count INTEGER,
    used_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CONSTRAINT second_factors_whole CHECK (
        (kind = 'totp' AND sealed IS NOT NULL AND last_step IS NOT NULL
            AND credential_id IS NULL AND credential IS NULL AND sign_count IS NULL)
        OR (kind = 'webauthn' AND sealed IS NULL AND last_step IS NULL
            AND credential_id IS NOT NULL AND credential IS NOT NULL AND sign_count IS NOT NULL)
    )
) STRICT;

-- A user's factors, newest first.
CREATE INDEX second_factors_of_user ON second_factors (user_id, created_at DESC, id DESC);

-- Codes for a user who has lost all factors. A code is spent once; the digest of its 120 random bits is enough.
CREATE TABLE backup_codes (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    spent_at INTEGER
) STRICT;

CREATE INDEX backup_codes_of_user ON backup_codes (user_id);

-- Challenges that wait for an answer. The token that a client holds is this id, signed. They do not refer to users, as
-- sessions do not.
CREATE TABLE challenges (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id INTEGER NOT NULL,
    -- login, reverification, totp_enrolment or webauthn_enrolment
    purpose TEXT NOT NULL,
    -- The session that asked, by its uuid, and the method and path that it asked for.
    session_uuid BLOB CHECK (length(session_uuid) = 16),
    endpoint TEXT,
    credential_version INTEGER NOT NULL,
    -- Whether a second factor was verified for this challenge to be given: an enrolment that was begun with the
    -- password alone cannot be finished once there is a factor.
    factor_verified INTEGER NOT NULL DEFAULT 0 CHECK (factor_verified IN (0, 1)),
    -- What the answer is checked against; secrets in it are encrypted (JWE).
    state TEXT,
    -- The failure budget that wrong answers are charged to, by its key. NULL is the account's.
    budget TEXT,
    failures INTEGER NOT NULL CHECK (failures >= 0),
    spent INTEGER NOT NULL CHECK (spent IN (0, 1)),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX challenges_of_user ON challenges (user_id);
-- What can be answered no longer.
CREATE INDEX challenges_oldest ON challenges (expires_at);

-- The private part is encrypted (JWE) under the server's encryption key.
CREATE TABLE signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    sealed TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    signs_from INTEGER NOT NULL
) STRICT;

-- Other services that may introspect tokens. Rows stay when they are revoked, so that no name is used again.
CREATE TABLE services (
    name TEXT NOT NULL PRIMARY KEY,
    secret_digest BLOB NOT NULL CHECK (length(secret_digest) = 32),
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

-- Who did what to whom, when, from where and why. Records outlive accounts and sessions, so they refer to neither.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    client_ip TEXT,
    kind TEXT NOT NULL,
    user_id INTEGER,
    session_uuid BLOB CHECK (length(session_uuid) = 16),
    detail TEXT
) STRICT;

-- What is asked for, newest first: by user, by actor, by kind.
CREATE INDEX audit_of_user ON audit (user_id, number DESC) WHERE user_id IS NOT NULL;
CREATE INDEX audit_by_actor ON audit (actor, number DESC);
CREATE INDEX audit_of_kind ON audit (kind, number DESC);

-- A span of time, and what is older than it is to be kept.
CREATE INDEX audit_at ON audit (at);
