//! What the unit tests share: sessions, what the server says of them, and a clock in the test's hands.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use thunderhead_domain::id::{SessionId, SessionUuid};
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use crate::session::{LiveSession, Rights};
use crate::time::Time;

pub(crate) const UUID: &str = "0b7e6c1e-6a3f-4a51-9f0e-0c8c2a1d7d55";

/// What the server says of a session that may do this.
pub(crate) fn introspection(scope: &str) -> Value {
    json!({
        "active": true, "sub": "1700000000123", "username": "ada", "scope": scope, "permission_flags": null,
        "staff": false, "sid": 1_700_000_000, "jti": UUID, "iat": 1_700_000_000, "exp": 4_000_000_000_i64,
        "iss": "thunderhead", "token_type": "session", "auth_time": 1_700_000_001, "amr": ["pwd", "otp", "mfa"],
        "acr": "aal2", "brand_new": [1],
    })
}

/// A user's session of this number, which expires late.
pub(crate) fn session(user: &str, number: u128) -> LiveSession {
    LiveSession {
        user: user.parse().unwrap(),
        username: "ada".into(),
        id: SessionId::from_number(1),
        uuid: SessionUuid(Uuid::from_u128(number)),
        rights: Rights::Full,
        staff: false,
        expires_at: Timestamp::from_unix_seconds(4_000_000_000),
        proof: None,
    }
}

/// A clock that stands still until it is told otherwise.
#[derive(Default)]
pub(crate) struct TestTime(Mutex<Duration>);

impl TestTime {
    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Time for TestTime {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(1_700_000_100).plus_millis(self.elapsed().as_millis().try_into().unwrap())
    }

    fn elapsed(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}
