//! What must hold for everything that a stranger sends in a request: fuzz targets try these with millions of inputs
//! (`crates/fuzz-targets`), and the tests with those that are kept there as seeds. Each property fails by a panic.

mod edge;
mod places;

pub use self::edge::{client_ip, credential};
pub use self::places::{query, redirect};
pub use crate::legacy::form::fuzzing::form;
pub use crate::services::forward_auth::fuzzing::requirement;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    type Property = fn(&[u8]);

    #[test]
    fn every_seed_holds() {
        let properties: [(&str, Property); 6] = [
            ("client_ip", super::client_ip),
            ("credential", super::credential),
            ("form", super::form),
            ("query", super::query),
            ("redirect", super::redirect),
            ("requirement", super::requirement),
        ];
        for (target, property) in properties {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz-targets/seeds").join(target);
            let seeds = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            assert!(seeds.map(|seed| property(&fs::read(seed.unwrap().path()).unwrap())).count() > 0, "{target}");
        }
    }
}
