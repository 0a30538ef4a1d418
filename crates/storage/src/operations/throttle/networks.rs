//! The networks that accounts are used from.

use std::net::IpAddr;

use diesel::helper_types::{And, Eq, Filter, GtEq};
use thunderhead_domain::id::UserId;
use thunderhead_domain::network::{KNOWN_SECONDS, MOST_KNOWN, Network};
use thunderhead_domain::time::Timestamp;

use super::operations::{Query, UncheckedStatement, WriteTransaction};
use crate::dsl::*;
use crate::schema::known_networks::{last_at, network, table, user_id};

/// Where this network is still known.
type Known = Filter<table, And<Eq<network, String>, GtEq<last_at, i64>>>;

/// The accounts that know a network.
pub(crate) fn known(which: Network, now: Timestamp) -> Known {
    let since = now.plus_seconds(-KNOWN_SECONDS).unix_millis();
    table.filter(network.eq(which.to_string()).and(last_at.ge(since)))
}

/// The name of the network that an address is in.
pub(crate) fn name(address: IpAddr) -> String {
    Network::of(address).to_string()
}

/// Makes the network known that a session was opened from. The user's row is locked.
pub(crate) fn record(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    client_ip: Option<IpAddr>,
    at: Timestamp,
) -> QueryResult<()> {
    let Some(address) = client_ip else { return Ok(()) };
    let (user, name) = (user.number(), name(address));
    let updated = diesel::update(table.find((user, &name))).set(last_at.eq(at.unix_millis())).execute(transaction)?;
    if updated > 0 {
        return Ok(());
    }
    diesel::insert_into(table)
        .values((user_id.eq(user), network.eq(name), last_at.eq(at.unix_millis())))
        .execute(transaction)?;
    let beyond: Vec<String> = table
        .filter(user_id.eq(user))
        .order(last_at.desc())
        .offset(MOST_KNOWN as i64)
        .select(network)
        .load(transaction)?;
    if !beyond.is_empty() {
        diesel::delete(table.filter(user_id.eq(user).and(network.eq_any(beyond)))).execute(transaction)?;
    }
    Ok(())
}
