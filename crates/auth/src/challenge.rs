//! Second-factor challenges: giving one after the right password, and judging its answer (`spec/model.md`, *Identity
//! reverification*). An answer is charged as wrong before it is judged, to the challenge and to the account, and is
//! spent in the transaction of what it allows.

use serde_json::Value;
use thunderhead_domain::audit::Deed;
use thunderhead_domain::budget::BudgetKey;
use thunderhead_domain::challenge::{CHALLENGE_SECONDS, Challenge, ChallengeId, Errand, NewChallenge};
use thunderhead_domain::factor::{FactorKeys, FactorUse, RightAnswer, TotpKey};
use thunderhead_domain::failed_login::LoginFailure;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{ChallengeCharge, SealedRow};
use thunderhead_domain::time::Timestamp;

use crate::Auth;
use crate::factor::backup;
use crate::factor::totp::TotpSecret;
use crate::factor::webauthn::{PendingAuthentication, WebauthnFault};
use crate::fault::Fault;
use crate::guess::Charged;
use crate::keys::SealFault;
use crate::token::{PlainToken, Purpose, TokenFault};

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
    pub token: String,
    /// What shows the factor.
    pub shown: ShownFactor,
}

/// What shows a factor.
pub enum ShownFactor {
    /// The code of an authenticator app, as it was typed.
    Totp(String),
    /// An `AuthenticationResponseJSON`.
    Webauthn(Value),
    /// A backup code, as it was typed.
    Backup(String),
}

impl ShownFactor {
    pub(crate) const fn kind(&self) -> AnswerKind {
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
    Fault(Fault),
}

impl<F: Into<Fault>> From<F> for AnswerError {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
    }
}

/// A challenge that may be answered, charged for the answer that is about to be judged.
pub(crate) struct Admitted {
    pub(crate) challenge: Challenge,
    pub(crate) charged: Charged,
}

/// A right answer that waits to be spent.
pub(crate) struct Answered {
    pub(crate) challenge: Challenge,
    pub(crate) answer: RightAnswer,
    pub(crate) charged: Charged,
}

impl Auth {
    /// Asks a user for their second factor.
    pub(crate) async fn challenge_give(
        &self,
        user: UserId,
        credential_version: i64,
        errand: Errand,
        budget: BudgetKey,
    ) -> Result<ChallengeGiven, Fault> {
        let mut keys = self.storage.factor_keys(user).await?;
        keys.webauthn.retain(|key| self.security_keys.can_read(key));
        let (options, state) = match keys.webauthn.as_slice() {
            [] => (None, None),
            keys => {
                let credentials: Vec<_> = keys.iter().map(|key| key.credential.as_str()).collect();
                let (options, PendingAuthentication(state)) = self.security_keys.begin_authentication(&credentials)?;
                (Some(options), Some(state))
            }
        };
        let challenge = NewChallenge { state, ..self.new_challenge(user, credential_version, errand, budget) };
        let token = self.tokens.challenge_token(&challenge, Purpose::Challenge)?;
        let expires_at = challenge.expires_at;
        self.storage.challenge_create(challenge).await?;
        Ok(ChallengeGiven { token, expires_at, types: kinds(&keys), options })
    }

    /// A challenge to be remembered. It expires on a whole second, because its token does.
    pub(crate) fn new_challenge(
        &self,
        user: UserId,
        credential_version: i64,
        errand: Errand,
        budget: BudgetKey,
    ) -> NewChallenge {
        let at = self.clock.now();
        let expires_at = Timestamp::from_unix_seconds(at.unix_seconds()).plus_seconds(CHALLENGE_SECONDS);
        let id = ChallengeId(self.new_uuid());
        NewChallenge { id, user, errand, credential_version, state: None, budget, at, expires_at }
    }

    /// Judges an answer to a challenge whose errand `fits`. `agent` is what the client of a login calls itself.
    pub(crate) async fn challenge_answer(
        &self,
        answer: FactorAnswer,
        fits: impl Fn(&Challenge) -> bool,
        agent: Option<&str>,
        deed: Deed,
    ) -> Result<Answered, AnswerError> {
        let challenge = self.challenge_of(&answer.token, Purpose::Challenge).await?.filter(fits);
        let challenge = challenge.ok_or(AnswerError::Closed)?;
        let keys = self.storage.factor_keys(challenge.user).await?;
        if !kinds(&keys).contains(&answer.shown.kind()) {
            return Err(AnswerError::OtherKind);
        }
        let (user, is_login) = (challenge.user, challenge.errand == Errand::Login);
        let judged = self.challenge_judge(&answer.shown, challenge, deed.clone()).await;
        match &judged {
            Err(AnswerError::Wrong) if is_login => self.note_failure(Some(user), LoginFailure::Factor, agent, &deed),
            Err(AnswerError::Throttled(_)) if is_login => {
                self.note_failure(Some(user), LoginFailure::Throttled, agent, &deed);
            }
            Ok(_) | Err(_) => {}
        }
        judged
    }

    /// Charges an answer, and judges it.
    async fn challenge_judge(
        &self,
        shown: &ShownFactor,
        challenge: Challenge,
        deed: Deed,
    ) -> Result<Answered, AnswerError> {
        let Admitted { challenge, charged } = self.challenge_admit(challenge, deed).await?;
        // Another answer may have been spent while this one waited for its turn.
        let keys = self.storage.factor_keys(challenge.user).await?;
        let used = self.judge_answer(shown, &challenge, &keys)?.ok_or(AnswerError::Wrong)?;
        let answer = RightAnswer { challenge: challenge.id, used };
        Ok(Answered { challenge, answer, charged })
    }

    /// The open challenge that a token of this purpose stands for.
    pub(crate) async fn challenge_of(&self, token: &str, purpose: Purpose) -> Result<Option<Challenge>, AnswerError> {
        let now = self.clock.now();
        let id = match self.verified_challenge(token, purpose, now).await? {
            Ok(id) => id,
            Err(TokenFault::Malformed) => return Err(AnswerError::Malformed),
            Err(TokenFault::Refused | TokenFault::UnknownKey | TokenFault::UnreadableKey) => return Ok(None),
        };
        let found = self.storage.challenge_find(id).await?;
        Ok(found.filter(|challenge| challenge.is_open(now)))
    }

    /// Waits for a turn under the challenge's budget, and charges the answer that comes next as if it were wrong.
    pub(crate) async fn challenge_admit(&self, challenge: Challenge, deed: Deed) -> Result<Admitted, AnswerError> {
        let turn = self.turnstile.enter(&challenge.budget).await?;
        match self.storage.challenge_charge(challenge.id, Deed { at: self.clock.now(), ..deed }).await? {
            ChallengeCharge::Closed => Err(AnswerError::Closed),
            ChallengeCharge::Wait(millis) => Err(AnswerError::Throttled(millis)),
            ChallengeCharge::Admitted(receipt) => {
                let charged = Charged::to_challenge(challenge.id, challenge.budget.clone(), receipt, turn);
                Ok(Admitted { challenge, charged })
            }
        }
    }

    /// What a right answer uses up; `None` where it is wrong.
    fn judge_answer(
        &self,
        shown: &ShownFactor,
        challenge: &Challenge,
        keys: &FactorKeys,
    ) -> Result<Option<FactorUse>, Fault> {
        // A challenge from before the first security key has nothing that one could have signed.
        match (shown, &challenge.state) {
            (ShownFactor::Webauthn(response), Some(state)) => {
                self.judge_assertion(&PendingAuthentication(state.clone()), response, keys)
            }
            _ => self.judge_code(shown, keys),
        }
    }

    /// The same where there is no challenge that a security key could have signed.
    pub(crate) fn judge_code(&self, shown: &ShownFactor, keys: &FactorKeys) -> Result<Option<FactorUse>, Fault> {
        match shown {
            ShownFactor::Totp(code) => self.judge_totp(code, keys),
            ShownFactor::Backup(code) => {
                let digest = backup::digest(code).filter(|digest| keys.backup.contains(digest));
                Ok(digest.map(FactorUse::Backup))
            }
            ShownFactor::Webauthn(_) => Ok(None),
        }
    }

    /// A secret that cannot be read stops no other factor.
    fn judge_totp(&self, code: &str, keys: &FactorKeys) -> Result<Option<FactorUse>, Fault> {
        let mut locked = None;
        for key in &keys.totp {
            let secret = match self.totp_secret(key) {
                Ok(secret) => secret,
                Err(fault) => {
                    tracing::error!(error = %fault, factor = %key.factor, "the secret of a factor cannot be read");
                    locked = Some(fault);
                    continue;
                }
            };
            if let Some(step) = secret.matching_step(code, self.clock.now(), Some(key.last_step)) {
                return Ok(Some(FactorUse::Totp { factor: key.factor, step }));
            }
        }
        locked.map_or(Ok(None), |fault| Err(fault.into()))
    }

    fn totp_secret(&self, key: &TotpKey) -> Result<TotpSecret, SealFault> {
        let bytes = self.encryption_keys.unseal_bytes(&key.sealed, &SealedRow::Factor(key.factor).context())?;
        TotpSecret::from_bytes(&bytes).ok_or(SealFault::Locked)
    }

    fn judge_assertion(
        &self,
        pending: &PendingAuthentication,
        response: &Value,
        keys: &FactorKeys,
    ) -> Result<Option<FactorUse>, Fault> {
        let asserted = match self.security_keys.finish_authentication(pending, response) {
            Ok(asserted) => asserted,
            Err(WebauthnFault::Refused(reason)) => {
                tracing::debug!(reason, "a security key's answer was refused");
                return Ok(None);
            }
            Err(fault @ WebauthnFault::Defect(_)) => return Err(fault.into()),
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
        AnswerKind::Backup => !keys.backup.is_empty(),
    };
    AnswerKind::ALL.into_iter().filter(has).collect()
}
