//! Sessions: what requests ask, and the way to `opening` and `ending`.

pub(crate) mod caps;
mod confirm;
mod list;
pub(crate) mod open;
pub(crate) mod overdue;
mod own_page;
mod pass;
mod recently_ended;
pub(crate) mod revoke;
mod revoke_everywhere;
mod search;
mod step_up;

use std::collections::BTreeMap;

use async_trait::async_trait;
use diesel::dsl::{self, sum};
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::change_authorization::ChangeAuthorization;
use thunderhead_domain::factor::{PasskeyAnswer, RightAnswer};
use thunderhead_domain::id::{SessionId, SessionUuid, UserId};
use thunderhead_domain::ports::{
    Authority, ChangeResult, Page, PageRequest, PageStart, ReplacedToken, SessionCursor, SessionFilter, SessionHandle,
    SessionOf, SessionSearch, Sessions, StepUp, Stored, TokenReplacement,
};
use thunderhead_domain::search::KeysetPage;
use thunderhead_domain::session::{
    Authentication, EndReason, ImportedToken, NewSession, Session, SessionKey, TokenDigest,
};
use thunderhead_domain::time::Timestamp;
use tracing::instrument;

use self::own_page::OwnPage;
use self::revoke::Tally;
use super::live_sessions::StoredSession;
use super::{
    self as operations, Database, Query, ReadConnection, USE_SPACING, WriteTransaction, live_sessions, on_primary,
    switches,
};
use crate::dsl::*;
use crate::engine::{DatabaseEngine as _, EndedAtOnce, EndedSessions, SessionsEnding};
use crate::error::OperationError;
use crate::rows::{GenerationEndRow, SessionRow, UserRow, switch_set};
use crate::schema::{kill_switches, sessions, users};

#[async_trait]
impl Sessions for Database {
    #[instrument(level = "debug", skip_all)]
    async fn session_open(
        &self,
        user: UserId,
        credential_version: i64,
        answer: Option<RightAnswer>,
        session: NewSession,
    ) -> ChangeResult<Session> {
        if answer.is_none()
            && let Some(opened) = open::by_credential_at_once(self, user, credential_version, &session).await?
        {
            return Ok(Ok(opened));
        }
        self.decide(move |transaction| {
            open::with_credential(transaction, user, credential_version, answer.as_ref(), &session)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_open_by_passkey(
        &self,
        user: UserId,
        answer: PasskeyAnswer,
        session: NewSession,
    ) -> ChangeResult<Session> {
        if let Some(opened) = open::by_passkey_at_once(self, user, &answer, &session).await? {
            return Ok(Ok(opened));
        }
        self.decide(move |transaction| open::with_passkey(transaction, user, &answer, &session)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_open_from(
        &self,
        user: UserId,
        session: NewSession,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<Session> {
        self.decide(move |transaction| open::with_session(transaction, user, &session, &authorization)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_authority(&self, key: Option<SessionKey>) -> Stored<Authority> {
        self.read(move |connection| match &key {
            None => Ok(Authority { authenticated: None, switches: switches::on(connection)? }),
            Some(key) => authority(connection, key),
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_find(&self, user: UserId, id: SessionId, now: Timestamp) -> Stored<Option<Session>> {
        self.read(move |connection| {
            let lasting = connection.lasting(user, now)?;
            let live = on_primary(live_sessions::of_user(user, lasting)).filter(sessions::id.eq(id.number()));
            let row: Option<SessionRow> = live.select(SessionRow::as_select()).get_result(connection).optional()?;
            let Some(row) = row else { return Ok(None) };
            Ok(Some(row.of_current()?.under(&connection.limits_of(user)?)))
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_page(&self, user: UserId, page: PageRequest, now: Timestamp) -> Stored<Page<Session>> {
        let start = PageStart::Skip(page.offset);
        own_page::page(self, OwnPage { user, but: None, start, limit: page.limit, now }).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_page_but(
        &self,
        user: UserId,
        but: Option<SessionUuid>,
        start: PageStart,
        limit: u32,
        now: Timestamp,
    ) -> Stored<Page<Session>> {
        own_page::page(self, OwnPage { user, but, start, limit, now }).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_list(
        &self,
        filter: SessionFilter,
        start: PageStart,
        limit: u32,
        now: Timestamp,
    ) -> Stored<Vec<AuthenticatedSession>> {
        self.snapshot(move |connection| list::page(connection, filter, start, limit, now)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_locate_some(&self, filter: SessionFilter, limit: u32, now: Timestamp) -> Stored<Vec<SessionOf>> {
        let locate = move |connection: &mut ReadConnection<'_>| {
            let found = list::locate(connection, filter, limit, now)?;
            Ok(found.into_iter().map(session_of).collect())
        };
        self.snapshot(locate).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_search(
        &self,
        search: SessionSearch,
        after: Option<SessionCursor>,
        limit: u32,
        now: Timestamp,
    ) -> Stored<KeysetPage<AuthenticatedSession, SessionCursor>> {
        self.snapshot(move |connection| Ok(search::page(connection, &search, after, limit, now)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_count(&self, filter: SessionFilter, now: Timestamp) -> Stored<u64> {
        self.snapshot(move |connection| list::count(connection, filter, now)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_recently_ended(&self, user: UserId, limit: u32, now: Timestamp) -> Stored<Vec<Session>> {
        self.read(move |connection| recently_ended::recently_ended(connection, user, limit, now)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_step_up(
        &self,
        user: UserId,
        session: SessionUuid,
        step_up: StepUp,
        action: ActionContext,
    ) -> ChangeResult<Session> {
        self.decide(move |transaction| step_up::step_up(transaction, user, session, &step_up, &action)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_confirm(
        &self,
        session: SessionUuid,
        user: UserId,
        token: TokenReplacement,
        shown: &[Authentication],
        authorization: ChangeAuthorization,
    ) -> ChangeResult<Session> {
        let shown = shown.to_vec();
        self.decide(move |transaction| confirm::confirm(transaction, session, user, token, &shown, &authorization))
            .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn token_was_replaced(&self, token: TokenDigest, since: Timestamp) -> Stored<bool> {
        self.read(move |connection| Ok(confirm::was_replaced(connection, token, since)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn token_find_replaced(&self, token: TokenDigest) -> Stored<Option<ReplacedToken>> {
        self.read(move |connection| confirm::find_replaced(connection, token)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_set_pass(
        &self,
        session: SessionUuid,
        user: UserId,
        pass: TokenDigest,
        now: Timestamp,
    ) -> Stored<bool> {
        self.write(move |transaction| Ok(pass::set(transaction, session, user, pass, now)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_extend(
        &self,
        session: SessionUuid,
        until: Timestamp,
        action: ActionContext,
    ) -> Stored<Option<Session>> {
        self.write(move |transaction| step_up::extend(transaction, session, until, &action)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_find_any(&self, uuid: SessionUuid) -> Stored<Option<Session>> {
        self.read(move |connection| {
            let user = (users::session_generation, users::staff);
            let columns = (SessionRow::as_select(), user, Option::<GenerationEndRow>::as_select());
            let named = on_primary(live_sessions::with_ends()).filter(sessions::uuid.eq(uuid.0.as_bytes().as_slice()));
            let row: Option<(SessionRow, (i64, bool), Option<GenerationEndRow>)> =
                named.select(columns).get_result(connection).optional()?;
            let Some((row, (current, staff), end)) = row else { return Ok(None) };
            Ok(Some(row.among(current, end)?.under(connection.policy().of(staff))))
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_find_with_user(&self, uuid: SessionUuid) -> Stored<Option<AuthenticatedSession>> {
        self.read(move |connection| {
            let columns = (SessionRow::as_select(), UserRow::as_select(), Option::<GenerationEndRow>::as_select());
            let named = on_primary(live_sessions::with_ends()).filter(sessions::uuid.eq(uuid.0.as_bytes().as_slice()));
            let row: Option<StoredSession> = named.select(columns).get_result(connection).optional()?;
            Ok(row.map(|row| live_sessions::authenticated(&connection.policy(), row)).transpose()?)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_locate(&self, session: SessionHandle) -> Stored<Option<SessionOf>> {
        self.read(move |connection| {
            let all = on_primary(sessions::table.inner_join(users::table)).select((sessions::user_id, sessions::id));
            let found: QueryResult<(i64, i64)> = match &session {
                SessionHandle::Uuid(uuid) => {
                    all.filter(sessions::uuid.eq(uuid.0.as_bytes().as_slice())).get_result(connection)
                }
                SessionHandle::Opaque(digest) => {
                    all.filter(sessions::opaque_digest.eq(digest.0.as_slice())).get_result(connection)
                }
                SessionHandle::Imported(token) => all.filter(of_imported_token(token)).get_result(connection),
            };
            Ok(found.optional()?.map(session_of))
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_end(&self, user: UserId, id: SessionId, why: EndReason, action: ActionContext) -> Stored<bool> {
        Ok(self.session_end_some(user, &[id], why, action).await? > 0)
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_end_some(
        &self,
        user: UserId,
        ids: &[SessionId],
        why: EndReason,
        action: ActionContext,
    ) -> Stored<u64> {
        let ids = ids.to_vec();
        let which = EndedSessions::Ids(ids.iter().map(|id| id.number()).collect());
        let ending = SessionsEnding { user, which, why, action: action.clone() };
        if let EndedAtOnce::Done(ended) = self.end_at_once(ending).await? {
            return Ok(ended);
        }
        self.write(move |transaction| match transaction.lock_for_session_change(user)? {
            Some(row) => revoke::some(transaction, &row, &ids, why, &action),
            None => Ok(0),
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_end_all(&self, user: UserId, why: EndReason, action: ActionContext) -> Stored<u64> {
        let few = self.end_few(user, None, why, &action).await?;
        self.end(few, user, action.at, move |transaction, row, tally| {
            revoke::all(transaction, row, why, &action, tally)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_end_others(
        &self,
        user: UserId,
        keep: SessionUuid,
        why: EndReason,
        action: ActionContext,
    ) -> Stored<u64> {
        let few = self.end_few(user, Some(keep), why, &action).await?;
        self.end(few, user, action.at, move |transaction, row, tally| {
            revoke::others(transaction, row, keep, why, &action, tally)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_end_everywhere(&self, before: Timestamp, why: EndReason, action: ActionContext) -> Stored<u64> {
        revoke_everywhere::end(self, before, why, action).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_record_uses(&self, uses: &[(SessionUuid, Timestamp)]) -> Stored<()> {
        // Each session once, with its latest use.
        let mut latest = BTreeMap::new();
        for (uuid, at) in uses {
            let known = latest.entry(uuid.0.as_bytes().to_vec()).or_insert(at.unix_millis());
            *known = at.unix_millis().max(*known);
        }
        if latest.is_empty() {
            return Ok(());
        }
        let uses: Vec<_> = latest.into_iter().collect();
        // What a replica has noted must not be left out where sessions may be idle: it notes nothing else for a minute.
        let spacing = if self.session_policy().ends_idle_sessions() { 1 } else { USE_SPACING };
        self.write_alone(move |transaction| Ok(transaction.record_uses(&uses, spacing)?)).await
    }
}

impl Database {
    /// Ends all but one where they are few and that does not take a transaction.
    async fn end_few(
        &self,
        user: UserId,
        keep: Option<SessionUuid>,
        why: EndReason,
        action: &ActionContext,
    ) -> Stored<EndedAtOnce> {
        let keep = keep.map(|keep| keep.0.as_bytes().to_vec());
        let which = EndedSessions::All { keep, most: revoke::MOST_AT_ONCE };
        self.end_at_once(SessionsEnding { user, which, why, action: action.clone() }).await
    }

    /// Ends sessions while the user's row is locked, unless that is done: no session is being opened meanwhile that they
    /// would miss.
    async fn end(
        &self,
        few: EndedAtOnce,
        user: UserId,
        at: Timestamp,
        work: impl Fn(&mut WriteTransaction<'_>, &UserRow, Tally) -> Result<u64, OperationError> + Send + Sync + 'static,
    ) -> Stored<u64> {
        let tally = match few {
            EndedAtOnce::Done(ended) => return Ok(ended),
            EndedAtOnce::TooMany => self.tally(user, at).await?,
            EndedAtOnce::Undone => Tally::None,
        };
        let ended = self
            .decide_ending_from(tally, user, at, move |transaction, tally| match transaction.lock_user(user)? {
                Some(row) => work(transaction, &row, tally),
                None => Ok(0),
            })
            .await?;
        // Nothing is refused here.
        Ok(ended.unwrap_or(0))
    }
}

fn session_of((user, id): (i64, i64)) -> SessionOf {
    SessionOf { user: UserId::from_number(user), id: SessionId::from_number(id) }
}

/// The session that came with a verify-only key, and that this token was made for: what the key has signed besides has
/// another time.
#[dsl::auto_type]
fn of_imported_token(token: &ImportedToken) -> _ {
    let key: Vec<u8> = token.key.0.as_bytes().to_vec();
    let user: i64 = token.user.number();
    let id: i64 = token.id.number();
    let expires_at: i64 = token.expires_at.unix_millis();
    sessions::user_id
        .eq(user)
        .and(sessions::id.eq(id))
        .and(sessions::verification_key.eq(key))
        .and(sessions::expires_at.eq(expires_at))
}

/// The session, its user and the switches in one statement, which sees one state of the database.
fn authority(connection: &mut ReadConnection<'_>, key: &SessionKey) -> Result<Authority, OperationError> {
    let bits = kill_switches::table.filter(kill_switches::is_on.eq(true)).select(sum(kill_switches::bit));
    let joined = on_primary(live_sessions::with_ends()).select((
        SessionRow::as_select(),
        UserRow::as_select(),
        Option::<GenerationEndRow>::as_select(),
        bits.single_value(),
    ));
    let found: QueryResult<(SessionRow, UserRow, Option<GenerationEndRow>, Option<i64>)> = match key {
        SessionKey::Uuid(uuid, user) => joined
            .filter(sessions::uuid.eq(uuid.0.as_bytes().as_slice()))
            .filter(sessions::user_id.eq(user.number()))
            .get_result(connection),
        SessionKey::Opaque(digest) => {
            joined.filter(sessions::opaque_digest.eq(digest.0.as_slice())).get_result(connection)
        }
        SessionKey::Pass(digest) => joined.filter(sessions::pass_digest.eq(digest.0.as_slice())).get_result(connection),
        SessionKey::Imported(token) => joined.filter(of_imported_token(token)).get_result(connection),
    };
    match found.optional()? {
        Some((session, user, end, bits)) => {
            let over = session.is_over_in(user.session_generation);
            let authenticated = match live_sessions::authenticated(&connection.policy(), (session, user, end)) {
                Ok(authenticated) => Some(authenticated),
                // Whatever else the row says, nobody gets in by it.
                Err(_) if over => None,
                Err(error) => return Err(error.into()),
            };
            Ok(Authority { authenticated, switches: switch_set(bits) })
        }
        // No row, nothing that the switches must be consistent with.
        None => Ok(Authority { authenticated: None, switches: switches::on(connection)? }),
    }
}
