//! Finishing what a request only began, because it would have taken its time: a task beside the server, on every
//! replica. Whatever is left to do here changes nothing for anybody: sessions that ended together with very many
//! others, or with their user, are over already.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::ports::{Backlog, Clock, OverCap, Storage, Stored};
use thunderhead_domain::session::Actor;
use tokio::time::{Instant, MissedTickBehavior, sleep};

/// How often there is a look at what is to be done.
const INTERVAL: Duration = Duration::from_secs(10);
/// How many sessions beyond a cap are ended at once.
const BATCH: usize = 100;

/// Looks at once and then regularly, until the task is ended. A database that is away is tried again.
pub(crate) async fn finish_regularly(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, cap: u32) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        finish(&*storage, &*clock, cap).await;
    }
}

/// Does all that there is to do. Trouble with one thing does not keep the others from being done.
async fn finish(storage: &dyn Backlog, clock: &dyn Clock, cap: u32) {
    tell("the ends of sessions were written", "were not written", write_ends(storage).await);
    tell("what was a deleted user's was deleted", "was not deleted", delete_removed(storage).await);
    tell("sessions beyond the cap were ended", "were not ended", end_over_cap(storage, clock, cap).await);
}

fn tell(done: &str, not_done: &str, outcome: Stored<u64>) {
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

async fn end_over_cap(storage: &dyn Backlog, clock: &dyn Clock, cap: u32) -> Stored<u64> {
    let mut ended = 0;
    loop {
        let begun = Instant::now();
        let Some(OverCap { user, sessions }) = storage.sessions_over_cap(cap, clock.now()).await? else {
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

/// Lets others have the database for as long as a batch took.
async fn rest(begun: Instant) {
    sleep(begun.elapsed()).await;
}
