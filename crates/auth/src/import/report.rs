//! What is told of an import.

use std::fmt::Display;

use thunderhead_domain::import::SourceAccount;
use thunderhead_domain::label::is_unprintable;

/// What came, and what did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Accounts that were made.
    pub created: u64,
    /// Accounts that had come before.
    pub known: u64,
    /// Accounts that had come before, and were deleted here.
    pub deleted: u64,
    /// Accounts that were left out.
    pub left_out: u64,
    /// Sessions that came.
    pub sessions: u64,
    /// Sessions of users who are banned: they came as ended.
    pub sessions_over: u64,
    /// Sessions that had expired, and did not come.
    pub sessions_expired: u64,
    /// Sessions that did not come because nothing verifies their tokens.
    pub sessions_without_key: u64,
    /// Second factors that came.
    pub factors: u64,
    /// Backup codes that came.
    pub codes: u64,
    /// What was remarked of those that came.
    pub remarks: u64,
}

impl ImportReport {
    /// Whether anything is different now.
    pub const fn changed_anything(&self) -> bool {
        self.created + self.sessions + self.sessions_over + self.factors + self.codes > 0
    }

    /// In one line.
    pub fn summary(&self) -> String {
        let Self { created, known, deleted, left_out, sessions, sessions_over, sessions_expired, .. } = self;
        let Self { sessions_without_key, factors, codes, .. } = self;
        format!(
            "accounts: {created} came, {known} known, {deleted} deleted here, {left_out} left out; sessions: {sessions} \
             came, {sessions_over} came as ended, {sessions_expired} had expired, {sessions_without_key} without a key; \
             {factors} second factors and {codes} backup codes came"
        )
    }
}

/// Who is told of an import while it goes on.
pub trait ImportObserver {
    /// Something to be said of an account.
    fn line(&mut self, who: &str, what: &dyn Display);

    /// How far it has got.
    fn progress(&mut self, so_far: &ImportReport);
}

/// How an account is named in a report.
pub(super) fn who(account: &SourceAccount) -> String {
    let name: String = account.username.chars().map(shown).collect();
    let id: String = account.source_id.chars().map(shown).collect();
    if name == id { name } else { format!("{name} ({id})") }
}

fn shown(character: char) -> String {
    if is_unprintable(character) { character.escape_unicode().to_string() } else { character.to_string() }
}
