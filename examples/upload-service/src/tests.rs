//! The service before a Thunderhead that says what the test tells it to say.

mod files;
mod tokens;

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::EcCurve;
use josekit::jws::{ES256, JwsHeader, JwsSigner};
use serde_json::{Value, json};
use thunderhead_domain::ports::Clock;
use thunderhead_domain::time::Timestamp;

use crate::guard::Guard;
use crate::thunderhead::{Away, Live, Thunderhead};

const NOW: i64 = 1_800_000_000;
const USER: &str = "1700000000123";
const SESSION: &str = "0b7e6c1e-6a3f-4a51-9f0e-0c8c2a1d7d55";
const ISSUER: &str = "https://auth.example";

struct TestClock(AtomicI64);

impl TestClock {
    fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.0.load(Ordering::SeqCst))
    }
}

/// What it is asked, and how often.
struct Fake {
    keys: Mutex<Option<Vec<Jwk>>>,
    says: Mutex<Says>,
    keys_asked: AtomicU32,
    introspected: AtomicU32,
}

#[derive(Clone)]
enum Says {
    Live(Live),
    Inactive,
    Nothing,
}

impl Thunderhead for Fake {
    fn public_keys(&self) -> Result<Vec<Jwk>, Away> {
        self.keys_asked.fetch_add(1, Ordering::SeqCst);
        self.keys.lock().unwrap().clone().ok_or_else(|| Away::because("the test says so"))
    }

    fn introspect(&self, _: &str) -> Result<Option<Live>, Away> {
        self.introspected.fetch_add(1, Ordering::SeqCst);
        match self.says.lock().unwrap().clone() {
            Says::Live(live) => Ok(Some(live)),
            Says::Inactive => Ok(None),
            Says::Nothing => Err(Away::because("the test says so")),
        }
    }
}

impl Fake {
    /// Says that the session is live and has these scopes.
    fn grant(&self, scope: &str) {
        self.say(Says::Live(Live { sub: USER.to_owned(), jti: SESSION.to_owned(), scope: scope.to_owned() }));
    }

    fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    fn publish(&self, keys: Option<&[&Jwk]>) {
        let public = |key: &&Jwk| {
            let mut public = key.to_public_key().unwrap();
            public.set_key_id(key.key_id().unwrap());
            public
        };
        *self.keys.lock().unwrap() = keys.map(|keys| keys.iter().map(public).collect());
    }
}

/// A guard, with everything around it in the test's hands.
struct World {
    fake: Arc<Fake>,
    clock: Arc<TestClock>,
    key: Jwk,
}

impl World {
    /// Its session has the scope.
    fn new() -> (Self, Guard) {
        let fake = Fake {
            keys: Mutex::default(),
            says: Mutex::new(Says::Inactive),
            keys_asked: AtomicU32::new(0),
            introspected: AtomicU32::new(0),
        };
        let world =
            Self { fake: Arc::new(fake), clock: Arc::new(TestClock(AtomicI64::new(NOW * 1_000))), key: key("first") };
        world.fake.grant("UPLOAD_FILE");
        world.fake.publish(Some(&[&world.key]));
        let guard = Guard::new(Arc::clone(&world.fake) as _, Arc::clone(&world.clock) as _, ISSUER.to_owned());
        (world, guard)
    }

    fn token(&self) -> String {
        sign(&self.key, "first", &claims())
    }

    fn introspected(&self) -> u32 {
        self.fake.introspected.load(Ordering::SeqCst)
    }

    fn keys_asked(&self) -> u32 {
        self.fake.keys_asked.load(Ordering::SeqCst)
    }
}

fn key(kid: &str) -> Jwk {
    let mut key = Jwk::generate_ec_key(EcCurve::P256).unwrap();
    key.set_key_id(kid);
    key.set_algorithm("ES256");
    key
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": USER, "iat": NOW - 60, "exp": NOW + 60, "jti": SESSION, "purpose": "session"})
}

/// The claims with one of them changed; null takes it away.
fn but(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let map = claims.as_object_mut().unwrap();
    if value.is_null() {
        drop(map.remove(name))
    } else {
        drop(map.insert(name.to_owned(), value))
    }
    claims
}

fn header(kid: &str) -> JwsHeader {
    let mut header = JwsHeader::new();
    header.set_token_type("JWT");
    header.set_key_id(kid);
    header
}

fn sign(key: &Jwk, kid: &str, claims: &Value) -> String {
    let mut signer = ES256.signer_from_jwk(key).unwrap();
    signer.remove_key_id();
    serialize(claims, &header(kid), &signer)
}

fn serialize(claims: &Value, header: &JwsHeader, signer: &dyn JwsSigner) -> String {
    josekit::jws::serialize_compact(claims.to_string().as_bytes(), header, signer).unwrap()
}
