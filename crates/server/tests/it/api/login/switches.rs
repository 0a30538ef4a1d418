//! Logging in while `ACCOUNT_LOGIN` or `GLOBAL` is on: staff with the right password get in, nobody else does,
//! and nobody else learns anything.

use serde_json::{Value, json};
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{attempt, credentials};
use crate::app::{PASSWORD, TestApp};
use crate::errors::{NOT_AUTHENTICATED, UNAVAILABLE};

const SWITCHES: [(KillSwitch, u8); 2] = [(KillSwitch::AccountLogin, 4), (KillSwitch::Global, 8)];

on_both_engines!(
    staff_with_the_right_password_get_in,
    everybody_else_gets_the_same_503_whatever_they_typed,
    a_live_session_of_staff_is_refused_as_ever_and_others_get_the_503,
    failures_under_a_switch_count_all_the_same,
    a_right_password_under_a_switch_neither_counts_nor_clears,
);

fn staff_with_the_right_password_get_in(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    for (switch, _) in SWITCHES {
        app.switch(switch, true);
        assert!(root.log_in("root").works());
        app.switch(switch, false);
    }
}

fn everybody_else_gets_the_same_503_whatever_they_typed(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    app.staff("root");
    app.user("banned");
    app.ban("banned");
    let bodies = [
        credentials("ada", PASSWORD),
        credentials("ada", "wrong"),
        credentials("root", "wrong"),
        credentials("banned", PASSWORD),
        credentials("nobody", PASSWORD),
        json!({}),
        json!({"username": "root"}),
        json!({"username": 1, "password": []}),
        json!([]),
        json!({"2fa": {"token": "garbage", "type": "totp"}}),
        json!({"2fa": {"token": ada.token(), "type": "totp"}}),
        json!({"2fa": {"token": "a.b.c", "type": "sms"}}),
        json!({"2fa": 1}),
    ];
    for (switch, feature) in SWITCHES {
        app.switch(switch, true);
        for body in &bodies {
            attempt(&app, body).is_with(UNAVAILABLE, json!({"feature": feature}));
        }
        let odd = app.anonymous().call("POST", "/api/login");
        odd.body("text/plain", "what?").send().is_with(UNAVAILABLE, json!({"feature": feature}));
        let twice = app.anonymous().with_token("a").call("POST", "/api/login").header("Authorization", "b");
        twice.json(&credentials("ada", PASSWORD)).send().is_with(UNAVAILABLE, json!({"feature": feature}));
        app.switch(switch, false);
    }
}

fn a_live_session_of_staff_is_refused_as_ever_and_others_get_the_503(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    for (switch, feature) in SWITCHES {
        app.switch(switch, true);
        root.post("/api/login", &credentials("root", PASSWORD)).is(NOT_AUTHENTICATED);
        ada.post("/api/login", &credentials("root", PASSWORD)).is_with(UNAVAILABLE, json!({"feature": feature}));
        app.switch(switch, false);
    }
}

fn failures_under_a_switch_count_all_the_same(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    app.switch(KillSwitch::AccountLogin, true);
    for _ in 0..15 {
        let refused = attempt(&app, &credentials("ada", "wrong"));
        refused.is_with(UNAVAILABLE, json!({"feature": 4}));
        assert_eq!(refused.header("retry-after"), None);
    }
    app.switch(KillSwitch::AccountLogin, false);
    assert_eq!(attempt(&app, &credentials("ada", PASSWORD)).status, 429);
}

fn a_right_password_under_a_switch_neither_counts_nor_clears(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let wrong = credentials("ada", "wrong");
    let statuses =
        |body: &Value, times: usize| -> Vec<u16> { (0..times).map(|_| attempt(&app, body).status).collect() };
    assert_eq!(statuses(&wrong, 9), [401; 9]);
    app.switch(KillSwitch::AccountLogin, true);
    assert_eq!(statuses(&credentials("ada", PASSWORD), 20), [503; 20]);
    app.switch(KillSwitch::AccountLogin, false);
    assert_eq!(statuses(&wrong, 2), [401, 429]);
}
