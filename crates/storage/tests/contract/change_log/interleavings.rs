//! Transactions that are held open and end in any order, beside readers that come at any moment: a model of what each
//! reader must have been told by then, and of what it may have been told.

use std::collections::BTreeMap;
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{ChangeCursor, Invalidation, Storage};
use thunderhead_domain::user::PasswordHash;
use thunderhead_testkit::{TestDatabase, block_on};
use tokio::task::{JoinSet, yield_now};

use super::{latest, since};
use crate::support::{Intruder, action, user};

const STEPS: usize = 700;
/// Connections that hold transactions open.
const HOLDERS: usize = 5;
const READERS: usize = 3;
/// Changes that are under way at once.
const MOST_CHANGING: usize = 3;
/// Users whose passwords change.
const LASTING: usize = 8;
/// Users who are deleted, some at a time.
const PASSING: usize = 60;

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

/// How many changes of each user, or of the switches, there are.
type Counts = BTreeMap<Option<UserId>, usize>;

fn add(counts: &mut Counts, whose: &[Option<UserId>]) {
    for whose in whose {
        *counts.entry(*whose).or_default() += 1;
    }
}

fn total(counts: &Counts) -> usize {
    counts.values().sum()
}

/// A replica's knowledge.
struct Reader {
    known: ChangeCursor,
    told: Counts,
}

struct Model {
    database: TestDatabase,
    storage: [Arc<dyn Storage>; 2],
    dice: Dice,
    partitions: usize,
    lasting: Vec<UserId>,
    passing: Vec<UserId>,
    holders: Vec<Holder>,
    readers: Vec<Reader>,
    changing: JoinSet<Vec<Option<UserId>>>,
    /// What may have been committed by now.
    begun: Counts,
    /// What was answered, or committed here.
    answered: Counts,
}

/// A transaction that is held open, perhaps, with the partitions that it keeps and whose changes it has numbered.
struct Holder {
    connection: Intruder,
    held: Option<(Vec<usize>, Vec<Option<UserId>>)>,
}

impl Holder {
    /// Begins a transaction that has these partitions to itself; `false` where somebody else has one of them, who may
    /// wait for one that is held here.
    fn begin(&mut self, partitions: &[usize]) -> bool {
        let list = partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let Intruder::Postgres(connection) = &mut self.connection else { return false };
        let locked = connection.batch_execute(&format!(
            "BEGIN; SELECT 1 FROM change_counters WHERE partition IN ({list}) ORDER BY partition FOR UPDATE NOWAIT"
        ));
        if locked.is_err() {
            self.connection.run("ROLLBACK");
        }
        locked.is_ok()
    }
}

impl Model {
    async fn new(seed: u64) -> Self {
        let database = TestDatabase::postgres();
        let storage = [database.open(), database.open()];
        let mut users = Vec::new();
        for number in 0..LASTING + PASSING {
            users.push(user(&*storage[0], &format!("user{number}")).await.id);
        }
        let known = latest(&*storage[0]).await;
        let holder = |_| Holder { connection: Intruder::new(&database), held: None };
        Self {
            dice: Dice(seed),
            partitions: known.partitions().len(),
            passing: users.split_off(LASTING),
            lasting: users,
            holders: (0..HOLDERS).map(holder).collect(),
            readers: (0..READERS).map(|_| Reader { known: known.clone(), told: Counts::new() }).collect(),
            changing: JoinSet::new(),
            begun: Counts::new(),
            answered: Counts::new(),
            database,
            storage,
        }
    }

    /// Lets the storage change something, on one replica or the other. What is held here holds up some of it, and whoever
    /// is held up keeps a connection: one must be left for those who read, or nobody lets go of anything.
    fn change(&mut self) {
        self.harvest();
        if self.changing.len() >= MOST_CHANGING {
            return;
        }
        let storage = Arc::clone(&self.storage[self.dice.below(2)]);
        let several = self.passing.len().min(1 + self.dice.below(4));
        if several > 0 && self.dice.below(4) == 0 {
            let users = self.passing.split_off(self.passing.len() - several);
            let whose: Vec<_> = users.iter().copied().map(Some).collect();
            add(&mut self.begun, &whose);
            self.changing.spawn(async move {
                storage.account_delete_some(&users, action(1).into()).await.unwrap().unwrap();
                whose
            });
        } else {
            let user = self.lasting[self.dice.below(LASTING)];
            add(&mut self.begun, &[Some(user)]);
            self.changing.spawn(async move {
                let password = PasswordHash::new("another".to_owned());
                storage.account_set_password(user, password, action(1).into()).await.unwrap().unwrap();
                vec![Some(user)]
            });
        }
    }

    /// Numbers changes in partitions that nobody else holds open here, and holds them. In which partition a change is
    /// does not matter to those who read it.
    fn hold(&mut self, nth: usize) {
        let held: Vec<_> =
            self.holders.iter().filter_map(|holder| holder.held.as_ref()).flat_map(|(of, _)| of).collect();
        let mut free: Vec<_> = (0..self.partitions).filter(|partition| !held.contains(&partition)).collect();
        while free.len() > 1 + self.dice.below(3) {
            free.swap_remove(self.dice.below(free.len()));
        }
        free.sort_unstable();
        let mut whose = Vec::new();
        let holder = &mut self.holders[nth];
        if !holder.begin(&free) {
            return;
        }
        for partition in &free {
            let user = self.lasting.get(self.dice.below(LASTING + 1)).copied();
            let (what, id) = user.map_or(("switches", "NULL".to_owned()), |user| ("user", user.number().to_string()));
            holder.connection.run(&format!(
                "WITH counted AS (UPDATE change_counters SET number = number + 1, nonce = DEFAULT
                     WHERE partition = {partition} RETURNING *)
                 INSERT INTO change_log (partition, number, invalidation, user_id, nonce)
                     SELECT partition, number, '{what}', {id}, nonce FROM counted"
            ));
            whose.push(user);
        }
        add(&mut self.begun, &whose);
        holder.held = Some((free, whose));
    }

    fn release(&mut self, nth: usize) {
        let Some((_, whose)) = self.holders[nth].held.take() else { return };
        if self.dice.below(4) == 0 {
            self.holders[nth].connection.run("ROLLBACK");
            for whose in whose {
                *self.begun.get_mut(&whose).unwrap() -= 1;
            }
        } else {
            self.holders[nth].connection.run("COMMIT");
            add(&mut self.answered, &whose);
        }
    }

    fn harvest(&mut self) {
        while let Some(done) = self.changing.try_join_next() {
            add(&mut self.answered, &done.unwrap());
        }
    }

    async fn read(&mut self, nth: usize) {
        self.harvest();
        let answered = self.answered.clone();
        let reader = &mut self.readers[nth];
        let storage = &self.storage[nth % 2];
        let told = since(&**storage, &reader.known).await;
        assert_eq!(told.latest.changes() - reader.known.changes(), told.invalidations.len() as i64);
        reader.known = told.latest;
        for invalidation in told.invalidations {
            let whose = match invalidation {
                Invalidation::User(user) => Some(user),
                Invalidation::Switches => None,
                Invalidation::Everything => panic!("nobody has missed that much"),
            };
            add(&mut reader.told, &[whose]);
        }
        for (whose, count) in &answered {
            let told = reader.told.get(whose).copied().unwrap_or(0);
            assert!(told >= *count, "{whose:?}: {count} were answered before the read, and {told} told");
        }
        for (whose, told) in &reader.told {
            assert!(*told <= self.begun[whose], "{whose:?}: {told} were told");
        }
    }

    async fn run(mut self) {
        for _ in 0..STEPS {
            let nth = self.dice.below(HOLDERS);
            match self.dice.below(8) {
                0..2 => self.change(),
                2..5 if self.holders[nth].held.is_none() => self.hold(nth),
                2..5 => self.release(nth),
                5..7 => self.read(nth % READERS).await,
                _ => yield_now().await,
            }
        }
        (0..HOLDERS).for_each(|nth| self.release(nth));
        while let Some(done) = self.changing.join_next().await {
            add(&mut self.answered, &done.unwrap());
        }
        assert_eq!(total(&self.answered), total(&self.begun));
        for nth in 0..READERS {
            self.read(nth).await;
            assert_eq!(total(&self.readers[nth].told), total(&self.answered));
        }
        drop(self.database);
    }
}

#[test]
fn whoever_asks_is_told_of_all_that_was_answered_before_and_of_nothing_twice() {
    for seed in [0x5eed, 0x5ca1ab1e] {
        block_on(async { Model::new(seed).await.run().await });
    }
}
