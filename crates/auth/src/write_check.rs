//! Whether the database takes changes: one tiny write every few seconds, however many ask.

use thunderhead_domain::time::Timestamp;
use tokio::sync::Mutex;

use crate::Auth;
use crate::metrics::takes_changes;

/// How long an answer is good for, in milliseconds.
const SPACING_MILLIS: i64 = 5_000;

/// What was found out last, and when.
#[derive(Default)]
pub(crate) struct WriteCheck(Mutex<Option<(Timestamp, bool)>>);

impl Auth {
    /// Whether changes can be written, as far as was known a few seconds ago. Whoever asks while that is being found
    /// out waits for it.
    pub async fn takes_changes(&self) -> bool {
        let mut last = self.write_check.0.lock().await;
        let now = self.clock.now();
        if let Some((at, takes)) = *last
            && (0..SPACING_MILLIS).contains(&now.millis_since(at))
        {
            return takes;
        }
        // Where this is not waited for, nobody tries again at once.
        *last = Some((now, last.is_none_or(|(_, takes)| takes)));
        let outcome = self.storage.write_probe().await;
        if let Err(error) = &outcome {
            tracing::warn!(error = error as &dyn std::error::Error, "the database takes no changes");
        }
        let takes = outcome.is_ok();
        takes_changes().set(if takes { 1.0 } else { 0.0 });
        *last = Some((now, takes));
        takes
    }
}
