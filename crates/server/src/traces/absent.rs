//! What there is of traces in a program that was built without them.

use tracing_subscriber::layer::Identity;

use crate::config::Config;

pub(crate) type SpanLayer = Identity;

/// There is none.
pub(crate) enum SpanQueue {}

pub(crate) enum Exporter {}

pub(crate) fn set_up(_: &Config) -> anyhow::Result<Option<(SpanLayer, SpanQueue)>> {
    Ok(None)
}

impl Exporter {
    pub(crate) fn start(queue: SpanQueue) -> Self {
        match queue {}
    }

    pub(crate) async fn stop(self) {
        match self {}
    }
}
