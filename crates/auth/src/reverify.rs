//! Proving one's identity again before a sensitive change (`spec/model.md`, *Identity reverification*).

use thunderhead_domain::judgement::Principal;
use thunderhead_domain::ports::{AccountName, StorageFault};

use crate::Auth;
use crate::guess::GuessFault;
use crate::password::{HashFault, Password};
use crate::token::TokenFault;

/// Evidence that a principal's identity was proved again, or need not be.
#[derive(Debug)]
pub struct Reverified(());

impl Reverified {
    /// For a principal who owes no reverification: a scoped session, or an endpoint that asks for none.
    pub const fn excused(principal: &Principal) -> Option<Self> {
        if principal.owes_reverification() { None } else { Some(Self(())) }
    }
}

/// What a client shows to prove its user's identity again.
#[derive(Debug)]
pub enum IdentityProof {
    /// The password.
    Password(Password),
    /// The answer to a second-factor challenge: its token.
    SecondFactor(String),
}

/// Why identity was not proved.
#[derive(Debug, thiserror::Error)]
pub enum ReverifyError {
    /// The password is wrong.
    #[error("wrong password")]
    WrongPassword,
    /// The account's failure budget is used up for this many milliseconds.
    #[error("throttled for {0} ms")]
    Throttled(i64),
    /// The answer to a second-factor challenge is no good.
    #[error("second factor: {0}")]
    SecondFactor(TokenFault),
    /// Too much hashing is waiting.
    #[error("too much hashing at once")]
    Busy,
    /// Hashing failed.
    #[error(transparent)]
    Hash(HashFault),
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageFault),
}

impl From<GuessFault> for ReverifyError {
    fn from(fault: GuessFault) -> Self {
        match fault {
            GuessFault::Throttled(millis) => Self::Throttled(millis),
            // The account of a live session can only just have been deleted.
            GuessFault::UnknownUser | GuessFault::WrongPassword => Self::WrongPassword,
            GuessFault::Busy => Self::Busy,
            GuessFault::Hash(fault) => Self::Hash(fault),
            GuessFault::Storage(fault) => Self::Storage(fault),
        }
    }
}

impl Auth {
    /// Checks the proof of an ordinary session's user.
    ///
    /// # Errors
    /// See [`ReverifyError`]. No account has a factor yet, so every second-factor answer is a foreign one.
    pub async fn reverify(
        &self,
        principal: &Principal,
        proof: IdentityProof,
        client_ip: Option<String>,
    ) -> Result<Reverified, ReverifyError> {
        let password = match proof {
            IdentityProof::Password(password) => password,
            IdentityProof::SecondFactor(token) => {
                return Err(ReverifyError::SecondFactor(self.challenge_fault(&token)));
            }
        };
        let user = principal.user();
        let account = AccountName::Id(user.id);
        let deed = self.deed_of(principal, client_ip);
        let proof = self.guess(Some(account.clone()), user.username.as_str(), password, deed).await?;
        // While the guess waited for its turn the password may have been changed, to shut out who knows this one.
        let current = self.storage.account_credential(account).await?;
        if current.is_none_or(|(_, credential)| credential.version != proof.credential_version) {
            return Err(ReverifyError::WrongPassword);
        }
        self.guess_complete(proof).await?;
        Ok(Reverified(()))
    }
}
