//! That whoever looks at the index alone is never behind: beside other processes that write, checkpoint, crash, and take
//! the database apart.

mod foreign;

use std::fs;
use std::process::Command;

use diesel::dsl::sql;
use proptest::prelude::*;
use tempfile::TempDir;
use thunderhead_testkit::TestDatabase;

use self::foreign::Foreign;
use super::*;

const CHANGE: &str = "UPDATE looked_at SET value = value + 1";
const CHECKPOINTS: [&str; 4] = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"];

/// A database with one number in it, and somebody who wants to know it.
struct Scene {
    _database: TestDatabase,
    file: String,
    /// Another connection of this process, which writes.
    writer: Option<SqliteConnection>,
    foreign: Option<Foreign>,
    reader: ChangeReader,
    known: Option<(CommitStamp, i32)>,
    /// How often the database was asked.
    asked: u32,
    /// What the number is.
    value: i32,
}

impl Scene {
    fn new() -> Self {
        let database = TestDatabase::sqlite();
        let file = database.url().sqlite_path().unwrap().to_str().unwrap().to_owned();
        database.tamper("PRAGMA journal_mode = WAL; CREATE TABLE looked_at AS SELECT 0 AS value");
        let reader = ChangeReader::new(file.clone());
        let (writer, foreign) = (None, None);
        Self { _database: database, file, writer, foreign, reader, known: None, asked: 0, value: 0 }
    }

    fn write(&mut self, statements: &str) {
        let writer = self.writer.get_or_insert_with(|| SqliteConnection::establish(&self.file).unwrap());
        writer.batch_execute("PRAGMA busy_timeout = 1000; PRAGMA synchronous = OFF").unwrap();
        writer.batch_execute(statements).unwrap();
    }

    fn foreign(&mut self) -> &mut Foreign {
        self.foreign.get_or_insert_with(|| Foreign::start(&self.file))
    }

    fn changed(&mut self) {
        self.value += 1;
    }

    /// As if the connection had failed, a while ago.
    fn lose_connection(&mut self) {
        assert_eq!(self.reader.run(|_| QueryResult::<()>::Err(diesel::result::Error::NotFound)), None);
        self.reader.attempts().latest = None;
    }

    /// Finds out the number as a session check does, and demands that it is right. Returns whether the index was enough.
    #[track_caller]
    fn look(&mut self) -> bool {
        let stamp = self.reader.commit_stamp();
        let known = self.known.filter(|(known, _)| Some(*known) == stamp).map(|(_, value)| value);
        let value = known.unwrap_or_else(|| {
            self.asked += 1;
            let inline = self.reader.run(value_in);
            inline.unwrap_or_else(|| {
                self.reader.renew();
                value_in(&mut SqliteConnection::establish(&self.file).unwrap()).unwrap()
            })
        });
        assert_eq!(value, self.value, "the index was {}", if known.is_some() { "enough" } else { "not" });
        self.known = stamp.map(|stamp| (stamp, value));
        known.is_some()
    }

    /// The same until the index is enough, which it is at once where nobody writes.
    #[track_caller]
    fn settle(&mut self) {
        self.look();
        self.look();
        self.look();
        assert!(self.look(), "the index is not looked at");
    }
}

fn value_in(connection: &mut SqliteConnection) -> QueryResult<i32> {
    diesel::select(sql::<Integer>("(SELECT value FROM looked_at)")).get_result(connection)
}

#[test]
fn commits_of_this_process_and_of_others_are_seen_and_nothing_else_is_asked_for() {
    let mut scene = Scene::new();
    scene.settle();
    for turn in 0..3 {
        scene.write(CHANGE);
        scene.changed();
        scene.settle();
        scene.foreign().done(CHANGE);
        scene.changed();
        scene.settle();
        scene.foreign().done("SELECT * FROM looked_at");
        assert!(scene.look(), "{turn}: somebody has read");
    }
    let asked = scene.asked;
    for _ in 0..100 {
        assert!(scene.look());
    }
    assert_eq!(scene.asked, asked);
}

#[test]
fn checkpoints_by_anybody_hide_nothing() {
    let mut scene = Scene::new();
    for (turn, mode) in CHECKPOINTS.into_iter().cycle().take(16).enumerate() {
        scene.settle();
        let checkpoint = format!("PRAGMA wal_checkpoint({mode})");
        let (before, after) = if turn % 2 == 0 { (true, turn >= 8) } else { (false, true) };
        for _ in 0..usize::from(before) {
            scene.foreign().done(CHANGE);
            scene.changed();
        }
        if turn % 3 == 0 {
            scene.write(&checkpoint);
        } else {
            scene.foreign().done(&checkpoint);
        }
        for _ in 0..usize::from(after) {
            scene.write(CHANGE);
            scene.changed();
        }
    }
    scene.settle();
}

#[test]
fn what_a_process_had_committed_when_it_was_killed_is_seen_and_the_rest_is_not() {
    let mut scene = Scene::new();
    for _ in 0..3 {
        scene.settle();
        scene.foreign().done(CHANGE);
        scene.foreign().done(&format!("BEGIN IMMEDIATE; {CHANGE}"));
        scene.foreign.take().unwrap().kill();
        scene.changed();
        scene.settle();
        scene.write(CHANGE);
        scene.changed();
    }
    scene.settle();
}

#[test]
fn a_header_that_was_being_written_when_its_writer_was_killed_is_not_relied_on() {
    let mut scene = Scene::new();
    for recovered_by_others in [false, true] {
        scene.settle();
        scene.foreign().done(CHANGE);
        scene.foreign().tear_header();
        scene.foreign.take().unwrap().kill();
        scene.changed();
        assert_eq!(scene.reader.commit_stamp(), None);
        if recovered_by_others {
            scene.foreign().done(CHANGE);
            scene.changed();
        }
        scene.settle();
    }
}

#[test]
fn vacuum_and_another_content_are_seen() {
    let mut scene = Scene::new();
    scene.settle();
    for statements in ["VACUUM", "DROP TABLE looked_at; CREATE TABLE looked_at AS SELECT 1 AS value"] {
        let known = scene.known;
        scene.foreign().done(statements);
        scene.value = if statements == "VACUUM" { 0 } else { 1 };
        assert!(!scene.look());
        scene.settle();
        assert_ne!(scene.known.map(|(stamp, _)| stamp), known.map(|(stamp, _)| stamp));
    }
}

#[test]
fn nobody_takes_the_database_out_of_wal_while_the_index_is_looked_at() {
    let mut scene = Scene::new();
    scene.settle();
    let refused = scene.foreign().run("PRAGMA journal_mode = DELETE").unwrap_err();
    assert!(refused.contains("locked"), "{refused}");
    scene.settle();
    scene.lose_connection();
    scene.foreign().done("PRAGMA journal_mode = DELETE");
    for _ in 0..3 {
        scene.foreign().done(CHANGE);
        scene.changed();
        assert!(!scene.look(), "there is no index");
        assert!(scene.reader.attempts().failed, "it is told");
    }
    scene.foreign().done("PRAGMA journal_mode = WAL");
    scene.reader.attempts().latest = None;
    scene.settle();
    assert!(!scene.reader.attempts().failed);
}

#[test]
fn an_index_that_was_deleted_with_its_last_connection_is_not_looked_at_any_more() {
    let mut scene = Scene::new();
    for _ in 0..3 {
        scene.settle();
        scene.lose_connection();
        drop((scene.writer.take(), scene.foreign.take().map(Foreign::leave)));
        assert!(!beside(Path::new(&scene.file), "-shm").exists());
        scene.foreign().done(CHANGE);
        scene.changed();
        assert!(!scene.look());
        scene.foreign().done(CHANGE);
        scene.changed();
    }
    scene.settle();
}

#[test]
fn a_backup_that_takes_the_place_of_the_database_is_another_one() {
    let mut scene = Scene::new();
    let folder = TempDir::new().unwrap();
    let backup = folder.path().join("backup.db");
    scene.write(&format!("VACUUM INTO '{}'", backup.display()));
    scene.write(CHANGE);
    scene.changed();
    scene.settle();
    scene.lose_connection();
    drop(scene.writer.take());
    fs::rename(&backup, &scene.file).unwrap();
    scene.write("PRAGMA journal_mode = WAL");
    scene.value = 0;
    assert!(!scene.look());
    scene.settle();
    scene.foreign().done(CHANGE);
    scene.changed();
    scene.settle();
}

#[test]
fn an_index_in_which_a_commit_is_not_seen_is_not_looked_at() {
    let mut scene = Scene::new();
    scene.write(CHANGE);
    scene.changed();
    // SQLite goes on with the one that it has open, and the name leads to a copy.
    let (index, elsewhere) = (beside(Path::new(&scene.file), "-shm"), beside(Path::new(&scene.file), "-moved"));
    fs::rename(&index, &elsewhere).unwrap();
    assert!(Command::new("cp").args([&elsewhere, &index]).status().unwrap().success());
    for _ in 0..3 {
        assert!(!scene.look());
        assert!(scene.reader.attempts().failed, "it is told");
        scene.write(CHANGE);
        scene.changed();
    }
    fs::rename(&elsewhere, &index).unwrap();
    scene.reader.attempts().latest = None;
    scene.settle();
}

/// What may happen between two looks.
#[derive(Clone, Copy, Debug)]
enum Event {
    Look,
    Written,
    WrittenElsewhere,
    Checkpoint(usize),
    CheckpointElsewhere(usize),
    Vacuum,
    RolledBackElsewhere,
    KilledElsewhere,
    KilledInTransaction,
    Torn,
    ConnectionLost,
    EverybodyGone,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => Just(Event::Look),
        4 => Just(Event::Written),
        4 => Just(Event::WrittenElsewhere),
        2 => (0..CHECKPOINTS.len()).prop_map(Event::Checkpoint),
        2 => (0..CHECKPOINTS.len()).prop_map(Event::CheckpointElsewhere),
        1 => Just(Event::Vacuum),
        1 => Just(Event::RolledBackElsewhere),
        1 => Just(Event::KilledElsewhere),
        1 => Just(Event::KilledInTransaction),
        1 => Just(Event::Torn),
        1 => Just(Event::ConnectionLost),
        1 => Just(Event::EverybodyGone),
    ]
}

impl Scene {
    fn happen(&mut self, event: Event) {
        let checkpoint = |mode: usize| format!("PRAGMA wal_checkpoint({})", CHECKPOINTS[mode]);
        match event {
            Event::Look => drop(self.look()),
            Event::Written => {
                self.write(CHANGE);
                self.changed();
            }
            Event::WrittenElsewhere => {
                self.foreign().done(CHANGE);
                self.changed();
            }
            Event::Checkpoint(mode) => self.write(&checkpoint(mode)),
            Event::CheckpointElsewhere(mode) => self.foreign().done(&checkpoint(mode)),
            Event::Vacuum => self.foreign().done("VACUUM"),
            Event::RolledBackElsewhere => self.foreign().done(&format!("BEGIN; {CHANGE}; ROLLBACK")),
            Event::KilledElsewhere => drop(self.foreign.take().map(Foreign::kill)),
            Event::KilledInTransaction => {
                self.foreign().done(&format!("BEGIN; {CHANGE}"));
                self.happen(Event::KilledElsewhere);
            }
            Event::Torn => {
                self.foreign().tear_header();
                self.happen(Event::KilledElsewhere);
            }
            Event::ConnectionLost => self.lose_connection(),
            Event::EverybodyGone => {
                self.lose_connection();
                drop((self.writer.take(), self.foreign.take().map(Foreign::leave)));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_in_whatever_order_a_look_finds_what_was_committed(
        events in prop::collection::vec(event(), 1..40)
    ) {
        let mut scene = Scene::new();
        for event in events {
            scene.happen(event);
        }
        scene.look();
    }
}
