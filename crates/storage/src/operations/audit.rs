//! The audit trail. What changes something calls [`record`] in the transaction that changes it. So a record is also the
//! place where it is noted what replicas must not remember any longer.

use async_trait::async_trait;
use diesel::prelude::*;
use thunderhead_domain::audit::{ActionContext, AuditFilter, AuditKind, AuditRecord};
use thunderhead_domain::failed_login::FailedLogins;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::ports::{AuditTrail, Invalidation, Page, PageRequest, Stored};
use thunderhead_domain::session::EndReason;

use super::engine::on_primary;
use super::{Connection, Database};
use crate::rows::{AuditRow, NewAuditRow, skip};
use crate::schema::audit;
use crate::unreadable::readable;
use crate::{invalidations, text};

/// How many records one statement inserts at most: far fewer than there may be parameters.
const CHUNK: usize = 1_000;

type Query = audit::BoxedQuery<'static, <Connection as diesel::Connection>::Backend>;

#[async_trait]
impl AuditTrail for Database {
    async fn audit_page(&self, filter: AuditFilter, page: PageRequest) -> Stored<Page<AuditRecord>> {
        self.snapshot(move |connection| {
            let count: i64 = on_primary(fitting(&filter)).count().get_result(connection)?;
            let rows: Vec<AuditRow> = fitting(&filter)
                .order(audit::number.desc())
                .limit(i64::from(page.limit))
                .offset(skip(page.offset))
                .select(AuditRow::as_select())
                .load(connection)?;
            let items = readable(rows);
            Ok(Page { count: count.unsigned_abs(), items })
        })
        .await
    }
}

/// The records that fit all that is given.
fn fitting(filter: &AuditFilter) -> Query {
    let mut query = audit::table.into_boxed();
    if let Some(user) = filter.user {
        query = query.filter(audit::user_id.eq(user.number()));
    }
    if let Some(by) = filter.by {
        query = query.filter(audit::actor.eq(text::actor_text(by)));
    }
    if let Some(kind) = filter.kind {
        query = query.filter(audit::kind.eq(kind.name()));
    }
    if let Some(since) = filter.since {
        query = query.filter(audit::at.ge(since.unix_millis()));
    }
    if let Some(until) = filter.until {
        query = query.filter(audit::at.lt(until.unix_millis()));
    }
    query
}

/// Records what was done to one user.
pub(crate) fn record(
    connection: &mut Connection,
    action: &ActionContext,
    kind: AuditKind,
    user: UserId,
    detail: Option<String>,
) -> QueryResult<()> {
    record_all(connection, &[entry(action, kind, Some(user), None, detail)])
}

/// Records what was done to one session of a user.
pub(crate) fn record_session(
    connection: &mut Connection,
    action: &ActionContext,
    kind: AuditKind,
    (user, session): (UserId, SessionUuid),
    detail: Option<String>,
) -> QueryResult<()> {
    record_all(connection, &[entry(action, kind, Some(user), Some(session), detail)])
}

/// Records the ends of a user's sessions, one by one.
pub(crate) fn record_ends(
    connection: &mut Connection,
    action: &ActionContext,
    user: UserId,
    ended: &[SessionUuid],
    why: EndReason,
) -> QueryResult<()> {
    let detail = || Some(text::end_reason_text(why).to_owned());
    let row = |uuid: &SessionUuid| entry(action, AuditKind::SessionEnded, Some(user), Some(*uuid), detail());
    record_all(connection, &ended.iter().map(row).collect::<Vec<_>>())
}

/// Records at once the ends of so many sessions of a user.
pub(crate) fn record_many_ends(
    connection: &mut Connection,
    action: &ActionContext,
    user: UserId,
    ended: u64,
    why: EndReason,
) -> QueryResult<()> {
    let detail = format!("{ended} {}", text::end_reason_text(why));
    record(connection, action, AuditKind::SessionsEnded, user, Some(detail))
}

/// Notes that all sessions of a user have ended, which another record tells.
pub(crate) fn note_ends(user: UserId) {
    note(AuditKind::SessionsEnded, Some(user));
}

/// Records what was done to nobody in particular; returns the record's number.
pub(crate) fn record_general(
    connection: &mut Connection,
    action: &ActionContext,
    kind: AuditKind,
    detail: String,
) -> QueryResult<i64> {
    let row = entry(action, kind, None, None, Some(detail));
    diesel::insert_into(audit::table).values(&row).returning(audit::number).get_result(connection)
}

/// Records failed logins whose time is over.
pub(crate) fn record_failed_logins(connection: &mut Connection, failed: &FailedLogins) -> QueryResult<()> {
    let (action, kind) = (failed.action(), AuditKind::LoginsFailed);
    record_all(connection, &[entry(&action, kind, failed.user(), None, Some(failed.detail()))])
}

/// Replaces the detail of a record of this kind, where the action goes on.
pub(crate) fn redetail(connection: &mut Connection, kind: AuditKind, number: i64, detail: String) -> QueryResult<()> {
    note(kind, None);
    diesel::update(audit::table.find(number)).set(audit::detail.eq(detail)).execute(connection).map(drop)
}

/// Records what was done to several users.
pub(crate) fn record_users(
    connection: &mut Connection,
    action: &ActionContext,
    kind: AuditKind,
    users: impl Iterator<Item = (UserId, String)>,
) -> QueryResult<()> {
    let row = |(user, detail)| entry(action, kind, Some(user), None, Some(detail));
    record_all(connection, &users.map(row).collect::<Vec<_>>())
}

fn record_all(connection: &mut Connection, rows: &[NewAuditRow]) -> QueryResult<()> {
    for chunk in rows.chunks(CHUNK) {
        diesel::insert_into(audit::table).values(chunk).execute(connection)?;
    }
    Ok(())
}

fn entry(
    action: &ActionContext,
    kind: AuditKind,
    user: Option<UserId>,
    session: Option<SessionUuid>,
    detail: Option<String>,
) -> NewAuditRow {
    note(kind, user);
    NewAuditRow::new(action, kind, user, session, detail)
}

/// Notes what an action of this kind changes for those who are cached.
fn note(kind: AuditKind, user: Option<UserId>) {
    match kind {
        AuditKind::AccountRenamed
        | AuditKind::EmailChanged
        | AuditKind::PasswordChanged
        | AuditKind::AccountVerified
        | AuditKind::AccountUnverified
        | AuditKind::AccountBanned
        | AuditKind::AccountUnbanned
        | AuditKind::StaffGranted
        | AuditKind::StaffRevoked
        | AuditKind::AccountDeleted
        | AuditKind::FactorAdded
        | AuditKind::FactorRemoved
        | AuditKind::SessionSteppedUp
        | AuditKind::SessionExtended
        | AuditKind::SessionEnded
        | AuditKind::SessionsEnded => invalidations::note(user.map_or(Invalidation::Everything, Invalidation::User)),
        AuditKind::DatabaseRestored => invalidations::note(Invalidation::Everything),
        AuditKind::SwitchOn | AuditKind::SwitchOff => invalidations::note(Invalidation::Switches),
        // What is new is cached by nobody; credentials, codes, keys and services are not cached.
        AuditKind::AccountCreated
        | AuditKind::BackupCodesRenewed
        | AuditKind::LoggedIn
        | AuditKind::AttemptedBeyondBudget
        | AuditKind::ScopedSessionIssued
        | AuditKind::KeyRotated
        | AuditKind::SecretsResealed
        | AuditKind::ServiceCreated
        | AuditKind::ServiceRevoked
        | AuditKind::AccountUnlocked
        | AuditKind::LoginsFailed => {}
    }
}
