//! Who has how many connections, and which of them makes room for another (`docs/OPERATIONS.md`, *Connections*).
//!
//! A request touches nothing here but the state of its own connection: the lock is for connections that come and go.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Shutdown};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::Socket;
use tokio::time::Instant;

use crate::metrics::Cut;
use crate::request::client_ip::{IpBucket, TrustedProxies, bucket_of};

/// In place of a number of requests: the connection has been given up.
const GONE: u32 = u32::MAX;
/// How many of the longest idle connections are found by one look at all of them.
const FOUND_AT_ONCE: usize = 64;

/// All connections of one process.
pub(crate) struct Registry {
    most: usize,
    most_of_client: usize,
    proxies: Arc<TrustedProxies>,
    began: Instant,
    open: AtomicUsize,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    last: u64,
    of: HashMap<IpBucket, HashMap<u64, Arc<Tenant>>>,
    /// Those that were idle longest at the last look, the longest of all at the end. Who was idle since then still is.
    idle: Vec<Idle>,
}

/// A connection that was idle.
struct Idle {
    since: u64,
    client: IpBucket,
    number: u64,
}

/// One connection, as others see it.
pub(crate) struct Tenant {
    number: u64,
    client: IpBucket,
    socket: Socket,
    /// Requests under way, or [`GONE`].
    requests: AtomicU32,
    began: Instant,
    /// When its last request ended or it began, in nanoseconds since `began`.
    idle_since: AtomicU64,
}

impl Registry {
    /// `most` connections in all, and so many of each client that is no trusted proxy.
    pub(crate) fn new(most: u32, most_of_client: u32, proxies: Arc<TrustedProxies>) -> Self {
        Self {
            most: most as usize,
            most_of_client: most_of_client as usize,
            proxies,
            began: Instant::now(),
            open: AtomicUsize::new(0),
            connections: Mutex::default(),
        }
    }

    /// Takes a connection in. It may be too much for its client: then it is closed at once.
    pub(crate) fn enter(&self, peer: Option<IpAddr>, socket: Socket) -> Arc<Tenant> {
        let client = bucket_of(peer);
        let is_limited = !self.proxies.trust(peer);
        let mut connections = self.lock();
        connections.last += 1;
        let number = connections.last;
        let idle_since = AtomicU64::new(nanos(self.began.elapsed()));
        let tenant = Tenant { number, client, socket, requests: AtomicU32::new(0), began: self.began, idle_since };
        let tenant = Arc::new(tenant);
        let has = connections.of.get(&client).map_or(0, HashMap::len);
        if is_limited && has >= self.most_of_client && !self.end_longest_idle_of(&mut connections, client) {
            Cut::Client.counter().increment(1);
            tenant.requests.store(GONE, Ordering::Release);
            // Whatever is wrong with it, its end is what was wanted.
            drop(tenant.socket.shutdown(Shutdown::Both));
            return tenant;
        }
        // It is not there yet, and so cannot have to make room for itself.
        if self.open.load(Ordering::Relaxed) >= self.most {
            self.end_longest_idle(&mut connections);
        }
        connections.of.entry(client).or_default().insert(number, Arc::clone(&tenant));
        self.open.fetch_add(1, Ordering::Relaxed);
        tenant
    }

    /// Forgets a connection that has ended.
    pub(crate) fn leave(&self, tenant: &Tenant) {
        self.remove(&mut self.lock(), tenant.client, tenant.number);
    }

    /// Whether there are more connections than there should be, so that the next one that becomes idle must go.
    pub(crate) fn is_crowded(&self) -> bool {
        self.open.load(Ordering::Relaxed) > self.most
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, connections: &mut Connections, client: IpBucket, number: u64) {
        let Some(own) = connections.of.get_mut(&client) else { return };
        if own.remove(&number).is_some() {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        if own.is_empty() {
            connections.of.remove(&client);
        }
    }

    fn end_longest_idle(&self, connections: &mut Connections) {
        let mut looked = false;
        loop {
            let Some(Idle { since, client, number }) = connections.idle.pop() else {
                if looked {
                    return;
                }
                looked = true;
                connections.idle = longest_idle(connections.of.values().flat_map(HashMap::values));
                continue;
            };
            if self.end(connections, client, number, since) {
                return;
            }
        }
    }

    fn end_longest_idle_of(&self, connections: &mut Connections, client: IpBucket) -> bool {
        let mut idle = longest_idle(connections.of.get(&client).into_iter().flat_map(HashMap::values));
        while let Some(Idle { since, number, .. }) = idle.pop() {
            if self.end(connections, client, number, since) {
                return true;
            }
        }
        false
    }

    /// Ends a connection, if it has been idle all the time.
    fn end(&self, connections: &mut Connections, client: IpBucket, number: u64, since: u64) -> bool {
        let tenant = connections.of.get(&client).and_then(|own| own.get(&number)).map(Arc::clone);
        let Some(tenant) = tenant.filter(|tenant| tenant.idle() == Some(since) && tenant.give_up()) else {
            return false;
        };
        self.remove(connections, client, tenant.number);
        Cut::Idle.counter().increment(1);
        // What is left of an answer can still be sent.
        drop(tenant.socket.shutdown(Shutdown::Read));
        true
    }
}

/// The idle ones among these that have been so for longest, the longest of all at the end.
fn longest_idle<'a>(tenants: impl Iterator<Item = &'a Arc<Tenant>>) -> Vec<Idle> {
    let idle =
        |tenant: &'a Arc<Tenant>| Some(Idle { since: tenant.idle()?, client: tenant.client, number: tenant.number });
    let mut idle: Vec<_> = tenants.filter_map(idle).collect();
    if idle.len() > FOUND_AT_ONCE {
        idle.select_nth_unstable_by_key(FOUND_AT_ONCE, |idle| idle.since);
        idle.truncate(FOUND_AT_ONCE);
    }
    idle.sort_unstable_by_key(|idle| std::cmp::Reverse((idle.since, idle.number)));
    idle
}

impl Tenant {
    /// Notes a request. `false` where the connection has been given up: nobody would get the answer.
    pub(crate) fn begin(&self) -> bool {
        let one_more = |requests| if requests == GONE { None } else { Some(requests + 1) };
        self.requests.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok()
    }

    /// Notes the end of a request.
    pub(crate) fn end(&self) {
        self.idle_since.store(nanos(self.began.elapsed()), Ordering::Release);
        self.requests.fetch_sub(1, Ordering::AcqRel);
    }

    /// The end of the last request, if no other one is under way.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let is_idle = matches!(self.requests.load(Ordering::Acquire), 0 | GONE);
        is_idle.then(|| self.began + Duration::from_nanos(self.idle_since.load(Ordering::Acquire)))
    }

    pub(crate) fn cut(&self) {
        // Whatever is wrong with it, its end is what was wanted.
        drop(self.socket.shutdown(Shutdown::Both));
    }

    fn idle(&self) -> Option<u64> {
        (self.requests.load(Ordering::Acquire) == 0).then(|| self.idle_since.load(Ordering::Acquire))
    }

    /// Whether it is idle, and no request is going to be answered from here on.
    fn give_up(&self) -> bool {
        // What has come and was not read yet is a request under way.
        let mut byte = [MaybeUninit::uninit()];
        let has_more = self.socket.peek(&mut byte).is_ok_and(|length| length > 0);
        !has_more && self.requests.compare_exchange(0, GONE, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Two ends of one connection: ours, and the client's.
    struct Pair {
        tenant: Arc<Tenant>,
        outside: TcpStream,
    }

    struct World {
        registry: Registry,
        listener: TcpListener,
    }

    impl World {
        fn new(most: u32, most_of_client: u32) -> Self {
            let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
            let registry = Registry::new(most, most_of_client, Arc::new(proxies));
            Self { registry, listener: TcpListener::bind("127.0.0.1:0").unwrap() }
        }

        fn enter(&self, peer: &str) -> Pair {
            let outside = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
            let (inside, _) = self.listener.accept().unwrap();
            inside.set_nonblocking(true).unwrap();
            let tenant = self.registry.enter(Some(peer.parse().unwrap()), inside.into());
            Pair { tenant, outside }
        }
    }

    impl Pair {
        fn is_gone(&self) -> bool {
            !self.tenant.begin() || {
                self.tenant.end();
                false
            }
        }
    }

    #[test]
    fn the_one_that_was_idle_for_longest_makes_room_for_a_newcomer() {
        let world = World::new(2, 9);
        let (first, second) = (world.enter("192.0.2.1"), world.enter("192.0.2.2"));
        assert!(first.tenant.begin());
        first.tenant.end();
        let third = world.enter("192.0.2.3");
        assert_eq!([&first, &second, &third].map(Pair::is_gone), [false, true, false]);
        assert!(!world.registry.is_crowded());
    }

    #[test]
    fn one_with_a_request_under_way_stays_whether_it_was_read_or_not() {
        let world = World::new(2, 9);
        let (read, mut unread) = (world.enter("192.0.2.1"), world.enter("192.0.2.1"));
        assert!(read.tenant.begin());
        unread.outside.write_all(b"G").unwrap();
        while unread.tenant.socket.peek(&mut [MaybeUninit::uninit()]).is_err() {}
        let newcomer = world.enter("192.0.2.2");
        assert_eq!([&unread, &newcomer].map(Pair::is_gone), [false, false]);
        assert!(read.tenant.begin());
        assert!(world.registry.is_crowded());
        world.registry.leave(&newcomer.tenant);
        assert!(!world.registry.is_crowded());
    }

    #[test]
    fn a_client_has_its_part_and_its_own_idle_ones_make_room_first() {
        let world = World::new(100, 2);
        let busy = world.enter("2001:db8::1");
        assert!(busy.tenant.begin());
        let idle = world.enter("2001:db8::2");
        let (second, other) = (world.enter("2001:db8::3"), world.enter("2001:db8:0:1::1"));
        assert_eq!([&idle, &second, &other].map(Pair::is_gone), [true, false, false]);
        assert!(second.tenant.begin());
        let mut refused = world.enter("2001:db8::4");
        assert!(refused.is_gone());
        assert_eq!(refused.outside.read(&mut [0]).unwrap(), 0);
        // One that was refused is not counted, whatever is said of it.
        world.registry.leave(&refused.tenant);
        world.registry.leave(&busy.tenant);
        assert!(!world.enter("2001:db8::5").is_gone());
    }

    #[test]
    fn a_trusted_proxy_has_as_many_as_there_are() {
        let world = World::new(100, 1);
        let pairs = [(); 5].map(|()| world.enter("10.1.2.3"));
        assert!(pairs.iter().all(|pair| !pair.is_gone()));
    }

    #[test]
    fn many_newcomers_find_the_longest_idle_ones_in_their_order() {
        let world = World::new(100, 1_000);
        let old: Vec<_> = (0..100).map(|_| world.enter("192.0.2.1")).collect();
        for gone in 1..=70 {
            world.enter("192.0.2.2");
            let alive = old.iter().filter(|pair| pair.tenant.requests.load(Ordering::Relaxed) == 0).count();
            assert_eq!(alive, 100 - gone);
            assert!(old[gone - 1].is_gone());
        }
    }
}
