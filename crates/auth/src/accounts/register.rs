//! Making an account for oneself (`docs/MODEL.md`, *Accounts*).

use std::time::Duration;

use email_address::Options;
use thunderhead_domain::authorization::{AuthenticatedSession, Guest};
use thunderhead_domain::id::UserUuid;
use thunderhead_domain::label::is_visible;
use thunderhead_domain::ports::Registered;
use thunderhead_domain::session::Grant;
use thunderhead_domain::user::{EmailAddress, NewAccount, PasswordHash, Username};
use tokio::time::timeout;

use crate::credentials::change::{ChangeError, Reverified};
use crate::credentials::password::rules::{Candidate, NewPassword, UnacceptablePassword};
use crate::error::InternalError;
use crate::sessions::login::{Device, Issued};
use crate::work::WorkError;
use crate::{Auth, Registration};

/// The longest address, in bytes (RFC 5321 §4.5.3.1.3, less the angle brackets).
const LONGEST_ADDRESS: usize = 254;
/// How long a new password waits to be estimated: a registration can be tried again.
const ESTIMATE_DEADLINE: Duration = Duration::from_secs(2);

/// A text that is no e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address")]
pub struct InvalidEmail;

/// Reads an e-mail address that somebody is to have, as it is typed into a form: no display name, no address literal,
/// and nothing that hides in it, so that no two look the same for that.
///
/// # Errors
/// Where the text is not one, or too long.
pub fn parse_email(text: &str) -> Result<EmailAddress, InvalidEmail> {
    if is_visible(text) { existing_email(text) } else { Err(InvalidEmail) }
}

/// Reads an e-mail address that somebody may have, whenever they got it.
///
/// # Errors
/// Where nobody can have it.
pub(crate) fn existing_email(text: &str) -> Result<EmailAddress, InvalidEmail> {
    let options = Options::default().without_display_text().without_domain_literal();
    let plain = text.len() <= LONGEST_ADDRESS && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if plain && email_address::EmailAddress::parse_with_options(text, options).is_ok() {
        Ok(EmailAddress::from_checked(text.to_owned()))
    } else {
        Err(InvalidEmail)
    }
}

/// A registration whose parts have been checked one by one.
#[derive(Debug)]
pub struct Registering {
    /// The name.
    pub username: Username,
    /// The address.
    pub email: EmailAddress,
    /// The password.
    pub password: NewPassword,
    /// Whether the first session is to last for years.
    pub remember: bool,
    /// The client.
    pub device: Device,
}

/// Why a new password was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewPasswordError {
    /// It may not be set.
    #[error(transparent)]
    Unacceptable(#[from] UnacceptablePassword),
    /// The work pool is busy or gave up.
    #[error(transparent)]
    Work(#[from] WorkError),
}

/// Why there is no account.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Only the operator makes accounts here.
    #[error("registration is closed")]
    Closed,
    /// The name or the address is taken.
    #[error("the name or the address is taken")]
    Taken,
    /// The server is at fault.
    #[error(transparent)]
    InternalError(InternalError),
}

impl<F: Into<InternalError>> From<F> for RegisterError {
    fn from(error: F) -> Self {
        Self::InternalError(error.into())
    }
}

impl Auth {
    /// Estimates how soon a new password is guessed, once all else about the request is in order. That is work of its
    /// own, which logins do not wait for.
    ///
    /// # Errors
    /// Where the password must not be set, or too many are to be estimated.
    pub async fn estimate(&self, candidate: Candidate) -> Result<NewPassword, NewPasswordError> {
        let estimate = self.estimating.run(move || candidate.estimate());
        Ok(timeout(ESTIMATE_DEADLINE, estimate).await.unwrap_or(Err(WorkError::Busy))??)
    }

    /// Hashes a new password that somebody has proved their identity for. Where that fails they may try again.
    pub(crate) async fn hash_new(
        &self,
        password: NewPassword,
        reverified: Reverified,
    ) -> Result<(PasswordHash, Reverified), ChangeError> {
        match self.hasher.hash(password).await {
            Ok(hash) => Ok((hash, reverified)),
            Err(error) => {
                self.withdraw(reverified).await?;
                Err(InternalError::from(error).into())
            }
        }
    }

    /// Makes an account and its first session, or neither.
    ///
    /// # Errors
    /// See [`RegisterError`].
    pub async fn register(&self, guest: Guest, form: Registering) -> Result<Issued, RegisterError> {
        if self.policy.registration == Registration::Closed {
            return Err(RegisterError::Closed);
        }
        let password = self.hasher.hash(form.password).await?;
        let lifetimes = &self.policy.lifetimes;
        let lifetime = if form.remember { lifetimes.login_remembered } else { lifetimes.login };
        let name = self.name_for(&form.device).await;
        let session = self.new_session(form.device, name, Grant::Full, lifetime, guest.client_ip());
        let account = NewAccount {
            uuid: UserUuid(self.new_uuid()),
            username: form.username,
            email: form.email,
            password,
            staff: false,
            at: session.at,
        };
        match self.storage.account_register(account, session).await? {
            Registered::Taken => Err(RegisterError::Taken),
            Registered::Registered(authenticated) => {
                let token = self.tokens.session_token(&authenticated.session, self.clock.now())?;
                let AuthenticatedSession { session, user } = *authenticated;
                Ok(Issued { token, session, user })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_plain_and_bounded() {
        for good in ["ada@example.org", "Ada.L+x@sub.example.org", "o'neil@example.com"] {
            assert!(parse_email(good).is_ok(), "{good}");
        }
        let long = format!("{}@example.org", "x".repeat(250));
        for bad in
            ["", "ada", "@", "ada@", "@example.org", "a b@example.org", "Ada <ada@example.org>", &long, "a@[::1]"]
        {
            assert_eq!(parse_email(bad), Err(InvalidEmail), "{bad}");
        }
    }

    #[test]
    fn new_addresses_hide_nothing_and_older_ones_are_still_read() {
        for good in ["é@example.org", "用户@例え.jp"] {
            assert!(parse_email(good).is_ok(), "{good}");
        }
        let hidden = [
            '\u{3164}',
            '\u{115f}',
            '\u{1160}',
            '\u{ffa0}',
            '\u{200b}',
            '\u{200d}',
            '\u{202e}',
            '\u{2800}',
            '\u{ad}',
            '\u{fe0f}',
            '\u{e0041}',
            '\u{fff9}',
        ];
        for hidden in hidden {
            for bad in [format!("a{hidden}@example.org"), format!("a@exam{hidden}ple.org")] {
                assert_eq!(parse_email(&bad), Err(InvalidEmail), "{bad:?}");
            }
        }
        assert!(existing_email("a\u{3164}@example.org").is_ok());
        assert_eq!(existing_email("a b@example.org"), Err(InvalidEmail));
    }
}
