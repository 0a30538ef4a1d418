//! The groups of the operations in the document, in its order.

use crate::openapi::doc::Tag;

pub(crate) const ALL: &[Tag] =
    &[ENTRY, ACCOUNT, FACTORS, SESSIONS, STAFF_SESSIONS, STAFF_ACCOUNTS, STAFF_FACTORS, KILL_SWITCHES];

pub(crate) const ENTRY: Tag = Tag { name: "Getting in", text: "For those who carry no session." };
pub(crate) const ACCOUNT: Tag = Tag { name: "Own account", text: "The account that the session in use belongs to." };
pub(crate) const FACTORS: Tag = Tag {
    name: "Own second factors",
    text: "What is asked for besides the password, at every login and wherever identity is proved again.",
};
pub(crate) const SESSIONS: Tag = Tag {
    name: "Own sessions",
    text: "Where its user is signed in, and tokens for scripts that can do only some things.",
};
pub(crate) const STAFF_SESSIONS: Tag = Tag { name: "Sessions of users", text: "For staff." };
pub(crate) const STAFF_ACCOUNTS: Tag = Tag {
    name: "Accounts of users",
    text: "For staff. Nobody can ban, demote or delete themselves here: that is `InsufficientPermissions`.",
};
pub(crate) const STAFF_FACTORS: Tag = Tag {
    name: "Second factors of users",
    text: "For staff, and never for their own: that is `InsufficientPermissions`.",
};
pub(crate) const KILL_SWITCHES: Tag =
    Tag { name: "Kill switches", text: "For staff: doors that can be shut in an emergency." };
