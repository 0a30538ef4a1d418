//! The operations of the ports, by topic. They are compiled once for each engine, against its own connection: `Database`
//! is the one that they are compiled for.

mod accounts;
mod audit;
mod challenges;
mod change_authorization;
mod change_log;
mod factors;
mod feed;
mod imports;
mod keys;
mod keyset;
mod known;
mod lasting;
mod links;
mod live_sessions;
mod retention;
mod services;
mod sessions;
mod switches;
mod throttle;
pub(crate) mod transaction;
mod webhooks;

use async_trait::async_trait;
use thunderhead_domain::ports::{Storage, StorageStatus, Stored};
use tracing::instrument;

use self::transaction::{Paged, Query, ReadConnection, UncheckedStatement, WriteTransaction, on_primary, select_sql};
use super::Database;
use crate::dsl::*;
use crate::engine::DatabaseEngine;
use crate::schema::failure_budgets;

/// What statements are run on.
type Connection = <Database as DatabaseEngine>::Connection;

/// When something was last used is recorded at most this often, in milliseconds.
const USE_SPACING: i64 = 60_000;

/// What a probe is called, in pieces. No budget's key begins so.
const PROBE: &str = "write probe ";
const PROBE_REPEATED: usize = 120;

#[async_trait]
impl Storage for Database {
    #[instrument(level = "debug", skip_all)]
    async fn ping(&self) -> Stored<()> {
        self.read(|connection| Ok(connection.ping()?)).await
    }

    fn status(&self) -> StorageStatus {
        StorageStatus { engine: Self::NAME, pools: self.pools() }
    }

    #[instrument(level = "debug", skip_all)]
    async fn write_probe(&self) -> Stored<()> {
        self.write_alone(|transaction| {
            // Long enough to need a page of its own on SQLite, as what is full has none.
            let key = PROBE.repeat(PROBE_REPEATED);
            let row = (failure_budgets::key.eq(&key), failure_budgets::failures.eq(0), failure_budgets::last_at.eq(0));
            diesel::insert_into(failure_budgets::table).values(row).execute(transaction)?;
            diesel::delete(failure_budgets::table.find(&key)).execute(transaction)?;
            Ok(())
        })
        .await
    }
}
