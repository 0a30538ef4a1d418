//! Confirming that a session is in its user's hands, before the forms of a page that change what matters
//! (`docs/MODEL.md`, *Confirming*). It holds for a while, in this session alone.

use std::sync::Arc;

use thunderhead_domain::authorization::Principal;
use thunderhead_domain::challenge::ChallengePurpose;
use thunderhead_domain::change_authorization::Evidence;
use thunderhead_domain::ports::{StorageError, TokenReplacement};
use thunderhead_domain::session::{Authentication, Grant, Session, proved_at};
use tracing::instrument;

use crate::changes::{Change, ChangeError, Reverified};
use crate::credentials::reverify::{IdentityProof, Reverification, ReverifyError};
use crate::environment::Environment;
use crate::tokens::token::{PlainToken, digest, is_opaque};

/// For how long somebody who shows a token that was replaced may be another tab of the same browser, in milliseconds.
const JUST_REPLACED_MILLIS: i64 = 60_000;

/// A session that was confirmed.
#[derive(Debug)]
pub struct Confirmed {
    /// The token that it has now, for the client alone.
    pub token: PlainToken,
    /// The session.
    pub session: Session,
}

/// Why a session was not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmationError {
    /// Its token is signed: it cannot be replaced, because no row has it.
    #[error("a session with a signed token cannot be confirmed")]
    SignedToken,
    /// What was shown does not prove anything, or not enough.
    #[error(transparent)]
    Reverify(#[from] ReverifyError),
    /// The session is over, has another token by now, or what was shown is no good any more.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl From<StorageError> for ConfirmationError {
    fn from(error: StorageError) -> Self {
        Self::Change(error.into())
    }
}

/// Confirms sessions, and tells which are.
pub struct Confirmations {
    environment: Environment,
    /// For how many seconds a session is confirmed.
    holds_for: i64,
    reverification: Arc<Reverification>,
}

impl Confirmations {
    pub(crate) const fn new(environment: Environment, holds_for: i64, reverification: Arc<Reverification>) -> Self {
        Self { environment, holds_for, reverification }
    }

    /// What a caller may change whose session is confirmed; `None` where it is not, or is a scoped one. Whether it still
    /// holds is checked again when the change is made.
    pub fn reverified<C: AsRef<Principal>>(&self, caller: C) -> Option<Reverified<C>> {
        let principal = caller.as_ref();
        let session = principal.session();
        let since = self.environment.now().plus_seconds(-self.holds_for);
        let proved_at = proved_at(&session.authentications, principal.user().has_second_factor)?;
        if session.grant != Grant::Full || proved_at < since {
            return None;
        }
        let shown = session.authentications.iter().filter(|shown| shown.at >= since).copied().collect();
        Some(Reverified::by(caller, Evidence::Confirmation(since), shown, None))
    }

    /// Whether a session of this token can be confirmed: one that is signed cannot be replaced, because no row has it.
    pub fn can_replace(token: &str) -> bool {
        is_opaque(token)
    }

    /// Checks what the user of a full session shows, and gives the session another token: `token` is the one that it has.
    ///
    /// # Errors
    /// See [`ConfirmationError`]. Where a second factor is asked for, its challenge is good for this alone.
    #[instrument(level = "debug", skip_all)]
    pub async fn confirm(
        &self,
        caller: Principal,
        token: &str,
        proof: IdentityProof,
    ) -> Result<Confirmed, ConfirmationError> {
        if !Self::can_replace(token) {
            return Err(ConfirmationError::SignedToken);
        }
        let (session, user) = (caller.session().uuid, caller.user().id);
        let purpose = ChallengePurpose::Confirmation(session);
        let reverified = self.reverification.prove(caller, proof, purpose).await?;
        // All of it counts from now on, or a factor that took its time would leave the password little.
        let at = self.environment.now();
        let shown: Vec<_> = reverified.shown().iter().map(|shown| Authentication { at, ..*shown }).collect();
        let replacement = PlainToken::opaque(&*self.environment.random);
        let tokens = TokenReplacement { old: digest(token), new: replacement.digest() };
        let Change { author, .. } = reverified.own();
        let storage = &self.environment.storage;
        let confirm = |authorization| storage.session_confirm(session, user, tokens, &shown, authorization);
        let session = author.make(&self.environment, confirm).await?;
        Ok(Confirmed { token: replacement, session })
    }

    /// Whether a token that is good for nothing was good until a moment ago, because its session has got another: the
    /// browser that shows it may have that one by now.
    ///
    /// # Errors
    /// Where the database is away.
    #[instrument(level = "debug", skip_all)]
    pub async fn was_just_replaced(&self, token: &str) -> Result<bool, StorageError> {
        if !is_opaque(token) {
            return Ok(false);
        }
        let since = self.environment.now().plus_millis(-JUST_REPLACED_MILLIS);
        self.environment.storage.token_was_replaced(digest(token), since).await
    }
}
