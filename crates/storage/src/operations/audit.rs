//! The audit trail. What changes something leaves its record in the same transaction.

use async_trait::async_trait;
use thunderhead_domain::audit::{ActionContext, AuditFilter, AuditKind, AuditRecord};
use thunderhead_domain::failed_login::FailedLogins;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::ports::{AuditTrail, Page, PageRequest, Stored};
use thunderhead_domain::session::EndReason;
use tracing::instrument;

use super::{Connection, Database, Query, UncheckedStatement, WriteTransaction, on_primary};
use crate::dsl::*;
use crate::rows::{AuditRow, NewAuditRow, skip};
use crate::schema::audit;
use crate::text;
use crate::unreadable::readable;

/// How many records one statement inserts at most: far fewer than there may be parameters.
const CHUNK: usize = 1_000;

type Records = audit::BoxedQuery<'static, <Connection as diesel::Connection>::Backend>;

#[async_trait]
impl AuditTrail for Database {
    #[instrument(level = "debug", skip_all)]
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
fn fitting(filter: &AuditFilter) -> Records {
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

impl WriteTransaction<'_> {
    /// Records what was done to one user.
    pub(crate) fn audit(
        &mut self,
        action: &ActionContext,
        kind: AuditKind,
        user: UserId,
        detail: Option<String>,
    ) -> QueryResult<()> {
        self.insert_records(&[NewAuditRow::new(action, kind, Some(user), None, detail)])
    }

    /// Records what was done to several users, each with its detail.
    pub(crate) fn audit_users(
        &mut self,
        action: &ActionContext,
        kind: AuditKind,
        users: impl Iterator<Item = (UserId, String)>,
    ) -> QueryResult<()> {
        let row = |(user, detail)| NewAuditRow::new(action, kind, Some(user), None, Some(detail));
        self.insert_records(&users.map(row).collect::<Vec<_>>())
    }

    /// Records what was done to one session of a user.
    pub(crate) fn audit_session(
        &mut self,
        action: &ActionContext,
        kind: AuditKind,
        (user, session): (UserId, SessionUuid),
        detail: Option<String>,
    ) -> QueryResult<()> {
        self.insert_records(&[NewAuditRow::new(action, kind, Some(user), Some(session), detail)])
    }

    /// Records the ends of a user's sessions, one by one.
    pub(crate) fn audit_ends(
        &mut self,
        action: &ActionContext,
        user: UserId,
        ended: &[SessionUuid],
        why: EndReason,
    ) -> QueryResult<()> {
        let (kind, detail) = (AuditKind::SessionEnded, text::end_reason_text(why));
        let row = |uuid: &SessionUuid| NewAuditRow::new(action, kind, Some(user), Some(*uuid), Some(detail.to_owned()));
        self.insert_records(&ended.iter().map(row).collect::<Vec<_>>())
    }

    /// Records at once the ends of so many sessions of a user.
    pub(crate) fn audit_many_ends(
        &mut self,
        action: &ActionContext,
        user: UserId,
        ended: u64,
        why: EndReason,
    ) -> QueryResult<()> {
        let detail = format!("{ended} {}", text::end_reason_text(why));
        self.audit(action, AuditKind::SessionsEnded, user, Some(detail))
    }

    /// Records failed logins whose time is over.
    pub(crate) fn audit_failed_logins(&mut self, failed: &FailedLogins) -> QueryResult<()> {
        let (kind, detail) = (AuditKind::LoginsFailed, Some(failed.detail()));
        self.insert_records(&[NewAuditRow::new(&failed.action(), kind, failed.user(), None, detail)])
    }

    /// Records what was done to nobody in particular; returns the record's number.
    pub(crate) fn audit_general(
        &mut self,
        action: &ActionContext,
        kind: AuditKind,
        detail: String,
    ) -> QueryResult<i64> {
        let row = NewAuditRow::new(action, kind, None, None, Some(detail));
        diesel::insert_into(audit::table).values(&row).returning(audit::number).get_result(self)
    }

    /// Replaces the detail of a record, where the action goes on.
    pub(crate) fn update_audit_detail(&mut self, number: i64, detail: String) -> QueryResult<()> {
        diesel::update(audit::table.find(number)).set(audit::detail.eq(detail)).execute(self).map(drop)
    }

    fn insert_records(&mut self, rows: &[NewAuditRow]) -> QueryResult<()> {
        for chunk in rows.chunks(CHUNK) {
            diesel::insert_into(audit::table).values(chunk).execute(self)?;
        }
        Ok(())
    }
}
