//! Names and addresses that are another's in another case: a source that tells them apart may have both.

use std::collections::HashSet;

use sha2::{Digest, Sha256};
use thunderhead_domain::import::{AccountSource, SourceError};
use thunderhead_domain::user::{EmailAddress, Username};

/// A name or an address, by its hash, so that many take little room.
type Key = [u8; 16];

/// Those that more than one account of the source has.
#[derive(Default)]
pub(super) struct Clashes {
    names: HashSet<Key>,
    addresses: HashSet<Key>,
    /// Of the names, those that the oldest has got.
    given: HashSet<Key>,
}

impl Clashes {
    pub(super) fn find(source: &mut dyn AccountSource) -> Result<Self, SourceError> {
        let mut clashes = Self::default();
        let (mut names, mut addresses) = (HashSet::new(), HashSet::new());
        source.names(&mut |one| {
            let name = key(&name_key(one.username));
            if !names.insert(name) {
                clashes.names.insert(name);
            }
            let address = key(&address_key(one.email));
            if !addresses.insert(address) {
                clashes.addresses.insert(address);
            }
        })?;
        Ok(clashes)
    }

    pub(super) fn has_address(&self, address: &EmailAddress) -> bool {
        self.addresses.contains(&key(&address.key()))
    }

    pub(super) fn has_name(&self, name: &Username) -> bool {
        self.names.contains(&key(&name.key()))
    }

    /// Gives a name to the first who asks for it; `false` for everybody else.
    pub(super) fn give(&mut self, name: &Username) -> bool {
        self.given.insert(key(&name.key()))
    }
}

fn key(text: &str) -> Key {
    let hash = Sha256::digest(text);
    std::array::from_fn(|index| hash[index])
}

fn name_key(name: &str) -> String {
    name.to_ascii_lowercase()
}

fn address_key(address: &str) -> String {
    EmailAddress::from_checked(address.to_owned()).key()
}
