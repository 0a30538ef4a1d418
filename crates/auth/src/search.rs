//! What staff search: users, sessions, and who did what.

pub mod account_query;

use std::collections::BTreeMap;
use std::sync::Arc;

use thunderhead_domain::audit::{AuditCursor, AuditFilter, AuditRecord};
use thunderhead_domain::authorization::{AuthenticatedSession, StaffPrincipal};
use thunderhead_domain::failed_login::FailedLogins;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{AccountName, ReplacedToken, SessionCursor, SessionSearch, StorageError};
use thunderhead_domain::search::KeysetPage;
use thunderhead_domain::session::SessionKey;
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{User, Username};
use tracing::instrument;

use crate::environment::Environment;
use crate::search::account_query::AccountQuery;
use crate::tokens::secret;
use crate::tokens::token::is_opaque;
use crate::tokens::verification::Tokens;

/// How far what a query finds is counted: to count on would cost more than to show it.
const MOST_COUNTED: u32 = 1_000;

/// Whether a text has the form of an opaque token, or of another secret of ours.
pub fn may_be_secret(text: &str) -> bool {
    is_opaque(text) || secret::is_marked(text)
}

/// The session of a token.
#[derive(Debug)]
pub struct TokenSession {
    /// The session, whatever its state, with its user.
    pub authenticated: AuthenticatedSession,
    /// When it got another token than this one; `None` where it has this one.
    pub replaced_at: Option<Timestamp>,
}

/// Searches for staff.
pub struct Search {
    environment: Environment,
    tokens: Arc<Tokens>,
}

impl Search {
    pub(crate) const fn new(environment: Environment, tokens: Arc<Tokens>) -> Self {
        Self { environment, tokens }
    }

    /// The user that a query names, or else those whose names begin with it, by name, behind `after`.
    #[instrument(level = "debug", skip_all)]
    pub async fn accounts(
        &self,
        _staff: &StaffPrincipal,
        query: &AccountQuery,
        after: Option<Username>,
        limit: u32,
    ) -> Result<KeysetPage<User, Username>, StorageError> {
        accounts(&self.environment, query, after, limit).await
    }

    /// The same with how many there are on all pages, counted up to a thousand.
    #[instrument(level = "debug", skip_all)]
    pub async fn accounts_counted(
        &self,
        _staff: &StaffPrincipal,
        query: &AccountQuery,
        after: Option<Username>,
        limit: u32,
    ) -> Result<(u64, KeysetPage<User, Username>), StorageError> {
        let storage = &self.environment.storage;
        if let Some(user) = exactly(&self.environment, query).await? {
            return Ok((1, only(user, after.as_ref(), limit)));
        }
        let count = match &query.prefix {
            Some(prefix) => storage.account_search_count(prefix.clone(), MOST_COUNTED).await?,
            None => 0,
        };
        Ok((count, beginning(&self.environment, query, after, limit).await?))
    }

    /// The newest users.
    #[instrument(level = "debug", skip_all)]
    pub async fn newest_accounts(&self, _staff: &StaffPrincipal, limit: u32) -> Result<Vec<User>, StorageError> {
        self.environment.storage.account_newest(limit).await
    }

    /// Those of these users that are still there: who they are that records and sessions name.
    #[instrument(level = "debug", skip_all)]
    pub async fn named(
        &self,
        _staff: &StaffPrincipal,
        users: &[UserId],
    ) -> Result<BTreeMap<UserId, User>, StorageError> {
        let found = self.environment.storage.account_find_some(users).await?;
        Ok(found.into_iter().map(|user| (user.id, user)).collect())
    }

    /// The session of a token, whatever its state, and whether or not the token's time is over or another has replaced it.
    /// A text that was never a token of this server is none, so that nobody has staff end a session by naming it in a
    /// forged one.
    #[instrument(level = "debug", skip_all)]
    pub async fn session_of_token(
        &self,
        _staff: &StaffPrincipal,
        token: &str,
    ) -> Result<Option<TokenSession>, StorageError> {
        let storage = &self.environment.storage;
        let Some(key) = self.tokens.session_key_at_any_time(token).await? else { return Ok(None) };
        if let Some(authenticated) = storage.session_authority(Some(key)).await?.authenticated {
            return Ok(Some(TokenSession { authenticated, replaced_at: None }));
        }
        let SessionKey::Opaque(digest) = key else { return Ok(None) };
        let replaced = storage.token_find_replaced(digest).await?;
        Ok(replaced.map(|ReplacedToken { authenticated, replaced_at }| TokenSession {
            authenticated,
            replaced_at: Some(replaced_at),
        }))
    }

    /// Records that fit, newest first, from a place on.
    #[instrument(level = "debug", skip_all)]
    pub async fn records(
        &self,
        _staff: &StaffPrincipal,
        filter: AuditFilter,
        after: Option<AuditCursor>,
        limit: u32,
    ) -> Result<KeysetPage<AuditRecord, AuditCursor>, StorageError> {
        self.environment.storage.audit_search(filter, after, limit).await
    }

    /// The latest failed logins that are not yet in the audit trail.
    #[instrument(level = "debug", skip_all)]
    pub async fn failed_logins(&self, _staff: &StaffPrincipal, limit: u32) -> Result<Vec<FailedLogins>, StorageError> {
        self.environment.storage.failed_logins_newest(limit).await
    }

    /// Sessions that are searched for, whatever their state, newest first, from a place on. Where an index alone does not
    /// tell which they are, there may be more behind a page that is not full, or empty.
    #[instrument(level = "debug", skip_all)]
    pub async fn sessions(
        &self,
        _staff: &StaffPrincipal,
        search: SessionSearch,
        after: Option<SessionCursor>,
        limit: u32,
    ) -> Result<KeysetPage<AuthenticatedSession, SessionCursor>, StorageError> {
        sessions(&self.environment, search, after, limit).await
    }

    /// The user of an id, a uuid, an address or a whole name.
    #[instrument(level = "debug", skip_all)]
    pub async fn account(&self, _staff: &StaffPrincipal, text: &str) -> Result<Option<User>, StorageError> {
        if let Some(user) = exactly(&self.environment, &AccountQuery::read(text)).await? {
            return Ok(Some(user));
        }
        match Username::existing(text.trim().to_owned()) {
            Ok(name) => self.environment.storage.account_find(AccountName::Username(name)).await,
            Err(_) => Ok(None),
        }
    }
}

/// [`Search::sessions`], for whoever may.
pub(crate) async fn sessions(
    environment: &Environment,
    search: SessionSearch,
    after: Option<SessionCursor>,
    limit: u32,
) -> Result<KeysetPage<AuthenticatedSession, SessionCursor>, StorageError> {
    environment.storage.session_search(search, after, limit, environment.now()).await
}

/// [`Search::accounts`], for whoever may.
pub(crate) async fn accounts(
    environment: &Environment,
    query: &AccountQuery,
    after: Option<Username>,
    limit: u32,
) -> Result<KeysetPage<User, Username>, StorageError> {
    match exactly(environment, query).await? {
        Some(user) => Ok(only(user, after.as_ref(), limit)),
        None => beginning(environment, query, after, limit).await,
    }
}

async fn exactly(environment: &Environment, query: &AccountQuery) -> Result<Option<User>, StorageError> {
    match &query.exact {
        Some(name) => environment.storage.account_find(name.clone()).await,
        None => Ok(None),
    }
}

fn only(user: User, after: Option<&Username>, limit: u32) -> KeysetPage<User, Username> {
    KeysetPage { items: [user].into_iter().filter(|_| limit > 0 && after.is_none()).collect(), next: None }
}

async fn beginning(
    environment: &Environment,
    query: &AccountQuery,
    after: Option<Username>,
    limit: u32,
) -> Result<KeysetPage<User, Username>, StorageError> {
    let Some(prefix) = query.prefix.clone().filter(|_| limit > 0) else {
        return Ok(KeysetPage { items: Vec::new(), next: None });
    };
    // One more tells whether there are more.
    let mut items = environment.storage.account_search(prefix, after, limit.saturating_add(1)).await?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| more).map(|user| user.username.clone());
    Ok(KeysetPage { items, next })
}
