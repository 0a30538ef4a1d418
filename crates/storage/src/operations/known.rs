//! The networks and devices that accounts are used with.

use std::net::IpAddr;

use diesel::helper_types::{And, Eq, Filter, GtEq};
use thunderhead_domain::device::LoginDevice;
use thunderhead_domain::id::UserId;
use thunderhead_domain::network::{KNOWN_SECONDS, MOST_KNOWN, Network};
use thunderhead_domain::session::NewSession;
use thunderhead_domain::time::Timestamp;

use super::{Query, UncheckedStatement, WriteTransaction};
use crate::dsl::*;
use crate::schema::{known_devices, known_networks};

/// Where a network is still known.
type KnownNetwork =
    Filter<known_networks::table, And<Eq<known_networks::network, String>, GtEq<known_networks::last_at, i64>>>;

/// Since when what is known was used, in Unix milliseconds.
pub(crate) const fn since(now: Timestamp) -> i64 {
    now.plus_seconds(-KNOWN_SECONDS).unix_millis()
}

/// The accounts that know a network.
pub(crate) fn network(which: Network, now: Timestamp) -> KnownNetwork {
    let known = known_networks::network.eq(which.to_string()).and(known_networks::last_at.ge(since(now)));
    known_networks::table.filter(known)
}

/// The name of the network that an address is in.
pub(crate) fn name(address: IpAddr) -> String {
    Network::of(address).to_string()
}

/// Notes that a user has used something now, and forgets what they have not used for the longest time, where there is too
/// much of it.
macro_rules! note {
    ($transaction:expr, $user:expr, $table:ident.$name:ident, $used:expr, $at:expr) => {{
        let (user, used, at) = ($user.number(), $used, $at.unix_millis());
        let same = $table::table.find((user, &used));
        if diesel::update(same).set($table::last_at.eq(at)).execute($transaction)? == 0 {
            let row = ($table::user_id.eq(user), $table::$name.eq(used), $table::last_at.eq(at));
            diesel::insert_into($table::table).values(row).execute($transaction)?;
            let theirs = $table::table.filter($table::user_id.eq(user));
            let latest = theirs.order($table::last_at.desc()).offset(MOST_KNOWN as i64);
            let beyond: Vec<String> = latest.select($table::$name).load($transaction)?;
            if !beyond.is_empty() {
                diesel::delete(theirs.filter($table::$name.eq_any(beyond))).execute($transaction)?;
            }
        }
    }};
}

/// Makes the network known that a session was opened from. The user's row is locked.
pub(crate) fn note_network(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    client_ip: Option<IpAddr>,
    at: Timestamp,
) -> QueryResult<()> {
    if let Some(address) = client_ip {
        note!(transaction, user, known_networks.network, name(address), at);
    }
    Ok(())
}

/// Makes the device known that a user has logged in with, whose row is locked; returns whether it is a new one.
pub(crate) fn note_device(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    device: &LoginDevice,
    at: Timestamp,
) -> QueryResult<bool> {
    let same = known_devices::device.eq(device.to_string()).or(known_devices::device.eq(device.any_in_network()));
    let known = known_devices::table
        .filter(known_devices::user_id.eq(user.number()).and(same).and(known_devices::last_at.ge(since(at))));
    let known: i64 = known.count().get_result(transaction)?;
    note!(transaction, user, known_devices.device, device.to_string(), at);
    Ok(known == 0)
}

/// The same of a session that is being opened. One that does not complete a login is none.
pub(crate) fn note_login(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    session: &NewSession,
) -> QueryResult<bool> {
    match session.login_device() {
        Some(device) => note_device(transaction, user, &device, session.at),
        None => Ok(false),
    }
}
