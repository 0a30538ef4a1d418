//! Logging in with a name and a password, and with a second factor where there is one; or with a passkey
//! (`docs/MODEL.md`, *Login*, *Passkeys*).

use std::net::IpAddr;
use std::sync::Arc;

use thunderhead_domain::authorization::{Guest, StaffFactor};
use thunderhead_domain::budget::BudgetKey;
use thunderhead_domain::challenge::{Challenge, ChallengePurpose};
use thunderhead_domain::change_authorization::{PreconditionFailed, Refusal};
use thunderhead_domain::factor::{PasskeyAnswer, RightAnswer};
use thunderhead_domain::failed_login::LoginFailure;
use thunderhead_domain::network::Network;
use thunderhead_domain::ports::AccountName;
use thunderhead_domain::session::{Authentication, Grant, Method, NewSession};
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::user::{User, Username};
use tracing::instrument;

use crate::credentials::challenge::{AnswerError, Answered, ChallengeGiven, FactorAnswer};
use crate::credentials::checks::ProofChecks;
use crate::credentials::passkey::{PasskeyError, ShownPasskey};
use crate::credentials::password::Password;
use crate::credentials::password_attempt::PasswordAttemptError;
use crate::email::existing_email;
use crate::environment::Environment;
use crate::error::InternalError;
use crate::metrics::LoginOutcome;
use crate::sessions::opening::{Device, Issued, SessionMaker, TokenForm};
use crate::settings::{LoginErrors, Policy};
use crate::throttle::budgets::{AttemptBy, Charged, Throttle};
use crate::tokens::token::PlainToken;
use crate::tokens::verification::Tokens;

/// What a login names its user by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// The user name.
    Username,
    /// The user name or the e-mail address.
    UsernameOrEmail,
}

/// What a user is given who has shown the password and has a second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondStep {
    /// A challenge; the session is opened by its answer.
    Challenge,
    /// A session that has the factor pending.
    PendingSession,
}

/// A login.
#[derive(Debug)]
pub struct Login {
    /// The name as it was typed.
    pub name: String,
    /// What it may be.
    pub named_by: NamedBy,
    /// What the client is to be given.
    pub form: TokenForm,
    /// How the second factor is asked for, where there is one.
    pub second_step: SecondStep,
    /// The password as it was typed.
    pub password: Password,
    /// Whether the session is to last for years.
    pub remember: bool,
    /// The client.
    pub device: Device,
}

/// A login's second step: the answer to its challenge.
#[derive(Debug)]
pub struct FactorLogin {
    /// The answer.
    pub answer: FactorAnswer,
    /// What the client is to be given.
    pub form: TokenForm,
    /// Whether the session is to last for years.
    pub remember: bool,
    /// The client.
    pub device: Device,
}

/// A login by a passkey alone.
#[derive(Debug)]
pub struct PasskeyLogin {
    /// The passkey's answer.
    pub shown: ShownPasskey,
    /// What the client is to be given.
    pub form: TokenForm,
    /// Whether the session is to last for years.
    pub remember: bool,
    /// The client.
    pub device: Device,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Nobody has this name; with uniform errors also where the password is wrong.
    #[error("unknown user")]
    UnknownUser,
    /// The password is wrong.
    #[error("wrong password")]
    WrongPassword,
    /// The password is right and the user is banned.
    #[error("banned")]
    Banned,
    /// All that was asked for is right, and the user has as many sessions as one may have.
    #[error("too many sessions")]
    TooManySessions,
    /// The account's failure budget is used up for this many milliseconds.
    #[error("throttled for {0} ms")]
    Throttled(i64),
    /// A kill switch is on, and this is not a staff member with the right password.
    #[error("switched off by {0}")]
    SwitchedOff(KillSwitch),
    /// The password is right, and the second factor is pending.
    #[error("second factor required")]
    ChallengeRequired(Box<ChallengeGiven>),
    /// The answer to a second-factor challenge is no good.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The server is at fault.
    #[error(transparent)]
    Internal(InternalError),
}

impl LoginError {
    /// Whether a switch hides this: not the server's faults, and not what only those see who may pass it.
    const fn is_hidden_by_a_switch(&self) -> bool {
        match self {
            Self::ChallengeRequired(_)
            | Self::TooManySessions
            | Self::Internal(_)
            | Self::Answer(AnswerError::Internal(_)) => false,
            Self::UnknownUser
            | Self::WrongPassword
            | Self::Banned
            | Self::Throttled(_)
            | Self::SwitchedOff(_)
            | Self::Answer(_) => true,
        }
    }

    /// How the outcome is called in measurements.
    const fn outcome(&self) -> LoginOutcome {
        match self {
            Self::UnknownUser => LoginOutcome::UnknownUser,
            Self::WrongPassword => LoginOutcome::WrongPassword,
            Self::Banned => LoginOutcome::Banned,
            Self::TooManySessions => LoginOutcome::TooManySessions,
            Self::Throttled(_) | Self::Answer(AnswerError::Throttled(_)) => LoginOutcome::Throttled,
            Self::SwitchedOff(_) => LoginOutcome::SwitchedOff,
            Self::ChallengeRequired(_) => LoginOutcome::Challenged,
            Self::Internal(InternalError::Busy) | Self::Answer(AnswerError::Internal(InternalError::Busy)) => {
                LoginOutcome::Busy
            }
            Self::Internal(_) | Self::Answer(AnswerError::Internal(_)) => LoginOutcome::Internal,
            Self::Answer(_) => LoginOutcome::SecondFactor,
        }
    }
}

impl<F: Into<InternalError>> From<F> for LoginError {
    fn from(error: F) -> Self {
        Self::Internal(error.into())
    }
}

impl From<PasswordAttemptError> for LoginError {
    fn from(error: PasswordAttemptError) -> Self {
        match error {
            PasswordAttemptError::Throttled(millis) => Self::Throttled(millis),
            PasswordAttemptError::UnknownUser => Self::UnknownUser,
            PasswordAttemptError::WrongPassword => Self::WrongPassword,
            PasswordAttemptError::Internal(error) => Self::Internal(error),
        }
    }
}

/// Somebody who has shown all that a login asks for.
struct Proven {
    user: User,
    proof: LoginProof,
    authentications: Vec<Authentication>,
    /// Whether the session is to have a second factor pending.
    second_factor_pending: bool,
    /// The failure budget that is cleared where none is.
    clears: BudgetKey,
    /// What the attempt was charged; nothing where nobody can guess what was shown.
    charged: Option<Charged>,
}

/// What must still hold, or is spent, when the session is opened.
enum LoginProof {
    /// The credential of this version, and the answer to a challenge where there is a second factor.
    Password(i64, Option<RightAnswer>),
    Passkey(PasskeyAnswer),
}

impl NamedBy {
    /// The account that a name as it was typed can stand for.
    fn account(self, name: &str) -> Option<AccountName> {
        match (self, Username::existing(name.to_owned())) {
            (_, Ok(name)) => Some(AccountName::Username(name)),
            (Self::UsernameOrEmail, Err(_)) => existing_email(name).ok().map(AccountName::Email),
            (Self::Username, Err(_)) => None,
        }
    }
}

/// Logs users in.
pub struct Logins {
    pub(super) environment: Environment,
    pub(super) policy: Policy,
    pub(super) checks: ProofChecks,
    pub(super) throttle: Arc<Throttle>,
    tokens: Arc<Tokens>,
    pub(super) sessions: Arc<SessionMaker>,
}

impl Logins {
    pub(crate) const fn new(
        environment: Environment,
        policy: Policy,
        checks: ProofChecks,
        throttle: Arc<Throttle>,
        tokens: Arc<Tokens>,
        sessions: Arc<SessionMaker>,
    ) -> Self {
        Self { environment, policy, checks, throttle, tokens, sessions }
    }

    /// Logs a guest in.
    ///
    /// # Errors
    /// Where a switch is on, everything that a non-staff guest may have done wrong is
    /// [`LoginError::SwitchedOff`]; failures count all the same.
    #[instrument(level = "debug", skip_all)]
    pub async fn log_in(&self, guest: Guest, login: Login) -> Result<Issued, LoginError> {
        let outcome = self.log_in_unless_shut(guest, login).await;
        shut_out(guest, measured(&outcome), outcome)
    }

    /// Finishes a login by the answer to its second-factor challenge.
    ///
    /// # Errors
    /// As [`Self::log_in`].
    #[instrument(level = "debug", skip_all)]
    pub async fn log_in_with_factor(&self, guest: Guest, login: FactorLogin) -> Result<Issued, LoginError> {
        let outcome = self.finish_unless_shut(guest, login).await;
        shut_out(guest, measured(&outcome), outcome)
    }

    /// Logs a guest in by a passkey, which says whose it is. What keeps anybody out but a ban or a switch is told in one
    /// way.
    ///
    /// # Errors
    /// As [`Self::log_in`].
    #[instrument(level = "debug", skip_all)]
    pub async fn log_in_with_passkey(&self, guest: Guest, login: PasskeyLogin) -> Result<Issued, LoginError> {
        let outcome = self.log_in_with_passkey_unless_shut(guest, login).await;
        shut_out(guest, measured(&outcome).by_passkey(), outcome)
    }

    async fn log_in_with_passkey_unless_shut(&self, guest: Guest, login: PasskeyLogin) -> Result<Issued, LoginError> {
        let network = guest.client_ip().map(Network::of);
        let proof = match self.checks.passkeys.check_login(&login.shown, network).await {
            Ok(proof) => proof,
            Err(PasskeyError { user, error }) => {
                if matches!(error, AnswerError::Wrong) {
                    let (agent, action) = (login.device.user_agent.as_deref(), guest.action(self.environment.now()));
                    self.throttle.failed_logins.note(user, LoginFailure::Factor, agent, &action);
                }
                return Err(error.into());
            }
        };
        let user = self.admitted(guest, proof.user)?;
        let clears = match network.filter(|_| proof.known_network) {
            Some(network) => BudgetKey::Network(user.id, network),
            None => BudgetKey::Account(user.id),
        };
        let shown = Proven {
            user,
            proof: LoginProof::Passkey(proof.answer),
            authentications: vec![Authentication { method: Method::Passkey, at: self.environment.now() }],
            second_factor_pending: false,
            clears,
            charged: None,
        };
        self.open_session(shown, login.form, login.remember, login.device, guest.client_ip()).await
    }

    async fn log_in_unless_shut(&self, guest: Guest, login: Login) -> Result<Issued, LoginError> {
        // Keyboards of phones add a space.
        let name = login.name.trim();
        let account = login.named_by.account(name);
        let action = guest.action(self.environment.now());
        let by = AttemptBy::Client { typed: name, agent: login.device.user_agent.as_deref() };
        let proof =
            self.checks.attempts.attempt(account, by, login.password, action).await.map_err(|error| {
                match (self.policy.login_errors, LoginError::from(error)) {
                    (LoginErrors::Uniform, LoginError::WrongPassword) => LoginError::UnknownUser,
                    (LoginErrors::Uniform | LoginErrors::Detailed, error) => error,
                }
            })?;
        if let Some(error) = self.refused(guest, &proof.user) {
            proof.charged.refund(&self.environment).await?;
            return Err(error);
        }
        let (user, credential_version) = (proof.user.id, proof.credential_version);
        let second_factor_pending = proof.user.has_second_factor;
        if second_factor_pending && login.second_step == SecondStep::Challenge {
            // A password that still has its second factor pending neither counts as wrong nor clears anything.
            let budget = proof.charged.budget().clone();
            proof.charged.refund(&self.environment).await?;
            // The password is not asked for again.
            self.checks.attempts.renew_hash(user, credential_version, proof.renewal).await;
            let given = self.checks.challenges.give(user, credential_version, ChallengePurpose::Login, budget).await?;
            return Err(LoginError::ChallengeRequired(Box::new(given)));
        }
        let renewal = proof.renewal;
        let authentications = vec![Authentication { method: Method::Password, at: self.environment.now() }];
        let shown = Proven {
            user: proof.user,
            proof: LoginProof::Password(credential_version, None),
            authentications,
            second_factor_pending,
            clears: proof.charged.budget().clone(),
            charged: Some(proof.charged),
        };
        let issued = self.open_session(shown, login.form, login.remember, login.device, guest.client_ip()).await?;
        // The session stands: what is left to do must not turn it into an error, or the client would not know.
        self.checks.attempts.renew_hash(user, credential_version, renewal).await;
        Ok(issued)
    }

    async fn finish_unless_shut(&self, guest: Guest, login: FactorLogin) -> Result<Issued, LoginError> {
        let action = guest.action(self.environment.now());
        let is_login = |challenge: &Challenge| challenge.purpose == ChallengePurpose::Login;
        let Answered { challenge, answer, charged } =
            self.checks.challenges.answer(login.answer, is_login, login.device.user_agent.as_deref(), action).await?;
        let found = self.environment.storage.account_find(AccountName::Id(challenge.user)).await?;
        let user = match found.ok_or(LoginError::UnknownUser).and_then(|user| self.admitted(guest, user)) {
            Ok(user) => user,
            Err(error) => {
                charged.refund(&self.environment).await?;
                return Err(error);
            }
        };
        let authentications = vec![
            Authentication { method: Method::Password, at: challenge.created_at },
            Authentication { method: answer.used.method(), at: self.environment.now() },
        ];
        let shown = Proven {
            user,
            proof: LoginProof::Password(challenge.credential_version, Some(answer)),
            authentications,
            second_factor_pending: false,
            clears: charged.budget().clone(),
            charged: Some(charged),
        };
        self.open_session(shown, login.form, login.remember, login.device, guest.client_ip()).await
    }

    /// Opening the session spends what was shown, and clears the budget that was charged where no factor is pending.
    async fn open_session(
        &self,
        shown: Proven,
        form: TokenForm,
        remember: bool,
        device: Device,
        client_ip: Option<IpAddr>,
    ) -> Result<Issued, LoginError> {
        let lifetime = self.policy.lifetimes.of_login(device.dialect, remember);
        let names = self.sessions.names_for(&device).await;
        let opaque = (form == TokenForm::Opaque).then(|| PlainToken::opaque(&*self.environment.random));
        let session = NewSession {
            opaque: opaque.as_ref().map(PlainToken::digest),
            authentications: shown.authentications,
            second_factor_pending: shown.second_factor_pending,
            clears: Some(shown.clears),
            agent: Some(names.agent),
            ..self.sessions.new_session(device, names.session, Grant::Full, lifetime, client_ip, shown.user.staff)
        };
        let (storage, user) = (&self.environment.storage, shown.user.id);
        let opened = match shown.proof {
            LoginProof::Password(version, answer) => storage.session_open(user, version, answer, session).await?,
            LoginProof::Passkey(answer) => storage.session_open_by_passkey(user, answer, session).await?,
        };
        let refusal = match opened {
            Ok(session) => {
                // The password neither counts as wrong nor clears anything while the factor is pending.
                if let Some(charged) = shown.charged.filter(|_| shown.second_factor_pending) {
                    charged.refund(&self.environment).await?;
                }
                let token = match opaque {
                    Some(token) => token,
                    None => self.tokens.signer.session_token(&session, self.environment.now())?,
                };
                return Ok(Issued { token, session, user: shown.user });
            }
            Err(refusal) => refusal,
        };
        let error = self.stale_change(refusal);
        // What was right when it was checked does not count as wrong, unless it was right once too often.
        if let Some(charged) = shown.charged.filter(|_| !matches!(error, LoginError::Answer(_))) {
            charged.refund(&self.environment).await?;
        }
        Err(error)
    }

    /// The user changed while they were logging in, and the answer is the one that a login begun now gets; or they have too
    /// many sessions.
    fn stale_change(&self, refusal: Refusal) -> LoginError {
        match refusal {
            Refusal::Stale(PreconditionFailed::Banned) => LoginError::Banned,
            Refusal::TooManySessions => LoginError::TooManySessions,
            Refusal::Stale(PreconditionFailed::AnswerSpent) => AnswerError::Wrong.into(),
            Refusal::Stale(PreconditionFailed::PasswordChanged)
                if self.policy.login_errors == LoginErrors::Detailed =>
            {
                LoginError::WrongPassword
            }
            _ => LoginError::UnknownUser,
        }
    }

    /// Somebody with the right password and factor, who gets in where nothing is against it.
    fn admitted(&self, guest: Guest, user: User) -> Result<User, LoginError> {
        self.refused(guest, &user).map_or(Ok(user), Err)
    }

    /// Why somebody with the right password does not get in. A switch lets those pass whose session is going to carry
    /// staff power.
    fn refused(&self, guest: Guest, user: &User) -> Option<LoginError> {
        let may_pass = user.staff && (user.has_second_factor || self.policy.staff_factor == StaffFactor::Waived);
        match guest.staff_only() {
            Some(switch) if !may_pass => Some(LoginError::SwitchedOff(switch)),
            _ => user.banned_at.map(|_| LoginError::Banned),
        }
    }
}

fn measured(outcome: &Result<Issued, LoginError>) -> LoginOutcome {
    outcome.as_ref().map_or_else(LoginError::outcome, |_issued| LoginOutcome::Success)
}

/// Where a switch is on, everybody who does not get in gets the same answer. The measurements, which no client
/// sees, tell why.
fn shut_out(guest: Guest, measured: LoginOutcome, outcome: Result<Issued, LoginError>) -> Result<Issued, LoginError> {
    measured.counter().increment(1);
    match (guest.staff_only(), outcome) {
        (Some(switch), Err(error)) if error.is_hidden_by_a_switch() => Err(LoginError::SwitchedOff(switch)),
        (_, outcome) => outcome,
    }
}
