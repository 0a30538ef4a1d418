//! What checks proofs of identity, for logins and reverifications alike.

use std::sync::Arc;

use crate::credentials::challenge::ChallengeChecks;
use crate::credentials::passkey::Passkeys;
use crate::credentials::password_attempt::PasswordAttempts;

/// What checks what somebody shows to prove who they are.
#[derive(Clone)]
pub(crate) struct ProofChecks {
    pub(crate) attempts: Arc<PasswordAttempts>,
    pub(crate) challenges: Arc<ChallengeChecks>,
    pub(crate) passkeys: Arc<Passkeys>,
}
