//! One-time links.

use async_trait::async_trait;

use super::{AccountUpdate, ChangeResult, Stored};
use crate::audit::ActionContext;
use crate::change_authorization::ChangeAuthorization;
use crate::factor::{Factor, NewFactor};
use crate::id::UserId;
use crate::link::NewLink;
use crate::session::TokenDigest;
use crate::time::Timestamp;
use crate::user::{PasswordHash, User};

/// One-time links. One is good until it expires, is used, or its user's password changes.
#[async_trait]
pub trait OneTimeLinks: Send + Sync {
    /// Makes a link, which is bound to the version that its user's credential has now. One that was made before, used or
    /// not, is [`Refusal::Taken`](crate::change_authorization::Refusal).
    async fn link_create(&self, link: NewLink, authorization: ChangeAuthorization) -> ChangeResult<()>;

    /// The user of a link that is good, banned or not.
    async fn link_find(&self, link: TokenDigest, now: Timestamp) -> Stored<Option<User>>;

    /// Uses a link of this user: sets the password as
    /// [`account_set_password`](super::Accounts::account_set_password) does, and ends all sessions. Where it is not
    /// good (any more) that is [`Refusal::Gone`](crate::change_authorization::Refusal); a banned user's stays unused.
    async fn link_use(
        &self,
        user: UserId,
        link: TokenDigest,
        password: PasswordHash,
        action: ActionContext,
    ) -> ChangeResult<AccountUpdate>;

    /// Uses a link of this user, who has no second factor, to enrol a passkey in place of a password: from then on there
    /// is none, and `nobodys` is the hash of one that nobody knows. All sessions end, and the backup codes are stored.
    async fn link_use_for_passkey(
        &self,
        user: UserId,
        link: TokenDigest,
        nobodys: PasswordHash,
        passkey: NewFactor,
        codes: Vec<TokenDigest>,
        action: ActionContext,
    ) -> ChangeResult<Factor>;
}
