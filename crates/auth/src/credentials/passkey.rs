//! Passkeys in place of password and second factor: a challenge that is stored nowhere, and one signature for the whole
//! proof (`docs/MODEL.md`, *Passkeys*).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::challenge::{CHALLENGE_SECONDS, ChallengeId, ChallengePurpose};
use thunderhead_domain::factor::{FactorMaterial, FactorUse, PasskeyAnswer, WebauthnKey};
use thunderhead_domain::id::{UserId, UserUuid};
use thunderhead_domain::network::Network;
use thunderhead_domain::ports::StorageError;
use thunderhead_domain::session::TokenDigest;
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::User;

use crate::credentials::challenge::AnswerError;
use crate::credentials::webauthn::{
    PasskeyResponse, PendingAuthentication, PendingRegistration, SecurityKeys, WebauthnError,
};
use crate::environment::Environment;
use crate::error::InternalError;
use crate::tokens::keys::EncryptionKey;
use crate::tokens::passkey_challenge::{PasskeyTokens, SignedChallenge};
use crate::tokens::token::TokenError;

/// What a client needs to answer with a passkey.
#[derive(Debug)]
pub struct PasskeyChallenge {
    /// The token that stands for the challenge. It says nothing that the options do not.
    pub token: String,
    /// The second in which it stops being good.
    pub expires_at: Timestamp,
    /// A `PublicKeyCredentialRequestOptionsJSON`.
    pub options: Value,
}

/// A passkey's answer as a client gives it.
#[derive(Debug)]
pub struct ShownPasskey {
    /// The challenge's token.
    pub token: String,
    /// An `AuthenticationResponseJSON`.
    pub response: Value,
}

/// Somebody whose passkey has signed.
pub(crate) struct PasskeyProof {
    pub(crate) user: User,
    /// Whether the account is used from the network that it was shown from.
    pub(crate) known_network: bool,
    pub(crate) answer: PasskeyAnswer,
}

/// A passkey that has not signed.
pub(crate) struct PasskeyError {
    /// Whose it would be.
    pub(crate) user: Option<UserId>,
    pub(crate) error: AnswerError,
}

impl<E: Into<AnswerError>> From<E> for PasskeyError {
    fn from(error: E) -> Self {
        Self { user: None, error: error.into() }
    }
}

/// Challenges passkeys, and checks what they answer.
pub struct Passkeys {
    environment: Environment,
    tokens: PasskeyTokens,
    security_keys: Arc<SecurityKeys>,
}

impl Passkeys {
    pub(crate) fn new(environment: Environment, key: &EncryptionKey, security_keys: Arc<SecurityKeys>) -> Self {
        Self { environment, tokens: PasskeyTokens::new(key), security_keys }
    }

    /// Asks whoever it is to log in with a passkey.
    ///
    /// # Errors
    /// A defect.
    pub fn ask(&self) -> Result<PasskeyChallenge, InternalError> {
        self.challenge(&ChallengePurpose::Login)
    }

    /// Asks a user for one of their passkeys, to confirm that a session is in their hands; `None` where they have none.
    ///
    /// # Errors
    /// A defect, or where the database is away.
    pub async fn ask_to_confirm(&self, caller: &Principal) -> Result<Option<PasskeyChallenge>, InternalError> {
        self.ask_for_own(caller, &ChallengePurpose::Confirmation(caller.session().uuid)).await
    }

    /// The same for any purpose.
    pub(crate) async fn ask_for_own(
        &self,
        caller: &Principal,
        purpose: &ChallengePurpose,
    ) -> Result<Option<PasskeyChallenge>, InternalError> {
        if !caller.user().has_second_factor {
            return Ok(None);
        }
        let keys = self.environment.storage.factor_keys(caller.user().id).await?.webauthn;
        let named: Vec<_> =
            keys.iter().filter(|key| key.passkey).map(|key| self.security_keys.descriptor(key)).collect();
        if named.is_empty() {
            return Ok(None);
        }
        let mut challenge = self.challenge(purpose)?;
        challenge.options["allowCredentials"] = json!(named);
        Ok(Some(challenge))
    }

    /// The origins elsewhere whose pages browsers let use these keys, because it is said here.
    pub fn related_origins(&self) -> &[String] {
        self.security_keys.related_origins()
    }

    /// What there is of a user's keys, for browsers that offer no others: the fields of `PublicKeyCredential`'s
    /// `signalAllAcceptedCredentials` and `signalCurrentUserDetails` (WebAuthn level 3, section 5.1.10).
    ///
    /// # Errors
    /// Where the database is away.
    pub async fn known_keys(&self, caller: &Principal) -> Result<Value, StorageError> {
        let user = caller.user();
        let keys = if user.has_second_factor {
            self.environment.storage.factor_keys(user.id).await?.webauthn
        } else {
            Vec::new()
        };
        let ids: Vec<_> = keys.iter().map(|key| URL_SAFE_NO_PAD.encode(&key.credential_id)).collect();
        Ok(json!({
            "rpId": self.security_keys.relying_party_id(),
            "userId": URL_SAFE_NO_PAD.encode(user.uuid.0.as_bytes()),
            "name": user.username.as_str(),
            "displayName": user.username.as_str(),
            "allAcceptedCredentialIds": ids,
        }))
    }

    fn challenge(&self, purpose: &ChallengePurpose) -> Result<PasskeyChallenge, InternalError> {
        let (options, PendingAuthentication(state)) = self.security_keys.begin_passkey_authentication()?;
        let challenge = self.signed(state);
        let (token, expires_at) = (self.tokens.sign(&challenge, purpose), challenge.expires_at);
        Ok(PasskeyChallenge { token, expires_at, options })
    }

    /// It expires on a whole second.
    fn signed(&self, state: String) -> SignedChallenge {
        let now = Timestamp::from_unix_seconds(self.environment.now().unix_seconds());
        let (id, expires_at) = (ChallengeId(self.environment.new_uuid()), now.plus_seconds(CHALLENGE_SECONDS));
        SignedChallenge { id, expires_at, state }
    }

    /// Offers a user a passkey by a one-time link. A device that holds another of theirs holds this one in its place.
    pub(crate) fn offer(&self, user: &User, link: &TokenDigest) -> Result<PasskeyChallenge, InternalError> {
        let begun = self.security_keys.begin_passkey_registration(user.uuid.0, user.username.as_str(), &[]);
        let (options, PendingRegistration(state)) = begun?;
        let challenge = self.signed(state);
        let (token, expires_at) = (self.tokens.sign(&challenge, link), challenge.expires_at);
        Ok(PasskeyChallenge { token, expires_at, options })
    }

    /// What is stored of a passkey that was made by a link; `None` where the answer is no good.
    pub(crate) fn check_offered(
        &self,
        link: &TokenDigest,
        token: &str,
        response: &Value,
    ) -> Result<Option<FactorMaterial>, InternalError> {
        let Ok(SignedChallenge { state, .. }) = self.tokens.read(token, link, self.environment.now()) else {
            return Ok(None);
        };
        match self.security_keys.finish_passkey_registration(&PendingRegistration(state), response) {
            Ok(key) => Ok(Some(key.into_passkey())),
            Err(WebauthnError::Refused(reason)) => {
                tracing::debug!(reason, "a new passkey was refused");
                Ok(None)
            }
            Err(error @ WebauthnError::Defect(_)) => Err(error.into()),
        }
    }

    /// Checks what somebody shows to log in. Who it is, the answer says; that nobody has such a passkey is told as a bad
    /// signature is.
    pub(crate) async fn check_login(
        &self,
        shown: &ShownPasskey,
        network: Option<Network>,
    ) -> Result<PasskeyProof, PasskeyError> {
        let (challenge, response) = self.read(shown, &ChallengePurpose::Login)?;
        let user = response.user.ok_or(AnswerError::Wrong)?;
        self.check(challenge, &response, UserUuid(user), network).await
    }

    /// Checks what the user of a session shows for something.
    pub(crate) async fn check_own(
        &self,
        caller: &Principal,
        shown: &ShownPasskey,
        purpose: &ChallengePurpose,
    ) -> Result<PasskeyProof, AnswerError> {
        let own = caller.user().uuid;
        let (challenge, response) = self.read(shown, purpose)?;
        // A passkey that was named need not say whose it is.
        if response.user.is_some_and(|user| user != own.0) {
            return Err(AnswerError::Wrong);
        }
        self.check(challenge, &response, own, None).await.map_err(|refused| refused.error)
    }

    fn read(
        &self,
        shown: &ShownPasskey,
        purpose: &ChallengePurpose,
    ) -> Result<(SignedChallenge, PasskeyResponse), AnswerError> {
        let challenge = match self.tokens.read(&shown.token, purpose, self.environment.now()) {
            Ok(challenge) => challenge,
            Err(TokenError::Malformed) => return Err(AnswerError::Malformed),
            Err(TokenError::Refused | TokenError::UnknownKey | TokenError::UnreadableKey) => {
                return Err(AnswerError::Closed);
            }
        };
        let response = self.security_keys.read_passkey_response(&shown.response).map_err(refused)?;
        Ok((challenge, response))
    }

    async fn check(
        &self,
        challenge: SignedChallenge,
        response: &PasskeyResponse,
        user: UserUuid,
        network: Option<Network>,
    ) -> Result<PasskeyProof, PasskeyError> {
        let SignedChallenge { id, expires_at, state } = challenge;
        let storage = &self.environment.storage;
        let found = storage.passkey_find(user, &response.credential_id, network, self.environment.now()).await?;
        let (user, key, known_network) = found.ok_or(AnswerError::Wrong)?;
        let used = self.check_signature(&PendingAuthentication(state), response, &key);
        let used = used.map_err(|error| PasskeyError { user: Some(user.id), error })?;
        Ok(PasskeyProof { user, known_network, answer: PasskeyAnswer { challenge: id, expires_at, used } })
    }

    fn check_signature(
        &self,
        pending: &PendingAuthentication,
        response: &PasskeyResponse,
        key: &WebauthnKey,
    ) -> Result<FactorUse, AnswerError> {
        let asserted = self.security_keys.finish_passkey_authentication(pending, response, &key.credential);
        let asserted = asserted.map_err(refused)?;
        let credential = asserted.refreshed(&key.credential)?;
        Ok(FactorUse::Webauthn { factor: key.factor, sign_count: asserted.sign_count, credential })
    }
}

fn refused(error: WebauthnError) -> AnswerError {
    match error {
        WebauthnError::Refused(reason) => {
            tracing::debug!(reason, "a passkey's answer was refused");
            AnswerError::Wrong
        }
        error @ WebauthnError::Defect(_) => error.into(),
    }
}
