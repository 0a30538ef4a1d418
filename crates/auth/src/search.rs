//! What staff search: users.

pub mod account_query;

use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::ports::{Page, StorageError};
use thunderhead_domain::user::{User, Username};
use tracing::instrument;

use crate::environment::Environment;
use crate::search::account_query::AccountQuery;

/// How far what a query finds is counted: to count on would cost more than to show it.
const MOST_COUNTED: u32 = 1_000;

/// Searches for staff.
pub struct Search {
    environment: Environment,
}

impl Search {
    pub(crate) const fn new(environment: Environment) -> Self {
        Self { environment }
    }

    /// The user that a query names, or else those whose names begin with it, by name, behind `after`. Beside them how
    /// many there are, counted up to a thousand.
    #[instrument(level = "debug", skip_all)]
    pub async fn accounts_counted(
        &self,
        _staff: &StaffPrincipal,
        query: &AccountQuery,
        after: Option<Username>,
        limit: u32,
    ) -> Result<Page<User>, StorageError> {
        let storage = &self.environment.storage;
        if let Some(user) = self.exactly(query).await? {
            let items = [user].into_iter().filter(|_| limit > 0 && after.is_none()).collect();
            return Ok(Page { count: 1, items });
        }
        let Some(prefix) = &query.prefix else { return Ok(Page { count: 0, items: Vec::new() }) };
        let count = storage.account_search_count(prefix.clone(), MOST_COUNTED).await?;
        Ok(Page { count, items: storage.account_search(prefix.clone(), after, limit).await? })
    }

    async fn exactly(&self, query: &AccountQuery) -> Result<Option<User>, StorageError> {
        match &query.exact {
            Some(name) => self.environment.storage.account_find(name.clone()).await,
            None => Ok(None),
        }
    }
}
