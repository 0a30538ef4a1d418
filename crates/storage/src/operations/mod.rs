//! The operations of the ports, compiled once for each engine: `super::Connection` is its connection type,
//! `super::Database` runs work on it, and the few functions that differ are the engine's.

mod accounts;
pub(super) mod audit;
mod backlog;
mod budgets;
mod caps;
mod challenges;
mod change_authorization;
pub(super) mod changes;
mod changing;
mod ending;
mod everywhere;
mod factors;
mod failed_logins;
mod keys;
mod listing;
mod live;
mod networks;
mod opening;
mod removing;
mod retention;
mod services;
mod sessions;
mod step_up;
mod switches;

use async_trait::async_trait;
use diesel::prelude::*;
use thunderhead_domain::ports::{Storage, Stored};

use super::{Connection, Database};
use crate::schema::failure_budgets;

/// What a probe is called, in pieces. No budget's key begins so.
const PROBE: &str = "write probe ";
const PROBE_REPEATED: usize = 120;

#[async_trait]
impl Storage for Database {
    async fn ping(&self) -> Stored<()> {
        self.read(|connection| Ok(super::ping(connection)?)).await
    }

    async fn write_probe(&self) -> Stored<()> {
        self.write(|connection| {
            // Long enough to need a page of its own on SQLite, as what is full has none.
            let key = PROBE.repeat(PROBE_REPEATED);
            let row = (failure_budgets::key.eq(&key), failure_budgets::failures.eq(0), failure_budgets::last_at.eq(0));
            diesel::insert_into(failure_budgets::table).values(row).execute(connection)?;
            diesel::delete(failure_budgets::table.find(&key)).execute(connection)?;
            Ok(())
        })
        .await
    }
}
