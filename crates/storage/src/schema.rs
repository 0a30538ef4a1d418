//! The tables, as both engines have them. Column types are chosen so that one definition is true for both:
//! moments are Unix milliseconds, UUIDs and digests are bytes.

diesel::table! {
    users (id) {
        id -> BigInt,
        uuid -> Binary,
        username -> Text,
        username_key -> Text,
        email -> Text,
        email_key -> Text,
        password_hash -> Text,
        credential_version -> BigInt,
        staff -> Bool,
        has_second_factor -> Bool,
        has_password -> Bool,
        verified_at -> Nullable<BigInt>,
        banned_at -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
        session_generation -> BigInt,
        session_changes -> BigInt,
    }
}

diesel::table! {
    deleted_users (user_id) {
        user_id -> BigInt,
    }
}

diesel::table! {
    sessions (uuid) {
        uuid -> Binary,
        user_id -> BigInt,
        id -> BigInt,
        generation -> BigInt,
        opaque_digest -> Nullable<Binary>,
        pass_digest -> Nullable<Binary>,
        verification_key -> Nullable<Binary>,
        name -> Text,
        permission_flags -> Nullable<BigInt>,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
        dialect -> Text,
        client_ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        authentications -> Text,
        second_factor_pending -> Bool,
        ended_at -> Nullable<BigInt>,
        ended_by -> Nullable<Text>,
        end_reason -> Nullable<Text>,
        /// Made by the database: see [`crate::rows::OpenSessionKind`].
        kind -> Nullable<BigInt>,
    }
}

diesel::table! {
    ended_generations (user_id, generation) {
        user_id -> BigInt,
        generation -> BigInt,
        ended_at -> BigInt,
        ended_by -> Text,
        end_reason -> Text,
    }
}

diesel::table! {
    sessions_over_cap (user_id) {
        user_id -> BigInt,
    }
}

diesel::table! {
    kill_switches (id) {
        id -> Integer,
        bit -> Integer,
        is_on -> Bool,
        changed_by -> Text,
        changed_at -> BigInt,
    }
}

diesel::table! {
    change_counters (partition) {
        partition -> Integer,
        number -> BigInt,
        nonce -> BigInt,
    }
}

diesel::table! {
    change_log (partition, number) {
        partition -> Integer,
        number -> BigInt,
        invalidation -> Text,
        user_id -> Nullable<BigInt>,
        nonce -> BigInt,
    }
}

diesel::table! {
    failure_budgets (key) {
        key -> Text,
        user_id -> Nullable<BigInt>,
        failures -> BigInt,
        last_at -> BigInt,
    }
}

diesel::table! {
    known_networks (user_id, network) {
        user_id -> BigInt,
        network -> Text,
        last_at -> BigInt,
    }
}

diesel::table! {
    known_devices (user_id, device) {
        user_id -> BigInt,
        device -> Text,
        last_at -> BigInt,
    }
}

diesel::table! {
    failed_logins (window_at, target, client_ip) {
        window_at -> BigInt,
        target -> Text,
        client_ip -> Text,
        passwords -> BigInt,
        factors -> BigInt,
        throttled -> BigInt,
        first_at -> BigInt,
        last_at -> BigInt,
        user_agent -> Nullable<Text>,
    }
}

diesel::table! {
    second_factors (id) {
        id -> Binary,
        user_id -> BigInt,
        kind -> Text,
        name -> Text,
        sealed -> Nullable<Text>,
        last_step -> Nullable<BigInt>,
        credential_id -> Nullable<Binary>,
        credential -> Nullable<Text>,
        sign_count -> Nullable<BigInt>,
        used_at -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
        passkey -> Nullable<Text>,
    }
}

diesel::table! {
    used_passkey_challenges (id) {
        id -> Binary,
        expires_at -> BigInt,
    }
}

diesel::table! {
    backup_codes (digest) {
        digest -> Binary,
        user_id -> BigInt,
        spent_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    imported_codes (code) {
        code -> Binary,
        user_id -> BigInt,
        sealed -> Nullable<Text>,
        spent_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    challenges (id) {
        id -> Binary,
        user_id -> BigInt,
        purpose -> Text,
        session_uuid -> Nullable<Binary>,
        endpoint -> Nullable<Text>,
        credential_version -> BigInt,
        factor_verified -> Bool,
        state -> Nullable<Text>,
        budget -> Nullable<Text>,
        failures -> BigInt,
        spent -> Bool,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    signing_keys (kid) {
        kid -> Text,
        sealed -> Text,
        created_at -> BigInt,
        signs_from -> BigInt,
    }
}

diesel::table! {
    verification_keys (id) {
        id -> Binary,
        jwk -> Text,
        issuer -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    imported (source, kind, source_id) {
        source -> Text,
        kind -> Text,
        source_id -> Text,
        user_uuid -> Binary,
        imported_at -> BigInt,
    }
}

diesel::table! {
    services (name) {
        name -> Text,
        secret_digest -> Binary,
        created_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
        asked_at -> Nullable<BigInt>,
        reads_events -> Bool,
        reads_personal -> Bool,
    }
}

diesel::table! {
    webhooks (id) {
        id -> Binary,
        name -> Text,
        url -> Text,
        types -> Text,
        personal -> Bool,
        sealed -> Text,
        previous_sealed -> Nullable<Text>,
        previous_until -> Nullable<BigInt>,
        created_at -> BigInt,
        cursor -> Text,
        attempts -> BigInt,
        next_attempt_at -> Nullable<BigInt>,
        stopped_at -> Nullable<BigInt>,
        stopped_why -> Nullable<Text>,
        succeeded_at -> Nullable<BigInt>,
        failed_at -> Nullable<BigInt>,
        failure -> Nullable<Text>,
        lease -> BigInt,
        leased_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    audit (number) {
        number -> BigInt,
        at -> BigInt,
        actor -> Text,
        client_ip -> Nullable<Text>,
        kind -> Text,
        user_id -> Nullable<BigInt>,
        session_uuid -> Nullable<Binary>,
        detail -> Nullable<Text>,
        feed_number -> Nullable<BigInt>,
        feed_nonce -> Nullable<BigInt>,
        user_uuid -> Nullable<Binary>,
        session_id -> Nullable<BigInt>,
        session_expires_at -> Nullable<BigInt>,
        kept_session_uuid -> Nullable<Binary>,
        new_device -> Bool,
    }
}

diesel::table! {
    feed_state (id) {
        id -> Integer,
        latest -> BigInt,
        latest_nonce -> BigInt,
        pruned_to -> BigInt,
        pruned_nonce -> BigInt,
    }
}

diesel::table! {
    one_time_links (digest) {
        digest -> Binary,
        user_id -> BigInt,
        credential_version -> BigInt,
        made_by -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    replaced_tokens (digest) {
        digest -> Binary,
        replaced_at -> BigInt,
        session_uuid -> Nullable<Binary>,
    }
}

diesel::table! {
    /// Which migrations have been applied; kept by diesel_migrations.
    __diesel_schema_migrations (version) {
        version -> Text,
        run_on -> Timestamp,
    }
}

diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(one_time_links -> users (user_id));
diesel::joinable!(second_factors -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(
    users,
    sessions,
    kill_switches,
    ended_generations,
    deleted_users,
    replaced_tokens
);
diesel::allow_tables_to_appear_in_same_query!(users, challenges, known_networks);
diesel::allow_tables_to_appear_in_same_query!(users, one_time_links);
diesel::allow_tables_to_appear_in_same_query!(users, second_factors);
diesel::allow_tables_to_appear_in_same_query!(second_factors, known_networks);
diesel::allow_tables_to_appear_in_same_query!(change_counters, change_log);
diesel::allow_tables_to_appear_in_same_query!(audit, feed_state);
diesel::allow_tables_to_appear_in_same_query!(audit, users);
diesel::allow_tables_to_appear_in_same_query!(verification_keys, sessions);

/// A table that a session check depends on: what changes its rows says what that invalidates.
pub(crate) trait CheckedTable {}

/// A table that no session check depends on.
pub(crate) trait UncheckedTable {}

macro_rules! impl_for_tables {
    ($kind:ident: $($table:ident),+ $(,)?) => {
        $(impl $kind for $table::table {})+
    };
}

impl_for_tables!(CheckedTable: users, sessions, kill_switches);
impl_for_tables!(
    UncheckedTable: deleted_users,
    ended_generations,
    sessions_over_cap,
    failure_budgets,
    known_networks,
    known_devices,
    failed_logins,
    second_factors,
    used_passkey_challenges,
    backup_codes,
    imported_codes,
    challenges,
    one_time_links,
    replaced_tokens,
    signing_keys,
    verification_keys,
    imported,
    services,
    webhooks,
    audit,
    feed_state,
    change_counters,
    change_log,
);
