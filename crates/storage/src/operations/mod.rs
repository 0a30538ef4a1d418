//! The operations of the ports, compiled once for each engine: `super::Connection` is its connection type,
//! `super::Lanes` runs work on it, and the few functions that differ are the engine's.

mod accounts;
pub(super) mod audit;
mod budgets;
mod challenges;
pub(super) mod changes;
mod changing;
mod ending;
mod everywhere;
mod factors;
mod keys;
mod opening;
mod raising;
mod retention;
mod services;
mod sessions;
mod switches;
mod walking;
mod warrant;

use async_trait::async_trait;
use thunderhead_domain::ports::{Storage, Stored};

use super::{Connection, Lanes};

#[async_trait]
impl Storage for Lanes {
    async fn ping(&self) -> Stored<()> {
        self.read(|connection| Ok(super::ping(connection)?)).await
    }
}
