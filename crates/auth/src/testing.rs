//! Time, randomness and a database as tests have them.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use thunderhead_domain::authorization::{AuthenticatedSession, StaffFactor};
use thunderhead_domain::id::{SessionUuid, UserUuid};
use thunderhead_domain::policy::{SessionLimits, SessionPolicy};
use thunderhead_domain::ports::{Clock, Random, Registered};
use thunderhead_domain::session::{Dialect, Grant, NewSession, Origin, SessionName, TokenDigest};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{EmailAddress, NewAccount, PasswordHash, Username};
use thunderhead_testkit::TestDatabase;

use crate::environment::Environment;
pub(crate) use crate::fuzzing::SameByte;
use crate::settings::{Lifetimes, LoginErrors, Policy, Registration};

/// When tests begin.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

/// Bytes of which nobody sees an order, and the same for the same seed (splitmix64).
pub(crate) struct Stream(AtomicU64);

impl Stream {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Random for Stream {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let step = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            let mixed = (step ^ (step >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// It stands still until a test turns it.
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    /// So many milliseconds after the beginning.
    pub(crate) fn turn_to(&self, millis: i64) {
        self.0.store(NOW.plus_millis(millis).unix_millis(), Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.0.load(Ordering::Relaxed))
    }
}

/// What one of several processes over a database works with.
pub(crate) struct Replica {
    pub(crate) environment: Environment,
    pub(crate) clock: Arc<TestClock>,
}

impl Replica {
    /// One of this number.
    pub(crate) fn of(database: &TestDatabase, number: u64) -> Self {
        Self::under(database, number, SessionPolicy::default())
    }

    /// The same where a policy holds.
    pub(crate) fn under(database: &TestDatabase, number: u64, policy: SessionPolicy) -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(NOW.unix_millis())));
        let environment = Environment {
            storage: database.open_under(policy),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            random: Arc::new(Stream::new(number)),
        };
        Self { environment, clock }
    }

    /// Makes an account with a session that lives for a day.
    pub(crate) async fn register(&self, name: &str, opaque: Option<TokenDigest>) -> AuthenticatedSession {
        self.register_from(name, opaque, None).await
    }

    /// The same from an address.
    pub(crate) async fn register_from(
        &self,
        name: &str,
        opaque: Option<TokenDigest>,
        client_ip: Option<IpAddr>,
    ) -> AuthenticatedSession {
        let at = self.environment.now();
        let account = NewAccount {
            uuid: UserUuid(self.environment.new_uuid()),
            username: Username::try_from(name.to_owned()).unwrap(),
            email: EmailAddress::from_checked(format!("{name}@example.org")),
            password: PasswordHash::new("not a hash".to_owned()),
            has_password: true,
            staff: false,
            at,
        };
        let session = NewSession {
            uuid: SessionUuid(self.environment.new_uuid()),
            opaque,
            name: SessionName::unnamed(),
            grant: Grant::Full,
            at,
            expires_at: at.plus_seconds(86_400),
            origin: Origin { dialect: Dialect::Current, client_ip, user_agent: None },
            authentications: Vec::new(),
            second_factor_pending: false,
            cap: SessionLimits::DEFAULT.cap(Grant::Full),
            clears: None,
            agent: None,
        };
        match self.environment.storage.account_register(account, session).await.unwrap() {
            Registered::Registered(authenticated) => *authenticated,
            Registered::Taken => panic!("{name} is taken"),
        }
    }
}

/// Settings whose lifetimes are all different.
pub(crate) fn policy() -> Policy {
    /// Longer than any test, and never waited for.
    const PATIENCE: Duration = Duration::from_secs(100);
    Policy {
        lifetimes: Lifetimes {
            login: 1_000,
            login_remembered: 2_000,
            scoped: 3_000,
            scoped_long: 4_000,
            legacy: 5_000,
            kratos: 6_000,
            pages: 7_000,
            pages_remembered: 8_000,
        },
        sessions: SessionPolicy::default(),
        confirm_for: 600,
        login_errors: LoginErrors::Detailed,
        registration: Registration::Open,
        staff_factor: StaffFactor::Required,
        account_lock_timeout: PATIENCE,
        attempt_timeout: PATIENCE,
    }
}
