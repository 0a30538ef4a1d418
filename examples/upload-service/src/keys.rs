//! Thunderhead's public keys, kept for as long as its `Cache-Control` allows.
//!
//! A new key is published a minute before it signs, so whoever looks at least every [`MAX_AGE`] knows it in time. A
//! token that names an unknown key is a reason to look again, but not for everyone who makes up a name: at most once
//! in [`ASK_INTERVAL`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use josekit::jwk::Jwk;
use josekit::jws::ES256;
use josekit::jws::alg::ecdsa::EcdsaJwsVerifier;
use thunderhead_domain::ports::Clock;
use thunderhead_domain::time::Timestamp;

use crate::thunderhead::{Away, Thunderhead};

/// How long keys are used before they are fetched again, in milliseconds: what Thunderhead's `max-age` says.
pub const MAX_AGE: i64 = 30_000;
/// How often they are fetched at most, in milliseconds.
pub const ASK_INTERVAL: i64 = 1_000;

/// Verifiers under the names of their keys. To make one costs more than to use it, so they are made once.
pub type KeyRing = HashMap<String, EcdsaJwsVerifier>;

/// The keys that are known now.
pub struct Keys {
    thunderhead: Arc<dyn Thunderhead>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ring: Arc<KeyRing>,
    /// When the ring was fetched; nothing where the last attempt failed.
    fetched_at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
}

impl Keys {
    /// None yet: the first token fetches them.
    pub fn new(thunderhead: Arc<dyn Thunderhead>, clock: Arc<dyn Clock>) -> Self {
        Self { thunderhead, clock, state: Mutex::default() }
    }

    /// The current keys, with this one if there is such a key.
    ///
    /// # Errors
    /// [`Away`] where they must be fetched and cannot be.
    pub fn with(&self, kid: &str) -> Result<Arc<KeyRing>, Away> {
        // Held while the keys are fetched, so that everybody who needs them waits for one answer.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let fresh = is_within(MAX_AGE, state.fetched_at, now);
        if fresh && state.ring.contains_key(kid) {
            return Ok(Arc::clone(&state.ring));
        }
        if is_within(ASK_INTERVAL, state.asked_at, now) {
            let ring = fresh.then(|| Arc::clone(&state.ring));
            return ring.ok_or_else(|| Away::because("its keys could not be fetched a moment ago"));
        }
        state.asked_at = Some(now);
        state.fetched_at = None;
        state.ring = Arc::new(ring(&self.thunderhead.public_keys()?));
        state.fetched_at = Some(now);
        Ok(Arc::clone(&state.ring))
    }
}

/// Whether less than this many milliseconds have gone by. A clock that was put back proves nothing.
fn is_within(millis: i64, since: Option<Timestamp>, now: Timestamp) -> bool {
    since.is_some_and(|since| (0..millis).contains(&now.millis_since(since)))
}

/// Only keys for ES256, whatever else is published.
fn ring(keys: &[Jwk]) -> KeyRing {
    let verifier = |key: &Jwk| Some((key.key_id()?.to_owned(), ES256.verifier_from_jwk(key).ok()?));
    keys.iter().filter_map(verifier).collect()
}
