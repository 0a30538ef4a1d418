//! Processors that threads share, and locks that are had one after the other.

use std::collections::VecDeque;

/// What is this close to its end has come to it.
pub(super) const NOTHING: f64 = 1e-6;

/// Work of a thread, and what happens when it is done.
type Job<E> = (f64, E);

/// Processors, and threads that share them.
pub(super) struct Machine<E> {
    processors: f64,
    threads: Vec<VecDeque<Job<E>>>,
    /// Those that have something to do.
    runnable: Vec<usize>,
    /// Processors that were busy, times how long.
    pub(super) busy: f64,
}

impl<E: Copy> Machine<E> {
    pub(super) fn new(processors: f64) -> Self {
        Self { processors, threads: vec![], runnable: vec![], busy: 0.0 }
    }

    pub(super) fn add_thread(&mut self) -> usize {
        self.threads.push(VecDeque::new());
        self.threads.len() - 1
    }

    fn speed(&self) -> f64 {
        (self.processors / self.runnable.len() as f64).min(1.0)
    }

    pub(super) fn add(&mut self, thread: usize, job: Job<E>) {
        if self.threads[thread].is_empty() {
            self.runnable.push(thread);
        }
        self.threads[thread].push_back(job);
    }

    pub(super) fn until_next(&self) -> f64 {
        let left = self.runnable.iter().filter_map(|thread| self.threads[*thread].front()).map(|(left, _)| *left);
        left.fold(f64::INFINITY, f64::min) / self.speed()
    }

    /// Lets time pass, in which nothing comes to its end but at the end of it.
    pub(super) fn go_on(&mut self, time: f64, done: &mut Vec<E>) {
        let part = time * self.speed();
        self.busy += part * self.runnable.len() as f64;
        let threads = &mut self.threads;
        self.runnable.retain(|thread| {
            let jobs = &mut threads[*thread];
            if let Some((left, event)) = jobs.front_mut() {
                *left -= part;
                if *left <= NOTHING {
                    done.push(*event);
                    jobs.pop_front();
                }
            }
            !jobs.is_empty()
        });
    }
}

/// Who comes first has it first.
#[derive(Default)]
pub(super) struct Lock {
    is_held: bool,
    waiting: VecDeque<usize>,
}

impl Lock {
    /// Whether it is had at once.
    pub(super) fn take(&mut self, number: usize) -> bool {
        if self.is_held {
            self.waiting.push_back(number);
            return false;
        }
        self.is_held = true;
        true
    }

    /// Who has it now.
    pub(super) fn give_back(&mut self) -> Option<usize> {
        let next = self.waiting.pop_front();
        self.is_held = next.is_some();
        next
    }
}
