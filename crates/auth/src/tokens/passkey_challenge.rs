//! Challenges to passkeys: stored nowhere, because they say all that there is to know, under a code that only the server
//! can make. So one that a stranger asks for costs the database nothing, and every replica knows it. What is remembered is
//! that one was used ([`PasskeyAnswer`](thunderhead_domain::factor::PasskeyAnswer)).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use thunderhead_domain::challenge::{ChallengeId, ChallengePurpose};
use thunderhead_domain::id::SessionUuid;
use thunderhead_domain::session::TokenDigest;
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use crate::tokens::keys::EncryptionKey;
use crate::tokens::token::{LONGEST, TokenError};

/// Bytes of a code.
const CODE: usize = 32;
/// Bytes of the second in which a challenge stops being good.
const SECOND: usize = 8;

/// A challenge that names nobody.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SignedChallenge {
    pub(crate) id: ChallengeId,
    /// The second in which it stops being good.
    pub(crate) expires_at: Timestamp,
    /// What the answer is checked against, as its maker wrote it. The client knows all of it.
    pub(crate) state: String,
}

/// What a challenge is good for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum GoodFor<'a> {
    /// What other challenges are.
    Purpose(&'a ChallengePurpose),
    /// Making a passkey by a one-time link.
    Link(&'a TokenDigest),
}

impl<'a> From<&'a ChallengePurpose> for GoodFor<'a> {
    fn from(purpose: &'a ChallengePurpose) -> Self {
        Self::Purpose(purpose)
    }
}

impl<'a> From<&'a TokenDigest> for GoodFor<'a> {
    fn from(link: &'a TokenDigest) -> Self {
        Self::Link(link)
    }
}

/// Makes the tokens that stand for such challenges, and reads them.
pub(crate) struct PasskeyTokens {
    mac: Hmac<Sha256>,
}

impl PasskeyTokens {
    pub(crate) fn new(key: &EncryptionKey) -> Self {
        Self { mac: key.mac_for(b"thunderhead: challenges to passkeys\0") }
    }

    /// The token of a challenge that is good for this alone.
    pub(crate) fn sign<'a>(&self, challenge: &SignedChallenge, good_for: impl Into<GoodFor<'a>>) -> String {
        let said = [
            challenge.id.0.as_bytes().as_slice(),
            &challenge.expires_at.unix_seconds().to_be_bytes(),
            challenge.state.as_bytes(),
        ]
        .concat();
        let code = self.code(good_for.into(), &said).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode([code.as_slice(), &said].concat())
    }

    /// The challenge of a token, if it was given for this.
    pub(crate) fn read<'a>(
        &self,
        token: &str,
        good_for: impl Into<GoodFor<'a>>,
        now: Timestamp,
    ) -> Result<SignedChallenge, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| TokenError::Malformed)?;
        let (code, said) = bytes.split_at_checked(CODE).ok_or(TokenError::Malformed)?;
        let (id, rest) = said.split_first_chunk().ok_or(TokenError::Malformed)?;
        let (second, state) = rest.split_first_chunk::<SECOND>().ok_or(TokenError::Malformed)?;
        let state = str::from_utf8(state).map_err(|_| TokenError::Malformed)?;
        self.code(good_for.into(), said).verify_slice(code).map_err(|_| TokenError::Refused)?;
        let expires_at = Timestamp::from_unix_seconds(i64::from_be_bytes(*second));
        if now >= expires_at {
            return Err(TokenError::Refused);
        }
        Ok(SignedChallenge { id: ChallengeId(Uuid::from_bytes(*id)), expires_at, state: state.to_owned() })
    }

    /// The code over what a challenge says, and over what it was given for.
    fn code(&self, good_for: GoodFor<'_>, said: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        let mut add = |part: &[u8]| {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        };
        let mut of_session = |kind: &[u8], session: &SessionUuid, endpoint: &str| {
            add(kind);
            add(session.0.as_bytes());
            add(endpoint.as_bytes());
        };
        let purpose = match good_for {
            GoodFor::Purpose(purpose) => purpose,
            GoodFor::Link(link) => {
                add(b"link");
                add(&link.0);
                mac.update(said);
                return mac;
            }
        };
        match purpose {
            ChallengePurpose::Login => add(b"login"),
            ChallengePurpose::Reverification { session, endpoint } => of_session(b"reverification", session, endpoint),
            ChallengePurpose::Confirmation(session) => of_session(b"confirmation", session, ""),
            ChallengePurpose::TotpEnrolment(session) => of_session(b"totp enrolment", session, ""),
            ChallengePurpose::WebauthnEnrolment(session) => of_session(b"webauthn enrolment", session, ""),
            ChallengePurpose::PasskeyEnrolment(session) => of_session(b"passkey enrolment", session, ""),
        }
        mac.update(said);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SameByte;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn tokens(key: u8) -> PasskeyTokens {
        PasskeyTokens::new(&EncryptionKey::generate(&SameByte(key)))
    }

    fn challenge() -> SignedChallenge {
        let id = ChallengeId(Uuid::from_u128(0xC4A));
        SignedChallenge { id, expires_at: NOW.plus_seconds(300), state: "{\"challenge\":\"x\"}".to_owned() }
    }

    fn session(number: u128) -> SessionUuid {
        SessionUuid(Uuid::from_u128(number))
    }

    fn reverification(number: u128, endpoint: &str) -> ChallengePurpose {
        ChallengePurpose::Reverification { session: session(number), endpoint: endpoint.to_owned() }
    }

    #[test]
    fn a_token_says_its_challenge_until_that_expires() {
        let token = tokens(1).sign(&challenge(), &ChallengePurpose::Login);
        let read = |now| tokens(1).read(&token, &ChallengePurpose::Login, now);
        assert_eq!(read(NOW.plus_seconds(299)), Ok(challenge()));
        assert_eq!(read(NOW.plus_seconds(300)), Err(TokenError::Refused));
    }

    #[test]
    fn a_token_is_good_for_what_it_was_given_for_alone() {
        let purposes = [
            ChallengePurpose::Login,
            reverification(1, "DELETE /api/users/me"),
            reverification(2, "DELETE /api/users/me"),
            reverification(1, "DELETE /api/users/m"),
            reverification(1, ""),
            ChallengePurpose::Confirmation(session(1)),
            ChallengePurpose::PasskeyEnrolment(session(1)),
        ];
        for given in &purposes {
            let token = tokens(1).sign(&challenge(), given);
            for asked in &purposes {
                assert_eq!(tokens(1).read(&token, asked, NOW).is_ok(), given == asked, "{given:?} {asked:?}");
            }
            assert_eq!(tokens(2).read(&token, given, NOW), Err(TokenError::Refused));
            assert_eq!(tokens(1).read(&token, &TokenDigest([1; 32]), NOW), Err(TokenError::Refused));
        }
        let token = tokens(1).sign(&challenge(), &TokenDigest([1; 32]));
        assert!(tokens(1).read(&token, &TokenDigest([1; 32]), NOW).is_ok());
        assert_eq!(tokens(1).read(&token, &TokenDigest([2; 32]), NOW), Err(TokenError::Refused));
        assert_eq!(tokens(1).read(&token, &purposes[0], NOW), Err(TokenError::Refused));
    }

    #[test]
    fn what_was_changed_is_refused_and_what_is_no_token_is_malformed() {
        let token = tokens(1).sign(&challenge(), &ChallengePurpose::Login);
        let read = |token: &str| tokens(1).read(token, &ChallengePurpose::Login, NOW);
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(read(&URL_SAFE_NO_PAD.encode(changed)), Err(TokenError::Refused), "byte {at}");
        }
        let short = URL_SAFE_NO_PAD.encode(&bytes[..CODE + 16 + SECOND - 1]);
        for other in ["", "x", &short, &format!("{token}="), &format!("{token}!"), &"A".repeat(LONGEST + 1)] {
            assert_eq!(read(other), Err(TokenError::Malformed), "{other}");
        }
    }
}
