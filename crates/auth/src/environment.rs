//! What every use case works with: the database, the clock and the random source.

use std::sync::Arc;

use thunderhead_domain::ports::{Clock, Random, Storage};
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

#[derive(Clone)]
pub(crate) struct Environment {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Environment {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn new_uuid(&self) -> Uuid {
        random_uuid(&*self.random)
    }
}

/// A version 4 UUID (RFC 9562) from the injected random source.
pub(crate) fn random_uuid(random: &dyn Random) -> Uuid {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
