//! Opening a session by a credential, or by a passkey's answer.
//!
//! An answer is spent only with the session that it opens: the key is locked and its counter looked at first, and it moves
//! once the session is there.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use thunderhead_domain::network::MOST_KNOWN;

use super::{generation, record, unchanged};
use crate::engine::{NotedDevice, OpenedAtOnce, OpeningProof, PasskeyUse, SessionOpening};
use crate::rows::{ClearedBudgets, SessionRow};

/// How many ids are tried, one after the other: nearly always it is the first.
const IDS: u32 = 16;

/// Spends what a session is opened by, opens it, clears budgets, records that and makes its network and device known. All of
/// it or nothing.
struct OpenSession<'a>(&'a SessionOpening);

impl QueryId for OpenSession<'_> {
    type QueryId = ();

    // The text depends on the proof, on what there is to clear, and whether there are a network and a device.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for OpenSession<'_> {
    /// The id and the generation that it got.
    type SqlType = (BigInt, BigInt);
}

impl RunQueryDsl<PgConnection> for OpenSession<'_> {}

impl QueryFragment<Pg> for OpenSession<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let SessionOpening { row, proof, clears, record: recorded, network, device, .. } = self.0;
        self.lock(out.reborrow())?;
        self.pick_id(out.reborrow())?;
        match proof {
            // What was opened already, before the connection was lost, is not opened twice.
            OpeningProof::Credential(_) => self.open("free ON CONFLICT DO NOTHING", out.reborrow())?,
            OpeningProof::Passkey(used) => {
                use_challenge(used, out.reborrow())?;
                // Where a session were in the way, the statement would fail, and nothing would be spent.
                self.open("free CROSS JOIN answered", out.reborrow())?;
                move_on(used, &row.created_at, out.reborrow())?;
            }
        }
        let new_device = match device {
            Some(device) => {
                look_up(row, device, out.reborrow())?;
                "(SELECT is_new FROM used)"
            }
            None => "FALSE",
        };
        record(recorded, "opened", new_device, out.reborrow())?;
        if let Some(clears) = clears {
            clear(clears, out.reborrow())?;
        }
        if let Some(network) = network {
            note(row, "known_networks", "network", network, out.reborrow())?;
        }
        if let Some(NotedDevice { device, .. }) = device {
            note(row, "known_devices", "device", device, out.reborrow())?;
        }
        out.push_sql(" SELECT id, generation FROM opened");
        Ok(())
    }
}

impl OpenSession<'_> {
    /// Locks the user, if a credential holds and there is room for one more.
    fn lock<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let SessionOpening { row, proof, kind, cap, .. } = self.0;
        out.push_sql("WITH owner AS (UPDATE users SET session_changes = session_changes + 1 WHERE id = ");
        out.push_bind_param::<BigInt, _>(&row.user_id)?;
        out.push_sql(" AND banned_at IS NULL");
        if let OpeningProof::Credential(version) = proof {
            out.push_sql(" AND credential_version = ");
            out.push_bind_param::<BigInt, _>(version)?;
        }
        unchanged(&row.user_id, out.reborrow())?;
        // In the order of the index, and not beyond the cap.
        out.push_sql(" AND (SELECT count(*) FROM (SELECT 1 FROM sessions WHERE user_id = ");
        out.push_bind_param::<BigInt, _>(&row.user_id)?;
        out.push_sql(" AND generation = ");
        generation(&row.user_id, out.reborrow())?;
        out.push_sql(&format!(" AND kind = {} AND expires_at > ", kind.number()));
        out.push_bind_param::<BigInt, _>(&row.created_at)?;
        out.push_sql(" ORDER BY expires_at LIMIT ");
        out.push_bind_param::<BigInt, _>(cap)?;
        out.push_sql(") AS live) < ");
        out.push_bind_param::<BigInt, _>(cap)?;
        out.push_sql(" RETURNING id, uuid, session_generation)");
        Ok(())
    }

    /// The nearest free id, of a few.
    fn pick_id<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(", wanted AS MATERIALIZED (SELECT ");
        out.push_bind_param::<BigInt, _>(&self.0.row.id)?;
        out.push_sql(&format!(
            "::bigint - below AS id FROM generate_series(0, {}) AS below), \
             free AS MATERIALIZED (SELECT owner.id AS user_id, owner.session_generation AS generation, wanted.id \
             FROM owner CROSS JOIN wanted WHERE NOT EXISTS (SELECT 1 FROM sessions \
             WHERE sessions.user_id = owner.id AND sessions.id = wanted.id) ORDER BY wanted.id DESC LIMIT 1)",
            IDS - 1
        ));
        Ok(())
    }

    /// Inserts the session, given where its id comes from: if all that is spent can be, there is a row.
    fn open<'b>(&'b self, id_from: &str, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let SessionRow {
            uuid,
            user_id: _,
            id: _,
            opaque_digest,
            name,
            permission_flags,
            expires_at,
            used_at,
            created_at,
            updated_at,
            dialect,
            client_ip,
            user_agent,
            authentications,
            second_factor_pending,
            ended_at: _,
            ended_by: _,
            end_reason: _,
            generation: _,
        } = &self.0.row;
        out.push_sql(
            ", opened AS (INSERT INTO sessions (user_id, id, generation, uuid, opaque_digest, name, permission_flags, \
             expires_at, used_at, created_at, updated_at, dialect, client_ip, user_agent, authentications, \
             second_factor_pending) SELECT free.user_id, free.id, free.generation, ",
        );
        out.push_bind_param::<Binary, _>(uuid)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Binary>, _>(opaque_digest)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(name)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<BigInt>, _>(permission_flags)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(expires_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<BigInt>, _>(used_at)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(created_at)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(updated_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(dialect)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Text>, _>(client_ip)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Text>, _>(user_agent)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(authentications)?;
        out.push_sql(", ");
        out.push_bind_param::<Bool, _>(second_factor_pending)?;
        out.push_sql(&format!(" FROM {id_from} RETURNING uuid, id, generation, expires_at)"));
        Ok(())
    }
}

/// Uses the challenge, if nobody has before and the key is as it must be. It is locked and looked at as it is then, behind
/// its user, as by all who use it.
fn use_challenge<'b>(used: &'b PasskeyUse, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    out.push_sql(", passkey AS MATERIALIZED (SELECT id FROM second_factors WHERE id = ");
    out.push_bind_param::<Binary, _>(&used.factor)?;
    out.push_sql(" AND user_id = (SELECT user_id FROM free) AND sign_count <= ");
    out.push_bind_param::<BigInt, _>(&used.latest_count)?;
    out.push_sql(" FOR UPDATE), answered AS (INSERT INTO used_passkey_challenges (id, expires_at) SELECT ");
    out.push_bind_param::<Binary, _>(&used.challenge)?;
    out.push_sql(", ");
    out.push_bind_param::<BigInt, _>(&used.challenge_expires_at)?;
    out.push_sql(" FROM passkey ON CONFLICT DO NOTHING RETURNING 1)");
    Ok(())
}

/// Moves the key's counter on, once the session is there.
fn move_on<'b>(used: &'b PasskeyUse, at: &'b i64, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    out.push_sql(", moved AS (UPDATE second_factors SET sign_count = ");
    out.push_bind_param::<BigInt, _>(&used.sign_count)?;
    out.push_sql(", credential = ");
    out.push_bind_param::<Text, _>(&used.credential)?;
    out.push_sql(", used_at = ");
    out.push_bind_param::<BigInt, _>(at)?;
    out.push_sql(", updated_at = ");
    out.push_bind_param::<BigInt, _>(at)?;
    out.push_sql(" WHERE EXISTS (SELECT 1 FROM opened) AND id = ");
    out.push_bind_param::<Binary, _>(&used.factor)?;
    out.push_sql(")");
    Ok(())
}

/// Forgets failures, once the session is there.
fn clear<'b>(clears: &'b ClearedBudgets, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    out.push_sql(", cleared AS (DELETE FROM failure_budgets WHERE EXISTS (SELECT 1 FROM opened) AND ");
    match clears {
        ClearedBudgets::One(key) => {
            out.push_sql("key = ");
            out.push_bind_param::<Text, _>(key)?;
        }
        ClearedBudgets::StrangersAt { user, account } => {
            out.push_sql("user_id = ");
            out.push_bind_param::<BigInt, _>(user)?;
            out.push_sql(" AND (key = ");
            out.push_bind_param::<Text, _>(account)?;
            out.push_sql(" OR key LIKE 'name:%')");
        }
    }
    out.push_sql(")");
    Ok(())
}

/// Whether the session's device is a new one.
fn look_up<'b>(row: &'b SessionRow, device: &'b NotedDevice, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    let NotedDevice { device, any_in_network, since } = device;
    out.push_sql(", used AS (SELECT NOT EXISTS (SELECT 1 FROM known_devices WHERE user_id = ");
    out.push_bind_param::<BigInt, _>(&row.user_id)?;
    out.push_sql(" AND device IN (");
    out.push_bind_param::<Text, _>(device)?;
    out.push_sql(", ");
    out.push_bind_param::<Text, _>(any_in_network)?;
    out.push_sql(") AND last_at >= ");
    out.push_bind_param::<BigInt, _>(since)?;
    out.push_sql(") AS is_new)");
    Ok(())
}

/// Makes known what the session is used with, and forgets what is one too many by it.
fn note<'b>(
    row: &'b SessionRow,
    table: &str,
    column: &str,
    used: &'b String,
    mut out: AstPass<'_, 'b, Pg>,
) -> QueryResult<()> {
    out.push_sql(&format!(", noted_{column} AS (INSERT INTO {table} (user_id, {column}, last_at) SELECT "));
    out.push_bind_param::<BigInt, _>(&row.user_id)?;
    out.push_sql(", ");
    out.push_bind_param::<Text, _>(used)?;
    out.push_sql(", ");
    out.push_bind_param::<BigInt, _>(&row.created_at)?;
    out.push_sql(&format!(
        " FROM opened ON CONFLICT (user_id, {column}) DO UPDATE SET last_at = excluded.last_at), \
         forgotten_{column} AS (DELETE FROM {table} WHERE EXISTS (SELECT 1 FROM opened) AND user_id = "
    ));
    out.push_bind_param::<BigInt, _>(&row.user_id)?;
    // The new one is not among those that are seen here.
    out.push_sql(&format!(" AND NOT EXISTS (SELECT 1 FROM {table} WHERE user_id = "));
    out.push_bind_param::<BigInt, _>(&row.user_id)?;
    out.push_sql(&format!(" AND {column} = "));
    out.push_bind_param::<Text, _>(used)?;
    out.push_sql(&format!(") AND {column} IN (SELECT {column} FROM {table} WHERE user_id = "));
    out.push_bind_param::<BigInt, _>(&row.user_id)?;
    out.push_sql(&format!(" ORDER BY last_at DESC OFFSET {}))", MOST_KNOWN - 1));
    Ok(())
}

/// Opens a session; `None` where nothing was done: it is refused, or one statement cannot do it.
pub(in crate::engine::postgres) fn open_session(
    connection: &mut PgConnection,
    opening: &SessionOpening,
) -> QueryResult<Option<OpenedAtOnce>> {
    let opened: Option<(i64, i64)> = OpenSession(opening).load(connection)?.pop();
    Ok(opened.map(|(id, generation)| OpenedAtOnce { id, generation }))
}
