//! A load of requests of which each can be made once: `wrk` would make them over and over.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::sizes::percentile;
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::on_threads;

/// As many clients, each with a connection, ask for so long, or until so many requests were made.
#[derive(Clone, Copy)]
pub(crate) struct ClientLoad {
    pub(crate) clients: u32,
    pub(crate) seconds: u32,
    pub(crate) most: u64,
}

/// What was seen of one load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadResult {
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
    /// Milliseconds.
    pub(crate) median: f64,
    /// Milliseconds.
    pub(crate) p99: f64,
}

/// Makes the requests, by their numbers from 0, and fails where one is answered by another status.
pub(crate) fn run(
    address: SocketAddr,
    load: ClientLoad,
    status: u16,
    request: impl Fn(u64) -> Request + Sync,
) -> Result<LoadResult> {
    let next = AtomicU64::new(0);
    let begun = Instant::now();
    let enough = Duration::from_secs(load.seconds.into());
    let took = on_threads(load.clients, |_| {
        let mut client = Client::new(address);
        let mut took = Vec::new();
        while begun.elapsed() < enough {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= load.most {
                break;
            }
            let answer = client.ask(&request(number))?;
            if answer.status != status {
                bail!("request {number} was not answered as expected: {answer}");
            }
            took.push(answer.took);
        }
        Ok(took)
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    let mut took: Vec<_> = took.into_iter().flatten().collect();
    took.sort();
    let requests = took.len() as u64;
    let per_second = requests as f64 / seconds;
    Ok(LoadResult { requests, per_second, median: percentile(&took, 50), p99: percentile(&took, 99) })
}
