//! The jobs that wait for a thread, and the places for them.
//!
//! A place is taken before anything is done for a job, so that who finds none has cost nothing. A quarter of them is kept
//! for those who are known, and the two kinds take turns: a flood of strangers neither shuts known people out nor makes
//! them wait behind it, and the other way round.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::work::hash_memory::HashMemory;

pub(super) type Job = Box<dyn FnOnce() + Send>;

/// One place of so many, rounded up, is kept for those who are known.
const KEPT: usize = 4;

/// Whose job it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobOwner {
    /// Somebody with a live session, or who comes from a network that the account is used from.
    Known,
    /// Anybody else.
    Stranger,
}

/// What waits.
pub(super) struct JobQueue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    places: NonZeroUsize,
}

#[derive(Default)]
struct Waiting {
    known: Jobs,
    strangers: Jobs,
    /// Whether a stranger's job was begun last.
    known_are_next: bool,
    /// How many jobs were begun.
    begun: u64,
    is_closed: bool,
}

/// The jobs of one kind of owners.
#[derive(Default)]
struct Jobs {
    /// Places that are taken: by these jobs, and by some that are still to come.
    places: usize,
    jobs: VecDeque<Job>,
}

impl Waiting {
    const fn of(&mut self, owner: JobOwner) -> &mut Jobs {
        match owner {
            JobOwner::Known => &mut self.known,
            JobOwner::Stranger => &mut self.strangers,
        }
    }

    fn pop(&mut self) -> Option<Job> {
        let turns = if self.known_are_next {
            [JobOwner::Known, JobOwner::Stranger]
        } else {
            [JobOwner::Stranger, JobOwner::Known]
        };
        let (owner, job) = turns.into_iter().find_map(|owner| Some((owner, self.of(owner).jobs.pop_front()?)))?;
        self.known_are_next = owner == JobOwner::Stranger;
        self.begun += 1;
        Some(job)
    }
}

impl JobQueue {
    pub(super) fn new(places: NonZeroUsize) -> Self {
        Self { waiting: Mutex::default(), changed: Condvar::new(), places }
    }

    /// Takes a place; whether there was one.
    pub(super) fn take_place(&self, owner: JobOwner) -> bool {
        let mut waiting = self.lock();
        let is_free = self.has_place(&waiting, owner);
        waiting.of(owner).places += usize::from(is_free);
        is_free
    }

    /// Whether nobody of this kind gets a place.
    pub(super) fn is_full_for(&self, owner: JobOwner) -> bool {
        !self.has_place(&self.lock(), owner)
    }

    fn has_place(&self, waiting: &Waiting, owner: JobOwner) -> bool {
        let places = self.places.get();
        let of_strangers = (places - places.div_ceil(KEPT)).max(1);
        let is_free = waiting.known.places + waiting.strangers.places < places;
        match owner {
            JobOwner::Known => is_free,
            JobOwner::Stranger => is_free && waiting.strangers.places < of_strangers,
        }
    }

    pub(super) fn give_place_back(&self, owner: JobOwner) {
        self.lock().of(owner).places -= 1;
    }

    /// Puts a job into the place that was taken for it.
    pub(super) fn push(&self, owner: JobOwner, job: Job) {
        self.lock().of(owner).jobs.push_back(job);
        self.changed.notify_one();
    }

    /// Lets the threads end once nothing waits any more.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Waits for a job; `None` where there will be none. Where none was begun for as long as `pause`, the memory of
    /// hashing is given back.
    pub(super) fn next(&self, memory: &HashMemory, pause: Duration) -> Option<Job> {
        let mut waiting = self.lock();
        let mut is_pausing = false;
        loop {
            if let Some(job) = waiting.pop() {
                drop(waiting);
                memory.keep();
                return Some(job);
            }
            if waiting.is_closed {
                return None;
            }
            if is_pausing {
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let begun = waiting.begun;
            let (woken, wait) = self.changed.wait_timeout(waiting, pause).unwrap_or_else(PoisonError::into_inner);
            waiting = woken;
            if wait.timed_out() && waiting.begun == begun {
                drop(waiting);
                memory.release();
                is_pausing = true;
                waiting = self.lock();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    fn queue(places: usize) -> JobQueue {
        JobQueue::new(NonZeroUsize::new(places).unwrap())
    }

    /// How many places an owner gets before there is none.
    fn places_of(queue: &JobQueue, owner: JobOwner) -> usize {
        (0..1_000).take_while(|_| queue.take_place(owner)).count()
    }

    #[test]
    fn a_quarter_of_the_places_is_kept_for_those_who_are_known() {
        for (places, of_strangers, kept) in [(1, 1, 0), (2, 1, 1), (4, 3, 1), (5, 3, 2), (64, 48, 16)] {
            let queue = queue(places);
            let taken = [JobOwner::Stranger, JobOwner::Known].map(|owner| places_of(&queue, owner));
            assert_eq!(taken, [of_strangers, kept], "{places}");
            assert!(queue.is_full_for(JobOwner::Known));
            queue.give_place_back(JobOwner::Stranger);
            assert!(!queue.is_full_for(JobOwner::Known));
        }
    }

    #[test]
    fn those_who_are_known_get_every_place_that_is_free_and_a_place_that_is_given_back_is_free() {
        let queue = queue(4);
        assert_eq!(places_of(&queue, JobOwner::Known), 4);
        assert!(!queue.take_place(JobOwner::Stranger));
        queue.give_place_back(JobOwner::Known);
        assert!(queue.take_place(JobOwner::Stranger) && !queue.take_place(JobOwner::Stranger));
    }

    fn push(queue: &JobQueue, owner: JobOwner, name: &'static str, tell: &Sender<&'static str>) {
        let tell = tell.clone();
        queue.push(owner, Box::new(move || tell.send(name).unwrap()));
    }

    #[test]
    fn the_two_kinds_take_turns_and_each_goes_in_order() {
        let (queue, memory) = (queue(8), HashMemory::default());
        let (tell, told) = channel();
        for name in ["s1", "s2", "s3", "s4"] {
            push(&queue, JobOwner::Stranger, name, &tell);
        }
        for name in ["k1", "k2"] {
            push(&queue, JobOwner::Known, name, &tell);
        }
        queue.close();
        while let Some(job) = queue.next(&memory, Duration::ZERO) {
            job();
        }
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["s1", "k1", "s2", "k2", "s3", "s4"]);
    }
}
