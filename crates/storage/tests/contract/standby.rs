//! A server that is no primary, or takes no writes, answers nothing. That it is a standby is only made up here, by a
//! function that stands in front of Postgres' own; `cargo xtask faults failover` shows the same on real ones.

use std::time::Duration;

use thunderhead_domain::audit::AuditFilter;
use thunderhead_domain::id::SessionId;
use thunderhead_domain::ports::{
    AccountName, ChangeCursor, PageStart, SessionFilter, SessionSearch, StorageError, Stored,
};
use thunderhead_domain::service::ServiceName;
use thunderhead_domain::session::SessionKey;
use thunderhead_domain::webhook::WebhookName;
use thunderhead_storage::{StorageSettings, check_schema, connect};
use thunderhead_testkit::{TestDatabase, block_on};

use crate::support::{
    Intruder, WHY, action, at, challenge_id, digest, factor_id, first, live, open, session, user, uuid,
};

const MADE_UP: &str = "CREATE SCHEMA made_up;
    CREATE TABLE made_up.state AS SELECT FALSE AS is_standby;
    CREATE FUNCTION made_up.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT is_standby FROM made_up.state';
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = made_up, pg_catalog, public', current_database());
    END $$";

/// A database that is a standby at times.
struct World {
    database: TestDatabase,
    intruder: Intruder,
}

impl World {
    fn new() -> Self {
        let database = TestDatabase::postgres();
        let mut intruder = Intruder::new(&database);
        intruder.run(MADE_UP);
        Self { database, intruder }
    }

    /// With one connection, so that it is known which one a question goes over.
    fn settings(&self) -> StorageSettings {
        StorageSettings { connections: 1, ..self.database.settings() }
    }

    fn is_standby(&mut self, standby: bool) {
        self.intruder.run(&format!("UPDATE made_up.state SET is_standby = {standby}"));
    }
}

fn is_refused<T>(outcome: Stored<T>, why: &str) -> bool {
    matches!(outcome, Err(StorageError::Outage(source)) if source.to_string().contains(why))
}

/// Each read is asked first of a primary, so that its connection is open when that turns out to be a standby.
macro_rules! refuses {
    ($world:ident: $($read:expr),+ $(,)?) => {$(
        $world.is_standby(false);
        $read.await.unwrap();
        $world.is_standby(true);
        assert!(is_refused($read.await, "hot standby"), "{}", stringify!($read));
    )+};
}

#[test]
fn an_open_connection_that_leads_to_a_standby_answers_no_read() {
    let mut world = World::new();
    let storage = connect(&world.settings()).unwrap();
    block_on(async {
        let ada = user(&*storage, "ada").await.id;
        open(&*storage, ada, session(1)).await;
        let (name, service) = (AccountName::Id(ada), ServiceName::try_from("uploads".to_owned()).unwrap());
        let webhook = WebhookName::try_from("shop".to_owned()).unwrap();
        let (filter, now) = (SessionFilter::default(), at(0));
        let known = storage.changes_since(&ChangeCursor::default()).await.unwrap().latest;
        refuses!(world:
            storage.ping(),
            storage.changes_since(&ChangeCursor::default()),
            // Of which there are none.
            storage.changes_since(&known),
            storage.session_authority(None),
            storage.session_authority(Some(SessionKey::Uuid(uuid(1), ada))),
            // What is not there may only not have arrived.
            storage.session_authority(Some(SessionKey::Uuid(uuid(2), ada))),
            storage.session_authority(Some(SessionKey::Pass(digest(1)))),
            storage.session_find(ada, SessionId::at(at(0)), now),
            storage.session_find_any(uuid(1)),
            storage.session_find_with_user(uuid(1)),
            storage.session_page(ada, first(9), now),
            storage.session_list(filter, PageStart::Skip(0), 9, now),
            storage.session_search(SessionSearch::default(), None, 9, now),
            storage.session_count(filter, now),
            storage.session_extend(uuid(2), at(1), action(1)),
            storage.session_end_everywhere(at(-1), WHY, action(1)),
            storage.account_find(name.clone()),
            storage.account_credential(name.clone()),
            storage.account_page(first(9)),
            storage.factor_find(ada, factor_id(1)),
            storage.factor_page(ada, first(9)),
            storage.factor_list(ada),
            storage.backup_codes_left(ada),
            storage.factor_keys(ada),
            storage.challenge_find(challenge_id(1)),
            storage.challenge_charge(challenge_id(1), action(1)),
            storage.switches(),
            storage.signing_keys(),
            storage.sealed_texts(),
            storage.service_find(&service),
            storage.service_list(),
            storage.webhook_find(&webhook),
            storage.webhook_list(),
            storage.token_find_replaced(digest(1)),
            storage.audit_page(AuditFilter::default(), first(9)),
        );
        world.is_standby(false);
        assert_eq!(live(&*storage, ada).await, [1], "the connection was replaced");
    });
}

#[test]
fn a_connection_to_a_standby_is_not_kept_and_the_next_is_made_when_it_is_none() {
    let mut world = World::new();
    world.is_standby(true);
    let storage = connect(&StorageSettings { deadline: Duration::from_millis(300), ..world.settings() }).unwrap();
    let error = check_schema(world.database.url()).unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("hot standby"), "{error:?}");
    block_on(async {
        assert!(storage.ping().await.is_err());
        world.is_standby(false);
        let storage = connect(&world.settings()).unwrap();
        storage.ping().await.unwrap();
    });
    check_schema(world.database.url()).unwrap();
}

/// That is how a disk is kept from running full, and how writes are kept from a primary that is to step down: in the
/// latter case its answers are soon out of date.
#[test]
fn a_primary_that_was_set_to_refuse_writes_is_refused_and_called_by_its_name() {
    let mut world = World::new();
    let storage = connect(&world.settings()).unwrap();
    block_on(async {
        let ada = user(&*storage, "ada").await.id;
        world.intruder.run(
            "DO $$ BEGIN
                EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database());
            END $$",
        );
        // What is open keeps the old setting. The next connection does not.
        assert!(storage.account_find(AccountName::Id(ada)).await.unwrap().is_some());
        let hasty = connect(&StorageSettings { deadline: Duration::from_millis(300), ..world.settings() }).unwrap();
        assert!(hasty.account_find(AccountName::Id(ada)).await.is_err());
        assert!(hasty.session_end_all(ada, WHY, action(1)).await.is_err());
    });
    let error = check_schema(world.database.url()).unwrap_err();
    let words = std::error::Error::source(&error).unwrap().to_string();
    assert!(words.contains("session is read-only: this database server refuses writes"), "{words}");
}

#[test]
fn a_storage_that_keeps_nothing_on_its_connections_works_all_the_same() {
    let database = TestDatabase::postgres();
    let storage = connect(&StorageSettings { prepared_statements: false, ..database.settings() }).unwrap();
    block_on(async {
        let ada = user(&*storage, "ada").await.id;
        for number in 0..3 {
            open(&*storage, ada, session(number)).await;
        }
        assert_eq!(live(&*storage, ada).await, [2, 1, 0]);
        storage.session_end_all(ada, WHY, action(1)).await.unwrap();
        assert!(live(&*storage, ada).await.is_empty());
    });
}
