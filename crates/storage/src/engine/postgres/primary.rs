//! Only a primary that takes writes may answer: a standby lags behind, and so does a primary that was set to refuse
//! writes because another one has taken over. Statements ask for that themselves, for the address may lead to another
//! server than before, and a pooler may change the server behind an open connection. A write needs no question: these
//! servers refuse it.

use diesel::connection::{Connection as _, SimpleConnection};
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::query_dsl::methods::FilterDsl;
use diesel::sql_types::Bool;

use super::Postgres;
use crate::engine::OnPrimary;
use crate::error::why_not_primary;

/// Null on a primary that takes writes; elsewhere an error that says why, for the words are no number. A transaction
/// learns whether it may write when it begins, before it sees anything. It is evaluated once in each run, be there rows
/// or not, because it is a query of its own that depends on none of them.
pub(super) const CHECK: &str = "(SELECT CASE \
    WHEN pg_is_in_recovery() THEN 'this database server is a hot standby' \
    WHEN current_setting('transaction_read_only')::boolean \
    THEN 'this database server refuses writes (default_transaction_read_only)' END)::integer";

/// What libpq is told unless the URL says otherwise: to give up on a host that does not answer, and to notice
/// (within about ten seconds) one that has gone.
const DEFAULTS: [(&str, &str); 6] = [
    ("connect_timeout", "2"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "2"),
    ("keepalives_count", "3"),
    // Milliseconds. Keepalives are not sent while a query is on its way to a host that has gone.
    ("tcp_user_timeout", "10000"),
    ("application_name", "thunderhead"),
];

/// What libpq is told unless the URL says otherwise: of several hosts it takes the one that takes writes.
const WRITABLE: (&str, &str) = ("target_session_attrs", "read-write");
const WHATEVER: (&str, &str) = ("target_session_attrs", "any");
/// What libpq says of a host that does not.
const REFUSED: &str = "session is read-only";

impl<Q: FilterDsl<IsPrimary>> OnPrimary<Q> for Postgres {
    type Output = Q::Output;

    fn on_primary(query: Q) -> Q::Output {
        query.filter(IsPrimary)
    }
}

/// Connects to a primary that takes writes.
///
/// libpq tells by what is said when the connection begins. A pooler says then what the first server told it, and goes
/// on saying so when it has long been leading to another one. So a refusal is looked into, by a question to the server
/// itself; that also tells a standby from a primary that was set to refuse writes.
pub(super) fn connect(url: &str) -> ConnectionResult<PgConnection> {
    let url = with_missing(url, &DEFAULTS);
    let (writable, whatever) = (with_missing(&url, &[WRITABLE]), with_missing(&url, &[WHATEVER]));
    let refusal = match PgConnection::establish(&writable) {
        Err(ConnectionError::BadConnection(message)) if message.contains(REFUSED) && writable != whatever => message,
        Ok(mut connection) => return requirement(&mut connection).map(|()| connection),
        Err(other) => return Err(other),
    };
    let mut connection = PgConnection::establish(&whatever)?;
    match requirement(&mut connection) {
        Err(ConnectionError::BadConnection(why)) => {
            Err(ConnectionError::BadConnection(format!("{}: {why}", refusal.trim_end())))
        }
        demanded => demanded.map(|()| connection),
    }
}

/// The URL with those of these parameters that it does not set itself.
fn with_missing(url: &str, parameters: &[(&str, &str)]) -> String {
    let given = url.split_once('?').map_or("", |(_, parameters)| parameters);
    let sets = |name: &str| given.split('&').any(|pair| pair.split_once('=').is_some_and(|(key, _)| key == name));
    let missing = parameters.iter().filter(|(name, _)| !sets(name)).map(|(name, value)| format!("{name}={value}"));
    let missing = missing.collect::<Vec<_>>().join("&");
    match url.chars().last() {
        _ if missing.is_empty() => url.to_owned(),
        Some('?' | '&') => format!("{url}{missing}"),
        _ if url.contains('?') => format!("{url}&{missing}"),
        _ => format!("{url}?{missing}"),
    }
}

fn requirement(connection: &mut PgConnection) -> ConnectionResult<()> {
    connection.batch_execute(&format!("SELECT {CHECK}")).map_err(|error| match why_not_primary(&error.to_string()) {
        Some(why) => ConnectionError::BadConnection(why.to_owned()),
        None => ConnectionError::CouldntSetupConfiguration(error),
    })
}

/// That [`CHECK`] is null. A type of its own, because a statement with an SQL literal would be prepared anew each time.
#[derive(Clone, Copy, Debug, QueryId)]
pub(crate) struct IsPrimary;

impl Expression for IsPrimary {
    type SqlType = Bool;
}

impl<Q> AppearsOnTable<Q> for IsPrimary {}
impl<Q> SelectableExpression<Q> for IsPrimary {}

impl ValidGrouping<()> for IsPrimary {
    type IsAggregate = is_aggregate::No;
}

impl QueryFragment<Pg> for IsPrimary {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(CHECK);
        out.push_sql(" IS NULL");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{READ_ONLY, STANDBY};

    #[test]
    fn the_words_are_those_of_the_check() {
        assert!([STANDBY, READ_ONLY].iter().all(|words| CHECK.contains(&format!("'{words}'"))));
    }

    #[test]
    fn the_url_keeps_its_own_parameters() {
        let with_defaults = |url| with_missing(url, &DEFAULTS);
        let bare = with_defaults("postgres://ada@db/x");
        assert!(bare.starts_with("postgres://ada@db/x?connect_timeout=2&keepalives_idle=5"), "{bare}");
        let own = with_defaults("postgres://ada@db/x?connect_timeout=9&sslmode=require");
        assert!(own.contains("?connect_timeout=9&sslmode=require&keepalives_idle=5"), "{own}");
        assert!(!own.contains("connect_timeout=2"), "{own}");
    }
}
