//! The audit trail. What changes something leaves its record in the same transaction.

use async_trait::async_trait;
use thunderhead_domain::audit::{ActionContext, AuditCursor, AuditFilter, AuditKind, AuditRecord};
use thunderhead_domain::failed_login::FailedLogins;
use thunderhead_domain::ports::{AuditTrail, Page, PageRequest, Stored};
use thunderhead_domain::search::KeysetPage;
use thunderhead_domain::session::EndReason;
use tracing::instrument;

use super::keyset::SearchPage;
use super::{Connection, Database, Query, ReadConnection, UncheckedStatement, WriteTransaction, on_primary};
use crate::dsl::*;
use crate::rows::{AuditRow, NewAuditRow, RecordedSession, RecordedUser, skip};
use crate::schema::audit;
use crate::text;
use crate::unreadable::{read, readable};

/// How many records a search reads before it gives back what it has found.
const MOST_READ: i64 = 10_000;
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
                .order((audit::at.desc(), audit::number.desc()))
                .limit(i64::from(page.limit))
                .offset(skip(page.offset))
                .select(AuditRow::as_select())
                .load(connection)?;
            let items = readable(rows);
            Ok(Page { count: count.unsigned_abs(), items })
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn audit_search(
        &self,
        filter: AuditFilter,
        after: Option<AuditCursor>,
        limit: u32,
    ) -> Stored<KeysetPage<AuditRecord, AuditCursor>> {
        self.read(move |connection| Ok(search(connection, &filter, after, limit)?)).await
    }
}

/// Reads on in the order of the one index that the filter is most likely narrowed by, and passes by what else does not
/// fit.
fn search(
    connection: &mut ReadConnection<'_>,
    filter: &AuditFilter,
    after: Option<AuditCursor>,
    limit: u32,
) -> QueryResult<KeysetPage<AuditRecord, AuditCursor>> {
    let indexed = indexed(filter);
    SearchPage { after, limit, most_read: MOST_READ }.read(
        |after, limit| rows(connection, &indexed, after, limit),
        AuditRow::cursor,
        |row| read::<_, AuditRecord>(row).ok().filter(|record| filter.fits(record)),
    )
}

/// What is left to an index: a span of time, and one thing besides.
fn indexed(filter: &AuditFilter) -> AuditFilter {
    let span = AuditFilter { since: filter.since, until: filter.until, ..AuditFilter::default() };
    match *filter {
        AuditFilter { user: Some(user), .. } => AuditFilter { user: Some(user), ..span },
        AuditFilter { client_ip: Some(address), .. } => AuditFilter { client_ip: Some(address), ..span },
        AuditFilter { by: Some(by), .. } => AuditFilter { by: Some(by), ..span },
        AuditFilter { kind, .. } => AuditFilter { kind, ..span },
    }
}

fn rows(
    connection: &mut ReadConnection<'_>,
    filter: &AuditFilter,
    after: Option<AuditCursor>,
    limit: i64,
) -> QueryResult<Vec<AuditRow>> {
    let mut query = on_primary(fitting(filter));
    if let Some(AuditCursor { at, number }) = after {
        // The first condition is what an index can begin at.
        let at = at.unix_millis();
        query = query.filter(audit::at.le(at)).filter(audit::at.lt(at).or(audit::number.lt(number)));
    }
    query.order((audit::at.desc(), audit::number.desc())).limit(limit).select(AuditRow::as_select()).load(connection)
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
    if let Some(address) = filter.client_ip {
        query = query.filter(audit::client_ip.eq(text::address_text(address)));
    }
    query
}

impl WriteTransaction<'_> {
    /// Records what was done to one user.
    pub(crate) fn audit(
        &mut self,
        action: &ActionContext,
        kind: AuditKind,
        user: impl Into<RecordedUser>,
        detail: Option<String>,
    ) -> QueryResult<()> {
        self.insert_records(&[NewAuditRow::new(action, kind, detail).of_user(user.into())])
    }

    /// Records what was done to several users, each with its detail.
    pub(crate) fn audit_users(
        &mut self,
        action: &ActionContext,
        kind: AuditKind,
        users: impl Iterator<Item = (RecordedUser, String)>,
    ) -> QueryResult<()> {
        let row = |(user, detail)| NewAuditRow::new(action, kind, Some(detail)).of_user(user);
        self.insert_records(&users.map(row).collect::<Vec<_>>())
    }

    /// Records what was done to one session of a user.
    pub(crate) fn audit_session(
        &mut self,
        action: &ActionContext,
        kind: AuditKind,
        user: impl Into<RecordedUser>,
        session: impl Into<RecordedSession>,
        detail: Option<String>,
    ) -> QueryResult<()> {
        self.audit_login(action, kind, user, session, detail, false)
    }

    /// The same of a session by which somebody may have logged in with a new device.
    pub(crate) fn audit_login(
        &mut self,
        action: &ActionContext,
        kind: AuditKind,
        user: impl Into<RecordedUser>,
        session: impl Into<RecordedSession>,
        detail: Option<String>,
        new_device: bool,
    ) -> QueryResult<()> {
        let record = NewAuditRow::new(action, kind, detail).of_user(user.into()).of_session(session.into());
        self.insert_records(&[NewAuditRow { new_device, ..record }])
    }

    /// Records the ends of a user's sessions, one by one.
    pub(crate) fn audit_ends(
        &mut self,
        action: &ActionContext,
        user: impl Into<RecordedUser>,
        ended: Vec<RecordedSession>,
        why: EndReason,
    ) -> QueryResult<()> {
        let user = user.into();
        let end = || NewAuditRow::new(action, AuditKind::SessionEnded, Some(why.name().to_owned()));
        let row = |session| end().of_user(user.clone()).of_session(session);
        self.insert_records(&ended.into_iter().map(row).collect::<Vec<_>>())
    }

    /// Records at once the ends of so many sessions of a user, of whom one stays or none, or of everybody.
    pub(crate) fn audit_many_ends(
        &mut self,
        action: &ActionContext,
        user: Option<RecordedUser>,
        kept: Option<&[u8]>,
        ended: u64,
        why: EndReason,
    ) -> QueryResult<()> {
        let detail = format!("{ended} {}", why.name());
        let record = NewAuditRow::new(action, AuditKind::SessionsEnded, Some(detail)).keeping(kept);
        self.insert_records(&[match user {
            Some(user) => record.of_user(user),
            None => record,
        }])
    }

    /// Records failed logins whose time is over.
    pub(crate) fn audit_failed_logins(&mut self, failed: &FailedLogins) -> QueryResult<()> {
        let record = NewAuditRow::new(&failed.action(), AuditKind::LoginsFailed, Some(failed.detail()));
        self.insert_records(&[match failed.user() {
            Some(user) => record.of_user(user.into()),
            None => record,
        }])
    }

    /// Records what was done to nobody in particular.
    pub(crate) fn audit_general(&mut self, action: &ActionContext, kind: AuditKind, detail: String) -> QueryResult<()> {
        self.insert_records(&[NewAuditRow::new(action, kind, Some(detail))])
    }

    fn insert_records(&mut self, rows: &[NewAuditRow]) -> QueryResult<()> {
        // One alone is prepared once.
        if let [row] = rows {
            return diesel::insert_into(audit::table).values(row).execute(self).map(drop);
        }
        for chunk in rows.chunks(CHUNK) {
            diesel::insert_into(audit::table).values(chunk).execute(self)?;
        }
        Ok(())
    }
}
