//! Confirming sessions: another token for the same row.

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::change_authorization::{ChangeAuthorization, PreconditionFailed, Refusal};
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::ports::{Invalidation, ReplacedToken, TokenReplacement};
use thunderhead_domain::session::{Authentication, Session, TokenDigest, prove};
use thunderhead_domain::time::Timestamp;

use super::operations::{
    Query, ReadConnection, UncheckedStatement, WriteTransaction, change_authorization, live_sessions, on_primary,
};
use crate::dsl::*;
use crate::error::OperationError;
use crate::rows::{GenerationEndRow, SessionRow, UserRow};
use crate::schema::{replaced_tokens, sessions};
use crate::text;

/// Confirms a session, whose token is replaced.
pub(crate) fn confirm(
    transaction: &mut WriteTransaction<'_>,
    session: SessionUuid,
    user: UserId,
    token: TokenReplacement,
    shown: &[Authentication],
    authorization: &ChangeAuthorization,
) -> Result<Session, OperationError> {
    let owner = change_authorization::verify_and_lock(transaction, user, authorization)?;
    let action = &authorization.action;
    let lasting = transaction.lasting_in_use(user, action.at)?;
    let open = live_sessions::of_user(user, lasting)
        .filter(sessions::uuid.eq(session.0.as_bytes().as_slice()))
        .filter(sessions::opaque_digest.eq(token.old.0.as_slice()));
    let found: Option<SessionRow> = open.select(SessionRow::as_select()).get_result(transaction).optional()?;
    let found = found.ok_or(Refusal::Stale(PreconditionFailed::SessionEnded))?;
    let mut confirmed = found.of_current()?.under(&transaction.limits_of(user)?);
    shown.iter().for_each(|shown| prove(&mut confirmed.authentications, *shown));
    confirmed.updated_at = action.at;
    let change = (
        sessions::opaque_digest.eq(token.new.0.as_slice()),
        sessions::authentications.eq(text::authentications_text(&confirmed.authentications)),
        sessions::updated_at.eq(action.at.unix_millis()),
    );
    let named = sessions::table.find(session.0.as_bytes().as_slice());
    transaction.change(Invalidation::User(user), diesel::update(named).set(change))?;
    let replaced = (
        replaced_tokens::digest.eq(token.old.0.as_slice()),
        replaced_tokens::replaced_at.eq(action.at.unix_millis()),
        replaced_tokens::session_uuid.eq(session.0.as_bytes().as_slice()),
    );
    diesel::insert_into(replaced_tokens::table).values(replaced).execute(transaction)?;
    transaction.audit_session(action, AuditKind::SessionConfirmed, &owner, &confirmed, None)?;
    Ok(confirmed)
}

/// Whether a token was replaced, at a moment or later.
pub(crate) fn was_replaced(
    connection: &mut ReadConnection<'_>,
    token: TokenDigest,
    since: Timestamp,
) -> QueryResult<bool> {
    let replaced = on_primary(replaced_tokens::table.find(token.0.as_slice())).select(replaced_tokens::replaced_at);
    let replaced_at: Option<i64> = replaced.get_result(connection).optional()?;
    Ok(replaced_at.is_some_and(|at| at >= since.unix_millis()))
}

/// The session that a replaced token was of.
pub(crate) fn find_replaced(
    connection: &mut ReadConnection<'_>,
    token: TokenDigest,
) -> Result<Option<ReplacedToken>, OperationError> {
    let of_session = replaced_tokens::table.on(replaced_tokens::session_uuid.eq(sessions::uuid.nullable()));
    let named = on_primary(live_sessions::with_ends().inner_join(of_session))
        .filter(replaced_tokens::digest.eq(token.0.as_slice()))
        .select((
            SessionRow::as_select(),
            UserRow::as_select(),
            Option::<GenerationEndRow>::as_select(),
            replaced_tokens::replaced_at,
        ));
    let found: Option<(SessionRow, UserRow, Option<GenerationEndRow>, i64)> =
        named.get_result(connection).optional()?;
    let Some((session, user, end, replaced_at)) = found else { return Ok(None) };
    let authenticated = live_sessions::authenticated(&connection.policy(), (session, user, end))?;
    Ok(Some(ReplacedToken { authenticated, replaced_at: Timestamp::from_unix_millis(replaced_at) }))
}
