//! The names of the users that a list speaks of: ids are exact, names are what people know.

use std::collections::HashMap;

use thunderhead_auth::operator::{Operator, OperatorError};
use thunderhead_domain::id::UserId;
use thunderhead_domain::user::{User, Username};

/// Names by id. Users who are gone have none.
#[derive(Default)]
pub(super) struct Names(HashMap<UserId, Option<Username>>);

impl Names {
    /// The names of those who are known, and of others, who are looked up.
    ///
    /// # Errors
    /// Where the database is at fault.
    pub(super) async fn beside(
        operator: &Operator,
        known: impl Iterator<Item = &User>,
        others: impl Iterator<Item = UserId>,
    ) -> Result<Self, OperatorError> {
        let mut names = Self(known.map(|user| (user.id, Some(user.username.clone()))).collect());
        names.look_up(operator, others).await?;
        Ok(names)
    }

    /// Looks up the names of users, of each once.
    ///
    /// # Errors
    /// Where the database is at fault.
    pub(super) async fn of(operator: &Operator, users: impl Iterator<Item = UserId>) -> Result<Self, OperatorError> {
        let mut names = Self::default();
        names.look_up(operator, users).await?;
        Ok(names)
    }

    async fn look_up(&mut self, operator: &Operator, users: impl Iterator<Item = UserId>) -> Result<(), OperatorError> {
        for user in users {
            if self.0.contains_key(&user) {
                continue;
            }
            let name = match operator.known_account(&user.to_string()).await {
                Ok(known) => known.user.map(|user| user.username),
                Err(OperatorError::UnknownUser(_)) => None,
                Err(error) => return Err(error),
            };
            self.0.insert(user, name);
        }
        Ok(())
    }

    /// The name of a user.
    pub(super) fn name(&self, user: UserId) -> Option<String> {
        self.0.get(&user)?.as_ref().map(Username::to_string)
    }

    /// The name, or the id of a user who is gone or cannot be read.
    pub(super) fn name_or_id(&self, user: UserId) -> String {
        self.name(user).unwrap_or_else(|| user.to_string())
    }
}
