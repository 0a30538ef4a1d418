//! The texts that stand for the domain's values in the database; enums have theirs in the domain. A text that stands for
//! nothing is a defect of the row, never a default.

use std::net::IpAddr;

use thunderhead_domain::budget::BudgetKey;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::network::Network;
use thunderhead_domain::session::{Actor, Authentication, Authentications, Dialect, EndReason, Method};
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use crate::error::DataError;

const COMMAND_LINE: &str = "command_line";
const STRANGER: &str = "stranger";
const SYSTEM: &str = "system";
const USER_PREFIX: &str = "user:";

pub(crate) fn address_text(address: IpAddr) -> String {
    address.to_string()
}

pub(crate) fn address(column: &'static str, text: Option<&str>) -> Result<Option<IpAddr>, DataError> {
    text.map(|text| text.parse().map_err(|_| DataError::Column(column))).transpose()
}

pub(crate) fn dialect(text: &str) -> Result<Dialect, DataError> {
    Dialect::from_name(text).ok_or(DataError::Column("sessions.dialect"))
}

pub(crate) fn end_reason(text: &str) -> Result<EndReason, DataError> {
    EndReason::from_name(text).ok_or(DataError::Column("sessions.end_reason"))
}

/// `user:1687067614042`, `command_line`, `stranger` or `system`.
pub(crate) fn actor_text(actor: Actor) -> String {
    match actor {
        Actor::User(user) => format!("{USER_PREFIX}{user}"),
        Actor::CommandLine => COMMAND_LINE.to_owned(),
        Actor::Stranger => STRANGER.to_owned(),
        Actor::System => SYSTEM.to_owned(),
    }
}

/// Who it is that a column holds.
pub(crate) fn actor(column: &'static str, text: &str) -> Result<Actor, DataError> {
    let by_name =
        [Actor::CommandLine, Actor::Stranger, Actor::System].into_iter().find(|actor| actor_text(*actor) == text);
    let user = || text.strip_prefix(USER_PREFIX).and_then(|id| id.parse::<UserId>().ok());
    by_name.or_else(|| user().map(Actor::User)).ok_or(DataError::Column(column))
}

/// `password@1700000000000,totp@1700000001000`, oldest first; empty where there is none.
pub(crate) fn authentications_text(list: &[Authentication]) -> String {
    let one = |shown: &Authentication| format!("{}@{}", shown.method.name(), shown.at.unix_millis());
    list.iter().map(one).collect::<Vec<_>>().join(",")
}

pub(crate) fn authentications(text: &str) -> Result<Authentications, DataError> {
    let one = |item: &str| {
        let (shown, at) = item.split_once('@')?;
        let at = at.parse().ok()?;
        Some(Authentication { method: Method::from_name(shown)?, at: Timestamp::from_unix_millis(at) })
    };
    let items = text.split(',').filter(|item| !item.is_empty());
    items.map(|item| one(item).ok_or(DataError::Column("sessions.authentications"))).collect()
}

/// `account:1687067614042`, `network:1687067614042:192.0.2.0/24`, `session:1687067614042:` and the uuid, or `name:` and
/// the hash in hexadecimal digits.
pub(crate) fn budget_key(key: &BudgetKey) -> String {
    match key {
        BudgetKey::Account(user) => format!("account:{user}"),
        BudgetKey::Network(user, network) => format!("network:{user}:{network}"),
        BudgetKey::Session(user, session) => format!("session:{user}:{}", session.0.hyphenated()),
        BudgetKey::Typed(hash, _) => hash.iter().fold("name:".to_owned(), |text, byte| text + &format!("{byte:02x}")),
    }
}

/// The budget of such a text, for attempts at this account.
pub(crate) fn budget(text: &str, user: UserId) -> Result<BudgetKey, DataError> {
    let (kind, rest) = text.split_once(':').unwrap_or_default();
    let of_user = rest.split_once(':').map_or(rest, |(_, which)| which);
    let found = match kind {
        "account" => Some(BudgetKey::Account(user)),
        "network" => of_user
            .split_once('/')
            .and_then(|(address, _)| address.parse().ok())
            .map(|address| BudgetKey::Network(user, Network::of(address))),
        "session" => Uuid::try_parse(of_user).ok().map(|uuid| BudgetKey::Session(user, SessionUuid(uuid))),
        "name" => hash(rest).map(|hash| BudgetKey::Typed(hash, Some(user))),
        _ => None,
    };
    found.ok_or(DataError::Column("challenges.budget"))
}

fn hash(text: &str) -> Option<[u8; 32]> {
    let byte = |at: usize| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok();
    (0..32).map(byte).collect::<Option<Vec<_>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_survives_the_way_through_its_text() {
        for (value, name) in Dialect::TABLE {
            assert_eq!((dialect(name).unwrap(), value.name()), (value, name));
        }
        for (value, name) in EndReason::TABLE {
            assert_eq!((end_reason(name).unwrap(), value.name()), (value, name));
        }
        for value in [Actor::CommandLine, Actor::Stranger, Actor::User(UserId::from_number(1_687_067_614_042))] {
            assert_eq!(actor("x", &actor_text(value)).unwrap(), value);
        }
        for value in ["192.0.2.7", "2001:db8::1"].map(|text| text.parse::<IpAddr>().unwrap()) {
            assert_eq!(address("x", Some(&address_text(value))).unwrap(), Some(value));
        }
        let user = UserId::from_number(1_687_067_614_042);
        for value in [
            BudgetKey::Account(user),
            BudgetKey::Network(user, Network::of("192.0.2.7".parse().unwrap())),
            BudgetKey::Network(user, Network::of("2001:db8::1".parse().unwrap())),
            BudgetKey::Session(user, SessionUuid(Uuid::from_u128(7))),
            BudgetKey::Typed([0xa7; 32], Some(user)),
        ] {
            assert_eq!(budget(&budget_key(&value), user).unwrap(), value);
        }
        let at = Timestamp::from_unix_millis(1_700_000_000_000);
        let all = Method::TABLE.map(|(method, _)| Authentication { method, at });
        for list in [&all[..0], &all[..1], &all[..]] {
            assert_eq!(authentications(&authentications_text(list)).unwrap().as_slice(), list);
        }
    }

    #[test]
    fn a_text_that_stands_for_nothing_is_a_defect() {
        assert!(dialect("Current").is_err());
        for text in ["", "name:", "name:zz", "network:1687067614042:x", "session:1687067614042:7"] {
            assert!(budget(text, UserId::from_number(1_687_067_614_042)).is_err(), "{text:?}");
        }
        assert!(end_reason("").is_err());
        for text in ["", "user", "user:", "user:12", "user:-687067614042", "root"] {
            assert!(actor("x", text).is_err(), "{text:?}");
        }
        for text in ["password", "password@", "password@x", "@1", "magic@1", "password@1;totp@2"] {
            assert!(authentications(text).is_err(), "{text:?}");
        }
    }
}
