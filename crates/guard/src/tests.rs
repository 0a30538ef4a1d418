//! The guard before a server that says what the test tells it to say.

mod failures;
mod fresh;
mod server;
mod watched;
#[cfg(feature = "actix")]
mod with_actix;
#[cfg(feature = "tower")]
mod with_tower;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use self::server::FakeServer;
use crate::error::GuardError;
use crate::guard::{SessionGuard, Staleness};
use crate::requirement::SessionRequirement;
use crate::session::LiveSession;
use crate::settings::SessionGuardBuilder;

/// Nothing that a test waits for takes longer on a busy machine.
const LONGEST: Duration = Duration::from_secs(30);
const WITHIN: Staleness = Staleness::Within(Duration::from_secs(600));

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn builder(server: &FakeServer) -> SessionGuardBuilder {
    SessionGuardBuilder::new(server.url(), "uploads", "thk_a-b".to_owned()).deadline(LONGEST)
}

async fn check(guard: &SessionGuard, token: &str) -> Result<Arc<LiveSession>, GuardError> {
    guard.check(token, &SessionRequirement::LIVE).await
}

/// Lets the others go on until this holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONGEST, "{what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
