//! A session that the server has vouched for.

use thunderhead_domain::assurance::AssuranceLevel;
use thunderhead_domain::id::{SessionId, SessionUuid, UserId};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::time::Timestamp;

/// A live session with its user, as the server told. Only a guard makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSession {
    pub(crate) user: UserId,
    pub(crate) username: Box<str>,
    pub(crate) id: SessionId,
    pub(crate) uuid: SessionUuid,
    pub(crate) rights: Rights,
    pub(crate) staff: bool,
    pub(crate) expires_at: Timestamp,
    pub(crate) proof: Option<SessionProof>,
}

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// All that its user may.
    Full,
    /// The sum of the bits of its scopes.
    Scoped(u32),
}

/// When and how a session was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionProof {
    /// When the password or the second factor was last shown, whichever lies further back.
    pub at: Timestamp,
    /// How, in the words of RFC 8176: of `pwd`, `otp`, `hwk` and `mfa`, separated by spaces.
    pub methods: Box<str>,
    /// How well.
    pub level: AssuranceLevel,
}

impl LiveSession {
    /// Whose it is.
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// Its user's name, which may change: keep [`LiveSession::user`] to know them again.
    pub const fn username(&self) -> &str {
        &self.username
    }

    /// Its id among its user's sessions.
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// What no other session has.
    pub const fn uuid(&self) -> SessionUuid {
        self.uuid
    }

    /// Whether its user is staff and has shown a second factor in it.
    pub const fn is_staff(&self) -> bool {
        self.staff
    }

    /// Whether it is an ordinary session, which may do all that its user may, and not one with scopes.
    pub const fn is_full(&self) -> bool {
        matches!(self.rights, Rights::Full)
    }

    /// When it expires.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// When and how it was proved, as far as that is known.
    pub const fn proof(&self) -> Option<&SessionProof> {
        self.proof.as_ref()
    }

    /// Whether it may do what a scope stands for: an ordinary session may all, one with the scope `ALL` too, and what staff
    /// alone may only as far as it has staff's power. Scopes that this version of the crate does not know give nothing.
    pub const fn may(&self, scope: Scope) -> bool {
        let held = match self.rights {
            Rights::Full => true,
            Rights::Scoped(flags) => flags & (scope.bit() | Scope::All.bit()) != 0,
        };
        held && (!scope.is_staff() || self.staff)
    }
}
