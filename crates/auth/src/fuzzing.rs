//! What must hold for every text that a stranger sends: fuzz targets try these with millions of inputs
//! (`crates/fuzz-targets`), and the tests with those that are kept there as seeds. Each property fails by a panic.

mod accounts;
mod answers;
mod tokens;

pub use self::accounts::{address, name, password_hash, user_agent};
pub use self::answers::{one_time_code, webauthn};
pub use self::tokens::{claims, cursor, token};

use thunderhead_domain::ports::{Clock, Random};
use thunderhead_domain::time::Timestamp;

/// When all of it happens.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

pub(crate) struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// Always the same byte.
pub(crate) struct SameByte(pub(crate) u8);

impl Random for SameByte {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    type Property = fn(&[u8]);

    #[test]
    fn every_seed_holds() {
        let properties: [(&str, Property); 9] = [
            ("address", super::address),
            ("claims", super::claims),
            ("cursor", super::cursor),
            ("name", super::name),
            ("one_time_code", super::one_time_code),
            ("password_hash", super::password_hash),
            ("token", super::token),
            ("user_agent", super::user_agent),
            ("webauthn", super::webauthn),
        ];
        for (target, property) in properties {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz-targets/seeds").join(target);
            let seeds = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            assert!(seeds.map(|seed| property(&fs::read(seed.unwrap().path()).unwrap())).count() > 0, "{target}");
        }
    }
}
