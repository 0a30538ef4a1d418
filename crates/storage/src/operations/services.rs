//! Other services that may ask whose token something is.

use std::collections::BTreeMap;

use async_trait::async_trait;
use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::ports::{Services, Stored};
use thunderhead_domain::service::{EventAccess, Service, ServiceName};
use thunderhead_domain::session::TokenDigest;
use thunderhead_domain::time::Timestamp;
use tracing::instrument;

use super::{Database, Query, USE_SPACING, UncheckedStatement, WriteTransaction, on_primary};
use crate::dsl::*;
use crate::rows::ServiceRow;
use crate::schema::services;
use crate::unreadable::{read, readable};

#[async_trait]
impl Services for Database {
    #[instrument(level = "debug", skip_all)]
    async fn service_create(
        &self,
        name: ServiceName,
        secret: TokenDigest,
        events: EventAccess,
        action: ActionContext,
    ) -> Stored<bool> {
        self.write(move |transaction| {
            let created = diesel::insert_into(services::table)
                .values(ServiceRow::new(&name, secret, events, &action))
                .on_conflict_do_nothing()
                .execute(transaction)?;
            Ok(recorded(transaction, created, AuditKind::ServiceCreated, name.as_str(), &action)?)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn service_find(&self, name: &ServiceName) -> Stored<Option<Service>> {
        let name = name.as_str().to_owned();
        self.read(move |connection| {
            let named = on_primary(services::table.find(&name)).select(ServiceRow::as_select());
            Ok(named.get_result(connection).optional()?.map(read).transpose()?)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn service_list(&self) -> Stored<Vec<Service>> {
        self.read(|connection| {
            let all = on_primary(services::table).order(services::name.asc()).select(ServiceRow::as_select());
            Ok(readable(all.load(connection)?))
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn service_record_uses(&self, uses: &[(ServiceName, Timestamp)]) -> Stored<()> {
        // In one order, so that replicas that do this at once wait for each other and not in a circle.
        let uses: BTreeMap<_, _> = uses.iter().map(|(name, at)| (name.as_str().to_owned(), at.unix_millis())).collect();
        if uses.is_empty() {
            return Ok(());
        }
        self.write(move |transaction| {
            for (name, at) in &uses {
                let due = services::asked_at.is_null().or(services::asked_at.le(at.saturating_sub(USE_SPACING)));
                let service = services::table.find(name).filter(due);
                diesel::update(service).set(services::asked_at.eq(at)).execute(transaction)?;
            }
            Ok(())
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn service_revoke(&self, name: &ServiceName, action: ActionContext) -> Stored<bool> {
        let name = name.as_str().to_owned();
        self.write(move |transaction| {
            let known = services::table.find(&name).filter(services::revoked_at.is_null());
            let revoke = diesel::update(known).set(services::revoked_at.eq(action.at.unix_millis()));
            let revoked = revoke.execute(transaction)?;
            Ok(recorded(transaction, revoked, AuditKind::ServiceRevoked, &name, &action)?)
        })
        .await
    }
}

/// Records a change, if there was one; says whether there was.
fn recorded(
    transaction: &mut WriteTransaction<'_>,
    changed: usize,
    kind: AuditKind,
    name: &str,
    action: &ActionContext,
) -> QueryResult<bool> {
    if changed == 0 {
        return Ok(false);
    }
    transaction.audit_general(action, kind, name.to_owned())?;
    Ok(true)
}
