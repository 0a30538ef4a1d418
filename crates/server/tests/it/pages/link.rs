//! One-time links, from whoever makes them to the sign-in that follows.

use thunderhead_auth::operator::Invitation;
use thunderhead_domain::audit::{AuditFilter, AuditKind};
use thunderhead_domain::ports::PageRequest;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use super::browser::{Browser, hidden};
use crate::app::{PASSWORD, Response, TestApp};
use crate::limits::within;

on_both_engines!(
    a_link_sets_a_password_once_and_signs_everybody_out,
    looking_at_a_link_changes_nothing,
    what_is_wrong_with_a_password_is_told_at_its_field_and_spends_nothing,
    what_is_not_good_is_one_page_whichever_it_is,
    a_banned_users_link_says_so,
    second_factors_are_asked_for_at_the_sign_in_that_follows,
    a_link_lets_a_user_in_whom_the_operator_has_made,
    links_stand_under_their_switch_and_are_counted_by_client,
    of_two_browsers_with_one_link_one_sets_the_password,
    staff_make_a_link_that_is_shown_once_and_sets_the_password,
    a_page_with_a_link_that_is_loaded_again_makes_nothing,
    a_link_of_staffs_is_made_as_they_set_a_password,
);

const NEW: &str = "amber quarry lantern 9";

/// A link for a user, by the operator.
fn link(app: &TestApp, name: &str) -> String {
    block_on(app.operator().link_create(name)).unwrap().1.path()
}

fn set(browser: &mut Browser, path: &str, password: &str, again: &str) -> Response {
    browser.post(path, &[("new-password", password), ("confirm-password", again)])
}

fn sign_in(app: &TestApp, name: &str, password: &str) -> u16 {
    Browser::new(app).post("/login", &[("username", name), ("password", password)]).status
}

fn recorded(app: &TestApp, kind: AuditKind) -> u64 {
    let filter = AuditFilter { kind: Some(kind), ..AuditFilter::default() };
    block_on(app.storage().audit_page(filter, PageRequest { limit: 0, offset: 0 })).unwrap().count
}

fn a_link_sets_a_password_once_and_signs_everybody_out(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let path = link(&app, "ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let page = browser.get(&path);
    let text = page.text();
    assert_eq!(page.status, 200);
    assert!(text.contains("Set a password") && text.contains("value=\"ada\"") && text.contains("readonly"), "{text}");
    assert!(!text.contains("thk_"), "the link is nowhere in the page: {text}");
    let done = set(&mut browser, &path, NEW, NEW);
    assert_eq!((done.status, done.header("location")), (303, Some("/login")));
    let login = browser.follow(&done).text();
    assert!(login.contains("The password is set. Sign in with it.") && login.contains("name=\"username\""), "{login}");
    assert!(!ada.works());
    assert_eq!((sign_in(&app, "ada", PASSWORD), sign_in(&app, "ada", NEW)), (401, 303));
    for method in ["GET", "POST"] {
        let again = if method == "GET" { browser.get(&path) } else { set(&mut browser, &path, "other words 12", "x") };
        assert_eq!(again.status, 404, "{method}");
    }
    assert_eq!(sign_in(&app, "ada", NEW), 303);
    assert_eq!((recorded(&app, AuditKind::LinkMade), recorded(&app, AuditKind::LinkUsed)), (1, 1));
}

fn looking_at_a_link_changes_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let path = link(&app, "ada");
    for _ in 0..3 {
        assert_eq!(Browser::new(&app).get(&path).status, 200);
        assert_eq!(app.anonymous().call("HEAD", &path).send().status, 200);
    }
    assert!(ada.works());
    assert_eq!((sign_in(&app, "ada", PASSWORD), recorded(&app, AuditKind::LinkUsed)), (303, 0));
}

fn what_is_wrong_with_a_password_is_told_at_its_field_and_spends_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let path = link(&app, "ada");
    let mut browser = Browser::new(&app);
    for (password, again, words) in [
        ("", "", "Type a password."),
        ("short", "short", "too short"),
        ("ada@example.org", "ada@example.org", "your own name or address"),
        ("password1", "password1", "too easily guessed"),
        (NEW, "amber quarry lantern 8", "another password than the one above"),
    ] {
        let page = set(&mut browser, &path, password, again);
        let text = page.text();
        assert!(page.status == 400 && text.contains(words) && text.contains("aria-invalid"), "{password}: {text}");
    }
    assert!(ada.works());
    assert_eq!(set(&mut browser, &path, NEW, NEW).status, 303);
}

fn what_is_not_good_is_one_page_whichever_it_is(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let used = link(&app, "ada");
    assert_eq!(set(&mut Browser::new(&app), &used, NEW, NEW).status, 303);
    let void = link(&app, "ada");
    let by = link(&app, "ada");
    assert_eq!(set(&mut Browser::new(&app), &by, PASSWORD, PASSWORD).status, 303);
    let expired = link(&app, "ada");
    app.clock().advance_seconds(86_400);
    let unknown = format!("/link/thk_{}", "A".repeat(43));
    let texts = [&*used, &void, &expired, &unknown, "/link/x", "/link/thk_", "/link/%00%ff"].map(|path| {
        let mut browser = Browser::new(&app);
        let (shown, sent) = (browser.get(path), set(&mut browser, path, NEW, NEW));
        assert_eq!((shown.status, sent.status), (404, 404), "{path}");
        assert_eq!(shown.text(), sent.text(), "{path}");
        shown.text()
    });
    assert!(texts.iter().all(|text| *text == texts[0] && text.contains("This link does not work")), "{texts:?}");
    assert_eq!(sign_in(&app, "ada", PASSWORD), 303);
}

fn a_banned_users_link_says_so(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let path = link(&app, "ada");
    app.ban("ada");
    let mut browser = Browser::new(&app);
    assert_eq!((browser.get(&path).status, set(&mut browser, &path, NEW, NEW).status), (403, 403));
    block_on(app.operator().account_unban("ada")).unwrap();
    assert_eq!(set(&mut browser, &path, NEW, NEW).status, 303);
}

fn second_factors_are_asked_for_at_the_sign_in_that_follows(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    ada.enrol_totp(&app);
    let path = link(&app, "ada");
    let mut browser = Browser::new(&app);
    assert_eq!(set(&mut browser, &path, NEW, NEW).status, 303);
    assert!(browser.token().is_none(), "a link opens no session");
    let page = browser.post("/login", &[("username", "ada"), ("password", NEW)]);
    assert!(page.status == 200 && page.text().contains("name=\"challenge\""), "{page:?}");
    assert!(browser.token().is_none());
}

fn a_link_lets_a_user_in_whom_the_operator_has_made(database: TestDatabase) {
    let app = TestApp::start(database);
    let invitation = Invitation { username: "grace".to_owned(), email: "grace@example.org".to_owned(), staff: false };
    let (user, made) = block_on(app.operator().account_invite(&app.hasher(), invitation)).unwrap();
    assert_eq!(user.username.as_str(), "grace");
    assert_eq!(made.expires_at.unix_seconds(), app.seconds() + 86_400);
    assert_eq!(set(&mut Browser::new(&app), &made.path(), NEW, NEW).status, 303);
    assert_eq!(sign_in(&app, "grace", NEW), 303);
}

fn links_stand_under_their_switch_and_are_counted_by_client(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let path = link(&app, "ada");
    app.switch(KillSwitch::AccountModify, true);
    let mut browser = Browser::new(&app);
    assert_eq!((browser.get(&path).status, set(&mut browser, &path, NEW, NEW).status), (503, 503));
    app.switch(KillSwitch::AccountModify, false);
    let limited = app.replica_with(|config| config.http.general_limit = within(3, 60));
    // A session of one's own has no window of its own here.
    let mut browser = Browser::with_token(&limited, browser_token(&app).as_str());
    for left in ["2", "1", "0"] {
        assert_eq!(browser.get(&path).header("ratelimit-remaining"), Some(left));
    }
    assert_eq!(browser.get(&path).status, 429);
    assert_eq!(Browser::new(&limited).get(&path).status, 429);
    assert_eq!(browser.get("/account").status, 200, "which is counted for the user");
}

fn browser_token(app: &TestApp) -> String {
    Browser::signed_in(app, "ada").token().unwrap().to_owned()
}

fn of_two_browsers_with_one_link_one_sets_the_password(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let (path, other) = (link(&app, "ada"), app.replica());
    let passwords = [NEW, "copper willow thimble 4"];
    let statuses = std::thread::scope(|scope| {
        let threads = [(&app, passwords[0]), (&other, passwords[1])].map(|(app, password)| {
            let path = path.as_str();
            scope.spawn(move || set(&mut Browser::new(app), path, password, password).status)
        });
        threads.map(|thread| thread.join().unwrap())
    });
    let mut sorted = statuses;
    sorted.sort_unstable();
    assert_eq!(sorted, [303, 404]);
    let signed_in = passwords.map(|password| sign_in(&app, "ada", password));
    assert_eq!(signed_in.map(|status| status == 303), statuses.map(|status| status == 303));
}

/// A member of staff at the form of a link for a user.
fn at_the_form(app: &TestApp, user: &str) -> (Browser, String, String) {
    app.staff("root");
    let mut browser = Browser::signed_in(app, "root");
    let path = format!("/staff/users/{}/link", block_on(app.operator().account(user)).unwrap().id);
    let page = browser.get(&path);
    assert_eq!(page.status, 200, "{page:?}");
    let once = hidden(&page.text(), "once");
    (browser, path, once)
}

/// The path of the link in a page.
fn shown(text: &str) -> String {
    let (_, rest) = text.split_once("id=\"link\">https://auth.example/").unwrap_or_else(|| panic!("no link in {text}"));
    format!("/{}", rest.split('<').next().unwrap())
}

fn staff_make_a_link_that_is_shown_once_and_sets_the_password(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (mut root, path, once) = at_the_form(&app, "ada");
    let of_ada = format!("/staff/users/{}", ada.id());
    assert!(root.get(&of_ada).text().contains(&format!("\"{path}\"")), "it is offered");
    assert_eq!(recorded(&app, AuditKind::LinkMade), 0);
    let made = root.post(&path, &[("once", &once)]);
    let text = made.text();
    assert_eq!((made.status, made.header("cache-control")), (200, Some("no-store")), "{text}");
    let link = shown(&text);
    assert_eq!((text.matches("thk_").count(), link.len()), (1, "/link/thk_".len() + 43), "{text}");
    assert!(ada.works());
    for page in [&of_ada, "/staff/audit?kind=link-made", &path] {
        let text = root.get(page).text();
        assert!(!text.contains("thk_"), "{page}: {text}");
    }
    let trail = root.get("/staff/audit?kind=link-made&by=root&user=ada").text();
    assert!(trail.matches("<td").count() > 0 && trail.contains("One-time link made"), "{trail}");
    let events = Browser::signed_in(&app, "ada").get("/account").text();
    assert!(events.contains("A link to set a password was made") && events.contains(">staff<"), "{events}");
    assert_eq!(set(&mut Browser::new(&app), &link, NEW, NEW).status, 303);
    assert!(!ada.works());
    assert_eq!((sign_in(&app, "ada", PASSWORD), sign_in(&app, "ada", NEW)), (401, 303));
    assert_eq!(set(&mut Browser::new(&app), &link, PASSWORD, PASSWORD).status, 404);
    assert_eq!((recorded(&app, AuditKind::LinkMade), recorded(&app, AuditKind::LinkUsed)), (1, 1));
}

fn a_page_with_a_link_that_is_loaded_again_makes_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (mut root, path, once) = at_the_form(&app, "ada");
    let link = shown(&root.post(&path, &[("once", &once)]).text());
    let replica = app.replica();
    let again = |root: &Browser| {
        for app in [&app, &replica] {
            let mut browser = Browser::with_token(app, root.token().unwrap());
            let again = browser.post(&path, &[("once", &once)]);
            assert_eq!(again.header("location"), Some(format!("/staff/users/{}", ada.id()).as_str()), "{again:?}");
            assert!(browser.follow(&again).text().contains("That link was made already"));
        }
    };
    again(&root);
    assert_eq!(set(&mut Browser::new(&app), &link, NEW, NEW).status, 303);
    again(&root);
    assert_eq!(recorded(&app, AuditKind::LinkMade), 1);
    // For somebody else, or sent with another session, the same form makes another link.
    app.user("grace");
    let of_grace = format!("/staff/users/{}/link", block_on(app.operator().account("grace")).unwrap().id);
    let other = shown(&root.post(&of_grace, &[("once", &once)]).text());
    let third = shown(&Browser::signed_in(&app, "root").post(&path, &[("once", &once)]).text());
    assert!(link != other && link != third && other != third);
    // What is no form, or an old one, makes none and asks again.
    app.clock().advance_seconds(500);
    for none in ["", "x", "1.2", &once.replace('.', "-")] {
        let page = root.post(&path, &[("once", none)]);
        assert!(page.status == 409 && page.text().contains("lay open for too long"), "{none}: {page:?}");
        assert_ne!(hidden(&page.text(), "once"), once);
    }
    assert_eq!(recorded(&app, AuditKind::LinkMade), 3);
}

fn a_link_of_staffs_is_made_as_they_set_a_password(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let (mut root, path, once) = at_the_form(&app, "ada");
    // Not for oneself.
    let own = format!("/staff/users/{}/link", block_on(app.operator().account("root")).unwrap().id);
    assert!(!root.get(&own.replace("/link", "")).text().contains(&own));
    let refused = root.post(&own, &[("once", &once)]);
    assert!(refused.status == 403 && refused.text().contains("Not to yourself"), "{refused:?}");
    // Others of the staff get one: the API sets their passwords, too.
    app.staff("other");
    let other = format!("/staff/users/{}/link", block_on(app.operator().account("other")).unwrap().id);
    assert_eq!(root.post(&other, &[("once", &once)]).status, 200);
    // Nobody who is not there.
    assert_eq!(root.post("/staff/users/1234567890123/link", &[("once", &once)]).status, 404);
    // Not by those who are no longer staff, nor without a confirmation.
    app.clock().advance_seconds(601);
    let place = format!("/account/confirm?rd={}", path.replace('/', "%2F"));
    for answer in [root.get(&path), root.post(&path, &[("once", &once)])] {
        assert_eq!((answer.status, answer.header("location")), (303, Some(place.as_str())));
    }
    let mut root = Browser::signed_in(&app, "root");
    block_on(app.operator().account_demote("root")).unwrap();
    assert_eq!(root.post(&path, &[("once", &once)]).status, 403);
    assert_eq!(recorded(&app, AuditKind::LinkMade), 1);
}
