//! Enrolling second factors (`docs/MODEL.md`, *Second factors*).

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::budget::BudgetKey;
use thunderhead_domain::challenge::{Challenge, ChallengeId, ChallengePurpose, NewChallenge};
use thunderhead_domain::change_authorization::{Evidence, PreconditionFailed, Refusal};
use thunderhead_domain::factor::{Factor, FactorId, FactorMaterial, FactorName, NewFactor, OtherSessions, WebauthnKey};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{AccountName, SealedRow, StorageError};
use thunderhead_domain::time::Timestamp;
use tracing::instrument;

use crate::changes::{ChangeError, Reverified};
use crate::credentials::backup::BackupCode;
use crate::credentials::challenge::{AnswerError, ChallengeChecks, belongs};
use crate::credentials::totp::TotpSecret;
use crate::credentials::webauthn::{NewKey, PendingRegistration, SecurityKeys, WebauthnError};
use crate::environment::Environment;
use crate::error::InternalError;
use crate::throttle::budgets::Charged;
use crate::tokens::keys::{EncryptionKeys, SealError};
use crate::tokens::token::{PlainToken, Purpose};
use crate::tokens::verification::Tokens;

/// A TOTP factor that waits for its first code.
#[derive(Debug)]
pub struct TotpOffer {
    /// What the confirmation is to bring.
    pub token: PlainToken,
    /// The second in which it stops being good.
    pub expires_at: Timestamp,
    /// What the authenticator app is to be told.
    pub secret: TotpSecret,
    /// The same as apps read it from a picture.
    pub uri: Option<String>,
}

/// A security key or a passkey that waits to be touched.
#[derive(Debug)]
pub struct WebauthnOffer {
    /// What the confirmation is to bring.
    pub token: PlainToken,
    /// The second in which it stops being good.
    pub expires_at: Timestamp,
    /// The `PublicKeyCredentialCreationOptionsJSON`.
    pub options: Value,
}

/// What every confirmation of a new factor brings.
#[derive(Debug)]
pub struct Confirmation {
    /// The offer's token.
    pub token: SecretString,
    /// What the factor is to be called.
    pub name: FactorName,
    /// What becomes of the user's other sessions.
    pub others: OtherSessions,
}

/// A new factor.
#[derive(Debug)]
pub struct NewlyEnrolled {
    /// The factor.
    pub factor: Factor,
    /// With the first factor, the backup codes: they are shown this once.
    pub codes: Option<Vec<BackupCode>>,
}

/// A challenge that may be answered, charged for the answer that is about to be checked.
struct Admitted {
    challenge: Challenge,
    charged: Charged,
}

/// Why a factor was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// What should show the factor is no good.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The change was refused.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// Enrols second factors: an offer, and its confirmation by an answer.
pub struct Enrolment {
    environment: Environment,
    tokens: Arc<Tokens>,
    challenges: Arc<ChallengeChecks>,
    security_keys: Arc<SecurityKeys>,
    encryption_keys: EncryptionKeys,
}

impl Enrolment {
    pub(crate) const fn new(
        environment: Environment,
        tokens: Arc<Tokens>,
        challenges: Arc<ChallengeChecks>,
        security_keys: Arc<SecurityKeys>,
        encryption_keys: EncryptionKeys,
    ) -> Self {
        Self { environment, tokens, challenges, security_keys, encryption_keys }
    }

    /// Makes a secret for an authenticator app.
    #[instrument(level = "debug", skip_all)]
    pub async fn totp_begin(&self, reverified: Reverified) -> Result<TotpOffer, ChangeError> {
        let caller = reverified.caller();
        let secret = TotpSecret::generate(&*self.environment.random);
        let mut challenge = self.enrolment(caller, ChallengePurpose::TotpEnrolment(caller.session().uuid)).await?;
        let sealed = self.encryption_keys.seal_bytes(secret.bytes(), &pending_context(challenge.id));
        challenge.state = Some(sealed.map_err(InternalError::from)?);
        let expires_at = challenge.expires_at;
        let uri = secret.otpauth_uri(self.security_keys.relying_party_name(), caller.user().username.as_str());
        let token = self.begin(reverified, challenge).await?;
        Ok(TotpOffer { token, expires_at, secret, uri })
    }

    /// Enrols an authenticator app that shows a right code, which thereby is used.
    #[instrument(level = "debug", skip_all)]
    pub async fn totp_confirm(
        &self,
        caller: &Principal,
        confirmation: Confirmation,
        code: &str,
    ) -> Result<NewlyEnrolled, ConfirmError> {
        let purpose = ChallengePurpose::TotpEnrolment(caller.session().uuid);
        let admitted = self.admit(caller, &confirmation, &purpose).await?;
        let challenge = &admitted.challenge;
        let sealed = challenge.state.as_deref().ok_or(AnswerError::Internal(InternalError::Challenge))?;
        let context = pending_context(challenge.id);
        let bytes = self.encryption_keys.unseal_bytes(sealed, &context).map_err(AnswerError::from)?;
        let secret = TotpSecret::from_bytes(bytes.expose_secret()).ok_or(AnswerError::from(SealError::Locked))?;
        let step = secret.matching_step(code, self.environment.now(), None).ok_or(AnswerError::Wrong)?;
        let id = FactorId(self.environment.new_uuid());
        let sealed = self
            .encryption_keys
            .seal_bytes(secret.bytes(), &SealedRow::Factor(id).context())
            .map_err(AnswerError::from)?;
        let material = FactorMaterial::Totp { sealed, last_step: step };
        self.enrol(caller, admitted, confirmation, id, material).await
    }

    /// Asks for a new security key.
    #[instrument(level = "debug", skip_all)]
    pub async fn webauthn_begin(&self, reverified: Reverified) -> Result<WebauthnOffer, ChangeError> {
        let caller = reverified.caller();
        let user = caller.user();
        let known = self.known_keys(user.id, |_| true).await?;
        let begun = self.security_keys.begin_registration(user.uuid.0, user.username.as_str(), &known);
        let purpose = ChallengePurpose::WebauthnEnrolment(caller.session().uuid);
        self.offer(reverified, begun.map_err(InternalError::from)?, purpose).await
    }

    /// Enrols a security key that answers as it was asked to.
    #[instrument(level = "debug", skip_all)]
    pub async fn webauthn_confirm(
        &self,
        caller: &Principal,
        confirmation: Confirmation,
        response: &Value,
    ) -> Result<NewlyEnrolled, ConfirmError> {
        let purpose = ChallengePurpose::WebauthnEnrolment(caller.session().uuid);
        let check = |pending: &_| self.security_keys.finish_registration(pending, response);
        self.confirm_key(caller, confirmation, &purpose, check, |key| FactorMaterial::Webauthn {
            credential_id: key.credential_id,
            credential: key.credential,
            sign_count: key.sign_count,
        })
        .await
    }

    /// Asks for a new passkey.
    #[instrument(level = "debug", skip_all)]
    pub async fn passkey_begin(&self, reverified: Reverified) -> Result<WebauthnOffer, ChangeError> {
        let caller = reverified.caller();
        let user = caller.user();
        // A device that holds a security key may hold a passkey as well.
        let known = self.known_keys(user.id, |key| key.passkey).await?;
        let begun = self.security_keys.begin_passkey_registration(user.uuid.0, user.username.as_str(), &known);
        let purpose = ChallengePurpose::PasskeyEnrolment(caller.session().uuid);
        self.offer(reverified, begun.map_err(InternalError::from)?, purpose).await
    }

    /// Enrols a passkey that answers as it was asked to.
    #[instrument(level = "debug", skip_all)]
    pub async fn passkey_confirm(
        &self,
        caller: &Principal,
        confirmation: Confirmation,
        response: &Value,
    ) -> Result<NewlyEnrolled, ConfirmError> {
        let purpose = ChallengePurpose::PasskeyEnrolment(caller.session().uuid);
        let check = |pending: &_| self.security_keys.finish_passkey_registration(pending, response);
        self.confirm_key(caller, confirmation, &purpose, check, NewKey::into_passkey).await
    }

    /// The ids of a user's keys that are not to be enrolled again.
    async fn known_keys(&self, user: UserId, counts: fn(&WebauthnKey) -> bool) -> Result<Vec<Vec<u8>>, StorageError> {
        let keys = self.environment.storage.factor_keys(user).await?.webauthn;
        Ok(keys.into_iter().filter(counts).map(|key| key.credential_id).collect())
    }

    /// Offers to enrol a key that has been begun to be registered.
    async fn offer(
        &self,
        reverified: Reverified,
        (options, PendingRegistration(state)): (Value, PendingRegistration),
        purpose: ChallengePurpose,
    ) -> Result<WebauthnOffer, ChangeError> {
        let mut challenge = self.enrolment(reverified.caller(), purpose).await?;
        challenge.state = Some(state);
        let expires_at = challenge.expires_at;
        let token = self.begin(reverified, challenge).await?;
        Ok(WebauthnOffer { token, expires_at, options })
    }

    async fn confirm_key(
        &self,
        caller: &Principal,
        confirmation: Confirmation,
        purpose: &ChallengePurpose,
        check: impl FnOnce(&PendingRegistration) -> Result<NewKey, WebauthnError>,
        material: impl FnOnce(NewKey) -> FactorMaterial,
    ) -> Result<NewlyEnrolled, ConfirmError> {
        let admitted = self.admit(caller, &confirmation, purpose).await?;
        let state = admitted.challenge.state.clone().ok_or(AnswerError::Internal(InternalError::Challenge))?;
        let key = match check(&PendingRegistration(state)) {
            Ok(key) => key,
            Err(WebauthnError::Refused(reason)) => {
                tracing::debug!(reason, "a new security key was refused");
                return Err(AnswerError::Wrong.into());
            }
            Err(error @ WebauthnError::Defect(_)) => return Err(AnswerError::from(error).into()),
        };
        self.enrol(caller, admitted, confirmation, FactorId(self.environment.new_uuid()), material(key)).await
    }

    /// A challenge that the holder of a new factor is to answer.
    async fn enrolment(&self, caller: &Principal, purpose: ChallengePurpose) -> Result<NewChallenge, ChangeError> {
        let user = caller.user().id;
        let credential = self.environment.storage.account_credential(AccountName::Id(user)).await?;
        let (_, credential) = credential.ok_or(Refusal::Stale(PreconditionFailed::SessionEnded))?;
        let budget = BudgetKey::Session(user, caller.session().uuid);
        Ok(self.challenges.new_challenge(user, credential.version, purpose, budget))
    }

    async fn begin(&self, reverified: Reverified, challenge: NewChallenge) -> Result<PlainToken, ChangeError> {
        let token = self.tokens.signer.challenge_token(&challenge, Purpose::Enrolment).map_err(InternalError::from)?;
        let begin = |authorization| self.environment.storage.challenge_create_for(challenge, authorization);
        reverified.own().author.make(&self.environment, begin).await?;
        Ok(token)
    }

    async fn admit(
        &self,
        caller: &Principal,
        confirmation: &Confirmation,
        purpose: &ChallengePurpose,
    ) -> Result<Admitted, AnswerError> {
        let found = self.challenges.find(confirmation.token.expose_secret(), Purpose::Enrolment).await?;
        let challenge = found.filter(|challenge| belongs(challenge, caller, purpose)).ok_or(AnswerError::Closed)?;
        let charged = self.challenges.charge(&challenge, caller.action(self.environment.now())).await?;
        Ok(Admitted { challenge, charged })
    }

    /// Stores a factor whose holder has shown it. That clears no failures, but is none either.
    async fn enrol(
        &self,
        caller: &Principal,
        Admitted { challenge, charged }: Admitted,
        Confirmation { name, others, .. }: Confirmation,
        id: FactorId,
        material: FactorMaterial,
    ) -> Result<NewlyEnrolled, ConfirmError> {
        let factor = NewFactor { id, name, material };
        let codes = Vec::from(BackupCode::generate(&*self.environment.random));
        let digests = codes.iter().map(BackupCode::digest).collect();
        let user = caller.user().id;
        let add = |authorization| self.environment.storage.factor_add(user, factor, digests, others, authorization);
        let shown = Reverified::by(caller.clone(), Evidence::Enrolment(challenge.id), Vec::new(), None);
        let enrolled = match shown.own().author.make(&self.environment, add).await {
            Ok(enrolled) => enrolled,
            Err(error) => {
                if !matches!(
                    error,
                    ChangeError::Refused(Refusal::Stale(PreconditionFailed::AnswerSpent)) | ChangeError::Internal(_)
                ) {
                    charged.refund(&self.environment).await.map_err(ChangeError::from)?;
                }
                return Err(error.into());
            }
        };
        // The factor stands: that an attempt too many is counted must not turn it into an error.
        if let Err(error) = charged.refund(&self.environment).await {
            tracing::warn!(error = %error, "the charge for a right code was not taken back");
        }
        let codes = enrolled.first.then_some(codes);
        Ok(NewlyEnrolled { factor: enrolled.factor, codes })
    }
}

/// What a secret is bound to at rest while it waits for its first code.
fn pending_context(challenge: ChallengeId) -> String {
    format!("challenge:{}", challenge.0.hyphenated())
}
