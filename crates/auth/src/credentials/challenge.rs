//! Second-factor challenges: giving one after the right password, and checking its answer (`docs/MODEL.md`, *Identity
//! reverification*). An answer is charged as wrong before it is checked, to the challenge and to the account, and is
//! spent in the transaction of what it allows.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::budget::BudgetKey;
use thunderhead_domain::challenge::{CHALLENGE_SECONDS, Challenge, ChallengeId, ChallengePurpose, NewChallenge};
use thunderhead_domain::factor::{FactorKeys, FactorUse, ImportedCode, RightAnswer, TotpKey, UnspentCodes};
use thunderhead_domain::failed_login::LoginFailure;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::SealedRow;
use thunderhead_domain::time::Timestamp;

use crate::credentials::backup::{self, TypedCode};
use crate::credentials::totp::TotpSecret;
use crate::credentials::webauthn::{PendingAuthentication, SecurityKeys, WebauthnError};
use crate::environment::Environment;
use crate::error::InternalError;
use crate::throttle::budgets::{ChargeError, Charged, Throttle};
use crate::tokens::keys::{EncryptionKeys, SealError};
use crate::tokens::token::{PlainToken, Purpose, TokenError};
use crate::tokens::verification::Tokens;

/// What a client needs to answer a challenge.
#[derive(Debug)]
pub struct ChallengeGiven {
    /// The token that stands for it.
    pub token: PlainToken,
    /// The second in which it stops being good.
    pub expires_at: Timestamp,
    /// The kinds of answers that the user can give.
    pub types: Vec<AnswerKind>,
    /// For security keys: a `PublicKeyCredentialRequestOptionsJSON`.
    pub options: Option<Value>,
}

/// The kinds of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// A code of an authenticator app.
    Totp,
    /// An assertion of a security key.
    Webauthn,
    /// A backup code.
    Backup,
}

impl AnswerKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Totp, Self::Webauthn, Self::Backup];

    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Webauthn => "webauthn",
            Self::Backup => "backup",
        }
    }
}

/// An answer as a client gives it.
#[derive(Debug)]
pub struct FactorAnswer {
    /// The challenge's token.
    pub token: SecretString,
    /// What shows the factor.
    pub shown: ShownFactor,
}

/// What shows a factor.
pub enum ShownFactor {
    /// The code of an authenticator app, as it was typed.
    Totp(SecretString),
    /// An `AuthenticationResponseJSON`.
    Webauthn(Value),
    /// A backup code, as it was typed.
    Backup(SecretString),
}

impl ShownFactor {
    /// Of which kind it is.
    pub const fn kind(&self) -> AnswerKind {
        match self {
            Self::Totp(_) => AnswerKind::Totp,
            Self::Webauthn(_) => AnswerKind::Webauthn,
            Self::Backup(_) => AnswerKind::Backup,
        }
    }
}

/// Codes are secret as long as they are good.
impl std::fmt::Debug for ShownFactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ShownFactor({})", self.kind().name())
    }
}

/// Why an answer is no good.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The challenge's token is no token at all.
    #[error("malformed challenge token")]
    Malformed,
    /// The challenge is unknown, over, or somebody else's: it counts as nothing.
    #[error("the challenge cannot be answered here, or any more")]
    Closed,
    /// The user has no factor of this kind.
    #[error("the user cannot answer in this way")]
    OtherKind,
    /// The answer is wrong, and was counted.
    #[error("wrong answer")]
    Wrong,
    /// The account's failure budget is used up for this many milliseconds.
    #[error("throttled for {0} ms")]
    Throttled(i64),
    /// The server is at fault.
    #[error(transparent)]
    Internal(InternalError),
}

impl<F: Into<InternalError>> From<F> for AnswerError {
    fn from(error: F) -> Self {
        Self::Internal(error.into())
    }
}

/// A right answer that waits to be spent.
pub(crate) struct Answered {
    pub(crate) challenge: Challenge,
    pub(crate) answer: RightAnswer,
    pub(crate) charged: Charged,
}

impl From<ChargeError> for AnswerError {
    fn from(error: ChargeError) -> Self {
        match error {
            ChargeError::Throttled(millis) => Self::Throttled(millis),
            ChargeError::Internal(error) => Self::Internal(error),
        }
    }
}

/// Second-factor challenges: given, and their answers checked.
pub(crate) struct ChallengeChecks {
    environment: Environment,
    tokens: Arc<Tokens>,
    throttle: Arc<Throttle>,
    security_keys: Arc<SecurityKeys>,
    encryption_keys: EncryptionKeys,
}

impl ChallengeChecks {
    pub(crate) const fn new(
        environment: Environment,
        tokens: Arc<Tokens>,
        throttle: Arc<Throttle>,
        security_keys: Arc<SecurityKeys>,
        encryption_keys: EncryptionKeys,
    ) -> Self {
        Self { environment, tokens, throttle, security_keys, encryption_keys }
    }

    /// Asks a user for their second factor.
    pub(crate) async fn give(
        &self,
        user: UserId,
        credential_version: i64,
        purpose: ChallengePurpose,
        budget: BudgetKey,
    ) -> Result<ChallengeGiven, InternalError> {
        let mut keys = self.environment.storage.factor_keys(user).await?;
        keys.webauthn.retain(|key| self.security_keys.can_read(key));
        let (options, state) = match keys.webauthn.as_slice() {
            [] => (None, None),
            keys => {
                let credentials: Vec<_> = keys.iter().map(|key| key.credential.as_str()).collect();
                let (mut options, PendingAuthentication(state)) =
                    self.security_keys.begin_authentication(&credentials)?;
                // A passkey signs for its verified user alone; a key that knows no user is not kept out.
                if keys.iter().any(|key| key.passkey) {
                    options["userVerification"] = "preferred".into();
                }
                (Some(options), Some(state))
            }
        };
        let challenge = NewChallenge { state, ..self.new_challenge(user, credential_version, purpose, budget) };
        let token = self.tokens.signer.challenge_token(&challenge, Purpose::Challenge)?;
        let expires_at = challenge.expires_at;
        self.environment.storage.challenge_create(challenge).await?;
        Ok(ChallengeGiven { token, expires_at, types: kinds(&keys), options })
    }

    /// A challenge to be stored. It expires on a whole second, because its token does.
    pub(crate) fn new_challenge(
        &self,
        user: UserId,
        credential_version: i64,
        purpose: ChallengePurpose,
        budget: BudgetKey,
    ) -> NewChallenge {
        let at = self.environment.now();
        let expires_at = Timestamp::from_unix_seconds(at.unix_seconds()).plus_seconds(CHALLENGE_SECONDS);
        let id = ChallengeId(self.environment.new_uuid());
        NewChallenge { id, user, purpose, credential_version, state: None, budget, at, expires_at }
    }

    /// Checks an answer to a challenge whose purpose `fits`. `agent` is what the client of a login calls itself.
    pub(crate) async fn answer(
        &self,
        answer: FactorAnswer,
        fits: impl Fn(&Challenge) -> bool,
        agent: Option<&str>,
        action: ActionContext,
    ) -> Result<Answered, AnswerError> {
        let challenge = self.find(answer.token.expose_secret(), Purpose::Challenge).await?.filter(fits);
        let challenge = challenge.ok_or(AnswerError::Closed)?;
        let keys = self.environment.storage.factor_keys(challenge.user).await?;
        if !kinds(&keys).contains(&answer.shown.kind()) {
            return Err(AnswerError::OtherKind);
        }
        let (user, is_login) = (challenge.user, challenge.purpose == ChallengePurpose::Login);
        let checked = self.check(&answer.shown, challenge, action.clone()).await;
        match &checked {
            Err(AnswerError::Wrong) if is_login => {
                self.throttle.failed_logins.note(Some(user), LoginFailure::Factor, agent, &action)
            }
            Err(AnswerError::Throttled(_)) if is_login => {
                self.throttle.failed_logins.note(Some(user), LoginFailure::Throttled, agent, &action);
            }
            Ok(_) | Err(_) => {}
        }
        checked
    }

    /// Charges an answer, and checks it.
    async fn check(
        &self,
        shown: &ShownFactor,
        challenge: Challenge,
        action: ActionContext,
    ) -> Result<Answered, AnswerError> {
        let charged = self.charge(&challenge, action).await?;
        // Another answer may have been spent while this one waited for its turn.
        let keys = self.environment.storage.factor_keys(challenge.user).await?;
        let used = self.check_answer(shown, &challenge, &keys)?.ok_or(AnswerError::Wrong)?;
        let answer = RightAnswer { challenge: challenge.id, used };
        Ok(Answered { challenge, answer, charged })
    }

    /// The open challenge that a token of this purpose stands for.
    pub(crate) async fn find(&self, token: &str, purpose: Purpose) -> Result<Option<Challenge>, AnswerError> {
        let now = self.environment.now();
        let id = match self.tokens.challenge(token, purpose, now).await? {
            Ok(id) => id,
            Err(TokenError::Malformed) => return Err(AnswerError::Malformed),
            Err(TokenError::Refused | TokenError::UnknownKey | TokenError::UnreadableKey) => return Ok(None),
        };
        let found = self.environment.storage.challenge_find(id).await?;
        Ok(found.filter(|challenge| challenge.is_open(now)))
    }

    /// Charges the answer that comes next as if it were wrong.
    pub(crate) async fn charge(&self, challenge: &Challenge, action: ActionContext) -> Result<Charged, AnswerError> {
        self.throttle.charge_answer(challenge, action).await?.ok_or(AnswerError::Closed)
    }

    /// What a right answer uses up; `None` where it is wrong.
    fn check_answer(
        &self,
        shown: &ShownFactor,
        challenge: &Challenge,
        keys: &FactorKeys,
    ) -> Result<Option<FactorUse>, InternalError> {
        // A challenge from before the first security key has nothing that one could have signed.
        match (shown, &challenge.state) {
            (ShownFactor::Webauthn(response), Some(state)) => {
                self.check_assertion(&PendingAuthentication(state.clone()), response, keys)
            }
            _ => self.check_code(shown, keys),
        }
    }

    /// The same where there is no challenge that a security key could have signed.
    pub(crate) fn check_code(
        &self,
        shown: &ShownFactor,
        keys: &FactorKeys,
    ) -> Result<Option<FactorUse>, InternalError> {
        match shown {
            ShownFactor::Totp(code) => self.check_totp(code.expose_secret(), keys),
            ShownFactor::Backup(code) => self.check_backup_code(code.expose_secret(), &keys.backup),
            ShownFactor::Webauthn(_) => Ok(None),
        }
    }

    fn check_backup_code(&self, text: &str, unspent: &UnspentCodes) -> Result<Option<FactorUse>, InternalError> {
        if let Some(digest) = backup::digest(text).filter(|digest| unspent.own.contains(digest)) {
            return Ok(Some(FactorUse::Backup(digest)));
        }
        let Some(typed) = TypedCode::new(text).filter(|_| !unspent.imported.is_empty()) else { return Ok(None) };
        let (mut right, mut locked) = (None, None);
        // All of them are looked at, so that the time tells nothing.
        for code in &unspent.imported {
            let is_right = match (&typed, code) {
                (TypedCode::Hashed(typed), ImportedCode::Sha512(hash)) => bool::from(typed.ct_eq(&**hash)),
                (TypedCode::Short(typed), ImportedCode::Sealed { id, sealed }) => {
                    match self.encryption_keys.unseal_bytes(sealed, &SealedRow::ImportedCode(*id).context()) {
                        Ok(code) => bool::from(typed.expose_secret().as_bytes().ct_eq(code.expose_secret())),
                        Err(error) => {
                            tracing::error!(error = %error, code = %id, "a backup code cannot be read");
                            locked = Some(error);
                            false
                        }
                    }
                }
                (TypedCode::Hashed(_), ImportedCode::Sealed { .. })
                | (TypedCode::Short(_), ImportedCode::Sha512(_)) => false,
            };
            if is_right {
                right = Some(FactorUse::ImportedCode(code.clone()));
            }
        }
        match (right, locked) {
            (None, Some(error)) => Err(error.into()),
            (right, _) => Ok(right),
        }
    }

    /// A secret that cannot be read stops no other factor.
    fn check_totp(&self, code: &str, keys: &FactorKeys) -> Result<Option<FactorUse>, InternalError> {
        let mut locked = None;
        for key in &keys.totp {
            let secret = match self.totp_secret(key) {
                Ok(secret) => secret,
                Err(error) => {
                    tracing::error!(error = %error, factor = %key.factor, "the secret of a factor cannot be read");
                    locked = Some(error);
                    continue;
                }
            };
            if let Some(step) = secret.matching_step(code, self.environment.now(), Some(key.last_step)) {
                return Ok(Some(FactorUse::Totp { factor: key.factor, step }));
            }
        }
        locked.map_or(Ok(None), |error| Err(error.into()))
    }

    fn totp_secret(&self, key: &TotpKey) -> Result<TotpSecret, SealError> {
        let bytes = self.encryption_keys.unseal_bytes(&key.sealed, &SealedRow::Factor(key.factor).context())?;
        TotpSecret::from_bytes(bytes.expose_secret()).ok_or(SealError::Locked)
    }

    fn check_assertion(
        &self,
        pending: &PendingAuthentication,
        response: &Value,
        keys: &FactorKeys,
    ) -> Result<Option<FactorUse>, InternalError> {
        let asserted = match self.security_keys.finish_authentication(pending, response) {
            Ok(asserted) => asserted,
            Err(WebauthnError::Refused(reason)) => {
                tracing::debug!(reason, "a security key's answer was refused");
                return Ok(None);
            }
            Err(error @ WebauthnError::Defect(_)) => return Err(error.into()),
        };
        // The key may have been removed since the challenge was given.
        let Some(key) = keys.webauthn.iter().find(|key| key.credential_id == asserted.credential_id) else {
            return Ok(None);
        };
        let credential = asserted.refreshed(&key.credential)?;
        Ok(Some(FactorUse::Webauthn { factor: key.factor, sign_count: asserted.sign_count, credential }))
    }
}

/// The kinds of answers that these keys allow.
pub(crate) fn kinds(keys: &FactorKeys) -> Vec<AnswerKind> {
    let has = |kind: &AnswerKind| match kind {
        AnswerKind::Totp => !keys.totp.is_empty(),
        AnswerKind::Webauthn => !keys.webauthn.is_empty(),
        AnswerKind::Backup => keys.backup.count() > 0,
    };
    AnswerKind::ALL.into_iter().filter(has).collect()
}

/// Whether a challenge was given to this user for just this.
pub(crate) fn belongs(challenge: &Challenge, principal: &Principal, purpose: &ChallengePurpose) -> bool {
    challenge.user == principal.user().id && challenge.purpose == *purpose
}
