//! What a route asks of a session besides being live.

use thunderhead_domain::assurance::{AssuranceLevel, ProofRequirement};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::time::Timestamp;

use crate::error::GuardError;
use crate::session::LiveSession;

/// What a route asks of a session besides being live.
///
/// ```
/// use thunderhead_domain::scope::Scope;
/// use thunderhead_guard::requirement::SessionRequirement;
///
/// const UPLOAD: SessionRequirement = SessionRequirement::LIVE.scope(Scope::UploadFile);
/// // Deleting wants a password, and a second factor, of the last ten minutes.
/// const DELETE: SessionRequirement = SessionRequirement::LIVE.scope(Scope::FileModify).max_age(600).factor();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRequirement {
    scopes: u32,
    staff: bool,
    proof: ProofRequirement,
}

impl SessionRequirement {
    /// Any live session will do.
    pub const LIVE: Self = Self { scopes: 0, staff: false, proof: ProofRequirement { max_age: None, factor: false } };

    /// The session must be allowed to do what this scope stands for, too.
    #[must_use]
    pub const fn scope(mut self, scope: Scope) -> Self {
        self.scopes |= scope.bit();
        self
    }

    /// It must be a session of staff that has shown a second factor. Of scoped ones only those with the scope `ALL` will
    /// do, or with the scopes for staff that are asked for by name.
    #[must_use]
    pub const fn staff(mut self) -> Self {
        self.staff = true;
        self
    }

    /// It must have been proved within so many seconds (`auth_time`). The server's `/forward-auth` asks for more of who has
    /// enrolled a second factor since: that it was shown in this session. Add [`SessionRequirement::factor`] for that.
    #[must_use]
    pub const fn max_age(mut self, seconds: u32) -> Self {
        self.proof.max_age = Some(seconds);
        self
    }

    /// A second factor must have been shown in it.
    #[must_use]
    pub const fn factor(mut self) -> Self {
        self.proof.factor = true;
        self
    }

    /// Whether a session is all that is asked for, at this moment.
    ///
    /// # Errors
    /// [`GuardError::Staff`], [`GuardError::Scope`] or [`GuardError::Proof`], in this order.
    pub fn check(&self, session: &LiveSession, now: Timestamp) -> Result<(), GuardError> {
        if self.staff && !self.has_power(session) {
            return Err(GuardError::Staff);
        }
        if self.scopes != 0 {
            let mut wanted = Scope::TABLE.into_iter().map(|(scope, _)| scope).filter(|scope| self.names(*scope));
            if let Some(lacking) = wanted.find(|scope| !session.may(*scope)) {
                return Err(GuardError::Scope(lacking));
            }
        }
        if self.is_proved(session, now) { Ok(()) } else { Err(GuardError::Proof(self.proof)) }
    }

    const fn names(&self, scope: Scope) -> bool {
        self.scopes & scope.bit() != 0
    }

    fn has_power(&self, session: &LiveSession) -> bool {
        let by_name = self.scopes & Scope::STAFF != 0;
        session.staff && (by_name || session.may(Scope::All))
    }

    fn is_proved(&self, session: &LiveSession, now: Timestamp) -> bool {
        if self.proof == ProofRequirement::default() {
            return true;
        }
        let Some(proof) = &session.proof else { return false };
        let is_recent = self.proof.max_age.is_none_or(|seconds| proof.at.plus_seconds(seconds.into()) >= now);
        is_recent && (!self.proof.factor || proof.level == AssuranceLevel::Two)
    }
}

/// A requirement as a type, for extractors.
///
/// ```
/// # use thunderhead_domain::scope::Scope;
/// use thunderhead_guard::requirement::{Requires, SessionRequirement};
///
/// struct MayUpload;
///
/// impl Requires for MayUpload {
///     const REQUIREMENT: SessionRequirement = SessionRequirement::LIVE.scope(Scope::UploadFile);
/// }
/// ```
pub trait Requires: 'static {
    /// What it asks for.
    const REQUIREMENT: SessionRequirement;
}

/// Any live session.
#[derive(Clone, Copy, Debug)]
pub struct AnySession;

impl Requires for AnySession {
    const REQUIREMENT: SessionRequirement = SessionRequirement::LIVE;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Rights, SessionProof};
    use crate::testing::session;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_000);

    fn scoped(scopes: &[Scope], staff: bool) -> LiveSession {
        let flags = scopes.iter().fold(0, |flags, scope| flags | scope.bit());
        LiveSession { rights: Rights::Scoped(flags), staff, ..session("1700000000123", 1) }
    }

    #[test]
    fn scopes_decide_and_those_of_staff_want_staff() {
        let upload = SessionRequirement::LIVE.scope(Scope::UploadFile);
        let both = upload.scope(Scope::FileRead);
        let files = SessionRequirement::LIVE.scope(Scope::StaffReadFiles);
        let full = LiveSession { rights: Rights::Full, ..scoped(&[], false) };
        let staff = LiveSession { staff: true, ..full.clone() };
        for (required, session, expected) in [
            (SessionRequirement::LIVE, scoped(&[], false), Ok(())),
            (upload, full.clone(), Ok(())),
            (upload, scoped(&[Scope::All], false), Ok(())),
            (upload, scoped(&[Scope::UploadFile], false), Ok(())),
            (upload, scoped(&[Scope::FileRead], true), Err(GuardError::Scope(Scope::UploadFile))),
            (upload, scoped(&[], false), Err(GuardError::Scope(Scope::UploadFile))),
            (both, scoped(&[Scope::UploadFile], false), Err(GuardError::Scope(Scope::FileRead))),
            (files, full.clone(), Err(GuardError::Scope(Scope::StaffReadFiles))),
            (files, scoped(&[Scope::All], false), Err(GuardError::Scope(Scope::StaffReadFiles))),
            (files, scoped(&[Scope::StaffReadFiles], true), Ok(())),
            (files, staff.clone(), Ok(())),
            (SessionRequirement::LIVE.staff(), staff, Ok(())),
            (SessionRequirement::LIVE.staff(), full, Err(GuardError::Staff)),
            (SessionRequirement::LIVE.staff(), scoped(&[Scope::All], true), Ok(())),
            (SessionRequirement::LIVE.staff(), scoped(&[Scope::FileRead], true), Err(GuardError::Staff)),
            (files.staff(), scoped(&[Scope::StaffReadFiles], true), Ok(())),
            (files.staff(), scoped(&[Scope::FileRead], true), Err(GuardError::Scope(Scope::StaffReadFiles))),
        ] {
            assert_eq!(required.check(&session, NOW), expected, "{required:?} {session:?}");
        }
    }

    #[test]
    fn a_proof_is_as_recent_and_as_good_as_it_must_be() {
        let proved = |second, level| {
            let at = Timestamp::from_unix_seconds(second);
            LiveSession {
                proof: Some(SessionProof { at, methods: "pwd".into(), level }),
                ..session("1700000000123", 1)
            }
        };
        let (recent, factor) = (SessionRequirement::LIVE.max_age(60), SessionRequirement::LIVE.factor());
        for (required, session, expected) in [
            (recent, proved(940, AssuranceLevel::One), true),
            (recent, proved(939, AssuranceLevel::Two), false),
            // The clock of the server is ahead.
            (recent, proved(1_005, AssuranceLevel::One), true),
            (recent, session("1700000000123", 1), false),
            (factor, proved(1, AssuranceLevel::Two), true),
            (factor, proved(999, AssuranceLevel::One), false),
            (recent.factor(), proved(939, AssuranceLevel::Two), false),
            (recent.factor(), proved(999, AssuranceLevel::Two), true),
        ] {
            assert_eq!(required.check(&session, NOW).is_ok(), expected, "{required:?} {session:?}");
        }
    }
}
