//! What was ended before a request is not accepted by it, and what was ended since is thrown away.

use serde_json::json;

use super::server::{FakeServer, Reply};
use super::*;
use crate::testing::{UUID, introspection};

const USER: &str = "1700000000123";

#[test]
fn a_question_that_began_before_a_request_does_not_answer_it() {
    let server = FakeServer::start();
    server.grant("token", "FULL");
    runtime().block_on(async {
        let guard = builder(&server).build().unwrap();
        server.hold("token");
        let ask = || {
            tokio::spawn({
                let guard = guard.clone();
                async move { check(&guard, "token").await }
            })
        };
        let first = ask();
        // What the first is told is settled.
        until("the first question", || server.asked("token") == 1).await;
        server.end("token");
        let others: Vec<_> = (0..50).map(|_| ask()).collect();
        until("fifty who wait", || guard.waiting() == 50).await;
        server.let_go();
        assert!(first.await.unwrap().is_ok());
        for other in others {
            assert_eq!(other.await.unwrap(), Err(GuardError::Inactive));
        }
        // All of them share one.
        assert_eq!(server.asked("token"), 2);
        assert_eq!(guard.waiting(), 0);
    });
}

#[test]
fn exact_asks_about_each_request() {
    let server = FakeServer::start();
    server.grant("token", "FULL");
    runtime().block_on(async {
        let guard = builder(&server).build().unwrap();
        for asked in 1..=3 {
            assert!(check(&guard, "token").await.is_ok());
            assert_eq!(server.asked("token"), asked);
        }
        server.end("token");
        assert_eq!(check(&guard, "token").await, Err(GuardError::Inactive));
        // The feed is of no use to it.
        assert_eq!(server.feed_asked(), Vec::<String>::new());
    });
}

#[test]
fn who_gives_up_takes_nobody_elses_answer_along() {
    let server = FakeServer::start();
    server.grant("token", "FULL");
    runtime().block_on(async {
        let guard = builder(&server).build().unwrap();
        server.hold("token");
        let ask = || {
            tokio::spawn({
                let guard = guard.clone();
                async move { check(&guard, "token").await }
            })
        };
        let running = ask();
        until("the first question", || server.asked("token") == 1).await;
        let (second, third) = (ask(), ask());
        until("two who wait", || guard.waiting() == 2).await;
        running.abort();
        second.abort();
        server.let_go();
        assert!(third.await.unwrap().is_ok());
    });
}

#[test]
fn within_keeps_an_answer_until_the_feed_tells_otherwise() {
    let server = FakeServer::start();
    let other = "0b7e6c1e-6a3f-4a51-9f0e-0c8c2a1d7d56";
    let data = |user: &str, session: &str| json!({"user_id": user, "session_uuid": session});
    runtime().block_on(async {
        let guard = following(&server).await;
        let mut asked = 0;
        for (kind, data, thrown_away) in [
            ("session.ended", data(USER, UUID), true),
            ("session.ended", data(USER, other), false),
            ("session.created", data(USER, UUID), false),
            ("sessions.ended", json!({"user_id": USER}), true),
            ("sessions.ended", json!({"user_id": "1700000000999"}), false),
            ("sessions.ended", json!({}), true),
            ("user.banned", json!({"user_id": USER}), true),
            ("user.staff_changed", json!({"user_id": USER}), true),
            ("switch.changed", json!({"switch": "GLOBAL"}), false),
        ] {
            server.grant("token", "FULL");
            for _ in 0..10 {
                assert!(check(&guard, "token").await.is_ok());
            }
            asked = server.asked("token").max(asked);
            server.end("token");
            hear(&server, || server.tell_of(kind, &data)).await;
            let expected = if thrown_away { Err(GuardError::Inactive) } else { Ok(()) };
            assert_eq!(check(&guard, "token").await.map(drop), expected, "{kind} {data}");
            assert_eq!(server.asked("token"), asked + usize::from(thrown_away), "{kind} {data}");
        }
        // Asked for by what it wants to know.
        let path = server.feed_asked().pop().unwrap();
        assert!(path.contains("session.ended") && path.contains("limit=1000") && path.contains("wait=30"), "{path}");
    });
}

#[test]
fn within_keeps_no_answer_that_was_asked_before_an_event_and_came_after_it() {
    let server = FakeServer::start();
    server.grant("token", "FULL");
    runtime().block_on(async {
        let guard = following(&server).await;
        server.hold("token");
        let asking = tokio::spawn({
            let guard = guard.clone();
            async move { check(&guard, "token").await }
        });
        until("the question", || server.asked("token") == 1).await;
        server.end("token");
        hear(&server, || server.tell_of("session.ended", &json!({"user_id": USER, "session_uuid": UUID}))).await;
        server.let_go();
        // It arrived before the end, so this is right; it is not kept.
        assert!(asking.await.unwrap().is_ok());
        assert_eq!(check(&guard, "token").await, Err(GuardError::Inactive));
    });
}

#[test]
fn within_throws_everything_away_where_the_feed_cannot_be_read() {
    let server = FakeServer::start();
    runtime().block_on(async {
        let guard = following(&server).await;
        for (status, body) in [
            (410, json!({"error": "cursor_gone", "first": "x"})),
            (503, json!({})),
            (401, json!({"error": "invalid_client"})),
            (403, json!({"error": "insufficient_scope"})),
            (200, json!({"items": "nonsense"})),
        ] {
            server.grant("token", "FULL");
            assert!(check(&guard, "token").await.is_ok());
            server.end("token");
            hear(&server, || server.tell(status, body)).await;
            assert_eq!(check(&guard, "token").await, Err(GuardError::Inactive), "{status}");
        }
        // After the 410 it began at the end again.
        let path = |path: &String| path.contains("after=latest");
        assert_eq!(server.feed_asked().iter().filter(|asked| path(asked)).count(), 2);
    });
}

#[test]
fn within_is_never_staler_than_it_says_though_the_feed_is_silent() {
    let server = FakeServer::start();
    server.grant("token", "FULL");
    runtime().block_on(async {
        let within = Duration::from_millis(300);
        let guard = builder(&server).staleness(Staleness::Within(within)).build().unwrap();
        assert!(check(&guard, "token").await.is_ok());
        server.end("token");
        let ended = Instant::now();
        let mut last = ended;
        while check(&guard, "token").await.is_ok() {
            last = Instant::now();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // The question began before the end.
        assert!(last - ended <= within, "{:?}", last - ended);
    });
}

#[test]
fn what_a_route_asks_for_is_checked_of_a_kept_answer_too() {
    let server = FakeServer::start();
    let mut told = introspection("FILE_READ");
    told["acr"] = json!("aal1");
    server.say("token", Reply::Json(told));
    runtime().block_on(async {
        let guard = following(&server).await;
        let live = SessionRequirement::LIVE;
        for _ in 0..2 {
            use thunderhead_domain::scope::Scope::{FileRead, UploadFile};
            assert!(guard.check("token", &live.scope(FileRead)).await.is_ok());
            let lacking = guard.check("token", &live.scope(UploadFile)).await;
            assert_eq!(lacking, Err(GuardError::Scope(UploadFile)));
            assert_eq!(guard.check("token", &live.staff()).await, Err(GuardError::Staff));
            assert!(matches!(guard.check("token", &live.factor()).await, Err(GuardError::Proof(_))));
        }
        assert_eq!(server.asked("token"), 1);
    });
}

/// A guard that keeps answers, and knows where the feed is.
async fn following(server: &FakeServer) -> SessionGuard {
    let guard = builder(server).staleness(WITHIN).build().unwrap();
    until("a reader of the feed", || server.feed_asked().len() >= 2).await;
    guard
}

/// Has the feed say something, and waits until that was read: until it is asked again.
async fn hear(server: &FakeServer, tell: impl FnOnce()) {
    let before = server.feed_asked().len();
    tell();
    // The one that waits, or the next, gets it; the one after that is asked by somebody who has read it.
    until("the next question to the feed", || server.feed_asked().len() >= before + 2).await;
}
