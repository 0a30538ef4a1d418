//! The operations of the ports, by topic. They are compiled once for each engine, against its own connection: `engine`
//! is the one that they are compiled for.

mod accounts;
pub(crate) mod audit;
mod challenges;
mod change_authorization;
pub(crate) mod change_log;
mod factors;
mod keys;
mod live_sessions;
mod retention;
mod services;
mod sessions;
mod switches;
mod throttle;
mod transaction;

use async_trait::async_trait;
use diesel::prelude::*;
use thunderhead_domain::ports::{Storage, Stored};

use super::engine::{self, Connection, Database};
use crate::schema::failure_budgets;

/// What a probe is called, in pieces. No budget's key begins so.
const PROBE: &str = "write probe ";
const PROBE_REPEATED: usize = 120;

#[async_trait]
impl Storage for Database {
    async fn ping(&self) -> Stored<()> {
        self.read(|connection| Ok(engine::ping(connection)?)).await
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
