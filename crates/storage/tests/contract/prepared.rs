//! What is run often is prepared once on each connection, and planned once.

use std::mem;

use thunderhead_domain::budget::{BudgetKey, Charge};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{ChangeCursor, ChangeRounds, Invalidations, Storage, Stored};
use thunderhead_domain::session::NewSession;
use thunderhead_domain::user::PasswordHash;
use thunderhead_testkit::{TestDatabase, on_both_engines};
use tokio::sync::oneshot;

use crate::overheard::{Listener, PLANNED_ONCE};
use crate::support::{WHY, action, at, first, open, plain, session, user, uuid};

on_both_engines!(async:
    what_is_run_often_is_prepared_once,
    on_postgres_each_statement_is_planned_once,
);

/// How statements begin that need not be prepared.
const OF_TRANSACTIONS: [&str; 6] = ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET "];

async fn what_is_run_often_is_prepared_once(database: TestDatabase) {
    let listener = Listener::new(&database);
    let storage = database.open();
    for (round, name) in (0..).zip(["ada", "grace"]) {
        let user = user(&*storage, name).await.id;
        listener.all();
        run(&*storage, user, 10 * round).await;
    }
    let heard = listener.all();
    let prepared = heard.iter().filter(|statement| !OF_TRANSACTIONS.iter().any(|begin| statement.starts_with(begin)));
    // On SQLite a list may be of any length.
    let prepared = prepared.filter(|statement| ![" IN (?", "), (?"].iter().any(|list| statement.contains(list)));
    let anew: Vec<_> = prepared.filter(|statement| !listener.is_kept(statement)).collect();
    assert_eq!(anew, Vec::<&String>::new());
    assert!(heard.len() > 10, "{heard:#?}");
}

/// What servers have to do all the time.
async fn run(storage: &dyn Storage, user: UserId, number: u128) {
    let (key, when) = (BudgetKey::Account(user), number as i64 * 1_000);
    let login = |number| NewSession { clears: Some(key.clone()), at: at(when), ..session(number) };
    for _ in 0..2 {
        let Charge::Admitted(receipt) = storage.budget_charge(&key, action(when)).await.unwrap() else { panic!() };
        storage.budget_refund(&key, receipt).await.unwrap();
        storage.budget_charge(&key, action(when)).await.unwrap();
    }
    let opened = open(storage, user, login(number + 1)).await;
    open(storage, user, login(number + 3)).await;
    open(storage, user, login(number + 4)).await;
    storage.session_page(user, first(10), at(when)).await.unwrap();
    storage.session_end(user, opened.id, WHY, action(when)).await.unwrap();
    storage.session_end_others(user, uuid(number + 4), WHY, action(when)).await.unwrap();
    let hash = PasswordHash::new(format!("hash {number}"));
    storage.account_set_password(user, hash, plain(user, number + 4, when)).await.unwrap().unwrap();
    storage.session_open_from(user, session(number + 5), plain(user, number + 4, when)).await.unwrap().unwrap();
    storage.session_end_all(user, WHY, action(when)).await.unwrap();
    storage.changes_since(&ChangeCursor::default()).await.unwrap();
}

/// Has the changes read once, on the connection that is for that.
struct OneRound {
    begun: bool,
    read: Option<oneshot::Sender<Stored<Invalidations>>>,
}

impl ChangeRounds for OneRound {
    fn begin(&mut self) -> Option<ChangeCursor> {
        (!mem::replace(&mut self.begun, true)).then(ChangeCursor::default)
    }

    fn end(&mut self, changes: Stored<Invalidations>) {
        self.read.take().unwrap().send(changes).unwrap();
    }
}

async fn on_postgres_each_statement_is_planned_once(database: TestDatabase) {
    let listener = Listener::new(&database);
    let storage = database.open();
    // On a connection of either pool.
    storage.ping().await.unwrap();
    let (read, changes) = oneshot::channel();
    storage.read_in_rounds(Box::new(OneRound { begun: false, read: Some(read) }));
    changes.await.unwrap().unwrap();
    let heard = listener.all();
    let planned_once = heard.iter().filter(|statement| *statement == PLANNED_ONCE).count();
    assert_eq!(planned_once, if database.url().sqlite_path().is_some() { 0 } else { 2 }, "{heard:#?}");
}
