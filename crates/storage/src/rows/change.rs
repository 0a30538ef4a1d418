//! Changes as rows.

use diesel::prelude::*;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::Invalidation;

use crate::schema::changes;
use crate::unreadable::{self, RowKey};

#[derive(Insertable)]
#[diesel(table_name = changes, treat_none_as_default_value = false)]
pub(crate) struct ChangeRow {
    number: i64,
    invalidation: &'static str,
    user_id: Option<i64>,
}

impl From<(i64, Invalidation)> for ChangeRow {
    fn from((number, invalidation): (i64, Invalidation)) -> Self {
        let (invalidation, user_id) = match invalidation {
            Invalidation::User(user) => ("user", Some(user.number())),
            Invalidation::Switches => ("switches", None),
            Invalidation::Everything => ("everything", None),
        };
        Self { number, invalidation, user_id }
    }
}

/// What a change of another version invalidates is not known: so it is everything.
pub(crate) fn invalidation(number: i64, invalidation: &str, user: Option<i64>) -> Invalidation {
    match (invalidation, user) {
        ("user", Some(user)) => Invalidation::User(UserId::from_number(user)),
        ("switches", None) => Invalidation::Switches,
        ("everything", None) => Invalidation::Everything,
        _ => {
            unreadable::note("changes.invalidation", &RowKey::Number(number));
            Invalidation::Everything
        }
    }
}
