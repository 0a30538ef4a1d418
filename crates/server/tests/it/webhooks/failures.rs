//! Endpoints that do not take what they are sent.

use std::thread;

use thunderhead_domain::ports::Clock as _;
use thunderhead_domain::webhook::WebhookState;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::receiver::Reply;
use super::{Receiver, add, condition, deliver, happen, run, status};
use crate::app::TestApp;

on_both_engines!(
    who_was_down_for_an_hour_gets_everything_in_order_afterwards,
    who_hangs_holds_up_nobody_else,
    who_is_gone_is_switched_off_until_the_operator_says_otherwise,
    a_redirect_is_a_failure_and_leads_nowhere,
    after_ten_attempts_an_endpoint_is_parked_and_goes_on_when_the_operator_says_so,
    who_asks_for_a_longer_pause_gets_it,
    a_place_in_the_feed_that_is_gone_parks_the_endpoint_and_it_goes_on_from_the_first_that_is_kept,
    nothing_is_posted_to_an_address_that_is_refused,
);

const MINUTE: i64 = 60;

/// How often the next event was tried, and how many milliseconds it is to the next attempt.
fn retrying(app: &TestApp, name: &str) -> (u32, i64) {
    match status(app, name).webhook.progress.state {
        WebhookState::Retrying { attempts, next_at } => (attempts, next_at.millis_since(app.clock().now())),
        other => panic!("{other:?}"),
    }
}

fn failure(app: &TestApp, name: &str) -> String {
    status(app, name).webhook.progress.failure.unwrap().what
}

fn who_was_down_for_an_hour_gets_everything_in_order_afterwards(database: TestDatabase) {
    let app = TestApp::start(database);
    let (shop, other) = (Receiver::start(), Receiver::start());
    app.user("ada");
    for (name, receiver) in [("shop", &shop), ("other", &other)] {
        add(&app, name, receiver, "session.*");
    }
    shop.reply(503);
    for _ in 0..12 {
        happen(&app);
        deliver(&app);
        app.clock().advance_seconds(5 * MINUTE);
    }
    assert!(shop.taken().is_empty() && condition(&app, "shop") == "retrying");
    assert_eq!(failure(&app, "shop"), "answered 503");
    // Only the first one was tried, and not over and over.
    let tried = shop.posts();
    assert!(tried.iter().all(|post| post.id == tried[0].id) && tried.len() == 4, "{}", tried.len());
    shop.reply(204);
    // The next attempt is no more than a little over two hours away.
    for _ in 0..3 {
        app.clock().advance_seconds(60 * MINUTE);
        deliver(&app);
    }
    let taken = shop.taken();
    assert_eq!((taken.len(), &taken), (12, &other.taken()));
    assert_eq!((condition(&app, "shop"), status(&app, "shop").behind), ("delivering", Some(0)));
}

fn who_hangs_holds_up_nobody_else(database: TestDatabase) {
    let app = TestApp::start(database);
    let (hanging, other) = (Receiver::start(), Receiver::start());
    app.user("ada");
    for (name, receiver) in [("hanging", &hanging), ("other", &other)] {
        add(&app, name, receiver, "*");
    }
    let (arrival, go) = hanging.hold();
    happen(&app);
    let delivery = &app.auth().webhook_delivery;
    let due = run(delivery.due()).unwrap().due;
    assert_eq!(due.len(), 2);
    thread::scope(|scope| {
        let [first, second] = due.try_into().unwrap();
        // Named so that it is served first.
        assert_eq!(first.name.as_str(), "hanging");
        scope.spawn(|| run(delivery.deliver(first)).unwrap());
        arrival.recv().unwrap();
        run(delivery.deliver(second)).unwrap();
        assert_eq!((other.taken().len(), hanging.posts().len()), (1, 0));
        // While it hangs, nobody begins anew with it, here or elsewhere, and the other gets what comes.
        happen(&app);
        let due = run(delivery.due()).unwrap().due;
        assert_eq!(due.iter().map(|webhook| webhook.name.as_str()).collect::<Vec<_>>(), ["other"]);
        for webhook in due {
            run(delivery.deliver(webhook)).unwrap();
        }
        assert_eq!((other.taken().len(), hanging.posts().len()), (2, 0));
        go.send(()).unwrap();
    });
    deliver(&app);
    assert_eq!(hanging.taken(), other.taken());
}

fn who_is_gone_is_switched_off_until_the_operator_says_otherwise(database: TestDatabase) {
    let app = TestApp::start(database);
    let receiver = Receiver::start();
    app.user("ada");
    add(&app, "shop", &receiver, "*");
    receiver.reply_once(410);
    happen(&app);
    happen(&app);
    deliver(&app);
    app.clock().advance_seconds(10 * 86_400);
    deliver(&app);
    assert_eq!((receiver.posts().len(), condition(&app, "shop")), (1, "off"));
    assert_eq!((failure(&app, "shop").as_str(), status(&app, "shop").behind), ("answered 410", Some(2)));
    run(app.operator().webhooks().resend("shop")).unwrap();
    deliver(&app);
    assert_eq!((receiver.taken().len(), condition(&app, "shop")), (2, "delivering"));
    assert_eq!(receiver.taken()[0], receiver.posts()[0].id);
}

fn a_redirect_is_a_failure_and_leads_nowhere(database: TestDatabase) {
    let app = TestApp::start(database);
    let (receiver, elsewhere) = (Receiver::start(), Receiver::start());
    app.user("ada");
    add(&app, "shop", &receiver, "*");
    receiver.reply_once(Reply::with(308, "Location", &elsewhere.url()));
    happen(&app);
    deliver(&app);
    assert_eq!(failure(&app, "shop"), "answered 308: redirects are not followed");
    assert_eq!((condition(&app, "shop"), elsewhere.posts().len()), ("retrying", 0));
}

fn after_ten_attempts_an_endpoint_is_parked_and_goes_on_when_the_operator_says_so(database: TestDatabase) {
    let app = TestApp::start(database);
    let receiver = Receiver::start();
    app.user("ada");
    add(&app, "shop", &receiver, "*");
    receiver.reply(500);
    happen(&app);
    happen(&app);
    let begun = app.seconds();
    for attempt in 1..10 {
        deliver(&app);
        let (attempts, pause) = retrying(&app, "shop");
        assert_eq!((attempts, receiver.posts().len()), (attempt, attempt as usize));
        // Not before it is time.
        app.clock().advance_millis(pause - 1);
        deliver(&app);
        assert_eq!(receiver.posts().len(), attempt as usize);
        app.clock().advance_millis(1);
    }
    deliver(&app);
    assert!((60 * 3_600..84 * 3_600).contains(&(app.seconds() - begun)), "{}", app.seconds() - begun);
    app.clock().advance_seconds(30 * 86_400);
    deliver(&app);
    assert_eq!((receiver.posts().len(), condition(&app, "shop")), (10, "parked"));
    assert_eq!((failure(&app, "shop").as_str(), status(&app, "shop").behind), ("answered 500", Some(2)));
    receiver.reply(204);
    run(app.operator().webhooks().resend("shop")).unwrap();
    deliver(&app);
    let (taken, tried) = (receiver.taken(), receiver.posts());
    assert_eq!((taken.len(), condition(&app, "shop")), (2, "delivering"));
    assert!(tried[..=10].iter().all(|post| post.id == taken[0]));
}

fn who_asks_for_a_longer_pause_gets_it(database: TestDatabase) {
    let app = TestApp::start(database);
    let receiver = Receiver::start();
    app.user("ada");
    add(&app, "shop", &receiver, "*");
    happen(&app);
    for (attempt, asked, expected) in
        [(1, "3600", 3_600_000..=3_600_000), (2, "1", 270_000..=330_000), (3, "999999999", 86_400_000..=86_400_000)]
    {
        receiver.reply_once(Reply::with(429, "Retry-After", asked));
        deliver(&app);
        let (attempts, pause) = retrying(&app, "shop");
        assert!(attempts == attempt && expected.contains(&pause), "{asked}: {pause}");
        app.clock().advance_millis(pause);
    }
    deliver(&app);
    assert_eq!(receiver.taken().len(), 1);
}

fn a_place_in_the_feed_that_is_gone_parks_the_endpoint_and_it_goes_on_from_the_first_that_is_kept(
    database: TestDatabase,
) {
    let app = TestApp::start(database);
    let receiver = Receiver::start();
    app.user("ada");
    add(&app, "shop", &receiver, "session.created");
    happen(&app);
    deliver(&app);
    // As if another history of the database had been restored under it.
    app.tamper("UPDATE webhooks SET cursor = '1-00000000deadbeef'");
    happen(&app);
    deliver(&app);
    let stopped = status(&app, "shop");
    assert_eq!((condition(&app, "shop"), stopped.behind, receiver.posts().len()), ("parked", None, 1));
    assert!(failure(&app, "shop").contains("not kept any more"));
    run(app.operator().webhooks().resend("shop")).unwrap();
    deliver(&app);
    let ids = receiver.taken();
    // Those that are kept, with what had been delivered, and the session that an account begins with.
    assert_eq!((ids.len(), condition(&app, "shop")), (4, "delivering"));
    assert_eq!(ids[0], ids[2]);
}

fn nothing_is_posted_to_an_address_that_is_refused(database: TestDatabase) {
    let app = TestApp::start(database);
    let receiver = Receiver::start();
    app.user("ada");
    add(&app, "shop", &receiver, "*");
    happen(&app);
    // Whatever was true of a URL when it was added.
    for (url, what) in [
        ("https://169.254.169.254/latest", "the address 169.254.169.254 is refused"),
        ("https://[fd00:ec2::254]/", "the address fd00:ec2::254 is refused"),
        ("http://192.0.2.1/", "the address 192.0.2.1 is not this machine's, and the URL is http"),
    ] {
        app.tamper(&format!("UPDATE webhooks SET url = '{url}', next_attempt_at = NULL, attempts = 0"));
        deliver(&app);
        assert_eq!(failure(&app, "shop"), what);
    }
    assert!(receiver.posts().is_empty());
}
