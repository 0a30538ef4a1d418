//! Walking lists page by page.

use std::collections::BTreeSet;

use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{Device, enter, error};
use crate::app::{Client, Cut, Response, TestApp};

on_both_engines!(
    keyset_pages_have_every_row_once_while_others_come_and_go,
    numbered_pages_know_their_neighbours,
    nobody_counts_everybodys_sessions,
    a_page_is_as_large_as_asked_for,
    a_token_of_elsewhere_is_just_a_place,
);

/// Gets a path as somebody.
type Get<'a> = &'a dyn Fn(&str) -> Response;

/// Where a `Link` leads.
fn link(response: &Response, relation: &str) -> Option<String> {
    let links = response.header("link").expect("links").split(',').map(str::to_owned);
    let mut links = links.filter(|link| link.ends_with(&format!("; rel=\"{relation}\"")));
    let link = links.next()?;
    Some(link[1..link.find('>').expect("an address")].to_owned())
}

/// Which ways a `Link` leads.
fn relations(response: &Response) -> Vec<&'static str> {
    ["first", "prev", "next", "last"].into_iter().filter(|name| link(response, name).is_some()).collect()
}

fn ids(response: &Response) -> Vec<String> {
    let body = response.expect(200);
    body.as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
}

/// Lists from a path on, doing something between the pages.
fn walk(get: impl Fn(&str) -> Response, path: &str, mut between: impl FnMut(usize)) -> Vec<String> {
    let (mut seen, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(path) = next {
        let response = get(&path);
        seen.extend(ids(&response));
        next = link(&response, "next");
        between(seen.len());
    }
    seen
}

fn keyset_pages_have_every_row_once_while_others_come_and_go(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    app.user("ada");
    let device = enter(&app, "ada");
    let identity = device.session["identity"]["id"].as_str().unwrap().to_owned();
    let by_root = |path: &str| root.get(path);
    let by_ada = |path: &str| device.get(path);
    let lists: [(Get<'_>, String); 6] = [
        (&by_root, "/auth/admin/sessions?page_size=2".to_owned()),
        (&by_root, "/auth/admin/sessions?active=true&page=1&per_page=3".to_owned()),
        (&by_root, format!("/auth/admin/identities/{identity}/sessions?page_size=2")),
        (&by_root, format!("/auth/admin/identities/{identity}/sessions?page=1&per_page=2")),
        (&by_ada, "/auth/sessions?page_size=2".to_owned()),
        (&by_ada, "/auth/sessions?per_page=2".to_owned()),
    ];
    for (get, path) in lists {
        // Several in one moment, and several moments.
        let there: Vec<Device<'_>> = (0..9)
            .map(|number| {
                app.clock().advance_millis(i64::from(number % 3 == 0) * 700);
                enter(&app, "ada")
            })
            .collect();
        let before = walk(get, &path, |_| ());
        let mut ended = there.iter().skip(7);
        let seen = walk(get, &path, |count| {
            // New ones come in front, and one that was seen ends.
            enter(&app, "ada");
            if count == 4 {
                device.delete(&format!("/auth/sessions/{}", ended.next().unwrap().id()));
            }
        });
        assert_eq!(seen, before, "{path}");
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "{path}");
        assert!(there.iter().all(|there| seen.iter().any(|seen| seen == there.id())), "{path}");
        device.delete("/auth/sessions").expect(200);
    }
}

fn numbered_pages_know_their_neighbours(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada").delete("/api/users/me/sessions/me").expect(200);
    let device = enter(&app, "ada");
    let mut others: Vec<String> = (0..5).map(|_| enter(&app, "ada").id().to_owned()).collect();
    others.reverse();
    let page = |number: u32| device.get(&format!("/auth/sessions?page={number}&per_page=2"));
    assert_eq!(ids(&page(1)), others[..2]);
    assert_eq!(ids(&page(2)), others[2..4]);
    assert_eq!(ids(&page(3)), others[4..]);
    assert_eq!(page(4).text(), "[]");
    assert_eq!(relations(&page(1)), ["first", "next", "last"]);
    assert_eq!(relations(&page(2)), ["first", "prev", "next", "last"]);
    assert_eq!(relations(&page(3)), ["first", "prev", "last"]);
    let second = device.get(&link(&page(1), "next").unwrap());
    assert_eq!((ids(&second), second.header("x-total-count")), (others[2..4].to_vec(), Some("5")));
    assert_eq!(ids(&device.get(&link(&second, "prev").unwrap())), others[..2]);
    assert_eq!(ids(&device.get(&link(&second, "last").unwrap())), others[4..]);
    assert_eq!(ids(&device.get(&link(&second, "first").unwrap())), others[..2]);
}

/// A count of a large table runs into the deadline, and takes the page with it.
fn nobody_counts_everybodys_sessions(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    for _ in 0..3 {
        enter(&app, "root");
    }
    let page = |query: &str| root.get(&format!("/auth/admin/sessions?{query}"));
    app.cut(Cut::Operation("session_count"));
    for (query, expected) in [
        ("page=1&per_page=2", &["first", "next"][..]),
        ("page=2&per_page=2", &["first", "prev"]),
        ("page=9&per_page=2", &["first", "prev"]),
        ("page_size=2", &["first", "next"]),
        ("", &["first"]),
    ] {
        let page = page(query);
        page.expect(200);
        assert_eq!((relations(&page).as_slice(), page.header("x-total-count")), (expected, None), "{query}");
    }
    assert_eq!(ids(&root.get(&link(&page("page=2&per_page=2"), "prev").unwrap())), ids(&page("page=1&per_page=2")));
    assert_eq!(app.cut(Cut::Nothing), 0);
}

fn a_page_is_as_large_as_asked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    for _ in 0..3 {
        enter(&app, "root");
    }
    let count = |query: &str| ids(&root.get(&format!("/auth/admin/sessions?{query}"))).len();
    assert_eq!(
        [count("page_size=1"), count("page_size=3"), count("page_size=4"), count("page_size=2000")],
        [1, 3, 4, 4]
    );
    assert_eq!(
        [count("page_size=0"), count("page_size=-1"), count("page_size=x"), count("page=0&per_page=2")],
        [4, 4, 4, 2]
    );
    // A full last page has no next one.
    assert_eq!(link(&root.get("/auth/admin/sessions?page_size=4"), "next"), None);
    assert!(link(&root.get("/auth/admin/sessions?page_size=3"), "next").is_some());
}

fn a_token_of_elsewhere_is_just_a_place(database: TestDatabase) {
    let app = TestApp::start(database);
    let (root, ada): (Client, Client) = (app.staff("root"), app.user("ada"));
    let device = enter(&app, "ada");
    app.clock().advance_millis(5);
    enter(&app, "root");
    let next = link(&root.get("/auth/admin/sessions?page_size=1"), "next").unwrap();
    let token = next.split("page_token=").nth(1).unwrap();
    let seen = ids(&device.get(&format!("/auth/sessions?page_token={token}")));
    let own = ada.get("/api/users/me/sessions/me").expect(200)["uuid"].as_str().unwrap().to_owned();
    assert_eq!(seen, [own], "nothing of another user's");
    for bad in ["x", &format!("{token}x"), "1.2.3"] {
        error(&device.get(&format!("/auth/sessions?page_token={bad}")), 400);
    }
}
