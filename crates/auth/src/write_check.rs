//! Whether the database takes changes: one tiny write every few seconds, however many ask.

use thunderhead_domain::time::Timestamp;
use tokio::sync::Mutex;

use crate::environment::Environment;
use crate::metrics::takes_changes;

/// How long an answer is good for, in milliseconds.
const SPACING_MILLIS: i64 = 5_000;

/// Finds out whether the database takes changes.
pub struct WriteCheck {
    environment: Environment,
    /// What was found out last, and when.
    last: Mutex<Option<(Timestamp, bool)>>,
}

impl WriteCheck {
    pub(crate) fn new(environment: Environment) -> Self {
        Self { environment, last: Mutex::default() }
    }

    /// Whether changes can be written, as far as was known a few seconds ago. Whoever asks while that is being found
    /// out waits for it.
    pub async fn takes_changes(&self) -> bool {
        let mut last = self.last.lock().await;
        let now = self.environment.now();
        if let Some((at, takes)) = *last
            && (0..SPACING_MILLIS).contains(&now.millis_since(at))
        {
            return takes;
        }
        // Where this is not waited for, nobody tries again at once.
        *last = Some((now, last.is_none_or(|(_, takes)| takes)));
        let outcome = self.environment.storage.write_probe().await;
        if let Err(error) = &outcome {
            tracing::warn!(error = error as &dyn std::error::Error, "the database takes no changes");
        }
        let takes = outcome.is_ok();
        takes_changes().set(if takes { 1.0 } else { 0.0 });
        *last = Some((now, takes));
        takes
    }
}
