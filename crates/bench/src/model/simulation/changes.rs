//! Changes: connections, locks, and flushes that they share.

use super::{Event, Request, World};

impl World<'_> {
    pub(super) fn take_connection(&mut self, number: usize) {
        let replica = &mut self.replicas[self.requests[number].replica];
        match replica.free.pop() {
            None => replica.waiting.push_back(number),
            Some(connection) => {
                self.requests[number].connection = connection;
                self.after(self.site.round_trip / 2.0, Event::ChangeAtPostgres(number));
            }
        }
    }

    pub(super) fn give_back_connection(&mut self, number: usize) {
        let Request { replica, connection, .. } = self.requests[number];
        self.replicas[replica].free.push(connection);
        if let Some(next) = self.replicas[replica].waiting.pop_front() {
            self.take_connection(next);
        }
    }

    pub(super) fn write(&mut self, number: usize, time: f64) {
        let Request { replica, connection, .. } = self.requests[number];
        self.work(0, self.replicas[replica].backends[connection], time, Event::Written(number));
    }

    pub(super) fn counter_of(&self, number: usize) -> usize {
        self.requests[number].user % self.counters.len()
    }

    pub(super) fn commit(&mut self, number: usize) {
        self.to_flush.push(number);
        if self.flushing.is_empty() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.flushing = std::mem::take(&mut self.to_flush);
        if !self.flushing.is_empty() {
            self.after(self.site.costs.flush, Event::Flushed);
        }
    }

    /// Whoever has committed gives back what they had locked, and those who waited for it go on.
    pub(super) fn flushed(&mut self, write: f64) {
        for number in std::mem::take(&mut self.flushing) {
            let counter = self.counter_of(number);
            self.to_flush.extend(self.counters[counter].give_back());
            let user = self.requests[number].user;
            if let Some(next) = self.users[user].give_back() {
                self.write(next, write);
            }
            self.after(self.site.round_trip / 2.0, Event::ChangeBack(number));
        }
        self.flush();
    }
}
