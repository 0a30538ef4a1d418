//! How a pool treats its callers: whom it serves, whom it turns away, and when.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as QueryError};
use diesel::{Connection, SqliteConnection};
use thunderhead_domain::ports::{StorageError, Stored};
use tokio::task::JoinHandle;

use super::{Progress, WorkerPool};
use crate::engine::pool::Manager;
use crate::engine::queue::PoolOptions;
use crate::error::{DataError, OperationError, OverloadError};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

/// A pool of one thread. It needs some database; this one is in memory.
fn worker_pool(queue: usize, deadline: Duration) -> Arc<WorkerPool<SqliteConnection>> {
    let options = PoolOptions { name: "test", connections: 1, queue, deadline };
    Arc::new(WorkerPool::start(&options, Manager::new(|| SqliteConnection::establish(":memory:"))).unwrap())
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// Work that counts how often it is done.
fn counting(
    done: &Arc<AtomicU32>,
) -> impl Fn(&mut SqliteConnection, &mut Progress) -> Result<u32, OperationError> + Send + use<> {
    let done = Arc::clone(done);
    move |_, _| Ok(done.fetch_add(1, Ordering::SeqCst) + 1)
}

fn error(error: StorageError) -> Option<OverloadError> {
    match error {
        StorageError::Outage(source) => source.downcast_ref().copied(),
        StorageError::Unreadable(_) | StorageError::Defect(_) => None,
    }
}

/// Occupies the pool's thread, from when this returns until something is sent.
async fn occupy(worker_pool: &Arc<WorkerPool<SqliteConnection>>) -> (Sender<()>, JoinHandle<Stored<()>>) {
    let (begun, beginning) = channel();
    let (end, ending) = channel();
    let busy = Arc::clone(worker_pool);
    let task = tokio::spawn(async move {
        let work = move |_: &mut SqliteConnection, _: &mut Progress| {
            begun.send(()).unwrap();
            ending.recv().unwrap();
            Ok(())
        };
        busy.run(work).await
    });
    tokio::task::yield_now().await;
    beginning.recv().unwrap();
    (end, task)
}

#[test]
fn a_full_queue_refuses_at_once() {
    block_on(async {
        let (worker_pool, done) = (worker_pool(1, LONG), Arc::new(AtomicU32::new(0)));
        let (end, busy) = occupy(&worker_pool).await;
        let (waiting, work) = (Arc::clone(&worker_pool), counting(&done));
        let waiting = tokio::spawn(async move { waiting.run(work).await });
        tokio::task::yield_now().await;
        let refused = worker_pool.run(counting(&done)).await.unwrap_err();
        assert_eq!(error(refused), Some(OverloadError::QueueFull));
        end.send(()).unwrap();
        busy.await.unwrap().unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), 1, "who waited is served, who was refused is not");
    });
}

#[test]
fn a_caller_waits_until_the_deadline_and_what_it_gave_up_is_not_begun() {
    block_on(async {
        let (worker_pool, done) = (worker_pool(8, SHORT), Arc::new(AtomicU32::new(0)));
        let (end, busy) = occupy(&worker_pool).await;
        let late = worker_pool.run(counting(&done)).await.unwrap_err();
        assert_eq!(error(late), Some(OverloadError::TooSlow));
        assert_eq!(error(busy.await.unwrap().unwrap_err()), Some(OverloadError::TooSlow));
        end.send(()).unwrap();
        // The queue is worked off in order: when a job after it is done, the one given up was passed over.
        while worker_pool.run(|_, _| Ok(())).await.is_err() {}
        assert_eq!(done.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn a_panic_is_a_defect_of_its_job_alone() {
    block_on(async {
        let worker_pool = worker_pool(8, LONG);
        for _ in 0..3 {
            let panicking = worker_pool.run(|_, _| -> Result<(), OperationError> { panic!("on purpose") }).await;
            let Err(StorageError::Defect(source)) = panicking else { panic!("{panicking:?}") };
            assert!(matches!(source.downcast_ref(), Some(OperationError::Data(DataError::Panicked))));
            worker_pool.run(|_, _| Ok(())).await.unwrap();
        }
    });
}

fn broken(kind: DatabaseErrorKind) -> OperationError {
    OperationError::Query(QueryError::DatabaseError(kind, Box::new("on purpose".to_owned())))
}

/// Runs work that fails this way twice, and then succeeds; returns how often it was run.
fn runs(kind: fn() -> DatabaseErrorKind, begins: bool) -> (u32, bool) {
    let (worker_pool, tries) = (worker_pool(8, LONG), Arc::new(AtomicU32::new(0)));
    let counter = Arc::clone(&tries);
    let outcome = block_on(worker_pool.run(move |_, progress| {
        if begins {
            progress.begin();
        }
        if counter.fetch_add(1, Ordering::SeqCst) < 2 { Err(broken(kind())) } else { Ok(()) }
    }));
    (tries.load(Ordering::SeqCst), outcome.is_ok())
}

#[test]
fn work_is_run_again_after_a_conflict_and_on_another_connection_if_nothing_had_begun() {
    assert_eq!(runs(|| DatabaseErrorKind::SerializationFailure, true), (3, true));
    assert_eq!(runs(|| DatabaseErrorKind::ClosedConnection, false), (2, false), "once for each connection");
    assert_eq!(runs(|| DatabaseErrorKind::ClosedConnection, true), (1, false), "it may have been done");
    assert_eq!(runs(|| DatabaseErrorKind::UniqueViolation, false), (1, false));
}

#[test]
fn dropping_the_lane_stops_its_threads_and_closes_its_connections() {
    let (held, gone) = channel::<()>();
    let options = PoolOptions { name: "test", connections: 3, queue: 8, deadline: LONG };
    let open = move || {
        let _ = &held;
        SqliteConnection::establish(":memory:")
    };
    let worker_pool = WorkerPool::start(&options, Manager::new(open)).unwrap();
    block_on(worker_pool.run(|_, _| Ok(()))).unwrap();
    drop(worker_pool);
    // The threads share the pool, the pool owns what opens connections, and that the only sender.
    assert_eq!(gone.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
}
