//! Transactions that insert their records and commit in any order, beside readers: each reader is told each record once,
//! without gaps, and never one that was not committed. A cursor over the records' own numbers would pass by those that
//! commit late.

use std::collections::BTreeMap;

use thunderhead_domain::event::EventCursor;
use thunderhead_domain::ports::Storage;
use thunderhead_testkit::{TestDatabase, block_on};

use super::{now, number_all, numbers, page, query};
use crate::support::{Intruder, user};

const STEPS: usize = 900;
const WRITERS: usize = 6;
const READERS: usize = 3;
const USERS: i64 = 4;

/// A number that tells one record from all others: as its user's second session id.
type Mark = i64;

/// A transaction that is held open, with what it has inserted.
struct Writer {
    connection: Intruder,
    open: Option<Vec<(i64, Mark)>>,
}

struct Reader {
    after: EventCursor,
    told: Vec<(i64, Mark)>,
}

/// Numbers without an order that anybody would see (Marsaglia's xorshift), the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

fn insert(connection: &mut Intruder, user: i64, mark: Mark) {
    connection.run(&format!(
        "INSERT INTO audit (at, actor, kind, user_id, session_id, feed_number) \
         VALUES (1, 'stranger', 'session-ended', {user}, {mark}, 0)"
    ));
}

#[test]
fn a_record_that_commits_late_is_told_after_those_before_it_on_postgres() {
    let database = TestDatabase::postgres();
    block_on(async {
        let storage = database.open();
        let begin = now(&*storage).await;
        let mut late = Intruder::new(&database);
        late.run("BEGIN");
        insert(&mut late, 1, 10);
        // Has a higher number of its own, and is committed before.
        insert(&mut Intruder::new(&database), 2, 20);
        number_all(&*storage).await;
        let (first, next, more) = page(&*storage, query(Some(begin), 10)).await;
        assert_eq!((numbers(&first), first[0].data.session_id.unwrap().number(), more), (vec![1], 20, false));
        late.run("COMMIT");
        number_all(&*storage).await;
        let (second, ..) = page(&*storage, query(Some(next), 10)).await;
        assert_eq!((numbers(&second), second[0].data.session_id.unwrap().number()), (vec![2], 10));
    });
}

#[test]
fn whoever_reads_is_told_of_all_that_was_committed_and_of_nothing_twice_on_postgres() {
    for seed in [0x5eed, 0xfeed] {
        block_on(Model::new(seed)).run();
    }
}

struct Model {
    _database: TestDatabase,
    storage: std::sync::Arc<dyn Storage>,
    dice: Dice,
    writers: Vec<Writer>,
    readers: Vec<Reader>,
    marks: Mark,
    /// What was committed, in that order.
    committed: Vec<(i64, Mark)>,
    begin: EventCursor,
}

impl Model {
    async fn new(seed: u64) -> Self {
        let database = TestDatabase::postgres();
        let storage = database.open();
        user(&*storage, "ada").await;
        let begin = now(&*storage).await;
        let writer = |_| Writer { connection: Intruder::new(&database), open: None };
        let reader = |_| Reader { after: begin, told: Vec::new() };
        Self {
            writers: (0..WRITERS).map(writer).collect(),
            readers: (0..READERS).map(reader).collect(),
            dice: Dice(seed),
            marks: 0,
            committed: Vec::new(),
            begin,
            storage,
            _database: database,
        }
    }

    /// Inserts a record in a transaction that is held open. As the user's lock has it, nobody else has one open for the
    /// same user.
    fn write(&mut self, nth: usize) {
        let user = self.dice.below(USERS as usize) as i64;
        let taken = |writer: &Writer| writer.open.iter().flatten().any(|(of, _)| *of == user);
        if (0..WRITERS).any(|other| other != nth && taken(&self.writers[other])) {
            return;
        }
        self.marks += 1;
        let writer = &mut self.writers[nth];
        if writer.open.is_none() {
            writer.connection.run("BEGIN");
        }
        insert(&mut writer.connection, user, self.marks);
        writer.open.get_or_insert_default().push((user, self.marks));
    }

    fn end(&mut self, nth: usize) {
        let Some(inserted) = self.writers[nth].open.take() else { return };
        if self.dice.below(4) == 0 {
            self.writers[nth].connection.run("ROLLBACK");
        } else {
            self.writers[nth].connection.run("COMMIT");
            self.committed.extend(inserted);
        }
    }

    fn read(&mut self, nth: usize) {
        let limit = 1 + self.dice.below(9) as u32;
        let reader = &mut self.readers[nth];
        let (items, next, more) = block_on(page(&*self.storage, query(Some(reader.after), limit)));
        let expected: Vec<_> = (reader.after.number + 1..).take(items.len()).collect();
        assert_eq!(numbers(&items), expected);
        let told = |event: &thunderhead_domain::event::Event| {
            (event.data.user.unwrap().number(), event.data.session_id.unwrap().number())
        };
        reader.told.extend(items.iter().map(told));
        reader.after = next;
        assert!(more || block_on(self.storage.feed_status()).unwrap().latest == next);
        assert!(reader.told.iter().all(|told| self.committed.contains(told)));
    }

    fn run(mut self) {
        for _ in 0..STEPS {
            let nth = self.dice.below(WRITERS);
            match self.dice.below(8) {
                0..4 => self.write(nth),
                4..6 => self.end(nth),
                6 => drop(block_on(self.storage.feed_number()).unwrap()),
                _ => self.read(nth % READERS),
            }
        }
        (0..WRITERS).for_each(|nth| self.end(nth));
        block_on(number_all(&*self.storage));
        assert!(self.committed.len() > 100, "{}", self.committed.len());
        for nth in 0..READERS {
            while self.readers[nth].after.number < self.begin.number + self.committed.len() as i64 {
                self.read(nth);
            }
            let told = &self.readers[nth].told;
            assert_eq!(told.len(), self.committed.len());
            assert_eq!(by_user(told), by_user(&self.committed));
        }
    }
}

/// Each user's records, in their order.
fn by_user(told: &[(i64, Mark)]) -> BTreeMap<i64, Vec<Mark>> {
    let mut marks: BTreeMap<i64, Vec<Mark>> = BTreeMap::new();
    for (user, mark) in told {
        marks.entry(*user).or_default().push(*mark);
    }
    marks
}
