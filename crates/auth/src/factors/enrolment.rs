//! Enrolling, seeing and removing second factors (`docs/MODEL.md`, *Second factors*).

use serde_json::Value;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::budget::BudgetKey;
use thunderhead_domain::challenge::{ChallengeId, ChallengePurpose, NewChallenge};
use thunderhead_domain::change_authorization::{Evidence, PreconditionFailed, Refusal};
use thunderhead_domain::factor::{Factor, FactorChoice, FactorId, FactorMaterial, FactorName, NewFactor};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{AccountName, Page, PageRequest, SealedRow, StorageError};
use thunderhead_domain::time::Timestamp;

use crate::Auth;
use crate::accounts::staff::OtherUser;
use crate::credentials::backup::BackupCode;
use crate::credentials::challenge::{Admitted, AnswerError};
use crate::credentials::change::{ChangeError, Reverified};
use crate::credentials::reverify::belongs;
use crate::credentials::totp::TotpSecret;
use crate::credentials::webauthn::{PendingRegistration, WebauthnError};
use crate::error::InternalError;
use crate::tokens::keys::SealError;
use crate::tokens::token::{PlainToken, Purpose};

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

/// A security key that waits to be touched.
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
    pub token: String,
    /// What the factor is to be called.
    pub name: FactorName,
}

/// A new factor.
#[derive(Debug)]
pub struct NewlyEnrolled {
    /// The factor.
    pub factor: Factor,
    /// With the first factor, the backup codes: they are shown this once.
    pub codes: Option<Vec<BackupCode>>,
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

impl Auth {
    /// Makes a secret for an authenticator app.
    pub async fn totp_begin(&self, caller: &Principal, reverified: Reverified) -> Result<TotpOffer, ChangeError> {
        let secret = TotpSecret::generate(&*self.random);
        let mut challenge = self.enrolment(caller, ChallengePurpose::TotpEnrolment(caller.session().uuid)).await?;
        let sealed = self.encryption_keys.seal_bytes(secret.bytes(), &pending_context(challenge.id));
        challenge.state = Some(sealed.map_err(InternalError::from)?);
        let expires_at = challenge.expires_at;
        let token = self.enrolment_begin(caller, reverified, challenge).await?;
        let issuer = self.security_keys.relying_party_name();
        let uri = secret.otpauth_uri(issuer, caller.user().username.as_str());
        Ok(TotpOffer { token, expires_at, secret, uri })
    }

    /// Enrols an authenticator app that shows a right code, which thereby is used.
    pub async fn totp_confirm(
        &self,
        caller: &Principal,
        confirmation: Confirmation,
        code: &str,
    ) -> Result<NewlyEnrolled, ConfirmError> {
        let purpose = ChallengePurpose::TotpEnrolment(caller.session().uuid);
        let admitted = self.enrolment_admit(caller, &confirmation, &purpose).await?;
        let challenge = &admitted.challenge;
        let sealed = challenge.state.as_deref().ok_or(AnswerError::InternalError(InternalError::Challenge))?;
        let context = pending_context(challenge.id);
        let bytes = self.encryption_keys.unseal_bytes(sealed, &context).map_err(AnswerError::from)?;
        let secret = TotpSecret::from_bytes(&bytes).ok_or(AnswerError::from(SealError::Locked))?;
        let step = secret.matching_step(code, self.clock.now(), None).ok_or(AnswerError::Wrong)?;
        let id = FactorId(self.new_uuid());
        let sealed = self
            .encryption_keys
            .seal_bytes(secret.bytes(), &SealedRow::Factor(id).context())
            .map_err(AnswerError::from)?;
        let material = FactorMaterial::Totp { sealed, last_step: step };
        self.enrol(caller, admitted, confirmation, id, material).await
    }

    /// Asks for a new security key.
    pub async fn webauthn_begin(
        &self,
        caller: &Principal,
        reverified: Reverified,
    ) -> Result<WebauthnOffer, ChangeError> {
        let user = caller.user();
        let known = self.storage.factor_keys(user.id).await?.webauthn;
        let known: Vec<_> = known.into_iter().map(|key| key.credential_id).collect();
        let begun = self.security_keys.begin_registration(user.uuid.0, user.username.as_str(), &known);
        let (options, PendingRegistration(state)) = begun.map_err(InternalError::from)?;
        let mut challenge = self.enrolment(caller, ChallengePurpose::WebauthnEnrolment(caller.session().uuid)).await?;
        challenge.state = Some(state);
        let expires_at = challenge.expires_at;
        let token = self.enrolment_begin(caller, reverified, challenge).await?;
        Ok(WebauthnOffer { token, expires_at, options })
    }

    /// Enrols a security key that answers as it was asked to.
    pub async fn webauthn_confirm(
        &self,
        caller: &Principal,
        confirmation: Confirmation,
        response: &Value,
    ) -> Result<NewlyEnrolled, ConfirmError> {
        let purpose = ChallengePurpose::WebauthnEnrolment(caller.session().uuid);
        let admitted = self.enrolment_admit(caller, &confirmation, &purpose).await?;
        let state = admitted.challenge.state.clone().ok_or(AnswerError::InternalError(InternalError::Challenge))?;
        let key = match self.security_keys.finish_registration(&PendingRegistration(state), response) {
            Ok(key) => key,
            Err(WebauthnError::Refused(reason)) => {
                tracing::debug!(reason, "a new security key was refused");
                return Err(AnswerError::Wrong.into());
            }
            Err(error @ WebauthnError::Defect(_)) => return Err(AnswerError::from(error).into()),
        };
        let material = FactorMaterial::Webauthn {
            credential_id: key.credential_id,
            credential: key.credential,
            sign_count: key.sign_count,
        };
        self.enrol(caller, admitted, confirmation, FactorId(self.new_uuid()), material).await
    }

    /// Makes new backup codes; the old ones are void. Who has no factor gets none ([`Refusal::FactorMissing`]).
    pub async fn backup_codes_renew(
        &self,
        caller: &Principal,
        reverified: Reverified,
    ) -> Result<Vec<BackupCode>, ChangeError> {
        let codes = Vec::from(BackupCode::generate(&*self.random));
        let digests = codes.iter().map(BackupCode::digest).collect();
        let user = caller.user().id;
        let renew = |authorization| self.storage.backup_codes_renew(user, digests, authorization);
        self.change_as(caller, reverified, renew).await?;
        Ok(codes)
    }

    /// One of the caller's factors.
    pub async fn factor_show(&self, caller: &Principal, id: FactorId) -> Result<Option<Factor>, StorageError> {
        self.storage.factor_find(caller.user().id, id).await
    }

    /// The caller's factors, newest first.
    pub async fn factor_list(&self, caller: &Principal, page: PageRequest) -> Result<Page<Factor>, StorageError> {
        self.storage.factor_page(caller.user().id, page).await
    }

    /// Removes factors of the caller, and with the last one the backup codes; returns how many.
    pub async fn factor_remove(
        &self,
        caller: &Principal,
        reverified: Reverified,
        which: FactorChoice,
    ) -> Result<u64, ChangeError> {
        let user = caller.user().id;
        let remove = |authorization| self.storage.factor_remove(user, which, authorization);
        self.change_as(caller, reverified, remove).await
    }

    /// One factor of a user, for staff.
    pub async fn staff_factor_show(
        &self,
        _staff: &StaffPrincipal,
        user: UserId,
        id: FactorId,
    ) -> Result<Factor, ChangeError> {
        self.storage.account_find(AccountName::Id(user)).await?.ok_or(Refusal::Gone)?;
        Ok(self.storage.factor_find(user, id).await?.ok_or(Refusal::UnknownFactor)?)
    }

    /// A user's factors, newest first, for staff.
    pub async fn staff_factor_list(
        &self,
        _staff: &StaffPrincipal,
        user: UserId,
        page: PageRequest,
    ) -> Result<Page<Factor>, ChangeError> {
        self.storage.account_find(AccountName::Id(user)).await?.ok_or(Refusal::Gone)?;
        Ok(self.storage.factor_page(user, page).await?)
    }

    /// Removes factors of somebody else, as staff; returns how many.
    pub async fn staff_factor_remove(
        &self,
        staff: &StaffPrincipal,
        reverified: Reverified,
        OtherUser(user): OtherUser,
        which: FactorChoice,
    ) -> Result<u64, ChangeError> {
        let remove = |authorization| self.storage.factor_remove(user, which, authorization);
        self.change_as_staff(staff, reverified, remove).await
    }

    /// A challenge that the holder of a new factor is to answer.
    async fn enrolment(&self, caller: &Principal, purpose: ChallengePurpose) -> Result<NewChallenge, ChangeError> {
        let user = caller.user().id;
        let credential = self.storage.account_credential(AccountName::Id(user)).await?;
        let (_, credential) = credential.ok_or(Refusal::Stale(PreconditionFailed::SessionEnded))?;
        let budget = BudgetKey::Session(user, caller.session().uuid);
        Ok(self.new_challenge(user, credential.version, purpose, budget))
    }

    async fn enrolment_begin(
        &self,
        caller: &Principal,
        reverified: Reverified,
        challenge: NewChallenge,
    ) -> Result<PlainToken, ChangeError> {
        let token = self.tokens.challenge_token(&challenge, Purpose::Enrolment).map_err(InternalError::from)?;
        let begin = |authorization| self.storage.challenge_create_for(challenge, authorization);
        self.change_as(caller, reverified, begin).await?;
        Ok(token)
    }

    async fn enrolment_admit(
        &self,
        caller: &Principal,
        confirmation: &Confirmation,
        purpose: &ChallengePurpose,
    ) -> Result<Admitted, AnswerError> {
        let found = self.challenge_of(&confirmation.token, Purpose::Enrolment).await?;
        let challenge = found.filter(|challenge| belongs(challenge, caller, purpose)).ok_or(AnswerError::Closed)?;
        self.challenge_admit(challenge, caller.action(self.clock.now())).await
    }

    /// Stores a factor whose holder has shown it. That clears no failures, but is none either.
    async fn enrol(
        &self,
        caller: &Principal,
        Admitted { challenge, charged }: Admitted,
        Confirmation { name, .. }: Confirmation,
        id: FactorId,
        material: FactorMaterial,
    ) -> Result<NewlyEnrolled, ConfirmError> {
        let factor = NewFactor { id, name, material };
        let codes = Vec::from(BackupCode::generate(&*self.random));
        let digests = codes.iter().map(BackupCode::digest).collect();
        let user = caller.user().id;
        let add = |authorization| self.storage.factor_add(user, factor, digests, authorization);
        let shown = Reverified::by(Evidence::Enrolment(challenge.id), Vec::new(), None);
        let enrolled = match self.change_as(caller, shown, add).await {
            Ok(enrolled) => enrolled,
            Err(error) => {
                if !matches!(
                    error,
                    ChangeError::Refused(Refusal::Stale(PreconditionFailed::AnswerSpent))
                        | ChangeError::InternalError(_)
                ) {
                    self.refund(Some(charged)).await.map_err(ChangeError::from)?;
                }
                return Err(error.into());
            }
        };
        // The factor stands: that an attempt too many is counted must not turn it into an error.
        if let Err(error) = self.refund(Some(charged)).await {
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
