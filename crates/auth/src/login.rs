//! Logging in with a name and a password (`spec/sessions-api.md`, *Login*).

use metrics::counter;
use thunderhead_domain::id::UserId;
use thunderhead_domain::judgement::Visitor;
use thunderhead_domain::ports::{AccountName, Opened, StorageFault};
use thunderhead_domain::session::{
    Actor, Authentication, Dialect, Method, NewSession, Origin, Power, Session, SessionName,
};
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{User, Username};

use crate::guess::{GuessFault, Proof};
use crate::password::{HashFault, Password};
use crate::token::{PlainToken, TokenFault};
use crate::{Auth, LoginErrors};

/// What a request tells of the client that makes it.
#[derive(Clone, Debug)]
pub struct Device {
    /// The API that it speaks.
    pub dialect: Dialect,
    /// Its address.
    pub client_ip: Option<String>,
    /// Its User-Agent header.
    pub user_agent: Option<String>,
    /// The name that it asks for its session.
    pub session_name: Option<String>,
}

/// A login.
#[derive(Debug)]
pub struct Login {
    /// The user name as it was typed.
    pub username: String,
    /// The password as it was typed.
    pub password: Password,
    /// Whether the session is to last for years.
    pub remember: bool,
    /// The client.
    pub device: Device,
}

/// A session with its token.
#[derive(Debug)]
pub struct Issued {
    /// The token, for the client alone.
    pub token: PlainToken,
    /// The session.
    pub session: Session,
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
    /// The account's failure budget is used up for this many milliseconds.
    #[error("throttled for {0} ms")]
    Throttled(i64),
    /// A kill switch is on, and this is not a staff member with the right password.
    #[error("switched off by {0}")]
    SwitchedOff(KillSwitch),
    /// The answer to a second-factor challenge is no good.
    #[error("second factor: {0}")]
    SecondFactor(TokenFault),
    /// Too much hashing is waiting.
    #[error("too many logins at once")]
    Busy,
    /// Hashing failed.
    #[error(transparent)]
    Hash(HashFault),
    /// Signing failed.
    #[error(transparent)]
    Sign(#[from] josekit::JoseError),
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageFault),
}

impl LoginError {
    /// Whether the server is at fault, and not what was typed.
    const fn is_fault(&self) -> bool {
        match self {
            Self::Busy | Self::Hash(_) | Self::Sign(_) | Self::Storage(_) => true,
            Self::UnknownUser
            | Self::WrongPassword
            | Self::Banned
            | Self::Throttled(_)
            | Self::SwitchedOff(_)
            | Self::SecondFactor(_) => false,
        }
    }

    /// How the failure is called in measurements.
    const fn outcome(&self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::Banned => "banned",
            Self::Throttled(_) => "throttled",
            Self::SwitchedOff(_) => "switched_off",
            Self::SecondFactor(_) => "second_factor",
            Self::Busy => "busy",
            Self::Hash(_) | Self::Sign(_) | Self::Storage(_) => "fault",
        }
    }
}

impl From<GuessFault> for LoginError {
    fn from(fault: GuessFault) -> Self {
        match fault {
            GuessFault::Throttled(millis) => Self::Throttled(millis),
            GuessFault::UnknownUser => Self::UnknownUser,
            GuessFault::WrongPassword => Self::WrongPassword,
            GuessFault::Busy => Self::Busy,
            GuessFault::Hash(fault) => Self::Hash(fault),
            GuessFault::Storage(fault) => Self::Storage(fault),
        }
    }
}

impl Auth {
    /// Logs a visitor in.
    ///
    /// # Errors
    /// Where a switch is on, everything that a non-staff visitor may have done wrong is
    /// [`LoginError::SwitchedOff`]; failures count all the same.
    pub async fn log_in(&self, visitor: Visitor, login: Login) -> Result<Issued, LoginError> {
        let outcome = self.log_in_unless_shut(visitor.staff_only(), login).await;
        shut_out(visitor, outcome)
    }

    /// Answers the second-factor challenge of a login. No account has a factor yet and so no challenge is ever
    /// remembered: a well-formed answer is always a foreign one.
    ///
    /// # Errors
    /// Always.
    pub fn log_in_with_factor(&self, visitor: Visitor, token: &str) -> Result<Issued, LoginError> {
        shut_out(visitor, Err(LoginError::SecondFactor(self.challenge_fault(token))))
    }

    /// What is wrong with the token of an answer to a challenge that was never given.
    pub(crate) fn challenge_fault(&self, token: &str) -> TokenFault {
        self.tokens.challenge(token, self.clock.now()).err().unwrap_or(TokenFault::Refused)
    }

    async fn log_in_unless_shut(&self, shut: Option<KillSwitch>, login: Login) -> Result<Issued, LoginError> {
        let account = Username::try_from(login.username.clone()).ok().map(AccountName::Username);
        let deed = self.deed(Actor::Stranger, login.device.client_ip.clone());
        let proof = self.guess(account, &login.username, login.password, deed).await.map_err(|fault| {
            match (self.policy.login_errors, LoginError::from(fault)) {
                (LoginErrors::Uniform, LoginError::WrongPassword) => LoginError::UnknownUser,
                (LoginErrors::Uniform | LoginErrors::Detailed, error) => error,
            }
        })?;
        let refused = match shut {
            Some(switch) if !proof.user.staff => Some(LoginError::SwitchedOff(switch)),
            _ if proof.user.banned_at.is_some() => Some(LoginError::Banned),
            _ => None,
        };
        if let Some(error) = refused {
            self.guess_refund(proof).await?;
            return Err(error);
        }
        let lifetimes = &self.policy.lifetimes;
        let lifetime = if login.remember { lifetimes.login_remembered } else { lifetimes.login };
        let name = self.name_for(&login.device).await;
        let session = self.new_session(login.device, name, Power::Full, lifetime);
        // Opening it clears the budget.
        let opened = self.storage.session_open(proof.user.id, proof.credential_version, session).await?;
        match opened {
            Opened::Opened(session) => self.complete(proof, *session).await,
            Opened::Overtaken => {
                let user = proof.user.id;
                self.guess_refund(proof).await?;
                Err(self.why_overtaken(user).await?)
            }
        }
    }

    /// The session stands: what is left to do must not turn it into an error, or the client would not know.
    async fn complete(&self, mut proof: Proof, session: Session) -> Result<Issued, LoginError> {
        let token = self.tokens.session_token(&session, self.clock.now())?;
        if let Some(password) = proof.outdated.take() {
            self.renew_hash(proof.user.id, proof.credential_version, password).await;
        }
        Ok(Issued { token, session })
    }

    /// Makes the hash of a right password anew with the present cost (`spec/accounts-and-factors.md`).
    async fn renew_hash(&self, user: UserId, version: i64, password: Password) {
        match self.hasher.hash_unchanged(password).await {
            Ok(hash) => {
                if let Err(fault) = self.storage.account_rehash(user, version, hash).await {
                    tracing::warn!(error = %fault, "an outdated password hash was not replaced");
                }
            }
            Err(fault) => tracing::warn!(error = %fault, "an outdated password hash was not replaced"),
        }
    }

    /// The user changed while the password was being checked: the answer is the one that a login begun now gets.
    async fn why_overtaken(&self, user: UserId) -> Result<LoginError, StorageFault> {
        Ok(match self.storage.account_find(AccountName::Id(user)).await? {
            None => LoginError::UnknownUser,
            Some(User { banned_at: Some(_), .. }) => LoginError::Banned,
            Some(_) => match self.policy.login_errors {
                LoginErrors::Detailed => LoginError::WrongPassword,
                LoginErrors::Uniform => LoginError::UnknownUser,
            },
        })
    }

    pub(crate) async fn name_for(&self, device: &Device) -> SessionName {
        self.names.name(device.session_name.as_deref(), device.user_agent.as_deref()).await
    }

    /// A session to be opened now, on the strength of a password just shown. It expires on a whole second,
    /// because its token does.
    pub(crate) fn new_session(&self, device: Device, name: SessionName, power: Power, lifetime: i64) -> NewSession {
        let at = self.clock.now();
        NewSession {
            uuid: thunderhead_domain::id::SessionUuid(self.new_uuid()),
            opaque: None,
            name,
            power,
            at,
            expires_at: Timestamp::from_unix_seconds(at.unix_seconds()).plus_seconds(lifetime),
            origin: Origin {
                dialect: device.dialect,
                client_ip: device.client_ip,
                user_agent: device.user_agent.map(|agent| Origin::cut_user_agent(&agent).to_owned()),
            },
            authentications: vec![Authentication { method: Method::Password, at }],
            factor_owed: false,
        }
    }
}

/// Where a switch is on, everybody who does not get in gets the same answer. The measurements, which no client
/// sees, tell why.
fn shut_out(visitor: Visitor, outcome: Result<Issued, LoginError>) -> Result<Issued, LoginError> {
    let measured = outcome.as_ref().map_or_else(LoginError::outcome, |_issued| "success");
    counter!("thunderhead_logins_total", "outcome" => measured).increment(1);
    match (visitor.staff_only(), outcome) {
        (Some(switch), Err(error)) if !error.is_fault() => Err(LoginError::SwitchedOff(switch)),
        (_, outcome) => outcome,
    }
}
