//! Endpoints of webhooks, and how far each has got.

use async_trait::async_trait;
use diesel::QueryResult;
use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::event::EventCursor;
use thunderhead_domain::ports::{SealedRow, SealedText, Stored, WebhookAdded, Webhooks};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::webhook::{
    MOST_WEBHOOKS, Webhook, WebhookId, WebhookLease, WebhookName, WebhookProgress, WebhookSecrets,
};
use tracing::instrument;
use uuid::Uuid;

use super::{Database, Query, ReadConnection, UncheckedStatement, WriteTransaction, on_primary};
use crate::dsl::*;
use crate::rows::{ProgressColumns, WebhookRow};
use crate::schema::webhooks;
use crate::unreadable::{read, readable};

#[async_trait]
impl Webhooks for Database {
    #[instrument(level = "debug", skip_all)]
    async fn webhook_add(&self, webhook: Webhook, action: ActionContext) -> Stored<WebhookAdded> {
        self.write(move |transaction| {
            // Two who add at once may get beyond it by one: it only keeps what serves them bounded.
            let known: i64 = webhooks::table.count().get_result(transaction)?;
            if known >= MOST_WEBHOOKS.into() {
                return Ok(WebhookAdded::TooMany);
            }
            let row = WebhookRow::from(&webhook);
            let added =
                diesel::insert_into(webhooks::table).values(row).on_conflict_do_nothing().execute(transaction)?;
            let added = recorded(transaction, added, AuditKind::WebhookAdded, webhook.name.as_str(), &action)?;
            Ok(if added { WebhookAdded::Added } else { WebhookAdded::Taken })
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn webhook_find(&self, name: &WebhookName) -> Stored<Option<Webhook>> {
        let name = name.to_string();
        self.read(move |connection| {
            let named = on_primary(webhooks::table.filter(webhooks::name.eq(&name))).select(WebhookRow::as_select());
            Ok(named.get_result(connection).optional()?.map(read).transpose()?)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn webhook_list(&self) -> Stored<Vec<Webhook>> {
        self.read(|connection| {
            let all = on_primary(webhooks::table).order(webhooks::name.asc()).select(WebhookRow::as_select());
            Ok(readable(all.load(connection)?))
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn webhook_remove(&self, name: &WebhookName, action: ActionContext) -> Stored<bool> {
        let name = name.to_string();
        self.write(move |transaction| {
            let removed = diesel::delete(webhooks::table.filter(webhooks::name.eq(&name))).execute(transaction)?;
            Ok(recorded(transaction, removed, AuditKind::WebhookRemoved, &name, &action)?)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn webhook_rotate(
        &self,
        id: WebhookId,
        sealed: &str,
        secrets: WebhookSecrets,
        action: ActionContext,
    ) -> Stored<bool> {
        let sealed = sealed.to_owned();
        self.write(move |transaction| {
            let row = webhooks::table.filter(webhooks::id.eq(key(id)).and(webhooks::sealed.eq(&sealed)));
            let previous = secrets.previous.as_ref();
            let rotate = diesel::update(row)
                .set((
                    webhooks::sealed.eq(&secrets.sealed),
                    webhooks::previous_sealed.eq(previous.map(|previous| &previous.sealed)),
                    webhooks::previous_until.eq(previous.map(|previous| previous.until.unix_millis())),
                ))
                .returning(webhooks::name);
            let rotated: Vec<String> = rotate.get_results(transaction)?;
            Ok(recorded_by_name(transaction, rotated, AuditKind::WebhookRotated, &action)?)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn webhook_resume(&self, id: WebhookId, from: Option<EventCursor>, action: ActionContext) -> Stored<bool> {
        self.write(move |transaction| {
            if let Some(from) = from {
                let moved = diesel::update(webhooks::table.find(key(id))).set(webhooks::cursor.eq(from.to_string()));
                moved.execute(transaction)?;
            }
            let resume = diesel::update(webhooks::table.find(key(id)))
                .set((
                    webhooks::attempts.eq(0),
                    webhooks::next_attempt_at.eq(None::<i64>),
                    webhooks::stopped_at.eq(None::<i64>),
                    webhooks::stopped_why.eq(None::<String>),
                    webhooks::lease.eq(webhooks::lease + 1),
                    webhooks::leased_until.eq(None::<i64>),
                ))
                .returning(webhooks::name);
            let resumed: Vec<String> = resume.get_results(transaction)?;
            Ok(recorded_by_name(transaction, resumed, AuditKind::WebhookResumed, &action)?)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn webhook_lease(
        &self,
        id: WebhookId,
        over: Option<Timestamp>,
        now: Timestamp,
        until: Timestamp,
    ) -> Stored<Option<(WebhookLease, Webhook)>> {
        let now = now.unix_millis();
        self.write(move |transaction| {
            let over = over.map(Timestamp::unix_millis);
            let free = webhooks::leased_until.is_null().or(webhooks::leased_until.eq(over));
            let due = webhooks::next_attempt_at.is_null().or(webhooks::next_attempt_at.le(now));
            let row = webhooks::table.filter(webhooks::id.eq(key(id)).and(webhooks::stopped_at.is_null()));
            let lease = diesel::update(row.filter(free).filter(due))
                .set((webhooks::lease.eq(webhooks::lease + 1), webhooks::leased_until.eq(until.unix_millis())))
                .returning(WebhookRow::as_select());
            let leased: Vec<WebhookRow> = lease.get_results(transaction)?;
            let with_lease = |row: WebhookRow| {
                let lease = WebhookLease { webhook: id, number: row.lease };
                Ok::<_, crate::error::DataError>((lease, read(row)?))
            };
            Ok(leased.into_iter().next().map(with_lease).transpose()?)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn webhook_save(
        &self,
        lease: WebhookLease,
        progress: WebhookProgress,
        until: Option<Timestamp>,
    ) -> Stored<bool> {
        self.write(move |transaction| {
            let leased_until = webhooks::leased_until.eq(until.map(Timestamp::unix_millis));
            let save = diesel::update(held(lease)).set((ProgressColumns::from(&progress), leased_until));
            Ok(save.execute(transaction)? > 0)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn webhook_release(&self, lease: WebhookLease) -> Stored<()> {
        self.write(move |transaction| {
            let release = diesel::update(held(lease)).set(webhooks::leased_until.eq(None::<i64>));
            release.execute(transaction)?;
            Ok(())
        })
        .await
    }
}

fn key(id: WebhookId) -> Vec<u8> {
    id.0.as_bytes().to_vec()
}

type Held = diesel::dsl::Filter<
    webhooks::table,
    diesel::dsl::And<diesel::dsl::Eq<webhooks::id, Vec<u8>>, diesel::dsl::Eq<webhooks::lease, i64>>,
>;

/// The row of an endpoint, as long as nobody has got a later lease.
fn held(lease: WebhookLease) -> Held {
    webhooks::table.filter(webhooks::id.eq(key(lease.webhook)).and(webhooks::lease.eq(lease.number)))
}

/// All secrets, with those that were replaced.
pub(super) fn all_sealed(connection: &mut ReadConnection<'_>) -> QueryResult<Vec<SealedText>> {
    let rows: Vec<(Vec<u8>, String, Option<String>)> = on_primary(webhooks::table)
        .select((webhooks::id, webhooks::sealed, webhooks::previous_sealed))
        .load(connection)?;
    let texts = |(id, sealed, previous): (Vec<u8>, String, Option<String>)| {
        // The column holds 16 bytes.
        let row = SealedRow::Webhook(WebhookId(Uuid::from_slice(&id).unwrap_or_default()));
        [Some(sealed), previous].into_iter().flatten().map(move |sealed| SealedText { row: row.clone(), sealed })
    };
    Ok(rows.into_iter().flat_map(texts).collect())
}

/// Replaces a secret, which may have been replaced by another one by now.
pub(super) fn replace_sealed(
    transaction: &mut WriteTransaction<'_>,
    id: WebhookId,
    old: &str,
    new: &str,
) -> QueryResult<usize> {
    let row = || webhooks::table.filter(webhooks::id.eq(key(id)));
    let current = diesel::update(row().filter(webhooks::sealed.eq(old))).set(webhooks::sealed.eq(new));
    let replaced = current.execute(transaction)?;
    if replaced > 0 {
        return Ok(replaced);
    }
    let previous = row().filter(webhooks::previous_sealed.eq(old));
    diesel::update(previous).set(webhooks::previous_sealed.eq(new)).execute(transaction)
}

/// Records a change, if there was one; says whether there was.
fn recorded(
    transaction: &mut WriteTransaction<'_>,
    changed: usize,
    kind: AuditKind,
    name: &str,
    action: &ActionContext,
) -> QueryResult<bool> {
    if changed > 0 {
        transaction.audit_general(action, kind, name.to_owned())?;
    }
    Ok(changed > 0)
}

/// The same by the name that the change returned.
fn recorded_by_name(
    transaction: &mut WriteTransaction<'_>,
    changed: Vec<String>,
    kind: AuditKind,
    action: &ActionContext,
) -> QueryResult<bool> {
    let Some(name) = changed.first() else { return Ok(false) };
    recorded(transaction, changed.len(), kind, name, action)
}
