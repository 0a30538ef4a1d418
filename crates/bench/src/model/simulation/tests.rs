//! Limits at which it can be told by hand what must come of a site.

use super::*;

const SECOND: f64 = 1e6;

const COSTS: Costs =
    Costs { client: 5.0, check: 10.0, ask: 20.0, compare: 30.0, change: 40.0, write: 200.0, flush: 1_000.0 };

/// One replica that nobody asks, on machines of their own.
const SITE: ModelledSite = ModelledSite {
    replicas: 1,
    machines: Machines::Apart { replica: 2.0, postgres: 2.0 },
    workers: 2,
    connections: 64,
    round_trip: 200.0,
    spacing: 500.0,
    counters: 64,
    users: 10_000,
    checks: None,
    changes: None,
    costs: COSTS,
};

fn is_near(value: f64, expected: f64) -> bool {
    (value / expected - 1.0).abs() < 0.02
}

#[test]
fn a_request_alone_waits_for_its_own_work_and_one_round_trip() {
    let seen = run(&ModelledSite { checks: Some(Arrivals::Clients(1)), ..SITE }, SECOND, 1);
    let latency = 10.0 + 20.0 + 30.0 + 200.0 + 5.0;
    assert!(is_near(seen.check_median, latency) && is_near(seen.check_p99, latency), "{seen:?}");
    assert!(is_near(seen.checks, SECOND / latency), "{seen:?}");
    // Nobody shares its rounds, so none is spaced.
    assert!(is_near(seen.rounds, seen.checks), "{seen:?}");
}

#[test]
fn a_load_without_end_is_bound_by_the_processors_alone() {
    let site = ModelledSite { checks: Some(Arrivals::Clients(2_000)), workers: 8, ..SITE };
    let seen = run(&site, SECOND / 4.0, 1);
    // The client and the rounds take their part of the two.
    let bound = (2.0 * SECOND - seen.rounds * 20.0) / (10.0 + 5.0);
    assert!(is_near(seen.checks, bound), "{} of {bound}: {seen:?}", seen.checks);
    assert!(is_near(seen.replica_busy, 2.0), "{seen:?}");
}

#[test]
fn rounds_that_are_shared_are_spaced_and_those_of_few_are_not() {
    let busy = ModelledSite { checks: Some(Arrivals::PerSecond(40_000.0)), workers: 8, ..SITE };
    let seen = run(&busy, SECOND, 1);
    assert!(is_near(seen.checks, 40_000.0) && is_near(seen.rounds, 2_000.0), "{seen:?}");
    let spaced = run(&ModelledSite { spacing: 5_000.0, ..busy }, SECOND, 1);
    assert!(is_near(spaced.rounds, 200.0) && spaced.check_median > 2_500.0, "{spaced:?}");
    // As many as there is time for, one after the other.
    let at_once = run(&ModelledSite { spacing: 0.0, ..busy }, SECOND, 1);
    assert!(at_once.rounds > 3_000.0 && at_once.rounds < SECOND / 250.0, "{at_once:?}");
}

#[test]
fn one_counter_lets_one_change_commit_and_many_let_all() {
    let site = ModelledSite { changes: Some(Arrivals::Clients(64)), ..SITE };
    let one = run(&ModelledSite { counters: 1, ..site }, SECOND, 1);
    assert!(is_near(one.changes, SECOND / 1_000.0), "{one:?}");
    let many = run(&site, SECOND, 1);
    // What bounds it then is Postgres' two processors.
    assert!(many.changes > 7.0 * one.changes && many.postgres_busy > 1.7, "{many:?}");
    // Of one user it is one again, however many counters there are.
    let of_one = run(&ModelledSite { users: 1, ..site }, SECOND, 1);
    assert!(of_one.changes < one.changes, "{of_one:?}");
}

#[test]
fn a_run_is_the_same_again() {
    let site =
        ModelledSite { checks: Some(Arrivals::PerSecond(5_000.0)), changes: Some(Arrivals::PerSecond(300.0)), ..SITE };
    assert_eq!(run(&site, SECOND / 4.0, 7), run(&site, SECOND / 4.0, 7));
    assert_ne!(run(&site, SECOND / 4.0, 7), run(&site, SECOND / 4.0, 8));
}

#[test]
fn on_one_machine_all_share_the_processors() {
    let site = ModelledSite { machines: Machines::One(2.0), round_trip: 0.0, ..SITE };
    let [one, four] = [(1, 256), (4, 64)].map(|(replicas, clients)| {
        run(&ModelledSite { replicas, checks: Some(Arrivals::Clients(clients)), ..site }, SECOND / 4.0, 1)
    });
    assert!(one.replica_busy > 1.95 && four.replica_busy > 1.95, "{one:?}, {four:?}");
    // Four ask for themselves, and that is what they answer less.
    let bound = |seen: &Prediction, replicas: f64| (2.0 * SECOND - replicas * seen.rounds * 50.0) / 15.0;
    assert!(is_near(one.checks, bound(&one, 1.0)) && is_near(four.checks, bound(&four, 4.0)), "{one:?}, {four:?}");
    assert!(four.checks < one.checks, "{one:?}, {four:?}");
}
