//! `/staff/sessions`.

use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::browser::Browser;
use super::staff::staff;
use crate::app::TestApp;

on_both_engines!(sessions_are_narrowed_by_what_is_asked_for);

fn sessions_are_narrowed_by_what_is_asked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let (root, mut browser) = staff(&app);
    app.clock().advance_seconds(60);
    let ada = app.user("ada");
    ada.log_in("ada").delete("/api/users/me/sessions/me").expect(200);
    let rows = |browser: &mut Browser, query: &str| {
        let answer = browser.get(&format!("/staff/sessions?{query}"));
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        answer.text().matches("<tr role=\"row\">").count().saturating_sub(1)
    };
    let made = ada.get("/api/users/me").expect(200)["createdAt"].as_str().unwrap().to_owned();
    for (query, expected) in [
        ("", 4),
        ("user=&ip=&state=&dialect=&after=&before=", 4),
        ("user=ada", 2),
        ("user=ADA%40example.org&state=ended", 1),
        (&format!("user={}", root.id()), 2),
        ("dialect=pages", 1),
        ("ip=127.0.0.1&state=live", 3),
        ("ip=192.0.2.1", 0),
        (&format!("before={made}"), 2),
        (&format!("after={made}"), 2),
        ("cursor=x&user=ada", 2),
    ] {
        assert_eq!(rows(&mut browser, query), expected, "{query}");
    }
    let text = browser.get("/staff/sessions?state=second_factor_pending").text();
    assert!(text.contains("There is no such session"), "{text}");
    assert!(text.contains("<option value=\"second_factor_pending\" selected>second factor pending"), "{text}");
    for (query, field) in [
        ("user=nobody", "user"),
        ("ip=192.0.2", "ip"),
        ("state=idle", "state"),
        ("dialect=x", "dialect"),
        ("after=yesterday", "after"),
        ("before=2026-02-30", "before"),
    ] {
        let answer = browser.get(&format!("/staff/sessions?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains(&format!("id=\"{field}-error\"")), "{query}: {}", answer.text());
    }
    // More than a page.
    for _ in 0..60 {
        app.clock().advance_seconds(1);
        app.anonymous().log_in("ada");
    }
    let text = browser.get("/staff/sessions?user=ada&state=live").text();
    assert_eq!(text.matches("/end\"").count(), 50);
    let next = text.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let second = browser.get(&next).text();
    assert_eq!(second.matches("/end\"").count(), 11);
    assert!(second.contains("href=\"/staff/sessions?user=ada&amp;state=live\">Newest"), "{second}");
    assert!(!second.contains("rel=\"next\""), "{second}");
}
