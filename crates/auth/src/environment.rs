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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SameByte;

    #[test]
    fn a_uuid_is_random_but_for_its_version_and_variant() {
        assert_eq!(random_uuid(&SameByte(0xFF)).to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(random_uuid(&SameByte(0)).to_string(), "00000000-0000-4000-8000-000000000000");
    }
}
