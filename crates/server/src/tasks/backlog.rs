//! Finishing what a request only began, because it would have taken its time. Whatever is left to do here changes
//! nothing for anybody: sessions that ended together with very many others, or with their user, are over already.

use std::error::Error;

use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::ports::{Backlog, Clock, OverCap, Stored};
use thunderhead_domain::session::Actor;
use tokio::time::Instant;

use super::rest;

/// How many sessions beyond a cap are ended at once.
const BATCH: usize = 100;

/// Does all that there is to do. An error of one thing does not keep the others from being done.
pub(super) async fn finish(storage: &dyn Backlog, clock: &dyn Clock) {
    log_outcome("the ends of sessions were written", "were not written", write_ends(storage).await);
    log_outcome("what was a deleted user's was deleted", "was not deleted", delete_removed(storage).await);
    log_outcome("sessions beyond the cap were ended", "were not ended", end_over_cap(storage, clock).await);
}

fn log_outcome(done: &str, not_done: &str, outcome: Stored<u64>) {
    match outcome {
        Ok(0) => {}
        Ok(rows) => tracing::debug!(rows, "{done}"),
        Err(error) => tracing::warn!(error = &error as &dyn Error, "{not_done}"),
    }
}

async fn write_ends(storage: &dyn Backlog) -> Stored<u64> {
    let mut written = 0;
    loop {
        let begun = Instant::now();
        match storage.write_ends().await? {
            0 => return Ok(written),
            batch => written += batch,
        }
        rest(begun).await;
    }
}

async fn delete_removed(storage: &dyn Backlog) -> Stored<u64> {
    let mut deleted = 0;
    loop {
        let begun = Instant::now();
        match storage.delete_removed().await? {
            0 => return Ok(deleted),
            batch => deleted += batch,
        }
        rest(begun).await;
    }
}

async fn end_over_cap(storage: &dyn Backlog, clock: &dyn Clock) -> Stored<u64> {
    let mut ended = 0;
    loop {
        let begun = Instant::now();
        let Some(OverCap { user, sessions }) = storage.sessions_over_cap(clock.now()).await? else {
            return Ok(ended);
        };
        rest(begun).await;
        for batch in sessions.chunks(BATCH) {
            let begun = Instant::now();
            let action = ActionContext { at: clock.now(), by: Actor::User(user), client_ip: None };
            ended += storage.session_end_over_cap(user, batch, action).await?;
            rest(begun).await;
        }
    }
}
