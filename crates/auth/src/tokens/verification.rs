//! What a token stands for, also where another replica has signed it with a key that is not known here yet.

use thunderhead_domain::challenge::ChallengeId;
use thunderhead_domain::ports::StorageError;
use thunderhead_domain::session::SessionKey;
use thunderhead_domain::time::Timestamp;

use crate::environment::Environment;
use crate::tokens::keys::SigningKeyError;
use crate::tokens::token::{Purpose, TokenError, TokenSigner};

/// Signs and verifies tokens.
pub struct Tokens {
    environment: Environment,
    pub(crate) signer: TokenSigner,
}

impl Tokens {
    pub(crate) const fn new(environment: Environment, signer: TokenSigner) -> Self {
        Self { environment, signer }
    }

    /// The public signing keys as a JWK set (RFC 7517).
    pub fn published_keys(&self) -> serde_json::Value {
        self.signer.published_keys()
    }

    /// The `iss` of tokens.
    pub fn issuer(&self) -> &str {
        self.signer.issuer()
    }

    /// The session that a token stands for.
    pub(crate) async fn session_key(&self, token: &str, now: Timestamp) -> Result<Option<SessionKey>, StorageError> {
        Ok(self.verified(now, || self.signer.session_key(token, now)).await?.ok())
    }

    /// The same, whether or not the token's time is over.
    pub(crate) async fn session_key_at_any_time(&self, token: &str) -> Result<Option<SessionKey>, StorageError> {
        let verify = || self.signer.session_key_at_any_time(token);
        Ok(self.verified(self.environment.now(), verify).await?.ok())
    }

    /// The challenge that a token of this purpose stands for.
    pub(crate) async fn challenge(
        &self,
        token: &str,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Result<ChallengeId, TokenError>, StorageError> {
        self.verified(now, || self.signer.challenge(token, purpose, now)).await
    }

    /// Verifies a token. One that names a signing key of which this replica has not heard may have been signed by
    /// another one that has.
    async fn verified<T>(
        &self,
        now: Timestamp,
        verify: impl Fn() -> Result<T, TokenError>,
    ) -> Result<Result<T, TokenError>, StorageError> {
        let mut verified = verify();
        if matches!(verified, Err(TokenError::UnknownKey)) && self.signer.may_ask(now) {
            self.refresh_keys().await?;
            verified = verify();
        }
        match verified {
            Err(error @ TokenError::UnreadableKey) => Err(StorageError::Unreadable(error.into())),
            verified => Ok(verified),
        }
    }

    /// Takes over the signing keys that are stored now. The composition root calls this every few seconds, so that
    /// every replica knows a new key before any token is signed with it.
    ///
    /// # Errors
    /// Where the database is away. Where no key can be read, those that were known stay.
    pub async fn refresh_keys(&self) -> Result<(), StorageError> {
        match self.signer.refresh(&*self.environment.storage).await {
            Ok(()) => Ok(()),
            Err(SigningKeyError::Storage(error)) => Err(error),
            Err(error @ (SigningKeyError::Sealed { .. } | SigningKeyError::Crypto(_))) => {
                tracing::error!(error = %error, "the signing keys were not refreshed");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use thunderhead_domain::audit::ActionContext;
    use thunderhead_domain::budget::BudgetKey;
    use thunderhead_domain::challenge::{ChallengePurpose, NewChallenge};
    use thunderhead_domain::id::UserId;
    use thunderhead_domain::session::{Actor, Session};
    use thunderhead_testkit::{TestDatabase, block_on, sample};
    use uuid::Uuid;

    use super::*;
    use crate::testing::{NOW, Replica};
    use crate::tokens::keys::{EncryptionKeys, next_key};

    fn keys(digits: &str) -> EncryptionKeys {
        EncryptionKeys::parse(&digits.repeat(32)).unwrap()
    }

    async fn tokens(replica: &Replica) -> Tokens {
        let Environment { storage, clock, random } = &replica.environment;
        let signer = TokenSigner::load("thunderhead".to_owned(), &**storage, &keys("01"), &**clock, &**random).await;
        Tokens::new(replica.environment.clone(), signer.unwrap())
    }

    fn session() -> Session {
        sample::session(UserId::from_number(1_600_000_000_000), NOW)
    }

    /// A key that signs at once, of which nobody has heard yet.
    async fn add_key(replica: &Replica, sealed_under: &EncryptionKeys) {
        let Environment { storage, random, .. } = &replica.environment;
        let mut key = next_key(sealed_under, NOW.plus_millis(1), &**random).unwrap();
        key.signs_from = NOW;
        storage.signing_key_add(key, ActionContext { at: NOW, by: Actor::System, client_ip: None }).await.unwrap();
    }

    #[test]
    fn a_token_of_a_key_that_another_replica_has_just_made_is_good_here() {
        block_on(async {
            let database = TestDatabase::sqlite();
            let replicas = [Replica::of(&database, 1), Replica::of(&database, 2)];
            let (ours, theirs) = (tokens(&replicas[0]).await, tokens(&replicas[1]).await);
            add_key(&replicas[1], &keys("01")).await;
            theirs.refresh_keys().await.unwrap();
            let token = theirs.signer.session_token(&session(), NOW).unwrap();
            let key = SessionKey::Uuid(session().uuid, session().user);
            assert_eq!(ours.session_key(token.expose(), NOW).await.unwrap(), Some(key));
            assert_eq!(ours.published_keys(), theirs.published_keys());
            assert_eq!(ours.issuer(), "thunderhead");
        });
    }

    #[test]
    fn keys_are_asked_for_no_more_than_once_a_second() {
        block_on(async {
            let database = TestDatabase::sqlite();
            let replicas = [Replica::of(&database, 1), Replica::of(&database, 2)];
            let (ours, theirs) = (tokens(&replicas[0]).await, tokens(&replicas[1]).await);
            assert!(ours.signer.may_ask(NOW));
            add_key(&replicas[1], &keys("01")).await;
            theirs.refresh_keys().await.unwrap();
            let token = theirs.signer.session_token(&session(), NOW).unwrap();
            assert_eq!(ours.session_key_at_any_time(token.expose()).await.unwrap(), None, "within the same second");
            replicas[0].clock.turn_to(1_000);
            assert!(ours.session_key_at_any_time(token.expose()).await.unwrap().is_some());
            assert_eq!(ours.session_key_at_any_time("x").await.unwrap(), None);
        });
    }

    #[test]
    fn nobody_says_of_a_token_whose_key_cannot_be_read_that_it_is_bad() {
        block_on(async {
            let database = TestDatabase::sqlite();
            let replica = Replica::of(&database, 1);
            let ours = tokens(&replica).await;
            add_key(&replica, &keys("02")).await;
            ours.refresh_keys().await.unwrap();
            let kid = replica.environment.storage.signing_keys().await.unwrap()[0].kid.clone();
            // What matters of it is the name of its key.
            let token = ours.signer.session_token(&session(), NOW).unwrap();
            let (_, rest) = token.expose().split_once('.').unwrap();
            let header = format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{kid}"}}"#);
            let token = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
            let found = ours.session_key(&token, NOW).await;
            assert!(matches!(found, Err(StorageError::Unreadable(_))), "{found:?}");
        });
    }

    #[test]
    fn where_no_key_can_be_read_any_more_those_that_were_known_stay() {
        block_on(async {
            let database = TestDatabase::sqlite();
            let replica = Replica::of(&database, 1);
            let ours = tokens(&replica).await;
            let token = ours.signer.session_token(&session(), NOW).unwrap();
            database.tamper("UPDATE signing_keys SET kid = 'another'");
            ours.refresh_keys().await.unwrap();
            assert!(ours.session_key(token.expose(), NOW).await.unwrap().is_some());
            database.tamper("DROP TABLE signing_keys");
            assert!(ours.refresh_keys().await.is_err());
        });
    }

    #[test]
    fn a_challenge_is_found_by_its_token_for_its_purpose() {
        block_on(async {
            let database = TestDatabase::sqlite();
            let replica = Replica::of(&database, 1);
            let ours = tokens(&replica).await;
            let user = UserId::from_number(1_600_000_000_000);
            let id = ChallengeId(Uuid::from_u128(7));
            let challenge = NewChallenge {
                id,
                user,
                purpose: ChallengePurpose::Login,
                credential_version: 1,
                state: None,
                budget: BudgetKey::Account(user),
                at: NOW,
                expires_at: NOW.plus_seconds(300),
            };
            let token = ours.signer.challenge_token(&challenge, Purpose::Challenge).unwrap();
            let found = |purpose, now| ours.challenge(token.expose(), purpose, now);
            assert_eq!(found(Purpose::Challenge, NOW).await.unwrap(), Ok(id));
            assert_eq!(found(Purpose::Challenge, NOW.plus_seconds(300)).await.unwrap(), Err(TokenError::Refused));
            assert_eq!(found(Purpose::Enrolment, NOW).await.unwrap(), Err(TokenError::Refused));
        });
    }
}
