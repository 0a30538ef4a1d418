-- Rows in every table of the first release, in both engines. In braces stand bytes that are all alike: 16 of them are a
-- uuid, 32 a digest.
INSERT INTO users (id, uuid, username, username_key, email, email_key, password_hash, credential_version, staff,
    has_second_factor, verified_at, banned_at, created_at, updated_at, session_generation, session_changes)
VALUES
    (1700000000000, {uuid 01}, 'Ada', 'ada', 'Ada@example.org', 'ada@example.org', 'nfc$hash of ada', 3, TRUE, TRUE,
        1700000000001, NULL, 1700000000000, 1700000000002, 2, 9),
    (1700000000100, {uuid 02}, 'eve', 'eve', 'eve@example.org', 'eve@example.org', 'hash of eve', 1, FALSE, FALSE,
        NULL, 1700000000103, 1700000000100, 1700000000103, 0, 1);

INSERT INTO deleted_users (user_id) VALUES (1700000000200);

INSERT INTO sessions (uuid, user_id, id, generation, opaque_digest, name, permission_flags, expires_at, used_at,
    created_at, updated_at, dialect, client_ip, user_agent, authentications, second_factor_pending, ended_at, ended_by,
    end_reason)
VALUES
    ({uuid 11}, 1700000000000, 1700000000010, 2, {digest 11}, 'full', NULL, 1800000000000, 1700000000012,
        1700000000010, 1700000000011, 'current', '2001:db8::1', 'Browser/1.0',
        'password@1700000000010,totp@1700000000011', FALSE, NULL, NULL, NULL),
    ({uuid 12}, 1700000000000, 1700000000020, 2, NULL, 'scoped', 1, 1800000000000, NULL,
        1700000000020, 1700000000020, 'legacy', NULL, NULL, 'password@1700000000010', FALSE, NULL, NULL, NULL),
    ({uuid 13}, 1700000000000, 1700000000030, 2, {digest 13}, 'pending', NULL, 1800000000000, NULL,
        1700000000030, 1700000000030, 'kratos', '192.0.2.7', NULL, 'password@1700000000030', TRUE, NULL, NULL, NULL),
    ({uuid 14}, 1700000000000, 1700000000040, 2, NULL, 'ended', NULL, 1800000000000, NULL,
        1700000000040, 1700000000045, 'current', NULL, NULL, 'password@1700000000040', FALSE,
        1700000000045, 'user:1700000000000', 'revoked'),
    ({uuid 15}, 1700000000000, 1700000000050, 1, NULL, 'ended with its generation', NULL, 1800000000000, NULL,
        1700000000050, 1700000000050, 'current', NULL, NULL, 'password@1700000000050', FALSE, NULL, NULL, NULL);

INSERT INTO ended_generations (user_id, generation, ended_at, ended_by, end_reason)
VALUES (1700000000000, 1, 1700000000055, 'command_line', 'operator');

INSERT INTO sessions_over_cap (user_id) VALUES (1700000000000);

INSERT INTO kill_switches (id, is_on, changed_by, changed_at)
VALUES (0, TRUE, 'user:1700000000000', 1700000000060), (1, FALSE, 'command_line', 1700000000061);

UPDATE change_counter SET number = 2;
INSERT INTO changes (number, invalidation, user_id, nonce)
VALUES (1, 'user', 1700000000000, 77), (2, 'switches', NULL, 78);

INSERT INTO failure_budgets (key, user_id, failures, last_at)
VALUES ('account:1700000000100', 1700000000100, 10, 1700000000110);

INSERT INTO known_networks (user_id, network, last_at) VALUES (1700000000000, '192.0.2.0/24', 1700000000030);

INSERT INTO failed_logins (window_at, target, client_ip, passwords, factors, throttled, first_at, last_at, user_agent)
VALUES (1700000400000, '1700000000100', '192.0.2.7', 3, 1, 2, 1700000400001, 1700000400009, 'Browser/1.0');

INSERT INTO second_factors (id, user_id, kind, name, sealed, last_step, credential_id, credential, sign_count, used_at,
    created_at, updated_at)
VALUES
    ({uuid 21}, 1700000000000, 'totp', 'phone', 'sealed secret', 56666667, NULL, NULL, NULL, 1700000000011,
        1700000000005, 1700000000011),
    ({uuid 22}, 1700000000000, 'webauthn', 'key', NULL, NULL, {uuid 2a}, 'public key', 7, NULL,
        1700000000006, 1700000000006);

INSERT INTO backup_codes (digest, user_id, spent_at)
VALUES ({digest 31}, 1700000000000, NULL), ({digest 32}, 1700000000000, 1700000000007);

INSERT INTO challenges (id, user_id, purpose, session_uuid, endpoint, credential_version, factor_verified, state,
    budget, failures, spent, created_at, expires_at)
VALUES ({uuid 41}, 1700000000000, 'reverification', {uuid 11}, 'DELETE /api/users/me', 3, TRUE, 'state',
    'network:1700000000000:192.0.2.0/24', 1, FALSE, 1700000000070, 1800000000000);

INSERT INTO signing_keys (kid, sealed, created_at, signs_from) VALUES ('first', 'sealed key', 1700000000000, 1700000060000);

INSERT INTO services (name, secret_digest, created_at, revoked_at) VALUES ('shop', {digest 51}, 1700000000080, NULL);

INSERT INTO audit (at, actor, client_ip, kind, user_id, session_uuid, detail)
VALUES (1700000000045, 'user:1700000000000', '192.0.2.7', 'session-ended', 1700000000000, {uuid 14}, 'revoked');
