//! Session tokens: JWS with ES256 and nothing else, strictly spelt (RFC 7515, RFC 7519; `docs/MODEL.md`, *Tokens*).

#[cfg(any(test, fuzzing))]
mod fuzzing;
mod imported;
mod known_keys;

use std::sync::{Arc, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jws::ES256;
use josekit::jws::alg::ecdsa::{EcdsaJwsSigner, EcdsaJwsVerifier};
use josekit::jws::{JwsSigner, JwsVerifier};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use thunderhead_domain::challenge::{ChallengeId, NewChallenge};
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::import::VerificationKey;
use thunderhead_domain::ports::{Clock, Random, SigningKeyRecord, Storage, Stored};
use thunderhead_domain::session::{Session, SessionKey, TokenDigest};
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use self::known_keys::{KnownKeys, unreadable_keys};
use crate::sync::RwLock;
use crate::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use crate::tokens::audience::Audience;
use crate::tokens::keys::{EncryptionKeys, SigningKey, SigningKeyError, records_or_first, signer_index};

/// The longest text that is looked at as a token, in bytes. Ours are about 350 long.
pub(crate) const LONGEST: usize = 2_048;
/// Characters of an opaque token.
const OPAQUE_LENGTH: usize = 32;
/// Stands before the opaque tokens of Kratos, which are like ours.
const KRATOS_PREFIX: &str = "ory_st_";
/// How often unknown keys are asked for, in milliseconds.
const ASK_INTERVAL_MILLIS: i64 = 1_000;
/// Bytes of an ES256 signature: `r` and `s` (RFC 7518 §3.4).
const SIGNATURE_LENGTH: usize = 64;

/// A token in clear: what a client is given once.
#[derive(Debug)]
pub struct PlainToken(SecretString);

impl PlainToken {
    /// The text, for the client alone.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PlainToken {
    /// An opaque token: 32 of `A-Za-z0-9`, 190 random bits. The row that it stands for has its digest.
    pub(crate) fn opaque(random: &dyn Random) -> Self {
        const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut text = String::with_capacity(OPAQUE_LENGTH);
        while text.len() < OPAQUE_LENGTH {
            let mut bytes = [0; OPAQUE_LENGTH];
            random.fill(&mut bytes);
            // Six bits each; what is beyond the alphabet is thrown away, so that every character is as likely.
            let characters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 0x3F)));
            text.extend(characters.take(OPAQUE_LENGTH - text.len()).map(|byte| char::from(*byte)));
        }
        Self(text.into())
    }

    /// What is stored of an opaque token.
    pub(crate) fn digest(&self) -> TokenDigest {
        digest(self.expose())
    }
}

/// What is kept of a token instead of its text.
pub(crate) fn digest(token: &str) -> TokenDigest {
    TokenDigest(Sha256::digest(without_prefix(token)).into())
}

/// Whether a text has the form of an opaque token.
pub(crate) fn is_opaque(text: &str) -> bool {
    let text = without_prefix(text);
    text.len() == OPAQUE_LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// What stands before a token of Kratos is no part of it.
fn without_prefix(token: &str) -> &str {
    token.strip_prefix(KRATOS_PREFIX).unwrap_or(token)
}

/// What a token is for. A token of one purpose is refused wherever another is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// It stands for a session.
    Session,
    /// It stands for a cached second-factor challenge.
    Challenge,
    /// It stands for a second factor that is being enrolled.
    Enrolment,
}

/// Why a text is not a good token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not spelt like one of our tokens.
    #[error("malformed token")]
    Malformed,
    /// It is spelt like one, and is forged, expired, not valid yet or for another purpose.
    #[error("refused token")]
    Refused,
    /// It names a signing key that is not known here; it may have been made a moment ago.
    #[error("unknown signing key")]
    UnknownKey,
    /// It names a signing key that is there, and cannot be read here: nobody knows whether the token is good.
    #[error("a signing key that cannot be read")]
    UnreadableKey,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
    #[serde(default, rename = "crit")]
    critical: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct HeaderOut<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    iat: i64,
    exp: i64,
    /// Ours have none, but what says so is heeded.
    #[serde(default, deserialize_with = "whole_number", skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    jti: Uuid,
    purpose: Purpose,
    /// For services that check signatures: here the row decides.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    aud: Option<Audience>,
}

impl Claims {
    fn in_time(self, now: Timestamp) -> Result<Self, TokenError> {
        let second = now.unix_seconds();
        let in_time = self.iat <= second && self.exp > second && self.nbf.is_none_or(|nbf| nbf <= second);
        if in_time { Ok(self) } else { Err(TokenError::Refused) }
    }

    fn session_key(&self) -> Result<SessionKey, TokenError> {
        let user = self.sub.parse::<UserId>().map_err(|_| TokenError::Refused)?;
        Ok(SessionKey::Uuid(SessionUuid(self.jti), user))
    }
}

/// A claim that may be absent, and is a number where it is not: null is none.
fn whole_number<'de, D: Deserializer<'de>>(claim: D) -> Result<Option<i64>, D::Error> {
    i64::deserialize(claim).map(Some)
}

struct Key {
    kid: String,
    signs_from: Timestamp,
    signer: EcdsaJwsSigner,
    verifier: EcdsaJwsVerifier,
    public: serde_json::Value,
}

/// The keys that are used.
struct LatestKeys {
    ring: Arc<KnownKeys>,
    /// By which read they were found to be the stored ones. One that began earlier may know less.
    read: u64,
}

/// Signs with the newest key that has begun to, and verifies with every published one.
pub struct TokenSigner {
    issuer: String,
    audience: Audience,
    encryption_keys: EncryptionKeys,
    latest: RwLock<LatestKeys>,
    /// How often the keys have changed.
    generation: AtomicU32,
    /// How many reads of the stored keys have begun.
    reads: AtomicU64,
    /// When keys were last asked for because a token named an unknown one: Unix milliseconds.
    asked_at: AtomicI64,
}

impl TokenSigner {
    /// Loads the signing keys, and makes the first one where there is none.
    ///
    /// # Errors
    /// Where the database is away or no signing key can be read. One that cannot is logged, and stops no other.
    pub async fn load(
        issuer: String,
        storage: &dyn Storage,
        encryption_keys: &EncryptionKeys,
        clock: &dyn Clock,
        random: &dyn Random,
    ) -> Result<Self, SigningKeyError> {
        let records = records_or_first(storage, encryption_keys, clock, random).await?;
        unreadable_keys().increment(0);
        let verify_only = storage.verification_keys().await?;
        let ring = KnownKeys::read(records, verify_only, encryption_keys, &KnownKeys::EMPTY)?;
        Ok(Self::new(issuer, encryption_keys.clone(), ring))
    }

    fn new(issuer: String, encryption_keys: EncryptionKeys, ring: Arc<KnownKeys>) -> Self {
        Self {
            issuer,
            audience: Audience::NOBODY,
            encryption_keys,
            latest: RwLock::new(LatestKeys { ring, read: 0 }),
            generation: AtomicU32::default(),
            reads: AtomicU64::default(),
            asked_at: AtomicI64::new(i64::MIN),
        }
    }

    /// The same with the `aud` of session tokens that it signs.
    #[must_use]
    pub fn for_audience(self, audience: Audience) -> Self {
        Self { audience, ..self }
    }

    /// The `iss` of tokens.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Takes over the keys that are stored now: new ones sign and verify, pruned ones no longer do.
    ///
    /// # Errors
    /// Where the database is away, or no key can be read: what was known stays. One that cannot be read is logged once,
    /// and stops no other.
    pub async fn refresh(&self, storage: &dyn Storage) -> Result<(), SigningKeyError> {
        let read = async { Ok((storage.signing_keys().await?, storage.verification_keys().await?)) };
        self.refresh_by(read).await
    }

    /// The same by a read that has not begun. Several may be under way.
    async fn refresh_by(
        &self,
        read: impl Future<Output = Stored<(Vec<SigningKeyRecord>, Vec<VerificationKey>)>>,
    ) -> Result<(), SigningKeyError> {
        let number = self.reads.fetch_add(1, Ordering::Relaxed) + 1;
        let (records, verify_only) = read.await?;
        if records.is_empty() {
            return Ok(());
        }
        let known = self.ring();
        let kids = records.iter().map(|record| record.kid.as_str());
        let is_known = known.unreadable.is_empty()
            && kids.eq(known.kids())
            && verify_only.iter().map(|key| key.id).eq(known.verify_only_ids());
        let fresh = match is_known {
            true => known,
            false => KnownKeys::read(records, verify_only, &self.encryption_keys, &known)?,
        };
        self.take_over(LatestKeys { ring: fresh, read: number });
        Ok(())
    }

    /// Uses these keys from now on, unless a read that began later has found others.
    fn take_over(&self, fresh: LatestKeys) {
        let mut latest = self.latest.write().unwrap_or_else(PoisonError::into_inner);
        if fresh.read < latest.read {
            return;
        }
        let is_same =
            fresh.ring.kids().eq(latest.ring.kids()) && fresh.ring.verify_only_ids().eq(latest.ring.verify_only_ids());
        *latest = fresh;
        // Only now: what was verified by the keys before must not count as verified by these.
        if !is_same {
            self.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// Another number whenever the keys are others: what was verified under one need not be good under the next.
    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether it is time to ask for keys because of an unknown one: once a second, however many such tokens come.
    pub(crate) fn may_ask(&self, now: Timestamp) -> bool {
        let last = self.asked_at.load(Ordering::Relaxed);
        let due = now.unix_millis().saturating_sub(last) >= ASK_INTERVAL_MILLIS || now.unix_millis() < last;
        due && self.asked_at.compare_exchange(last, now.unix_millis(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn ring(&self) -> Arc<KnownKeys> {
        Arc::clone(&self.latest.read().unwrap_or_else(PoisonError::into_inner).ring)
    }

    /// The token of an opened session.
    ///
    /// # Errors
    /// Where OpenSSL refuses to sign.
    pub fn session_token(&self, session: &Session, now: Timestamp) -> Result<PlainToken, josekit::JoseError> {
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: session.user.to_string(),
            iat: session.id.number(),
            exp: session.expires_at.unix_seconds(),
            nbf: None,
            jti: session.uuid.0,
            purpose: Purpose::Session,
            aud: self.audience.claim(),
        };
        self.sign(&claims, now)
    }

    /// The token of a challenge that is about to be cached: of another purpose than [`Purpose::Session`].
    ///
    /// # Errors
    /// Where OpenSSL refuses to sign.
    pub fn challenge_token(
        &self,
        challenge: &NewChallenge,
        purpose: Purpose,
    ) -> Result<PlainToken, josekit::JoseError> {
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: challenge.user.to_string(),
            iat: challenge.at.unix_seconds(),
            exp: challenge.expires_at.unix_seconds(),
            nbf: None,
            jti: challenge.id.0,
            purpose,
            aud: None,
        };
        self.sign(&claims, challenge.at)
    }

    fn sign(&self, claims: &Claims, now: Timestamp) -> Result<PlainToken, josekit::JoseError> {
        let ring = self.ring();
        let keys = &ring.keys;
        let signer = signer_index(keys.iter().map(|key| key.signs_from), now);
        keys.get(signer).ok_or_else(no_key)?.sign(claims)
    }

    /// How a session token points to its row. An opaque token is only hashed: the row decides.
    ///
    /// # Errors
    /// [`TokenError`] for every text that is no good session token.
    pub fn session_key(&self, text: &str, now: Timestamp) -> Result<SessionKey, TokenError> {
        if let Some(key) = opaque_key(text) {
            Ok(key)
        } else if imported::has_header(text) {
            self.verify_imported(text).and_then(|token| token.in_time(now)).map(SessionKey::Imported)
        } else {
            self.verify(text, Purpose::Session)?.in_time(now)?.session_key()
        }
    }

    /// The same of a token that need not be good any more, or yet.
    ///
    /// # Errors
    /// [`TokenError`] for every text that never was a session token of ours.
    pub fn session_key_at_any_time(&self, text: &str) -> Result<SessionKey, TokenError> {
        if let Some(key) = opaque_key(text) {
            Ok(key)
        } else if imported::has_header(text) {
            self.verify_imported(text).map(|token| SessionKey::Imported(token.0))
        } else {
            self.verify(text, Purpose::Session)?.session_key()
        }
    }

    /// The challenge that a token of this purpose stands for.
    ///
    /// # Errors
    /// [`TokenError::Malformed`] where the text is no token at all.
    pub fn challenge(&self, text: &str, purpose: Purpose, now: Timestamp) -> Result<ChallengeId, TokenError> {
        self.verify(text, purpose)?.in_time(now).map(|claims| ChallengeId(claims.jti))
    }

    /// The claims of a token of ours that is for this purpose, whether or not its time is over.
    fn verify(&self, text: &str, purpose: Purpose) -> Result<Claims, TokenError> {
        let (message, signature) = split(text)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let header: Header = decode_json(header)?;
        let payload = decode(payload)?;
        let signature = decode(signature)?;
        // The header only picks the key; the algorithm is ours, whatever it says (RFC 8725 §3.1).
        if header.alg != "ES256" || header.typ != "JWT" || header.critical.is_some() {
            return Err(TokenError::Refused);
        }
        let ring = self.ring();
        let Some(key) = ring.keys.iter().find(|key| key.kid == header.kid) else {
            let unreadable = ring.unreadable.contains(&header.kid);
            return Err(if unreadable { TokenError::UnreadableKey } else { TokenError::UnknownKey });
        };
        if !is_plausible(&signature) || key.verifier.verify(message.as_bytes(), &signature).is_err() {
            return Err(TokenError::Refused);
        }
        let claims: Claims = serde_json::from_slice(&payload).map_err(|_| TokenError::Refused)?;
        let ours = claims.iss == self.issuer && claims.purpose == purpose;
        if ours { Ok(claims) } else { Err(TokenError::Refused) }
    }

    /// The public keys as a JWK set (RFC 7517 §5), newest first.
    pub fn published_keys(&self) -> serde_json::Value {
        let ring = self.ring();
        serde_json::json!({ "keys": ring.keys.iter().map(|key| &key.public).collect::<Vec<_>>() })
    }
}

fn opaque_key(text: &str) -> Option<SessionKey> {
    is_opaque(text).then(|| SessionKey::Opaque(digest(text)))
}

impl Key {
    fn new(key: &SigningKey) -> Result<Self, SigningKeyError> {
        let mut public = key.jwk.to_public_key()?;
        public.set_key_id(&key.kid);
        public.set_key_use("sig");
        public.set_algorithm("ES256");
        Ok(Self {
            kid: key.kid.clone(),
            signs_from: key.signs_from,
            signer: ES256.signer_from_jwk(&key.jwk)?,
            verifier: ES256.verifier_from_jwk(&public)?,
            public: serde_json::Value::Object(public.as_ref().clone()),
        })
    }

    fn sign(&self, claims: &Claims) -> Result<PlainToken, josekit::JoseError> {
        let encode = |part: serde_json::Result<Vec<u8>>| match part {
            Ok(bytes) => Ok(URL_SAFE_NO_PAD.encode(bytes)),
            Err(error) => Err(josekit::JoseError::InvalidJson(error.into())),
        };
        let header = encode(serde_json::to_vec(&HeaderOut { alg: "ES256", typ: "JWT", kid: &self.kid }))?;
        let payload = encode(serde_json::to_vec(claims))?;
        let message = format!("{header}.{payload}");
        let signature = URL_SAFE_NO_PAD.encode(self.signer.sign(message.as_bytes())?);
        Ok(PlainToken(format!("{message}.{signature}").into()))
    }
}

fn no_key() -> josekit::JoseError {
    josekit::JoseError::InvalidKeyFormat(std::io::Error::other("there is no signing key").into())
}

fn split(text: &str) -> Result<(&str, &str), TokenError> {
    if text.len() > LONGEST || text.bytes().filter(|byte| *byte == b'.').count() != 2 {
        return Err(TokenError::Malformed);
    }
    text.rsplit_once('.').ok_or(TokenError::Malformed)
}

/// A signature of the right length whose halves are not zero (RFC 7518 §3.4; zero is no member of the group).
fn is_plausible(signature: &[u8]) -> bool {
    let halves = signature.split_at_checked(SIGNATURE_LENGTH / 2);
    halves.is_some_and(|(r, s)| {
        signature.len() == SIGNATURE_LENGTH && r.iter().any(|byte| *byte != 0) && s.iter().any(|byte| *byte != 0)
    })
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}

fn decode_json<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenError> {
    serde_json::from_slice(&decode(part)?).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
#[cfg(feature = "interleavings")]
mod interleavings;
#[cfg(test)]
#[cfg(not(feature = "interleavings"))]
mod tests;
