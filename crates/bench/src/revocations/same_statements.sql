-- How the server ends a session, but without the number that every change of a user's sessions takes from a counter.
\set number :number + 1
\set row :first + :number * :clients + :client_id
SELECT sessions.uuid, sessions.id AS session_id, sessions.opaque_digest, sessions.name,
        sessions.permission_flags, sessions.expires_at, sessions.used_at, sessions.created_at, sessions.updated_at,
        sessions.dialect, sessions.client_ip, sessions.user_agent, sessions.authentications,
        sessions.second_factor_pending, sessions.generation, users.id AS owner, users.uuid AS user_uuid, users.username, users.email,
        users.credential_version, users.staff, users.has_second_factor, users.verified_at, users.banned_at,
        users.session_generation, users.session_changes, ended_generations.ended_at, ended_generations.ended_by,
        (SELECT sum(bit) FROM kill_switches WHERE is_on) AS switches
    FROM sessions JOIN users ON sessions.user_id = users.id
        LEFT JOIN ended_generations ON ended_generations.user_id = sessions.user_id
            AND ended_generations.generation = sessions.generation
    WHERE NOT pg_is_in_recovery() AND NOT current_setting('transaction_read_only')::boolean
        AND sessions.opaque_digest = sha256(convert_to(lpad((:row)::text, 32, '0'), 'UTF8'))
\gset
WITH chosen AS MATERIALIZED (
        SELECT (:session_id)::bigint AS id
    ), owner AS (
        UPDATE users SET session_changes = session_changes + 1 WHERE id = :owner RETURNING id, uuid, session_generation
    ), named AS MATERIALIZED (
        SELECT found.uuid, found.generation FROM chosen
        CROSS JOIN LATERAL (
            SELECT sessions.uuid, sessions.generation FROM sessions
            WHERE sessions.user_id = (SELECT id FROM owner) AND sessions.id = chosen.id
                AND sessions.generation >= (SELECT session_generation FROM users WHERE users.id = :owner)
                AND sessions.ended_at IS NULL AND sessions.expires_at > (extract(epoch FROM now()) * 1000)::bigint
            FOR UPDATE
        ) AS found
    ), ended AS (
        UPDATE sessions SET ended_at = (extract(epoch FROM now()) * 1000)::bigint,
            updated_at = (extract(epoch FROM now()) * 1000)::bigint, ended_by = 'user', end_reason = 'revoked'
        FROM named WHERE named.generation = (SELECT session_generation FROM owner) AND sessions.uuid = named.uuid
        RETURNING sessions.uuid, sessions.id, sessions.expires_at
    ), recorded AS (
        INSERT INTO audit (user_uuid, session_uuid, session_id, session_expires_at, at, actor, client_ip, kind, user_id,
            detail, feed_number)
        SELECT owner.uuid, ended.uuid, ended.id, ended.expires_at, (extract(epoch FROM now()) * 1000)::bigint,
            'user:' || (:owner)::text, '127.0.0.1', 'session-ended', :owner, 'revoked', 0
        FROM ended CROSS JOIN owner RETURNING 1
    ), logged AS (
        INSERT INTO change_log (partition, number, invalidation, user_id, nonce)
        SELECT 1 + (:owner)::bigint % 64, :row, 'user', :owner, :row FROM recorded RETURNING 1
    )
SELECT (SELECT count(*) FROM owner), (SELECT count(*) FROM ended), (SELECT count(*) FROM logged);
