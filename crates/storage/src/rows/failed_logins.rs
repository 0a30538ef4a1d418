//! Counts of failed logins as rows.

use diesel::prelude::*;
use thunderhead_domain::failed_login::{Attempts, FailedLogins, LoginTarget};
use thunderhead_domain::id::UserId;
use thunderhead_domain::time::Timestamp;

use crate::error::DataError;
use crate::schema::failed_logins;
use crate::text;
use crate::unreadable::{Keyed, RowKey};

const UNKNOWN_NAME: &str = "unknown";
const OTHERS: &str = "others";

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = failed_logins, primary_key(window_at, target, client_ip))]
pub(crate) struct FailedLoginsRow {
    window_at: i64,
    target: String,
    client_ip: String,
    passwords: i64,
    factors: i64,
    throttled: i64,
    first_at: i64,
    last_at: i64,
    user_agent: Option<String>,
}

impl FailedLoginsRow {
    pub(crate) fn primary_key(&self) -> (i64, String, String) {
        (self.window_at, self.target.clone(), self.client_ip.clone())
    }
}

impl Keyed for FailedLoginsRow {
    fn key(&self) -> RowKey {
        RowKey::Text(format!("{} {} {}", self.window_at, self.target, self.client_ip))
    }
}

impl From<&FailedLogins> for FailedLoginsRow {
    fn from(failed: &FailedLogins) -> Self {
        let Attempts { window, target, address } = failed.attempts;
        Self {
            window_at: window.unix_millis(),
            target: match target {
                LoginTarget::Account(user) => user.to_string(),
                LoginTarget::UnknownName => UNKNOWN_NAME.to_owned(),
                LoginTarget::Others => OTHERS.to_owned(),
            },
            client_ip: address.map(text::address_text).unwrap_or_default(),
            passwords: failed.passwords.into(),
            factors: failed.factors.into(),
            throttled: failed.throttled.into(),
            first_at: failed.first_at.unix_millis(),
            last_at: failed.last_at.unix_millis(),
            user_agent: failed.agent.clone(),
        }
    }
}

impl TryFrom<FailedLoginsRow> for FailedLogins {
    type Error = DataError;

    fn try_from(row: FailedLoginsRow) -> Result<Self, DataError> {
        let count = |count: i64| u32::try_from(count.clamp(0, u32::MAX.into())).unwrap_or(u32::MAX);
        let target = match row.target.as_str() {
            UNKNOWN_NAME => LoginTarget::UnknownName,
            OTHERS => LoginTarget::Others,
            user => {
                LoginTarget::Account(user.parse::<UserId>().map_err(|_| DataError::Column("failed_logins.target"))?)
            }
        };
        let address = Some(row.client_ip.as_str()).filter(|address| !address.is_empty());
        Ok(Self {
            attempts: Attempts {
                window: Timestamp::from_unix_millis(row.window_at),
                target,
                address: text::address("failed_logins.client_ip", address)?,
            },
            passwords: count(row.passwords),
            factors: count(row.factors),
            throttled: count(row.throttled),
            first_at: Timestamp::from_unix_millis(row.first_at),
            last_at: Timestamp::from_unix_millis(row.last_at),
            agent: row.user_agent,
        })
    }
}
