//! Waiting for what has not happened yet.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::ports::Storage;
use thunderhead_domain::session::Actor;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::time::Timestamp;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use super::{Reader, next, types};
use crate::app::{Cut, TestApp};
use crate::errors::UNAVAILABLE;

on_both_engines!(
    who_waits_is_told_as_soon_as_something_happens,
    a_wait_that_is_over_is_an_empty_page,
    what_is_there_already_is_not_waited_for,
    who_waits_for_rare_events_is_not_woken_for_good_by_others,
    many_who_wait_share_one_look,
    who_waits_is_answered_when_the_server_is_about_to_stop,
    an_outage_ends_the_wait,
);

/// A wait as long as this was none that something has ended.
const TOO_LONG: Duration = Duration::from_secs(40);

/// Something that is an event.
fn turn_on(storage: &dyn Storage, switch: KillSwitch) {
    let by_operator = ActionContext { at: Timestamp::from_unix_seconds(1), by: Actor::CommandLine, client_ip: None };
    block_on(storage.switch_set(switch, true, by_operator.into())).unwrap().unwrap();
}

/// The place that a page ends at, and the types of its events.
fn told(page: &Value) -> (String, Vec<&str>) {
    (next(page), types(page["items"].as_array().unwrap()))
}

fn who_waits_is_told_as_soon_as_something_happens(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    for (replica, place) in [(None, reader.now(&app)), (Some(app.replica()), reader.now(&app))] {
        let other = replica.as_ref().unwrap_or(&app);
        let begun = Instant::now();
        // The reader has found nothing by then, and does not know yet.
        let switch = if replica.is_some() { KillSwitch::FileCreate } else { KillSwitch::FileModify };
        other.after("feed_page", move |storage| turn_on(storage, switch));
        let page = reader.get(other, &format!("?after={place}&wait=60")).expect(200);
        assert_eq!(told(&page).1, ["switch.changed"]);
        assert!(begun.elapsed() < TOO_LONG, "{:?}", begun.elapsed());
    }
    // From now on, whatever now is.
    app.after("feed_page", |storage| turn_on(storage, KillSwitch::FileDelete));
    let page = reader.get(&app, "?after=latest&wait=60").expect(200);
    assert_eq!(page["items"][0]["data"]["switch"], "FILE_DELETE");
}

fn a_wait_that_is_over_is_an_empty_page(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    let (place, begun) = (reader.now(&app), Instant::now());
    let page = reader.get(&app, &format!("?after={place}&wait=1")).expect(200);
    assert_eq!(page, json!({"items": [], "next": place}));
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

fn what_is_there_already_is_not_waited_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    let (place, begun) = (reader.now(&app), Instant::now());
    app.user("ada");
    assert_eq!(told(&reader.get(&app, &format!("?after={place}&wait=60")).expect(200)).1.len(), 2);
    assert_eq!(reader.get(&app, "?after=9-0000000000000001&wait=60").status, 410);
    assert!(begun.elapsed() < TOO_LONG);
}

fn who_waits_for_rare_events_is_not_woken_for_good_by_others(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    let place = reader.now(&app);
    app.after("feed_page", |storage| turn_on(storage, KillSwitch::FileCreate));
    let page = reader.get(&app, &format!("?after={place}&types=user.banned&wait=1")).expect(200);
    let (moved_on, none) = told(&page);
    assert!(none.is_empty() && moved_on != place);
    assert_eq!(moved_on, reader.now(&app));
}

fn many_who_wait_share_one_look(database: TestDatabase) {
    const MANY: usize = 12;
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    let place = reader.now(&app);
    app.asked();
    thread::scope(|scope| {
        for _ in 0..MANY {
            scope.spawn(|| {
                let page = reader.get(&app, &format!("?after={place}&wait=1")).expect(200);
                assert_eq!(told(&page), (place.clone(), vec![]));
            });
        }
    });
    let looks = app.asked().into_iter().filter(|operation| *operation == "feed_status").count();
    // Each has looked once for itself, and one for all while a second and somewhat more passed.
    assert!((MANY..3 * MANY + 60).contains(&looks), "{looks}");
}

fn who_waits_is_answered_when_the_server_is_about_to_stop(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    let (place, draining, begun) = (reader.now(&app), app.draining(), Instant::now());
    app.after("feed_page", move |_| draining.begin());
    let page = reader.get(&app, &format!("?after={place}&wait=60")).expect(200);
    assert_eq!(page, json!({"items": [], "next": place}));
    // Nobody begins to wait any more either.
    assert_eq!(reader.get(&app, &format!("?after={place}&wait=60")).expect(200), page);
    assert!(begun.elapsed() < TOO_LONG);
}

fn an_outage_ends_the_wait(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    let (place, begun) = (reader.now(&app), Instant::now());
    let (found, nothing) = mpsc::channel();
    app.after("feed_page", move |_| found.send(()).unwrap());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| reader.get(&app, &format!("?after={place}&wait=60")));
        nothing.recv().unwrap();
        app.cut(Cut::Everything);
        waiting.join().unwrap().is(UNAVAILABLE);
    });
    assert!(begun.elapsed() < TOO_LONG);
}
