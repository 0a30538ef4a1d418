//! Users as the operator sees them.

use serde::Serialize;
use thunderhead_auth::credentials::password::StoredHash;
use thunderhead_auth::operator::KnownUser;
use thunderhead_domain::ports::Page;
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::User;

use super::super::form;

/// A user in JSON, for the operator alone: it has the address.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserJson {
    id: String,
    uuid: String,
    username: String,
    email: String,
    staff: bool,
    second_factor: bool,
    has_password: bool,
    verified_at: Option<String>,
    banned_at: Option<String>,
    created_at: String,
    updated_at: String,
}

/// How many users have a password's hash of one kind, in JSON.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HashFormatJson {
    format: &'static str,
    /// Whether it is made anew when its user shows the password.
    outdated: bool,
    pub(super) users: u64,
}

impl HashFormatJson {
    pub(super) const fn new(hash: StoredHash, users: u64) -> Self {
        let (format, outdated) = match hash {
            StoredHash::Current => ("argon2id", false),
            StoredHash::Outdated(format) => (format.name(), true),
            StoredHash::Unreadable => ("unreadable", true),
        };
        Self { format, outdated, users }
    }
}

/// The same for a person.
pub(super) fn hash_formats(items: &[HashFormatJson]) -> String {
    let row = |item: &HashFormatJson| {
        let state = if item.outdated { "outdated" } else { "current" };
        format!("{:<12}{:<10}{}", item.format, state, item.users)
    };
    let left: u64 = items.iter().filter(|item| item.outdated).map(|item| item.users).sum();
    let rows: Vec<String> = items.iter().map(row).chain([format!("{left} left to be made anew")]).collect();
    rows.join("\n")
}

/// A user in JSON after a change that ends sessions.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountUpdateJson {
    #[serde(flatten)]
    pub(super) user: KnownJson,
    pub(super) sessions_ended: u64,
}

/// A user in JSON; of one whose row cannot be read, the id.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum KnownJson {
    Whole(Box<UserJson>),
    Unreadable { id: String },
}

/// All that is known of a user, for a person.
pub(super) fn described(user: &User) -> String {
    let moment = |at: Option<Timestamp>| at.map_or_else(|| "no".to_owned(), |at| at.to_string());
    let yes_or_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    [
        ("id", user.id.to_string()),
        ("uuid", user.uuid.to_string()),
        ("username", user.username.to_string()),
        ("email", user.email.as_str().to_owned()),
        ("staff", yes_or_no(user.staff)),
        ("factor", yes_or_no(user.has_second_factor)),
        ("password", yes_or_no(user.has_password)),
        ("verified", moment(user.verified_at)),
        ("banned", moment(user.banned_at)),
        ("created", user.created_at.to_string()),
        ("updated", user.updated_at.to_string()),
    ]
    .map(|(name, value)| format!("{name:<10}{value}"))
    .join("\n")
}

/// What the columns of [`row`] are.
pub(super) const HEAD: [&str; 7] = ["ID", "NAME", "ADDRESS", "STATE", "STAFF", "FACTOR", "PASSWORD"];

/// A user in a line.
pub(super) fn row(user: &User) -> [String; 7] {
    let yes_or_none = |yes: bool| if yes { "yes" } else { "-" }.to_owned();
    [
        user.id.to_string(),
        user.username.to_string(),
        user.email.as_str().to_owned(),
        state(user).to_owned(),
        yes_or_none(user.staff),
        yes_or_none(user.has_second_factor),
        yes_or_none(user.has_password),
    ]
}

/// A page of users, a line each.
pub(super) fn table(page: &Page<User>) -> String {
    form::page(HEAD, page.items.iter().map(row).collect(), page.count)
}

/// A ban says more than a verified address does.
const fn state(user: &User) -> &'static str {
    match (user.banned_at, user.verified_at) {
        (Some(_), _) => "banned",
        (None, Some(_)) => "verified",
        (None, None) => "active",
    }
}

impl From<&User> for UserJson {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            uuid: user.uuid.to_string(),
            username: user.username.to_string(),
            email: user.email.as_str().to_owned(),
            staff: user.staff,
            second_factor: user.has_second_factor,
            has_password: user.has_password,
            verified_at: user.verified_at.map(|at| at.to_string()),
            banned_at: user.banned_at.map(|at| at.to_string()),
            created_at: user.created_at.to_string(),
            updated_at: user.updated_at.to_string(),
        }
    }
}

impl From<&KnownUser> for KnownJson {
    fn from(known: &KnownUser) -> Self {
        match &known.user {
            Some(user) => Self::Whole(Box::new(UserJson::from(user))),
            None => Self::Unreadable { id: known.id.to_string() },
        }
    }
}
