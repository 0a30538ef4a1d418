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

use super::Connection;

/// What the statement fails with on a standby.
const STANDBY: &str = "this database server is a hot standby";
/// What it fails with where writes are refused by a setting.
const READ_ONLY: &str = "this database server refuses writes (default_transaction_read_only)";

/// Null on a primary that takes writes; elsewhere an error that says why, for the words are no number. A transaction
/// learns whether it may write when it begins, before it sees anything. It is evaluated once in each run, be there rows
/// or not, because it is a query of its own that depends on none of them.
pub(super) const CHECK: &str = "(SELECT CASE \
    WHEN pg_is_in_recovery() THEN 'this database server is a hot standby' \
    WHEN current_setting('transaction_read_only')::boolean \
    THEN 'this database server refuses writes (default_transaction_read_only)' END)::integer";

/// What libpq is told unless the URL says otherwise: of several hosts it takes the one that takes writes.
const WRITABLE: (&str, &str) = ("target_session_attrs", "read-write");
const WHATEVER: (&str, &str) = ("target_session_attrs", "any");
/// What libpq says of a host that does not.
const REFUSED: &str = "session is read-only";

/// Makes a query fail unless a primary answers it that takes writes.
pub(super) fn on_primary<Q: FilterDsl<OnPrimary>>(query: Q) -> Q::Output {
    query.filter(OnPrimary)
}

/// Why a statement failed, if that is why.
pub(crate) fn why_not_primary(message: &str) -> Option<&'static str> {
    [STANDBY, READ_ONLY].into_iter().find(|words| message.contains(words))
}

/// Connects to a primary that takes writes.
///
/// libpq tells by what is said when the connection begins. A pooler says then what the first server told it, and goes
/// on saying so when it has long been leading to another one. So a refusal is looked into, by a question to the server
/// itself; that also tells a standby from a primary that was set to refuse writes.
pub(super) fn connect(url: &str) -> ConnectionResult<Connection> {
    let (writable, whatever) = (super::with_missing(url, &[WRITABLE]), super::with_missing(url, &[WHATEVER]));
    let refusal = match Connection::establish(&writable) {
        Err(ConnectionError::BadConnection(message)) if message.contains(REFUSED) && writable != whatever => message,
        Ok(mut connection) => return requirement(&mut connection).map(|()| connection),
        Err(other) => return Err(other),
    };
    let mut connection = Connection::establish(&whatever)?;
    match requirement(&mut connection) {
        Err(ConnectionError::BadConnection(why)) => {
            Err(ConnectionError::BadConnection(format!("{}: {why}", refusal.trim_end())))
        }
        demanded => demanded.map(|()| connection),
    }
}

fn requirement(connection: &mut Connection) -> ConnectionResult<()> {
    connection.batch_execute(&format!("SELECT {CHECK}")).map_err(|error| match why_not_primary(&error.to_string()) {
        Some(why) => ConnectionError::BadConnection(why.to_owned()),
        None => ConnectionError::CouldntSetupConfiguration(error),
    })
}

/// That [`CHECK`] is null. A type of its own, because a statement with an SQL literal would be prepared anew each time.
#[derive(Clone, Copy, Debug, QueryId)]
pub(crate) struct OnPrimary;

impl Expression for OnPrimary {
    type SqlType = Bool;
}

impl<Q> AppearsOnTable<Q> for OnPrimary {}
impl<Q> SelectableExpression<Q> for OnPrimary {}

impl ValidGrouping<()> for OnPrimary {
    type IsAggregate = is_aggregate::No;
}

impl QueryFragment<Pg> for OnPrimary {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(CHECK);
        out.push_sql(" IS NULL");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_check() {
        assert!([STANDBY, READ_ONLY].iter().all(|words| CHECK.contains(&format!("'{words}'"))));
    }
}
