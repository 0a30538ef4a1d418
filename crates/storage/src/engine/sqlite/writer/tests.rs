//! What shares a commit, and what becomes of it when one of them fails, or all do.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use diesel::connection::{Connection as _, SimpleConnection};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use proptest::prelude::*;
use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::ports::{StorageError, Stored};
use tokio::task::JoinHandle;

use super::{BatchLimits, Writer};
use crate::engine::Commit;
use crate::engine::pool::Manager;
use crate::engine::queue::PoolOptions;
use crate::engine::sqlite::{open, set_up_writer};
use crate::error::{DataError, OperationError};

const LONG: Duration = Duration::from_secs(60);
/// Batches of any size, for however long.
const ENDLESS: BatchLimits = BatchLimits { most: 1_000, filling: LONG };

/// Notes are numbers; none is taken down twice. What is deferred is looked at with the commit.
const TABLES: &str = "PRAGMA journal_mode = WAL; \
    CREATE TABLE notes (number INTEGER PRIMARY KEY, \
                        text BLOB, \
                        other INTEGER REFERENCES notes DEFERRABLE INITIALLY DEFERRED)";

/// A file with notes, and its writer.
struct Notes {
    folder: tempfile::TempDir,
    writer: Arc<Writer>,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

impl Notes {
    fn new(limits: BatchLimits) -> Self {
        Self::waiting_for_others(limits, |_| LONG)
    }

    /// Each connection waits so long for other processes, by its number.
    fn waiting_for_others(limits: BatchLimits, wait: fn(usize) -> Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.db").to_str().unwrap().to_owned();
        SqliteConnection::establish(&file).unwrap().batch_execute(TABLES).unwrap();
        let options = PoolOptions { name: "test", connections: 1, queue: 1_000, deadline: LONG };
        let made = AtomicUsize::new(0);
        let manager = Manager::new(move || {
            let mut connection = open(&file, set_up_writer)?;
            let wait = wait(made.fetch_add(1, Ordering::SeqCst)).as_millis();
            // Nobody pulls the plug here.
            connection.batch_execute(&format!("PRAGMA synchronous = OFF; PRAGMA busy_timeout = {wait}")).unwrap();
            Ok(connection)
        });
        let writer = Writer::start(&options, limits, manager).unwrap();
        Self { folder, writer: Arc::new(writer) }
    }

    /// What others see.
    fn committed(&self) -> Vec<i64> {
        let file = self.folder.path().join("x.db");
        let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
        numbers(&mut connection)
    }

    /// Has a transaction wait for its turn.
    async fn submit<T: Send + 'static>(
        &self,
        commit: Commit,
        work: impl Fn(&mut SqliteConnection, Commit) -> Result<T, OperationError> + Send + 'static,
    ) -> JoinHandle<Stored<T>> {
        let writer = Arc::clone(&self.writer);
        let task = tokio::spawn(async move { writer.run(commit, work, |done| done).await });
        tokio::task::yield_now().await;
        task
    }

    async fn take_down(&self, number: i64) -> JoinHandle<Stored<()>> {
        self.submit(Commit::Shared, move |connection, _| note(connection, number)).await
    }

    /// One that takes down a note, and goes on when something is sent. It has begun when it says so.
    async fn hold(&self, commit: Commit, number: i64) -> Held {
        let (begun, beginning) = channel();
        let (end, ending) = channel();
        let work = move |connection: &mut SqliteConnection, _: Commit| {
            note(connection, number)?;
            begun.send(()).unwrap();
            ending.recv().unwrap();
            Ok(())
        };
        Held { task: self.submit(commit, work).await, beginning, end }
    }
}

struct Held {
    task: JoinHandle<Stored<()>>,
    beginning: Receiver<()>,
    end: Sender<()>,
}

impl Held {
    /// Waits until it runs.
    fn runs(&self) {
        self.beginning.recv_timeout(LONG).unwrap();
    }

    fn go_on(&self) {
        self.end.send(()).unwrap();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn numbers(connection: &mut SqliteConnection) -> Vec<i64> {
    let rows: Vec<Number> = diesel::sql_query("SELECT number FROM notes ORDER BY number").load(connection).unwrap();
    rows.into_iter().map(|row| row.number).collect()
}

fn note(connection: &mut SqliteConnection, number: i64) -> Result<(), OperationError> {
    Ok(connection.batch_execute(&format!("INSERT INTO notes (number) VALUES ({number})"))?)
}

fn refuse<T>() -> Result<T, OperationError> {
    Err(Refusal::Taken.into())
}

/// What went wrong, where it did not come to the work itself.
fn why(outcome: Stored<()>) -> String {
    let Err(StorageError::Outage(source)) = outcome else { panic!("{outcome:?}") };
    let Some(OperationError::NotCommitted(why)) = source.downcast_ref() else { panic!("{source:?}") };
    why.to_string()
}

#[test]
fn those_who_wait_share_a_commit_and_nobody_is_answered_before_it() {
    let notes = Notes::new(ENDLESS);
    block_on(async {
        let first = notes.hold(Commit::Shared, 1).await;
        first.runs();
        let second = notes.take_down(2).await;
        let refused = notes
            .submit(Commit::Shared, |connection, _| {
                note(connection, 3)?;
                refuse::<()>()
            })
            .await;
        let twice = notes.take_down(2).await;
        let last = notes.hold(Commit::Shared, 4).await;
        first.go_on();
        last.runs();
        tokio::task::yield_now().await;
        assert!(![&first.task, &second, &refused, &twice, &last.task].iter().any(|task| task.is_finished()));
        assert!(notes.committed().is_empty());
        last.go_on();
        for done in [first.task, second, last.task] {
            done.await.unwrap().unwrap();
        }
        for failed in [refused, twice] {
            assert!(matches!(failed.await.unwrap(), Err(StorageError::Defect(_))), "undone for its own sake");
        }
        assert_eq!(notes.committed(), [1, 2, 4]);
    });
}

#[test]
fn what_is_refused_first_is_answered_at_once_and_the_next_begins_anew() {
    let notes = Notes::new(ENDLESS);
    block_on(async {
        let refused = notes
            .submit(Commit::Shared, |connection, _| {
                note(connection, 1)?;
                refuse::<()>()
            })
            .await;
        let next = notes.hold(Commit::Shared, 1).await;
        next.runs();
        assert!(refused.await.unwrap().is_err(), "without waiting for the next");
        next.go_on();
        next.task.await.unwrap().unwrap();
        assert_eq!(notes.committed(), [1]);
    });
}

#[test]
fn a_panic_is_a_defect_of_its_job_alone() {
    let notes = Notes::new(ENDLESS);
    block_on(async {
        for round in [10, 20] {
            let first = notes.hold(Commit::Shared, round).await;
            first.runs();
            let panicking = notes
                .submit(Commit::Shared, move |connection, _| {
                    note(connection, round + 1)?;
                    // Within a transaction within the transaction, whose end nobody sees.
                    connection.transaction(|connection| {
                        note(connection, round + 2)?;
                        panic!("on purpose")
                    })
                })
                .await;
            let after = notes
                .submit(Commit::Shared, move |connection, _| {
                    connection.transaction(|connection| note(connection, round + 3))?;
                    note(connection, round + 4)
                })
                .await;
            first.go_on();
            first.task.await.unwrap().unwrap();
            let panicked: Stored<()> = panicking.await.unwrap();
            let Err(StorageError::Defect(source)) = panicked else { panic!("{panicked:?}") };
            assert!(matches!(source.downcast_ref(), Some(OperationError::Data(DataError::Panicked))));
            after.await.unwrap().unwrap();
        }
        assert_eq!(notes.committed(), [10, 13, 14, 20, 23, 24]);
    });
}

#[test]
fn a_full_disk_undoes_all_that_share_a_commit() {
    let notes = Notes::new(ENDLESS);
    block_on(async {
        let first = notes.hold(Commit::Shared, 1).await;
        first.runs();
        let full = notes
            .submit(Commit::Shared, |connection, _| {
                connection.batch_execute("PRAGMA max_page_count = 2")?;
                Ok(connection.batch_execute("INSERT INTO notes VALUES (2, zeroblob(100000), NULL)")?)
            })
            .await;
        let after = notes.take_down(3).await;
        first.go_on();
        for task in [first.task, full] {
            assert_eq!(why(task.await.unwrap()), "database or disk is full");
        }
        // That SQLite has undone everything is seen before the next one begins.
        after.await.unwrap().unwrap();
        assert_eq!(notes.committed(), [3]);
    });
}

#[test]
fn a_commit_that_fails_undoes_all_that_share_it() {
    let notes = Notes::new(ENDLESS);
    block_on(async {
        let first = notes.hold(Commit::Shared, 1).await;
        first.runs();
        let refused = notes.submit(Commit::Shared, |_, _| refuse::<()>()).await;
        let failing = notes
            .submit(Commit::Shared, |connection, _| {
                Ok(connection.batch_execute("INSERT INTO notes VALUES (2, NULL, 100)")?)
            })
            .await;
        first.go_on();
        // What was refused was refused on the strength of what has not happened.
        for task in [first.task, refused, failing] {
            assert_eq!(why(task.await.unwrap()), "FOREIGN KEY constraint failed");
        }
        assert!(notes.committed().is_empty());
        notes.take_down(1).await.await.unwrap().unwrap();
        assert_eq!(notes.committed(), [1]);
    });
}

#[test]
fn who_goes_away_changes_nothing_for_the_others() {
    let notes = Notes::new(ENDLESS);
    block_on(async {
        let first = notes.hold(Commit::Shared, 1).await;
        first.runs();
        let gone = notes.take_down(2).await;
        let leaving = notes.hold(Commit::Shared, 3).await;
        let last = notes.take_down(4).await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        first.go_on();
        leaving.runs();
        leaving.task.abort();
        leaving.go_on();
        first.task.await.unwrap().unwrap();
        last.await.unwrap().unwrap();
        // What nobody waited for any longer was not begun, what had begun was finished.
        assert_eq!(notes.committed(), [1, 3, 4]);
    });
}

#[test]
fn nobody_waits_for_what_commits_by_itself() {
    let notes = Notes::new(ENDLESS);
    block_on(async {
        let first = notes.hold(Commit::Shared, 1).await;
        first.runs();
        let before = notes.take_down(2).await;
        let own = notes.hold(Commit::Own, 3).await;
        let after = notes.hold(Commit::Shared, 4).await;
        first.go_on();
        own.runs();
        first.task.await.unwrap().unwrap();
        before.await.unwrap().unwrap();
        assert_eq!(notes.committed(), [1, 2]);
        own.go_on();
        own.task.await.unwrap().unwrap();
        after.runs();
        assert_eq!(notes.committed(), [1, 2, 3]);
        after.go_on();
        after.task.await.unwrap().unwrap();
        assert_eq!(notes.committed(), [1, 2, 3, 4]);
    });
}

#[test]
fn what_takes_long_is_done_again_without_others() {
    let notes = Notes::new(ENDLESS);
    block_on(async {
        let first = notes.hold(Commit::Shared, 1).await;
        first.runs();
        let (begun, beginning) = channel();
        let (end, ending) = channel::<()>();
        let long = move |connection: &mut SqliteConnection, commit: Commit| {
            note(connection, 2)?;
            if commit == Commit::Shared {
                return Err(OperationError::TakesLong);
            }
            begun.send(numbers(connection)).unwrap();
            ending.recv().unwrap();
            Ok(())
        };
        let long = notes.submit(Commit::Shared, long).await;
        let after = notes.take_down(3).await;
        first.go_on();
        assert_eq!(beginning.recv_timeout(LONG).unwrap(), [1, 2]);
        first.task.await.unwrap().unwrap();
        assert_eq!(notes.committed(), [1]);
        end.send(()).unwrap();
        long.await.unwrap().unwrap();
        after.await.unwrap().unwrap();
        assert_eq!(notes.committed(), [1, 2, 3]);
    });
}

#[test]
fn a_batch_is_bounded_in_number_and_in_time() {
    for (limits, shared) in [
        (BatchLimits { most: 3, filling: LONG }, 3),
        // What came first has taken longer than others may join.
        (BatchLimits { most: 1_000, filling: Duration::ZERO }, 1),
    ] {
        let notes = Notes::new(limits);
        block_on(async {
            let first = notes.hold(Commit::Shared, 0).await;
            first.runs();
            let mut waiting = Vec::new();
            for number in 1..shared {
                waiting.push(notes.take_down(number).await);
            }
            let next = notes.hold(Commit::Shared, shared).await;
            first.go_on();
            next.runs();
            assert_eq!(notes.committed(), (0..shared).collect::<Vec<_>>());
            next.go_on();
            waiting.extend([first.task, next.task]);
            for task in waiting {
                task.await.unwrap().unwrap();
            }
        });
    }
}

#[test]
fn another_process_that_writes_for_long_costs_one_job_and_not_those_behind_it() {
    let notes = Notes::waiting_for_others(ENDLESS, |number| if number == 0 { Duration::ZERO } else { LONG });
    let file = notes.folder.path().join("x.db");
    let mut other = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    block_on(async {
        let first = notes.take_down(1).await;
        let second = notes.hold(Commit::Shared, 2).await;
        let outcome = first.await.unwrap();
        assert!(matches!(outcome, Err(StorageError::Outage(_))), "{outcome:?}");
        other.batch_execute("ROLLBACK").unwrap();
        second.runs();
        second.go_on();
        second.task.await.unwrap().unwrap();
        assert_eq!(notes.committed(), [2]);
    });
}

/// What a transaction does, in turn.
#[derive(Clone, Debug)]
struct Steps {
    notes: Vec<i64>,
    nested: Vec<i64>,
    forget: Option<i64>,
    refused: bool,
}

impl Steps {
    /// Does them, and says which notes it saw.
    fn run(&self, connection: &mut SqliteConnection) -> Result<Vec<i64>, OperationError> {
        let seen = numbers(connection);
        for number in &self.notes {
            note(connection, *number)?;
        }
        let nested: Result<(), OperationError> =
            connection.transaction(|connection| self.nested.iter().try_for_each(|number| note(connection, *number)));
        if let Err(error) = nested
            && error.is_outage()
        {
            return Err(error);
        }
        if let Some(number) = self.forget {
            connection.batch_execute(&format!("DELETE FROM notes WHERE number = {number}"))?;
        }
        if self.refused { refuse() } else { Ok(seen) }
    }
}

fn steps() -> impl Strategy<Value = Steps> {
    let few = || prop::collection::vec(0..12_i64, 0..3);
    (few(), few(), prop::option::of(0..12_i64), prop::bool::weighted(0.2))
        .prop_map(|(notes, nested, forget, refused)| Steps { notes, nested, forget, refused })
}

/// Runs transactions that come while another one is at work; returns what became of each, and what is left.
fn outcomes(limits: BatchLimits, all: Vec<Steps>) -> (Vec<Option<Vec<i64>>>, Vec<i64>) {
    let notes = Notes::new(limits);
    let outcomes = block_on(async {
        let first = notes.hold(Commit::Shared, 100).await;
        first.runs();
        let mut waiting = Vec::new();
        for steps in all {
            waiting.push(notes.submit(Commit::Shared, move |connection, _| steps.run(connection)).await);
        }
        first.go_on();
        first.task.await.unwrap().unwrap();
        let mut outcomes = Vec::new();
        for task in waiting {
            outcomes.push(task.await.unwrap().ok());
        }
        outcomes
    });
    let left = notes.committed();
    (outcomes, left)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn those_that_share_a_commit_see_and_leave_what_they_would_one_by_one(
        all in prop::collection::vec(steps(), 1..12), most in 2..13_usize
    ) {
        let one_by_one = outcomes(BatchLimits { most: 1, filling: LONG }, all.clone());
        prop_assert_eq!(outcomes(BatchLimits { most, filling: LONG }, all), one_by_one);
    }
}
