//! What staff type to find accounts.

use thunderhead_domain::id::UserUuid;
use thunderhead_domain::ports::AccountName;
use thunderhead_domain::search::UsernamePrefix;
use uuid::Uuid;

use crate::email::existing_email;

/// The longest text that is looked at, in bytes: an address of the greatest length.
const LONGEST: usize = 254;

/// What an account is looked for by: all that a text may stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountQuery {
    /// An id, a uuid or an address: what one user has and no other.
    pub(crate) exact: Option<AccountName>,
    /// What names may begin with.
    pub(crate) prefix: Option<UsernamePrefix>,
}

impl AccountQuery {
    /// Reads what was typed. A text that nobody is found by is a query, too.
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        if text.len() > LONGEST {
            return Self { exact: None, prefix: None };
        }
        Self { exact: exact(text), prefix: UsernamePrefix::try_from(text).ok() }
    }
}

fn exact(text: &str) -> Option<AccountName> {
    if let Ok(id) = text.parse() {
        return Some(AccountName::Id(id));
    }
    match Uuid::try_parse(text) {
        Ok(uuid) => Some(AccountName::Uuid(UserUuid(uuid))),
        Err(_) => existing_email(text).ok().map(AccountName::Email),
    }
}

#[cfg(test)]
mod tests {
    use thunderhead_domain::id::UserId;
    use thunderhead_domain::user::EmailAddress;

    use super::*;

    #[test]
    fn a_text_is_all_that_it_may_stand_for() {
        let prefix = |text: &str| UsernamePrefix::try_from(text).ok();
        let address = AccountName::Email(EmailAddress::from_checked("Ada@example.org".to_owned()));
        let id = AccountName::Id(UserId::from_number(1_687_067_614_042));
        let uuid = AccountName::Uuid(UserUuid(Uuid::from_u128(7)));
        let uuid_text = "00000000-0000-0000-0000-000000000007";
        let too_long = format!("{}@example.org", "x".repeat(250));
        for (text, exact, prefix) in [
            ("ada", None, prefix("ada")),
            (" Ada@example.org\n", Some(address), None),
            ("1687067614042", Some(id), prefix("1687067614042")),
            (uuid_text, Some(uuid), prefix(uuid_text)),
            ("", None, None),
            ("%", None, None),
            (too_long.as_str(), None, None),
        ] {
            assert_eq!(AccountQuery::read(text), AccountQuery { exact, prefix }, "{text:?}");
        }
    }
}
