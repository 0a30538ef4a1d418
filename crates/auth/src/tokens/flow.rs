//! Login flows of the Kratos dialect, and its logout tokens: stored nowhere, because they say all that there is
//! to know, under a code that only the server can make. So a flow that a stranger asks for costs the database nothing,
//! and every replica knows it (`docs/API-KRATOS.md`).

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use thunderhead_domain::id::SessionUuid;
use thunderhead_domain::ports::Random;
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use crate::environment::Environment;
use crate::tokens::keys::EncryptionKey;

/// How long a flow is good, in seconds.
pub const FLOW_SECONDS: i64 = 60 * 60;

/// Bytes of an id that are covered by its code: the time, the flags, and three that are random.
const PLAIN: usize = 8;

const BROWSER: u8 = 1;
const AAL2: u8 = 2;
const REFRESH: u8 = 4;

/// A login that somebody has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The id that stands for it.
    pub id: Uuid,
    /// Whether a browser began it, and is to get a cookie.
    pub browser: bool,
    /// Whether a second factor is to be shown.
    pub aal2: bool,
    /// Whether somebody who is logged in is to prove it again.
    pub refresh: bool,
    /// When it was begun, to the second.
    pub issued_at: Timestamp,
    /// The second in which it stops being good.
    pub expires_at: Timestamp,
}

/// Why a flow's id is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    /// It was never given.
    #[error("unknown flow")]
    Unknown,
    /// Its time is over.
    #[error("expired flow")]
    Expired,
}

/// Makes the codes of flows.
struct FlowMaker {
    flows: Hmac<Sha256>,
    logouts: Hmac<Sha256>,
}

impl FlowMaker {
    fn new(key: &EncryptionKey) -> Self {
        Self {
            flows: key.mac_for(b"thunderhead: login flows\0"),
            logouts: key.mac_for(b"thunderhead: logout tokens\0"),
        }
    }

    fn begin(&self, browser: bool, aal2: bool, refresh: bool, now: Timestamp, random: &dyn Random) -> Flow {
        let mut plain = [0; PLAIN];
        random.fill(&mut plain);
        // Unix seconds fit in 32 bits until 2106.
        let second = u32::try_from(now.unix_seconds()).unwrap_or(u32::MAX);
        plain[..4].copy_from_slice(&second.to_be_bytes());
        plain[4] = (u8::from(browser) * BROWSER) | (u8::from(aal2) * AAL2) | (u8::from(refresh) * REFRESH);
        flow(self.id_of(plain), plain)
    }

    fn read(&self, id: Uuid, now: Timestamp) -> Result<Flow, FlowError> {
        let plain = *id.as_bytes().first_chunk::<PLAIN>().ok_or(FlowError::Unknown)?;
        let flow = flow(id, plain);
        if self.id_of(plain) != id {
            return Err(FlowError::Unknown);
        }
        if now < flow.issued_at.plus_seconds(FLOW_SECONDS) { Ok(flow) } else { Err(FlowError::Expired) }
    }

    /// A version 8 UUID (RFC 9562 §5.8): what is said, and a code over it.
    fn id_of(&self, mut plain: [u8; PLAIN]) -> Uuid {
        // The version's place is part of what is covered.
        plain[6] = (plain[6] & 0x0F) | 0x80;
        let mut mac = self.flows.clone();
        mac.update(&plain);
        let code = mac.finalize().into_bytes();
        let mut bytes = [0; 16];
        bytes[..PLAIN].copy_from_slice(&plain);
        bytes[PLAIN..].copy_from_slice(&code[..16 - PLAIN]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }

    fn logout_token(&self, session: SessionUuid) -> String {
        let mut mac = self.logouts.clone();
        mac.update(session.0.as_bytes());
        mac.finalize().into_bytes().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }
}

fn flow(id: Uuid, plain: [u8; PLAIN]) -> Flow {
    let second = u32::from_be_bytes([plain[0], plain[1], plain[2], plain[3]]);
    let issued_at = Timestamp::from_unix_seconds(i64::from(second));
    Flow {
        id,
        browser: plain[4] & BROWSER != 0,
        aal2: plain[4] & AAL2 != 0,
        refresh: plain[4] & REFRESH != 0,
        issued_at,
        expires_at: issued_at.plus_seconds(FLOW_SECONDS),
    }
}

/// The login flows and logout tokens of the Kratos dialect.
pub struct Flows {
    environment: Environment,
    maker: FlowMaker,
}

impl Flows {
    pub(crate) fn new(environment: Environment, key: &EncryptionKey) -> Self {
        Self { environment, maker: FlowMaker::new(key) }
    }

    /// Begins a login flow.
    pub fn begin(&self, browser: bool, aal2: bool, refresh: bool) -> Flow {
        self.maker.begin(browser, aal2, refresh, self.environment.now(), &*self.environment.random)
    }

    /// The flow of an id.
    ///
    /// # Errors
    /// Where it was not given by this server, or more than an hour ago.
    pub fn find(&self, id: Uuid) -> Result<Flow, FlowError> {
        self.maker.read(id, self.environment.now())
    }

    /// What a browser shows to end its session by a link: nobody else can know it.
    pub fn logout_token(&self, session: SessionUuid) -> String {
        self.maker.logout_token(session)
    }

    /// Whether this is the session's logout token. Digests are compared, so that the time it takes tells nothing.
    pub fn is_logout_token(&self, session: SessionUuid, shown: &str) -> bool {
        Sha256::digest(shown) == Sha256::digest(self.maker.logout_token(session))
    }
}

#[cfg(test)]
mod tests {
    use thunderhead_testkit::TestDatabase;

    use super::*;
    use crate::testing::{Replica, SameByte};

    fn maker(byte: u8) -> FlowMaker {
        FlowMaker::new(&EncryptionKey::generate(&SameByte(byte)))
    }

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    #[test]
    fn a_flow_says_what_it_was_begun_for_and_is_good_for_an_hour() {
        for flags in 0..8_u8 {
            let [browser, aal2, refresh] = [1, 2, 4].map(|bit| flags & bit != 0);
            let begun = maker(1).begin(browser, aal2, refresh, NOW, &SameByte(7));
            assert_eq!((begun.browser, begun.aal2, begun.refresh, begun.issued_at), (browser, aal2, refresh, NOW));
            assert_eq!(begun.id.get_version_num(), 8);
            assert_eq!(maker(1).read(begun.id, NOW.plus_seconds(3_599)), Ok(begun));
            assert_eq!(maker(1).read(begun.id, NOW.plus_seconds(3_600)), Err(FlowError::Expired));
        }
    }

    #[test]
    fn an_id_that_was_changed_or_made_elsewhere_is_unknown() {
        let id = maker(1).begin(false, false, false, NOW, &SameByte(7)).id;
        assert_eq!(maker(2).read(id, NOW), Err(FlowError::Unknown));
        for bit in 0..128 {
            let forged = Uuid::from_u128(id.as_u128() ^ (1 << bit));
            assert_eq!(maker(1).read(forged, NOW), Err(FlowError::Unknown), "bit {bit}");
        }
        assert_eq!(maker(1).read(Uuid::nil(), NOW), Err(FlowError::Unknown));
    }

    #[test]
    fn a_logout_token_is_good_for_its_session_alone() {
        let database = TestDatabase::sqlite();
        let replica = Replica::of(&database, 1);
        let flows = Flows::new(replica.environment.clone(), &EncryptionKey::generate(&SameByte(1)));
        let [one, two] = [1, 2].map(|number| SessionUuid(Uuid::from_u128(number)));
        let token = flows.logout_token(one);
        assert!(token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
        assert!(flows.is_logout_token(one, &token));
        for (session, shown) in [(two, token.as_str()), (one, ""), (one, &token[1..]), (one, &token.to_uppercase())] {
            assert!(!flows.is_logout_token(session, shown), "{shown}");
        }
    }

    #[test]
    fn a_flow_is_begun_and_found_by_the_clock() {
        let database = TestDatabase::sqlite();
        let replica = Replica::of(&database, 1);
        let flows = Flows::new(replica.environment.clone(), &EncryptionKey::generate(&SameByte(1)));
        let [flow, other] = [flows.begin(true, false, true), flows.begin(true, false, true)];
        assert_ne!(flow.id, other.id);
        assert_eq!(flow.expires_at, flow.issued_at.plus_seconds(3_600));
        assert_eq!(flows.find(flow.id), Ok(flow));
        replica.clock.turn_to(3_600_000);
        assert_eq!(flows.find(flow.id), Err(FlowError::Expired));
    }
}
