//! Pages of staff.

use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use super::browser::Browser;
use crate::app::{Client, PASSWORD, TestApp};

on_both_engines!(
    staff_without_a_second_factor_are_told_so,
    where_pages_of_staff_are_off_there_are_none,
    the_box_leads_to_whatever_is_looked_for,
    a_token_is_found_whatever_its_state_and_stands_in_no_address,
    a_token_that_was_replaced_is_found_and_said_to_be,
    what_is_found_goes_on_from_page_to_page,
    the_audit_trail_is_narrowed_by_what_is_asked_for,
    what_cannot_be_asked_for_is_told_at_its_field,
    a_file_of_records_holds_no_formula_and_all_that_fit,
    the_pages_of_an_empty_server_say_what_would_be_there,
    an_emergency_is_seen_to_the_end,
    what_the_api_reverifies_is_asked_for_a_confirmation_when_shown_and_when_sent,
    users_are_changed_as_the_api_changes_them,
    nobody_does_to_themselves_what_only_others_may,
    what_is_typed_wrongly_is_said_at_its_field_and_changes_nothing,
);

pub(super) fn staff(app: &TestApp) -> (Client, Browser) {
    let root = app.staff("root");
    (root, Browser::signed_in(app, "root"))
}

fn staff_without_a_second_factor_are_told_so(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.staff_factor = StaffFactor::Required);
    let (_, mut browser) = staff(&app);
    for path in ["/staff", "/staff/audit", "/staff/switches", "/staff/users/1234567890123"] {
        let answer = browser.get(path);
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.text().contains("Show a second factor"), "{path}");
    }
}

fn where_pages_of_staff_are_off_there_are_none(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.http.pages.as_mut().unwrap().staff = false);
    let (_, mut browser) = staff(&app);
    for path in ["/staff", "/staff/audit", "/staff/nothing"] {
        let answer = browser.get(path);
        assert_eq!((answer.status, answer.header("content-type")), (404, Some("text/html; charset=utf-8")), "{path}");
    }
    assert_eq!(browser.post("/staff/search", &[("q", "ada")]).status, 404);
    assert!(!browser.get("/account").text().contains("/staff"));
}

fn the_box_leads_to_whatever_is_looked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let (_, mut browser) = staff(&app);
    let (ada, adam) = (app.user("ada"), app.user("adam"));
    let account = block_on(app.operator().account("ada")).unwrap();
    let session = ada.get("/api/users/me/sessions/me").expect(200)["uuid"].as_str().unwrap().to_owned();
    assert!(browser.get("/staff").text().contains("Newest sessions"));
    let (of_ada, of_adam) = (format!("/staff/users/{}\"", ada.id()), format!("/staff/users/{}\"", adam.id()));
    for (asked, finds_ada, finds_adam, finds_session) in [
        ("ad", true, true, false),
        ("ADAM", false, true, false),
        (ada.id(), true, false, false),
        (&account.uuid.to_string(), true, false, false),
        ("Ada@Example.org", true, false, false),
        (&session, true, false, true),
        ("127.0.0.1", true, true, true),
        ("192.0.2.1", false, false, false),
        ("<script>", false, false, false),
    ] {
        let led = browser.post("/staff/search", &[("q", &format!(" {asked} "))]);
        let page = browser.follow(&led);
        assert_eq!(page.status, 200, "{asked}");
        let text = page.text();
        let found =
            (text.contains(&of_ada), text.contains(&of_adam), text.contains(&format!("/staff/sessions/{session}/end")));
        assert_eq!(found, (finds_ada, finds_adam, finds_session), "{asked}: {text}");
        assert!(!text.contains("<script>"), "{text}");
    }
    for empty in ["/staff/search", "/staff/search?q=", "/staff/search?q=%20"] {
        assert_eq!(browser.get(empty).header("location"), Some("/staff"));
    }
    assert_eq!(browser.post("/staff/search", &[]).header("location"), Some("/staff"));
}

fn a_token_is_found_whatever_its_state_and_stands_in_no_address(database: TestDatabase) {
    let app = TestApp::start(database);
    let (_, mut browser) = staff(&app);
    let ada = app.user("ada");
    let opaque = Browser::signed_in(&app, "ada").token().unwrap().to_owned();
    let signed = ada.token().to_owned();
    assert_eq!((opaque.len(), signed.matches('.').count()), (32, 2));
    let of_ada = format!("/staff/users/{}\"", ada.id());
    let mut find = |token: &str| {
        let answer = browser.post("/staff/search", &[("q", &format!("{token}\n"))]);
        assert_eq!((answer.status, answer.header("location")), (200, None));
        let text = answer.text();
        assert!(!text.contains(token.trim()), "a token is not said again");
        text
    };
    for token in [&opaque, &signed] {
        let text = find(token);
        assert!(text.contains(&of_ada) && text.contains(">live<"), "{text}");
    }
    assert_eq!(ada.delete("/api/users/me/sessions/all?include-self=true").status, 200);
    for token in [&opaque, &signed] {
        let text = find(token);
        assert!(text.contains(&of_ada) && text.contains(">ended<") && text.contains("by its user"), "{text}");
        assert!(!text.contains("/end\""), "{text}");
    }
    app.clock().advance_seconds(11 * 366 * 24 * 3_600);
    let mut browser = Browser::signed_in(&app, "root");
    for token in [&opaque, &signed] {
        let text = browser.post("/staff/search", &[("q", token)]).text();
        assert!(text.contains(&of_ada), "a token whose time is over: {text}");
    }
    // Forged, unknown, somebody else's.
    let (start, _) = signed.rsplit_once('.').unwrap();
    let forged = format!("{start}.{}", "A".repeat(86));
    for token in [forged.as_str(), &"x7".repeat(16), "thk_secret", &"x".repeat(65)] {
        let answer = browser.post("/staff/search", &[("q", token)]);
        assert_eq!((answer.status, answer.header("location")), (200, None), "{token}");
        assert!(answer.text().contains("no token of this server"), "{token}");
    }
}

fn a_token_that_was_replaced_is_found_and_said_to_be(database: TestDatabase) {
    let app = TestApp::start(database);
    let (_, mut root) = staff(&app);
    let id = app.user("ada").id().to_owned();
    let mut ada = Browser::signed_in(&app, "ada");
    let old = ada.token().unwrap().to_owned();
    assert_eq!(ada.post("/account/confirm", &[("password", PASSWORD)]).status, 303);
    let new = ada.token().unwrap().to_owned();
    assert_ne!(old, new);
    app.clock().advance_seconds(120);
    let mut find = |token: &str| root.post("/staff/search", &[("q", token)]).text();
    let (of_old, of_new) = (find(&old), find(&new));
    for text in [&of_old, &of_new] {
        assert!(text.contains(&format!("/staff/users/{id}\"")) && text.contains("/end\""), "{text}");
        assert!(!text.contains(&old) && !text.contains(&new), "a token is not said again");
    }
    assert!(of_old.contains("It was replaced") && of_old.contains("2 minutes ago"), "{of_old}");
    assert!(!of_new.contains("replaced"), "{of_new}");
    // Of one that ended meanwhile, too.
    assert_eq!(ada.post("/logout", &[]).status, 303);
    let text = find(&old);
    assert!(text.contains("It was replaced") && text.contains(">ended<") && !text.contains("/end\""), "{text}");
}

fn what_is_found_goes_on_from_page_to_page(database: TestDatabase) {
    let app = TestApp::start(database);
    let (_, mut browser) = staff(&app);
    let ada = app.user("ada");
    for _ in 0..60 {
        app.clock().advance_seconds(1);
        app.anonymous().log_in("ada");
    }
    let mut met = std::collections::BTreeSet::new();
    let mut pages = 0;
    let mut path = Some("/staff/search?q=127.0.0.1".to_owned());
    while let Some(asked) = path.take() {
        let text = browser.get(&asked).text();
        let sessions: Vec<_> = text.split("/staff/sessions/").skip(1).map(|rest| rest[..36].to_owned()).collect();
        assert!(!sessions.is_empty() && sessions.len() <= 50, "{}", sessions.len());
        for session in sessions {
            assert!(met.insert(session), "none comes twice");
        }
        path =
            text.split("rel=\"next\" href=\"").nth(1).map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"));
        pages += 1;
    }
    // Root's two, Ada's of her registration, and those of her logins.
    assert_eq!((pages, met.len()), (2, 63));
    let text = browser.get(&format!("/staff/users/{}", ada.id())).text();
    assert_eq!(text.matches("/end\"").count(), 50);
    let next = text.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    assert_eq!(browser.get(&next).text().matches("/end\"").count(), 11);
    // Places that are none are the beginning.
    for bad in ["x", "1.2.3", "9.9", "%00"] {
        let asked = format!("/staff/users/{}?before={bad}", ada.id());
        assert_eq!(browser.get(&asked).text().matches("/end\"").count(), 50, "{bad}");
    }
}

fn the_audit_trail_is_narrowed_by_what_is_asked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let (root, mut browser) = staff(&app);
    let ada = app.user("ada");
    app.ban("ada");
    app.switch(KillSwitch::FileCreate, true);
    let rows = |browser: &mut Browser, query: &str| {
        let answer = browser.get(&format!("/staff/audit?{query}"));
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        answer.text().matches("<tr role=\"row\">").count().saturating_sub(1)
    };
    let by_root = rows(&mut browser, &format!("by={}", root.id()));
    assert!(by_root >= 2, "two logins");
    for (query, expected) in [
        ("kind=account-banned", 1),
        ("user=ada&kind=account-banned", 1),
        ("user=ADA%40example.org&kind=account-banned", 1),
        ("user=root&kind=account-banned", 0),
        ("by=command-line&kind=switch-on", 1),
        ("by=stranger", 0),
        ("by=root", by_root),
        ("address=192.0.2.1", 0),
        ("kind=account-banned&from=2020-01-01", 1),
        ("kind=account-banned&to=2020-01-01T00:00", 0),
        ("user=1234567890123", 0),
        ("after=x&kind=account-banned", 1),
        ("kind=&user=&after=", rows(&mut browser, "")),
    ] {
        assert_eq!(rows(&mut browser, query), expected, "{query}");
    }
    let text = browser.get(&format!("/staff/audit?user={}", ada.id())).text();
    assert!(text.contains("Banned") && text.contains("the command line"), "{text}");
    // More than a page.
    for _ in 0..70 {
        app.switch(KillSwitch::FileCreate, false);
        app.switch(KillSwitch::FileCreate, true);
    }
    let text = browser.get("/staff/audit?by=command-line").text();
    let next = text.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let second = browser.get(&next).text();
    let count = |text: &str| text.matches("<tr role=\"row\">").count() - 1;
    assert_eq!(count(&text), 100);
    // 141 turns, the ban, two accounts that were made by the operator.
    assert!(count(&second) >= 42 && !second.contains("rel=\"next\""), "{}", count(&second));
}

fn what_cannot_be_asked_for_is_told_at_its_field(database: TestDatabase) {
    let app = TestApp::start(database);
    let (_, mut browser) = staff(&app);
    for (query, field) in [
        ("user=nobody", "user"),
        ("by=nobody%40example.org", "by"),
        ("kind=unheard-of", "kind"),
        ("address=192.0.2", "address"),
        ("from=yesterday", "from"),
        ("to=2026-02-30", "to"),
    ] {
        let answer = browser.get(&format!("/staff/audit?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        let text = answer.text();
        assert!(text.contains(&format!("id=\"{field}-error\"")), "{query}: {text}");
        assert_eq!(browser.get(&format!("/staff/audit.csv?{query}")).status, 303, "{query}");
    }
}

fn a_file_of_records_holds_no_formula_and_all_that_fit(database: TestDatabase) {
    let app = TestApp::start(database);
    let (_, mut browser) = staff(&app);
    let ada = app.user("ada");
    let reason = "=HYPERLINK(\"https://evil\"), see";
    block_on(app.operator().account_ban("ada", Some(reason.to_owned()))).unwrap();
    let answer = browser.get("/staff/audit.csv?kind=account-banned");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/csv; charset=utf-8; header=present")));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"audit.csv\""));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let text = answer.text();
    let lines: Vec<_> = text.split("\r\n").collect();
    assert_eq!(lines[0], "number,at,kind,user,username,by,by_username,client_ip,session,detail,new_device");
    let rest =
        format!("account-banned,{},ada,command-line,,,,\"'=HYPERLINK(\"\"https://evil\"\"), see\",false", ada.id());
    assert!(lines[1].ends_with(&rest), "{}", lines[1]);
    assert_eq!(lines[2..], [""]);
    // More than is read at once.
    let on_postgres = "INSERT INTO audit (at, actor, kind) ";
    app.tamper(&format!(
        "{on_postgres} WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 2500)
         SELECT n, 'command_line', 'key-rotated' FROM series"
    ));
    let text = browser.get("/staff/audit.csv?kind=key-rotated").text();
    let numbers: std::collections::BTreeSet<_> =
        text.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!((text.lines().count(), numbers.len()), (2_501, 2_500));
}

fn the_pages_of_an_empty_server_say_what_would_be_there(database: TestDatabase) {
    let app = TestApp::start(database);
    let (root, mut browser) = staff(&app);
    for (path, words) in [
        ("/staff", "No login has failed lately"),
        ("/staff/services", "No service is known"),
        ("/staff/webhooks", "There is no endpoint"),
        ("/staff/switches", "never shut"),
        ("/staff/audit?kind=key-rotated", "There is no such record"),
        ("/staff/search?q=nobody", "Nothing was found for"),
        (&format!("/staff/users/{}", root.id()), "There is none. Users add them"),
    ] {
        let answer = browser.get(path);
        assert!(answer.status == 200 && answer.text().contains(words), "{path}: {}", answer.text());
    }
    let status = browser.get("/staff/status").text();
    assert!(status.contains(env!("CARGO_PKG_VERSION")) && status.contains("Cached sessions"), "{status}");
    assert!(status.contains("PostgreSQL") || status.contains("SQLite"), "{status}");
    for path in ["/staff/users/1234567890123", "/staff/users/x", "/staff/sessions/x/end", "/staff/switches/x/on"] {
        assert_eq!(browser.get(path).status, 404, "{path}");
    }
    // Failed logins are there as soon as they are counted.
    for name in ["root", "nobody"] {
        let wrong = serde_json::json!({"username": name, "password": "wrong"});
        app.anonymous().post("/api/login", &wrong);
    }
    block_on(app.auth().flush_failures()).unwrap();
    let text = browser.get("/staff").text();
    assert!(text.contains("1 × wrong password") && text.contains("names that nobody has"), "{text}");
}

/// A token leaks: whose is it, end it and the rest, ban the user, shut the door, and read what happened.
fn an_emergency_is_seen_to_the_end(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let leaked = ada.scoped(&[thunderhead_domain::scope::Scope::All]);
    let (root, mut browser) = staff(&app);
    // Whose token is this?
    let text = browser.post("/staff/search", &[("q", leaked.token())]).text();
    let end = text.split("href=\"/staff/sessions/").nth(1).unwrap().split('"').next().unwrap();
    let end = format!("/staff/sessions/{end}");
    // It asks first, and changes nothing by that.
    assert!(browser.get(&end).text().contains("End the session"));
    assert!(leaked.works());
    let done = browser.post(&end, &[]);
    assert!(!leaked.works() && ada.works());
    let user = browser.follow(&done);
    assert!(user.text().contains("The session is ended."), "{}", user.text());
    let again = browser.post(&end, &[]);
    assert!(browser.follow(&again).text().contains("was over already"));
    // And whatever else they have.
    let all = format!("/staff/users/{}/end-sessions", ada.id());
    assert!(user.text().contains(&all) && browser.get(&all).text().contains("End all sessions"));
    assert!(ada.works());
    let done = browser.post(&all, &[]);
    assert!(browser.follow(&done).text().contains("1 session was ended."));
    assert!(!ada.works());
    let ada = app.anonymous().log_in("ada");
    // Ban the user.
    let of_ada = format!("/staff/users/{}", ada.id());
    assert!(user.text().contains(&format!("{of_ada}/ban")));
    let asks = browser.get(&format!("{of_ada}/ban"));
    assert!(asks.status == 200 && asks.text().contains("name=\"reason\""), "{}", asks.text());
    let banned = browser.post(&format!("{of_ada}/ban"), &[("reason", "leaked token")]);
    let page = browser.follow(&banned).text();
    assert!(page.contains("The user is banned.") && page.contains("/unban"), "{page}");
    assert_eq!(ada.get("/api/users/me").status, 403);
    // Shut logins.
    assert!(browser.get("/staff/switches/ACCOUNT_LOGIN/on").text().contains("Shut it"));
    let shut = browser.post("/staff/switches/ACCOUNT_LOGIN/on", &[]);
    let page = browser.follow(&shut).text();
    assert!(page.contains(">shut<") && page.contains(&format!("/staff/users/{}", root.id())), "{page}");
    let login = serde_json::json!({"username": "ada", "password": PASSWORD});
    assert_eq!(app.anonymous().post("/api/login", &login).status, 503);
    // Read what happened.
    let trail = browser.get(&format!("/staff/audit?user={}", ada.id())).text();
    for words in ["Token made", "Session ended", "by staff", "Banned", "leaked token"] {
        assert!(trail.contains(words), "{words}: {trail}");
    }
    let switched = browser.get("/staff/audit?kind=switch-on&by=root").text();
    assert!(switched.contains("ACCOUNT_LOGIN"), "{switched}");
    let opened = browser.post("/staff/switches/ACCOUNT_LOGIN/off", &[]);
    assert!(browser.follow(&opened).text().contains("It is open again."));
}

fn what_the_api_reverifies_is_asked_for_a_confirmation_when_shown_and_when_sent(database: TestDatabase) {
    let app = TestApp::start(database);
    let (_, mut browser) = staff(&app);
    let ada = app.user("ada");
    let of_ada = format!("/staff/users/{}", ada.id());
    assert_eq!(browser.get(&format!("{of_ada}/ban")).status, 200, "to sign in confirms");
    app.clock().advance_seconds(601);
    for path in [format!("{of_ada}/ban"), format!("{of_ada}/delete"), "/staff/switches/GLOBAL/on".to_owned()] {
        let place = format!("/account/confirm?rd={}", path.replace('/', "%2F"));
        for answer in [browser.get(&path), browser.post(&path, &[])] {
            assert_eq!((answer.status, answer.header("location")), (303, Some(place.as_str())), "{path}");
        }
    }
    assert!(ada.works());
    // Ending sessions is not reverified, by the API neither.
    let done = browser.post(&format!("{of_ada}/end-sessions"), &[]);
    assert_eq!(done.header("location"), Some(of_ada.as_str()));
    assert!(!ada.works());
}

fn users_are_changed_as_the_api_changes_them(database: TestDatabase) {
    let app = TestApp::start(database);
    let (_, mut browser) = staff(&app);
    let ada = app.user("ada");
    ada.enrol_totp(&app);
    let of_ada = format!("/staff/users/{}", ada.id());
    let user = || block_on(app.operator().account(ada.id())).unwrap();
    let mut act = |act: &str, fields: &[(&str, &str)], words: &str| {
        let path = format!("{of_ada}/{act}");
        assert!(browser.get(&of_ada).text().contains(&format!("\"{path}\"")), "{act} is offered");
        assert_eq!(browser.get(&path).status, 200, "{act}");
        let done = browser.post(&path, fields);
        let page = browser.follow(&done);
        assert!(page.text().contains(words), "{act}: {}", page.text());
    };
    act("verify", &[], "It is changed.");
    assert!(user().verified_at.is_some());
    act("unverify", &[], "It is changed.");
    assert!(user().verified_at.is_none());
    act("rename", &[("username", " lovelace ")], "It is changed.");
    assert_eq!(user().username.as_str(), "lovelace");
    act("promote", &[], "The user is staff now.");
    assert!(user().staff);
    act("demote", &[], "no longer staff");
    assert!(!user().staff);
    act("remove-factors", &[], "1 second factor was removed.");
    assert!(!user().has_second_factor);
    act("ban", &[("reason", " ")], "The user is banned.");
    assert!(user().banned_at.is_some());
    act("unban", &[], "The ban is lifted.");
    assert!(user().banned_at.is_none());
    act("delete", &[], "The account is deleted.");
    assert!(block_on(app.operator().account(ada.id())).is_err());
    let gone = browser.get(&of_ada);
    assert_eq!(gone.status, 404);
    let trail = browser.get(&format!("/staff/audit?user={}", ada.id())).text();
    assert!(trail.contains("Account deleted") && trail.contains("(gone)"), "{trail}");
}

fn nobody_does_to_themselves_what_only_others_may(database: TestDatabase) {
    let app = TestApp::start(database);
    let (root, mut browser) = staff(&app);
    let own = format!("/staff/users/{}", root.id());
    let page = browser.get(&own).text();
    for act in ["ban", "demote", "delete", "remove-factors"] {
        assert!(!page.contains(&format!("{own}/{act}")), "{act} is not offered");
        let refused = browser.post(&format!("{own}/{act}"), &[]);
        assert!(refused.status == 403 && refused.text().contains("Not to yourself"), "{act}: {refused:?}");
    }
    assert!(root.works());
}

fn what_is_typed_wrongly_is_said_at_its_field_and_changes_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let (_, mut browser) = staff(&app);
    let ada = app.user("ada");
    let of_ada = format!("/staff/users/{}", ada.id());
    for (act, field, typed, status) in [
        ("rename", "username", "a b", 400),
        ("rename", "username", "", 400),
        ("rename", "username", "1234567890123", 400),
        ("rename", "username", "ROOT", 409),
        ("ban", "reason", "two\nlines", 400),
        ("ban", "reason", &"x".repeat(1_025), 400),
    ] {
        let answer = browser.post(&format!("{of_ada}/{act}"), &[(field, typed)]);
        assert_eq!(answer.status, status, "{typed}");
        assert!(answer.text().contains(&format!("id=\"{field}-error\"")), "{typed}: {}", answer.text());
    }
    assert!(ada.works());
    assert_eq!(browser.post(&format!("{of_ada}/promote"), &[]).status, 409, "who has no second factor");
}
