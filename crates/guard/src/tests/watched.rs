//! Who watches a session hears of its end.

use serde_json::json;

use super::server::{FakeServer, Reply};
use super::*;
use crate::error::Unavailable;
use crate::testing::{UUID, introspection};

#[test]
fn the_end_of_a_watched_session_is_heard_of_by_the_feed() {
    for staleness in [Staleness::Exact, WITHIN] {
        let server = FakeServer::start();
        server.grant("token", "FULL");
        runtime().block_on(async {
            let guard = builder(&server).staleness(staleness).build().unwrap();
            let mut watch = guard.watch("token", SessionRequirement::LIVE).await.unwrap();
            assert_eq!(watch.session().username(), "ada");
            until("a reader of the feed", || server.feed_asked().len() >= 2).await;
            let watched = tokio::spawn(async move { watch.refused().await });
            // What leaves the session alive does not end the watch.
            server.tell_of("user.renamed", &json!({"user_id": "1700000000123"}));
            until("a question for the sake of the event", || server.asked("token") >= 2).await;
            assert!(!watched.is_finished());
            server.end("token");
            server.tell_of("session.ended", &json!({"user_id": "1700000000123", "session_uuid": UUID}));
            assert_eq!(watched.await.unwrap(), GuardError::Inactive);
        });
    }
}

#[test]
fn a_watch_ends_with_what_the_route_asks_for_with_the_session_and_with_the_server() {
    let server = FakeServer::start();
    runtime().block_on(async {
        let within = Staleness::Within(Duration::from_millis(20));
        let guard = builder(&server).staleness(within).build().unwrap();
        let mut staff = introspection("FULL");
        staff["staff"] = json!(true);
        for (after, expected) in [
            (Reply::Json(introspection("FULL")), GuardError::Staff),
            (Reply::Json(json!({"active": false})), GuardError::Inactive),
            (Reply::Status(503, String::new()), Unavailable::Status(503).into()),
        ] {
            server.say("token", Reply::Json(staff.clone()));
            let mut watch = guard.watch("token", SessionRequirement::LIVE.staff()).await.unwrap();
            server.say("token", after);
            // The feed is silent; the interval tells.
            assert_eq!(watch.refused().await, expected);
        }
    });
}
