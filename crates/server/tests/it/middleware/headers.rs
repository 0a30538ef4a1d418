//! Headers of every request and response: request ids, caching, and what clients send by mistake or malice.

use serde_json::json;
use thunderhead_http::access::rate_limit::Limit;
use thunderhead_http::request::origin::Origins;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{PASSWORD, TestApp};
use crate::errors::{INVALID_ENDPOINT, NOT_AUTHENTICATED};

on_both_engines!(
    a_request_id_that_can_be_printed_comes_back,
    other_requests_get_an_id_of_their_own,
    nothing_of_the_api_may_be_cached,
    a_request_needs_no_user_agent,
    headers_need_not_be_text,
    a_megabyte_of_authorization_does_no_harm,
    what_is_no_http_at_all_is_refused_and_the_server_goes_on,
    headers_are_named_as_the_clients_of_kratos_look_for_them,
);

fn a_request_id_that_can_be_printed_comes_back(database: TestDatabase) {
    let app = TestApp::start(database);
    for id in ["abc", "5f0b2a1e-7d3c-4a5b-9c6d-0e1f2a3b4c5d", &"x".repeat(128)] {
        for path in ["/api/", "/api/users/me", "/nowhere", "/health/live"] {
            let response = app.anonymous().call("GET", path).header("X-Request-ID", id).send();
            assert_eq!(response.header("x-request-id"), Some(id), "{path}");
        }
    }
}

fn headers_are_named_as_the_clients_of_kratos_look_for_them(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        let (count, window_millis) = (1_000.try_into().unwrap(), 60_000.try_into().unwrap());
        config.http.general_limit = Limit::Within { count, window_millis };
        config.http.origins = Origins::new(vec!["https://app.example".to_owned()]).unwrap();
    });
    let ada = app.user("ada");
    let send = |request: &str| {
        let token = ada.token();
        let head =
            format!("{request} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nOrigin: https://app.example\r\n\r\n");
        app.raw().send(head.as_bytes()).answer().unwrap()
    };
    for (request, names) in [
        ("GET /auth/sessions/whoami", &["X-Kratos-Authenticated-Identity-Id", "Content-Length", "Content-Type"][..]),
        ("GET /auth/sessions", &["X-Total-Count", "Link", "Cache-Control", "Date"]),
        ("GET /api/users/me", &["X-Request-Id", "Ratelimit-Limit", "X-Content-Type-Options"]),
        ("GET /nowhere", &["X-Request-Id", "Access-Control-Expose-Headers"]),
        ("TRACE /api/users/me", &["Allow", "X-Request-Id"]),
        ("GET /health/live", &["X-Request-Id"]),
        ("GET /forward-auth", &["X-User-Id", "X-Session-Scopes"]),
    ] {
        let answer = send(request);
        for name in names {
            assert!(answer.has_header_named(name), "{request}: {name}: {answer:?}");
        }
        assert!(!answer.has_header_in_small_letters(), "{request}: {answer:?}");
    }
    let exposed = send("GET /auth/sessions");
    let exposed = exposed.header("Access-Control-Expose-Headers").unwrap().to_ascii_lowercase();
    for name in [
        "x-kratos-authenticated-identity-id",
        "x-total-count",
        "link",
        "x-request-id",
        "retry-after",
        "ratelimit-reset",
    ] {
        assert!(exposed.contains(name), "{name}: {exposed}");
    }
}

fn other_requests_get_an_id_of_their_own(database: TestDatabase) {
    let app = TestApp::start(database);
    let mut seen = vec![];
    for id in ["", "a b", &"x".repeat(129), "ä"] {
        let response = app.anonymous().call("GET", "/api/").header("X-Request-ID", id).send();
        seen.push(response.header("x-request-id").unwrap().parse::<uuid::Uuid>().unwrap());
    }
    seen.push(app.anonymous().get("/api/").header("x-request-id").unwrap().parse().unwrap());
    assert!(seen.iter().all(|id| id.get_version_num() == 4));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
}

fn nothing_of_the_api_may_be_cached(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for path in ["/api/", "/api/users/me", "/api/users/me/sessions", "/api/users/me/sessions/me", "/health/ready"] {
        let response = ada.get(path);
        assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(response.header("content-type"), Some("application/json"), "{path}");
    }
    let login = app.anonymous().post("/api/login", &json!({"username": "ada", "password": PASSWORD}));
    assert_eq!(login.header("cache-control"), Some("no-store"));
    assert_eq!(login.header("content-type"), Some("application/json"));
}

fn a_request_needs_no_user_agent(database: TestDatabase) {
    let app = TestApp::start(database);
    let answer = app.raw().send(b"GET /api/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").answer().unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["hello"], "world");
    let bare = app.raw().send(b"GET /api/ HTTP/1.0\r\n\r\n").answer().unwrap();
    assert_eq!(bare.status, 200);
}

fn headers_need_not_be_text(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let with = |path: &str, name: &str| {
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n").into_bytes();
        if name != "Authorization" {
            request.extend(format!("Authorization: {}\r\n", ada.token()).bytes());
        }
        request.extend([name.as_bytes(), b": \xFF\xFE\x80\r\n\r\n"].concat());
        app.raw().send(&request).answer().unwrap()
    };
    for name in ["User-Agent", "X-Request-ID", "X-Session-Name", "X-Forwarded-For", "Content-Type", "Cookie", "Accept"]
    {
        let answer = with("/api/users/me", name);
        assert_eq!((answer.status, &answer.json()["username"]), (200, &json!("ada")), "{name}");
    }
    let refused = with("/api/users/me", "Authorization");
    assert_eq!((refused.status, refused.json()["code"].as_str()), (401, Some(NOT_AUTHENTICATED.code)));
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    assert_eq!(with("/api/", "Authorization").status, 200);
}

fn a_megabyte_of_authorization_does_no_harm(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for (filler, length) in [("x", 60_000), (".", 60_000), ("x", 1 << 20), (".", 1 << 20)] {
        let head = "GET /api/users/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ";
        let request = format!("{head}{}\r\n\r\n", filler.repeat(length));
        let status = app.raw().send(request.as_bytes()).answer().map(|answer| answer.status);
        // The server may hang up on what is no reasonable head at all.
        assert!(status.is_none_or(|status| (400..500).contains(&status)), "{length}: {status:?}");
        assert!(status == Some(401) || length > 60_000);
        assert!(ada.works());
    }
}

fn what_is_no_http_at_all_is_refused_and_the_server_goes_on(database: TestDatabase) {
    let app = TestApp::start(database);
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "x".repeat(50_000));
    let requests: [&[u8]; 9] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /api/ HTTP/9.9\r\n\r\n",
        b"GET /\xFF\xFE HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /api/ HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n",
        b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    ];
    for request in requests {
        let status = app.raw().send(request).hang_up().answer().map(|answer| answer.status);
        assert!(status.is_none_or(|status| (400..500).contains(&status)), "{request:?}: {status:?}");
    }
    let answer = app.raw().send(long_path.as_bytes()).answer().unwrap();
    assert_eq!((answer.status, answer.json()["code"].as_str()), (404, Some(INVALID_ENDPOINT.code)));
    assert_eq!(app.anonymous().get("/api/").status, 200);
}
