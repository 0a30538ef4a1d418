//! Forgetting what is over for long enough.

mod backlog;

use super::transaction::unseen::Pruned;
use super::{self as operations, Database, Query, feed, imports, keys, links};
use crate::dsl::*;
use async_trait::async_trait;
use thunderhead_domain::budget::MOST_TYPED;
use thunderhead_domain::ports::{Retention, Stored};
use thunderhead_domain::time::Timestamp;
use tracing::instrument;

use crate::schema::failure_budgets;

/// How many rows one call deletes at most: the work of about a millisecond, for which others may have to wait.
const BATCH: i64 = 100;
/// After every moment that a row may have.
const FAR_OFF: Timestamp = Timestamp::from_unix_millis(i64::MAX);

#[async_trait]
impl Retention for Database {
    #[instrument(level = "debug", skip_all)]
    async fn prune_sessions(&self, before: Timestamp) -> Stored<u64> {
        self.write_alone(move |transaction| Ok(transaction.prune(&Pruned::SESSIONS, before, BATCH)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn prune_audit(&self, before: Timestamp) -> Stored<u64> {
        self.write_alone(move |transaction| Ok(feed::prune(transaction, before, BATCH)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn prune_budgets(&self, before: Timestamp) -> Stored<u64> {
        self.write_alone(move |transaction| {
            let pruned = transaction.prune(&Pruned::BUDGETS, before, BATCH)?;
            if pruned > 0 {
                return Ok(pruned);
            }
            let typed: i64 =
                failure_budgets::table.filter(failure_budgets::key.like("name:%")).count().get_result(transaction)?;
            let beyond = typed - MOST_TYPED as i64;
            if beyond <= 0 { Ok(0) } else { Ok(transaction.prune(&Pruned::TYPED, FAR_OFF, beyond.min(BATCH))?) }
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn prune_networks(&self, before: Timestamp) -> Stored<u64> {
        self.write_alone(move |transaction| Ok(transaction.prune(&Pruned::NETWORKS, before, BATCH)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn prune_devices(&self, before: Timestamp) -> Stored<u64> {
        self.write_alone(move |transaction| Ok(transaction.prune(&Pruned::DEVICES, before, BATCH)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn prune_challenges(&self, before: Timestamp) -> Stored<u64> {
        self.write_alone(move |transaction| {
            let pruned = transaction.prune(&Pruned::CHALLENGES, before, BATCH)?;
            Ok(pruned + transaction.prune(&Pruned::PASSKEY_CHALLENGES, before, BATCH)?)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn prune_links(&self, before: Timestamp) -> Stored<u64> {
        self.write_alone(move |transaction| Ok(links::prune(transaction, before, BATCH)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn prune_replaced_tokens(&self, before: Timestamp) -> Stored<u64> {
        self.write_alone(move |transaction| Ok(transaction.prune(&Pruned::REPLACED_TOKENS, before, BATCH)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn prune_verification_keys(&self, now: Timestamp) -> Stored<u64> {
        imports::keys::prune(self, now).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn prune_signing_keys(&self, retired_before: Timestamp, now: Timestamp) -> Stored<u64> {
        keys::prune(self, retired_before, now).await
    }
}
