//! Endpoints that several servers deliver to, and servers that do not come to the end.

use std::collections::BTreeSet;
use std::thread;

use thunderhead_domain::ports::Clock as _;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{Receiver, add, deliver, happen, run, status, try_deliver};
use crate::app::{Cut, TestApp};

on_both_engines!(
    replicas_deliver_each_event_once_and_in_order,
    what_was_taken_and_not_noted_is_delivered_again_under_the_same_id,
    who_has_lost_an_endpoint_moves_nothing,
    a_server_that_stops_lets_others_go_on,
    who_was_paused_for_longer_than_its_lease_sends_nothing_more,
);

const LEASE_SECONDS: i64 = 60;

fn replicas_deliver_each_event_once_and_in_order(database: TestDatabase) {
    let app = TestApp::start(database);
    let replicas = [app.replica(), app.replica()];
    let receiver = Receiver::start();
    app.user("ada");
    add(&app, "shop", &receiver, "*");
    for _ in 0..5 {
        (0..10).for_each(|_| happen(&app));
        thread::scope(|scope| {
            for server in [&app, &replicas[0], &replicas[1]] {
                scope.spawn(|| deliver(server));
            }
        });
    }
    deliver(&app);
    let ids = receiver.taken();
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (50, 50));
    let numbers: Vec<i64> = ids.iter().map(|id| id.split('-').next().unwrap().parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
}

fn what_was_taken_and_not_noted_is_delivered_again_under_the_same_id(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let receiver = Receiver::start();
    app.user("ada");
    add(&app, "shop", &receiver, "*");
    happen(&app);
    let (arrival, go) = receiver.hold();
    // The server is gone before it knows the answer, and cannot give anything back.
    thread::scope(|scope| {
        scope.spawn(|| try_deliver(&app).unwrap_err());
        arrival.recv().unwrap();
        app.cut(Cut::Everything);
        go.send(()).unwrap();
    });
    let first = receiver.taken();
    assert_eq!(first.len(), 1);
    happen(&replica);
    deliver(&replica);
    assert_eq!(receiver.taken(), first, "somebody else has it");
    app.clock().advance_seconds(LEASE_SECONDS);
    deliver(&replica);
    let taken = receiver.taken();
    assert_eq!((taken.len(), &taken[1]), (3, &first[0]));
}

fn who_has_lost_an_endpoint_moves_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let receiver = Receiver::start();
    app.user("ada");
    add(&app, "shop", &receiver, "*");
    happen(&app);
    let webhook = status(&app, "shop").webhook;
    let now = app.clock().now();
    let (over, later) = (now.plus_seconds(LEASE_SECONDS), now.plus_seconds(2 * LEASE_SECONDS));
    // While it delivers, somebody else sees its lease run out, and takes the endpoint.
    app.before("webhook_save", move |storage| {
        let taken =
            thunderhead_testkit::block_on(storage.webhook_lease(webhook.id, Some(over), later, later.plus_seconds(60)));
        assert!(taken.unwrap().is_some());
    });
    deliver(&app);
    let after = status(&app, "shop").webhook;
    assert_eq!((after.progress, after.leased_until), (webhook.progress, Some(later.plus_seconds(60))));
    assert_eq!(receiver.taken().len(), 1);
    // The other one never comes back: when it has not been heard of for as long as a lease, the same event is delivered
    // again, whatever its clock said.
    deliver(&app);
    app.clock().advance_seconds(LEASE_SECONDS - 1);
    deliver(&app);
    assert_eq!(receiver.taken().len(), 1);
    app.clock().advance_seconds(1);
    deliver(&app);
    let taken = receiver.taken();
    assert_eq!((taken.len(), &taken[0]), (2, &taken[1]));
    assert_eq!(status(&app, "shop").behind, Some(0));
}

fn a_server_that_stops_lets_others_go_on(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let receiver = Receiver::start();
    app.user("ada");
    add(&app, "shop", &receiver, "*");
    (0..3).for_each(|_| happen(&app));
    let (arrival, go) = receiver.hold();
    let delivery = &app.auth().webhook_delivery;
    thread::scope(|scope| {
        scope.spawn(|| deliver(&app));
        arrival.recv().unwrap();
        assert_eq!(delivery.leases().len(), 1);
        deliver(&replica);
        delivery.stop();
        go.send(()).unwrap();
    });
    // What was under way was noted, and nothing else begun.
    assert_eq!((receiver.taken().len(), status(&app, "shop").behind), (1, Some(2)));
    deliver(&app);
    assert_eq!(receiver.taken().len(), 1);
    deliver(&replica);
    let taken = receiver.taken();
    assert_eq!((taken.len(), taken.iter().collect::<BTreeSet<_>>().len()), (3, 3));
    // One that is cut short gives back what it has.
    let now = app.clock().now();
    let webhook = status(&app, "shop").webhook;
    let leased = run(app.storage().webhook_lease(webhook.id, None, now, now.plus_seconds(LEASE_SECONDS)));
    run(delivery.give_back(vec![leased.unwrap().unwrap().0])).unwrap();
    assert_eq!(status(&app, "shop").webhook.leased_until, None);
}

fn who_was_paused_for_longer_than_its_lease_sends_nothing_more(database: TestDatabase) {
    let app = TestApp::start(database);
    let receiver = Receiver::start();
    app.user("ada");
    add(&app, "shop", &receiver, "*");
    (0..3).for_each(|_| happen(&app));
    let (arrival, go) = receiver.hold();
    thread::scope(|scope| {
        scope.spawn(|| deliver(&app));
        arrival.recv().unwrap();
        app.clock().advance_seconds(LEASE_SECONDS);
        let (webhook, now) = (status(&app, "shop").webhook, app.clock().now());
        let taken = app.storage().webhook_lease(webhook.id, webhook.leased_until, now, now.plus_seconds(60));
        assert!(run(taken).unwrap().is_some());
        go.send(()).unwrap();
    });
    assert_eq!((receiver.taken().len(), status(&app, "shop").behind), (1, Some(3)));
}
