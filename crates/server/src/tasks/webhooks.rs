//! Delivering webhooks: each endpoint by a task of its own, so that none waits for another. There are only so many.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use thunderhead_auth::Auth;
use thunderhead_domain::webhook::Webhook;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// How often there is a look at what there is to deliver.
const LOOK: Duration = Duration::from_secs(1);
/// How often where there is no endpoint that may get anything, or the database is away.
const RARE_LOOK: Duration = Duration::from_secs(5);
/// How long attempts that are under way may take, before the process ends.
const LAST_ATTEMPTS: Duration = Duration::from_millis(1_500);
/// How long it may take to say that others may go on.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Delivers until it is stopped, and then ends what is under way.
pub(super) async fn deliver(auth: Arc<Auth>) {
    let mut running = JoinSet::new();
    while !auth.webhook_delivery.is_stopping() {
        sleep(look(&auth, &mut running).await).await;
        while running.try_join_next().is_some() {}
    }
    while running.join_next().await.is_some() {}
}

/// Begins what there is to do; returns when to look again.
async fn look(auth: &Arc<Auth>, running: &mut JoinSet<()>) -> Duration {
    match auth.webhook_delivery.due().await {
        Ok(found) => {
            for webhook in found.due {
                running.spawn(deliver_one(Arc::clone(auth), webhook));
            }
            if found.any { LOOK } else { RARE_LOOK }
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn Error, "it is not known what webhooks there are to deliver");
            RARE_LOOK
        }
    }
}

async fn deliver_one(auth: Arc<Auth>, webhook: Webhook) {
    let name = webhook.name.clone();
    if let Err(error) = auth.webhook_delivery.deliver(webhook).await {
        tracing::warn!(webhook = %name, error = &error as &dyn Error, "events were not delivered");
    }
}

/// Stops it: what is not done by then is cut short, and left to others.
pub(super) async fn stop(auth: &Auth, mut task: JoinHandle<()>) {
    auth.webhook_delivery.stop();
    // Nothing is waited for where nothing is under way.
    let patience = if auth.webhook_delivery.leases().is_empty() { Duration::ZERO } else { LAST_ATTEMPTS };
    if timeout(patience, &mut task).await.is_ok() {
        return;
    }
    let leases = auth.webhook_delivery.leases();
    task.abort();
    let given_back = timeout(LAST_WORDS, auth.webhook_delivery.give_back(leases)).await;
    if !matches!(given_back, Ok(Ok(()))) {
        tracing::warn!("webhooks wait for a minute: it could not be said that another server may go on");
    }
}
