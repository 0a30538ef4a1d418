//! Tests of what must not compile: a statement that changes what session checks depend on runs as a change alone. A
//! statement that does not compile cannot be in a test, so these ask for the traits that running it takes. And of what is
//! prepared once.

use std::marker::PhantomData;

use diesel::query_builder::QueryFragment;

use super::{Backend, Connection, Database, Query, ReadConnection, Statement, UncheckedStatement, WriteTransaction};
use crate::dsl::*;
use crate::engine::DatabaseEngine;
use crate::engine::prepared::{Counted, MOST_PARAMETERS, Prepared};
use crate::schema::{CheckedTable, audit, challenges, kill_switches, sessions, users};

/// What a type has of these traits. Its own methods come before those of [`Otherwise`] where they exist, which is where
/// their bounds hold.
struct Traits<T>(PhantomData<T>);

fn traits_of<T>(_: &T) -> Traits<T> {
    Traits(PhantomData)
}

impl<T: UncheckedStatement> Traits<T> {
    fn any_transaction_runs_it(&self) -> bool {
        true
    }
}

impl<T: Query> Traits<T> {
    fn is_a_query(&self) -> bool {
        true
    }
}

impl<T: Statement<Table: CheckedTable>> Traits<T> {
    fn is_a_change(&self) -> bool {
        true
    }
}

impl<T: diesel::Connection> Traits<T> {
    fn runs_any_statement(&self) -> bool {
        true
    }
}

trait Otherwise {
    fn any_transaction_runs_it(&self) -> bool {
        false
    }

    fn is_a_query(&self) -> bool {
        false
    }

    fn is_a_change(&self) -> bool {
        false
    }

    fn runs_any_statement(&self) -> bool {
        false
    }
}

impl<T> Otherwise for Traits<T> {}

/// Asserts of each statement whether it is a change, any transaction runs it, and it is a query.
macro_rules! assert_runs {
    ($change:literal, $unchecked:literal, $query:literal: $($statement:expr),+ $(,)?) => {
        $({
            let traits = traits_of(&$statement);
            let found = (traits.is_a_change(), traits.any_transaction_runs_it(), traits.is_a_query());
            assert_eq!(found, ($change, $unchecked, $query), "change, run by any, query: {}", stringify!($statement));
        })+
    };
}

#[test]
fn what_changes_a_table_that_session_checks_depend_on_runs_as_a_change_alone() {
    assert_runs!(true, false, false:
        diesel::insert_into(users::table).values(users::id.eq(1)),
        diesel::insert_into(users::table).values(users::id.eq(1)).on_conflict_do_nothing(),
        diesel::update(users::table).set(users::staff.eq(true)),
        diesel::update(users::table.find(1)).set(users::staff.eq(true)).returning(users::id),
        diesel::delete(users::table),
        diesel::delete(users::table.find(1)).returning(users::id),
        diesel::insert_into(sessions::table).values(sessions::id.eq(1)),
        diesel::update(sessions::table).set(sessions::ended_at.eq(1)),
        diesel::update(sessions::table).set(sessions::ended_at.eq(1)).returning(sessions::uuid),
        diesel::delete(sessions::table),
        diesel::insert_into(kill_switches::table).values(kill_switches::id.eq(1)),
        diesel::update(kill_switches::table).set(kill_switches::is_on.eq(true)),
        diesel::delete(kill_switches::table),
    );
}

#[test]
fn what_changes_another_table_is_run_by_any_transaction() {
    assert_runs!(false, true, false:
        diesel::insert_into(audit::table).values(audit::actor.eq("")),
        diesel::update(audit::table).set(audit::actor.eq("")).returning(audit::number),
        diesel::delete(challenges::table),
    );
    assert_runs!(false, false, true: users::table.select(users::id), sessions::table.find(vec![1]));
}

#[test]
fn what_is_run_by_its_text_alone_is_run_by_nobody() {
    assert_runs!(false, false, false: diesel::sql_query("DELETE FROM users"), super::sql("DELETE FROM users"));
}

#[test]
fn a_transaction_gives_no_connection_that_runs_any_statement() {
    let none = (
        Traits::<WriteTransaction<'static>>(PhantomData).runs_any_statement(),
        Traits::<ReadConnection<'static>>(PhantomData).runs_any_statement(),
    );
    assert_eq!(none, (false, false));
    assert!(Traits::<Connection>(PhantomData).runs_any_statement());
}

fn is_prepared_once(statement: &impl QueryFragment<Backend>) -> bool {
    statement.is_safe_to_cache_prepared(&Backend::default()).unwrap()
}

#[test]
fn an_update_is_prepared_once() {
    let update = || diesel::update(users::table.find(1)).set(users::staff.eq(true));
    assert!(!is_prepared_once(&update()), "diesel does that by itself now");
    assert!(is_prepared_once(&Counted(update())));
    assert!(!is_prepared_once(&&Counted(update())), "diesel hands references on as they are now");
    assert!(is_prepared_once(&Prepared(update().returning(users::id))));
}

#[test]
fn a_list_that_may_be_of_any_length_is_no_text_to_be_kept() {
    let among =
        |ids: Vec<i64>| Prepared(diesel::update(users::table.filter(users::id.eq_any(ids))).set(users::staff.eq(true)));
    assert!(is_prepared_once(&among(vec![1, 2])));
    // On Postgres a list is one parameter.
    assert_eq!(is_prepared_once(&among(vec![1; MOST_PARAMETERS])), Database::NAME == "PostgreSQL");
}
