//! SIGKILL of servers and of Postgres while a reader follows the feed: it is told of everything that was acknowledged,
//! each once, without gaps and in order.

mod ledger;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use self::ledger::FeedClient;
use super::FaultOptions;
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::report::{Report, Violations};
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::live::{TestBed, pause, wait_for};
use thunderhead_system_tests::requests::Dice;
use thunderhead_tooling::postgres::Installation;
use thunderhead_tooling::throwaway::ThrowAwayCluster;

/// How many acknowledgements there are between two kills: up to this many.
const BETWEEN: u64 = 600;
/// How long clients may take for them, and a killed process for its return.
const LONGEST: Duration = Duration::from_secs(60);
/// Each time after so many kills of a server, Postgres is killed.
const POSTGRES_EVERY: u32 = 3;
/// What was acknowledged is to outlive the process, not the machine.
const ACKNOWLEDGED: &str = "synchronous_commit=on";

pub(super) fn run(bed: &TestBed, options: &FaultOptions, report: &mut Report) -> Result<()> {
    for engine in Engine::BOTH {
        let figures = on(bed, engine, options, report.violations()).with_context(|| engine.to_string())?;
        report.row("feed", engine, figures);
    }
    Ok(())
}

/// Where the replicas are at present.
type Addresses = Mutex<Vec<SocketAddr>>;

fn on(bed: &TestBed, engine: Engine, options: &FaultOptions, violations: &Violations) -> Result<String> {
    let postgres = Installation::find()?;
    let cluster = ThrowAwayCluster::start_with(&postgres, &[ACKNOWLEDGED])?;
    let mut own = TestBed { binary: bed.binary.clone(), postgres, cluster, parent: bed.parent.clone() };
    let site = Site::new(&own, engine)?;
    let mut replicas = vec![site.start()?];
    if engine == Engine::Postgres {
        replicas.extend([site.start()?, site.start()?]);
    }
    let credentials = site.operate(&["service", "create", "reader", "--events"], "")?;
    let addresses = Mutex::new(replicas.iter().map(|replica| replica.address).collect::<Vec<_>>());
    let over = AtomicBool::new(false);
    let mut clients: Vec<_> = (0..options.clients).map(FeedClient::new).collect();
    let (items, postgres_kills) = thread::scope(|scope| -> Result<_> {
        let reader = scope.spawn(|| follow(credentials.trim(), &addresses, &over));
        let kills = kill_again_and_again(&mut own, engine, &site, &mut replicas, &addresses, &mut clients, options);
        // In any case: the reader waits for it.
        over.store(true, Ordering::Relaxed);
        let items = reader.join().ok().context("a thread panicked")?;
        Ok((items?, kills?))
    })?;
    check(&items, &clients, violations);
    let total = |count: fn(&FeedClient) -> usize| clients.iter().map(count).sum::<usize>();
    Ok(format!(
        "{} kills of servers, {postgres_kills} of Postgres; {} events; acknowledged: {} sessions opened, {} ended; {} in doubt",
        options.rounds,
        items.len(),
        total(|client| client.opened.len()),
        total(|client| client.ended.len()),
        total(|client| client.doubtful.len()),
    ))
}

/// Has the clients change things, and in the midst of it kills; returns how often that was Postgres.
fn kill_again_and_again(
    bed: &mut TestBed,
    engine: Engine,
    site: &Site,
    replicas: &mut Vec<Server>,
    addresses: &Addresses,
    clients: &mut [FeedClient],
    options: &FaultOptions,
) -> Result<u32> {
    let (mut dice, mut postgres_kills) = (Dice::new(3), 0);
    for round in 1..=options.rounds {
        let (acknowledged, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let enough = 20 + dice.below(BETWEEN);
        thread::scope(|scope| -> Result<()> {
            for client in &mut *clients {
                let (acknowledged, stop) = (&acknowledged, &stop);
                scope.spawn(move || client.change_things(addresses, acknowledged, stop));
            }
            let reached = || (acknowledged.load(Ordering::Relaxed) >= enough).then_some(());
            let waited = wait_for("acknowledgements", LONGEST, reached).map(drop);
            let killed = waited.and_then(|()| {
                let replica = replicas.remove(dice.below(replicas.len() as u64) as usize);
                replica.kill()?;
                if engine == Engine::Postgres && round % POSTGRES_EVERY == 0 {
                    bed.cluster.kill(&bed.postgres)?;
                    bed.cluster.start_again(&bed.postgres)?;
                    postgres_kills += 1;
                    wait_for("Postgres", LONGEST, || bed.cluster.is_ready(&bed.postgres).then_some(()))?;
                }
                Ok(())
            });
            stop.store(true, Ordering::Relaxed);
            killed
        })?;
        replicas.push(site.start()?);
        if let Ok(mut addresses) = addresses.lock() {
            *addresses = replicas.iter().map(|replica| replica.address).collect();
        }
    }
    Ok(postgres_kills)
}

/// Follows the feed from its beginning, at whichever replica answers, until nothing more comes. Where none answers any
/// more, it does not wait for ever.
fn follow(credentials: &str, addresses: &Addresses, over: &AtomicBool) -> Result<Vec<Value>> {
    let authorization = format!("Basic {}", STANDARD.encode(credentials));
    let (mut items, mut place, mut turn) = (Vec::new(), None::<String>, 0);
    let mut last_answer = Instant::now();
    loop {
        let ending = over.load(Ordering::Relaxed);
        let after = place.iter().map(|place| format!("&after={place}")).collect::<String>();
        let request = Request::new("GET", &format!("/events?limit=1000&wait=1{after}"));
        turn += 1;
        let address = addresses.lock().ok().and_then(|known| known.get(turn % known.len().max(1)).copied());
        let answer =
            address.and_then(|address| Client::new(address).ask(&request.header("Authorization", &authorization)).ok());
        match answer {
            Some(answer) if answer.status == 200 => {
                let page: Value = serde_json::from_str(&answer.body)?;
                let told = page["items"].as_array().context("a page without items")?;
                if ending && told.is_empty() {
                    return Ok(items);
                }
                items.extend(told.iter().cloned());
                place = page["next"].as_str().map(str::to_owned);
                last_answer = Instant::now();
            }
            Some(answer) if answer.status != 503 => bail!("the reader was answered {answer}"),
            Some(_) | None if ending && last_answer.elapsed() > LONGEST => bail!("nobody answers the reader"),
            Some(_) | None => pause(Duration::from_millis(20)),
        }
    }
}

/// Compares what was told with what was acknowledged.
fn check(items: &[Value], clients: &[FeedClient], violations: &Violations) {
    let mut places: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    let mut expected = None;
    for (place, item) in items.iter().enumerate() {
        let number: Option<i64> = item["id"].as_str().and_then(|id| id.split('-').next()?.parse().ok());
        violations.unless(expected.is_none() || number == expected, || {
            format!("feed: {} where {expected:?} was expected", item["id"])
        });
        expected = number.map(|number| number + 1);
        let told =
            (item["type"].as_str().unwrap_or_default(), item["data"]["session_uuid"].as_str().unwrap_or_default());
        places.entry(told).or_default().push(place);
    }
    let told = |kind, uuid: &str| places.get(&(kind, uuid)).cloned().unwrap_or_default();
    for client in clients {
        for uuid in &client.opened {
            let opened = told("session.created", uuid);
            violations
                .unless(opened.len() == 1, || format!("feed: {uuid} was opened, and told {} times", opened.len()));
        }
        for uuid in &client.ended {
            let (opened, ended) = (told("session.created", uuid), told("session.ended", uuid));
            violations.unless(ended.len() == 1, || format!("feed: {uuid} was ended, and told {} times", ended.len()));
            violations.unless(opened < ended, || format!("feed: {uuid} was told to have ended before it was opened"));
        }
        for uuid in &client.doubtful {
            let times = told("session.ended", uuid).len();
            violations.unless(times <= 1, || format!("feed: {uuid} was told {times} times to have ended"));
        }
    }
}
