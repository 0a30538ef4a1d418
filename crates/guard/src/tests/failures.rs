//! A server that is away, slow or out of its mind lets nobody in, logs nobody out and holds nobody up.

use super::server::{FakeServer, Reply};
use super::*;
use crate::error::Unavailable;

/// Short, so that waiting for it is.
const DEADLINE: Duration = Duration::from_millis(300);

fn raw(text: &str) -> Reply {
    Reply::Raw(text.as_bytes().to_vec())
}

fn status(status: u16) -> Reply {
    Reply::Status(status, "{\"active\": true}".to_owned())
}

#[test]
fn what_is_no_answer_is_a_503_and_in_time() {
    let server = FakeServer::start();
    let huge = "x".repeat(200_000);
    let understood = |what| matches!(what, Unavailable::NotUnderstood(_));
    let lost = |what| matches!(what, Unavailable::Connection(_));
    type Expected<'a> = &'a dyn Fn(Unavailable) -> bool;
    let cases: [(&str, Reply, Expected<'_>); 15] = [
        ("500", status(500), &|what| what == Unavailable::Status(500)),
        ("503", status(503), &|what| what == Unavailable::Status(503)),
        ("201", status(201), &|what| what == Unavailable::Status(201)),
        ("a redirect", status(302), &|what| what == Unavailable::Status(302)),
        ("a wrong secret", status(401), &|what| what == Unavailable::Credentials(401)),
        ("a right that lacks", status(403), &|what| what == Unavailable::Credentials(403)),
        ("no `active`", Reply::Status(200, "{}".to_owned()), &understood),
        ("nothing but `active`", status(200), &understood),
        ("an empty body", Reply::Status(200, String::new()), &understood),
        ("a page", Reply::Status(200, "<html>Welcome to the lobby</html>".to_owned()), &understood),
        ("a huge body", Reply::Status(200, format!("{{\"active\": false, \"x\": \"{huge}\"}}")), &understood),
        ("no HTTP", raw("SSH-2.0-OpenSSH_9\r\n"), &lost),
        ("a body that breaks off", raw("HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"active\": false"), &lost),
        ("a connection that ends", raw(""), &lost),
        ("silence", Reply::Hang, &|what| what == Unavailable::Deadline),
    ];
    for staleness in [Staleness::Exact, WITHIN] {
        runtime().block_on(async {
            let guard = builder(&server).staleness(staleness).deadline(DEADLINE * 7).build().unwrap();
            for (what, reply, expected) in &cases {
                server.say("token", reply.clone());
                let begun = Instant::now();
                let error = check(&guard, "token").await.expect_err(what);
                assert_eq!((error.status(), error.www_authenticate()), (503, None), "{what}");
                let GuardError::Unavailable(reason) = error else { panic!("{what}: {error}") };
                assert!(expected(reason.clone()), "{what}: {reason}");
                assert!(begun.elapsed() < DEADLINE * 7 + LONGEST / 6, "{what}");
                // It takes nobody else along.
                server.grant("other", "FULL");
                assert!(check(&guard, "other").await.is_ok(), "after {what}");
            }
            server.grant("token", "FULL");
            assert!(check(&guard, "token").await.is_ok());
        });
    }
}

#[test]
fn a_server_that_hangs_costs_a_request_its_deadline_and_no_more() {
    let server = FakeServer::start();
    server.say("token", Reply::Hang);
    runtime().block_on(async {
        let guard = builder(&server).deadline(DEADLINE).build().unwrap();
        let begun = Instant::now();
        assert_eq!(check(&guard, "token").await, Err(Unavailable::Deadline.into()));
        let took = begun.elapsed();
        assert!(took >= DEADLINE && took < LONGEST, "{took:?}");
    });
}

#[test]
fn a_server_that_is_away_lets_nobody_in() {
    for staleness in [Staleness::Exact, WITHIN] {
        let server = FakeServer::start();
        server.grant("token", "FULL");
        runtime().block_on(async {
            let guard = builder(&server).staleness(staleness).build().unwrap();
            if staleness != Staleness::Exact {
                until("a reader of the feed", || server.feed_asked().len() >= 2).await;
            }
            assert!(check(&guard, "token").await.is_ok());
            server.go_away();
            // As soon as the feed breaks off, nothing is kept any more.
            let mut last = Ok(());
            let begun = Instant::now();
            while last.is_ok() {
                assert!(begun.elapsed() < LONGEST);
                last = check(&guard, "token").await.map(drop);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(matches!(last, Err(GuardError::Unavailable(Unavailable::Connection(_)))), "{last:?}");
        });
    }
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_no_failure() {
    let server = FakeServer::start();
    // It answers once, and hangs up.
    let body = "{\"active\": false}";
    server.say("token", raw(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())));
    runtime().block_on(async {
        let guard = builder(&server).build().unwrap();
        for _ in 0..20 {
            assert_eq!(check(&guard, "token").await, Err(GuardError::Inactive));
        }
    });
}

#[test]
fn what_waits_and_what_is_asked_at_once_is_bounded() {
    let server = FakeServer::start();
    runtime().block_on(async {
        let guard = builder(&server).questions_at_once(3).waiting_requests(10).build().unwrap();
        let tokens: Vec<_> = (0..10).map(|number| format!("token{number}")).collect();
        for token in &tokens {
            server.grant(token, "FULL");
            server.hold(token);
        }
        let asking: Vec<_> = tokens
            .iter()
            .map(|token| {
                let (guard, token) = (guard.clone(), token.clone());
                tokio::spawn(async move { check(&guard, &token).await })
            })
            .collect();
        until("three questions", || server.most_at_work() == 3).await;
        until("ten who wait", || guard.places_left() == 0).await;
        assert_eq!(check(&guard, "one-more").await, Err(Unavailable::Busy.into()));
        server.let_go();
        for asking in asking {
            assert!(asking.await.unwrap().is_ok());
        }
        assert_eq!(server.most_at_work(), 3);
        assert!(check(&guard, "token0").await.is_ok());
    });
}

#[test]
fn what_is_no_token_is_refused_without_asking() {
    let server = FakeServer::start();
    runtime().block_on(async {
        let guard = builder(&server).build().unwrap();
        for token in ["", "a b", "ä", "a&token=b", &"x".repeat(5_000)] {
            assert_eq!(check(&guard, token).await, Err(GuardError::Malformed), "{token}");
            assert_eq!(server.asked(token), 0);
        }
    });
}

#[test]
fn neither_the_secret_nor_a_token_is_printed() {
    let server = FakeServer::start();
    server.grant("token", "FULL");
    runtime().block_on(async {
        let guard = builder(&server).build().unwrap();
        let watch = guard.watch("token", SessionRequirement::LIVE).await.unwrap();
        let printed = format!("{guard:?} {watch:?}");
        assert!(!printed.contains("thk_") && !printed.contains("\"token\""), "{printed}");
    });
}
