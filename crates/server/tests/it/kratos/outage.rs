//! The database goes away: 503 in this dialect's form, never a 401, which would log people out.

use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::routes::{ROWS, Target, Who, caller};
use super::{Phone, enter, error, second_step, show};
use crate::app::{Cut, Response, TestApp};

on_both_engines!(
    every_endpoint_is_503_while_the_database_is_away,
    every_operation_that_fails_is_503_wherever_it_is_used,
    a_second_step_that_fails_spends_nothing,
);

/// Every operation that an endpoint of this dialect may ask of the storage.
const OPERATIONS: [&str; 15] = [
    "account_find",
    "account_id",
    "account_attempted",
    "session_open",
    "session_authority",
    "session_list",
    "session_page_but",
    "session_count",
    "session_extend",
    "session_find_with_user",
    "session_locate",
    "session_end",
    "session_end_all",
    "session_end_others",
    "budget_charge",
];

#[track_caller]
fn is_an_outage(response: &Response) {
    let error = error(response, 503);
    assert_eq!((&error["status"], error.get("details")), (&"Service Unavailable".into(), None));
    assert_eq!(response.header("retry-after"), Some("1"));
}

fn every_endpoint_is_503_while_the_database_is_away(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let target = Target::of(&app, "ada");
    app.cut(Cut::Everything);
    for row in &ROWS {
        for caller in [caller(&app, row, &ada, &root), app.anonymous(), ada.with_token("garbage")] {
            is_an_outage(&row.call(&caller, &target).send());
        }
    }
    is_an_outage(&app.anonymous().get("/auth/nowhere"));
    app.cut(Cut::Nothing);
    assert!(ada.works() && root.works());
    app.anonymous().get("/auth/sessions").expect(401);
}

fn every_operation_that_fails_is_503_wherever_it_is_used(database: TestDatabase) {
    let app = TestApp::start(database);
    let mut unused = OPERATIONS.to_vec();
    for (number, row) in ROWS.iter().enumerate() {
        let (ada, root) = (app.user(&format!("ada{number}")), app.staff(&format!("root{number}")));
        for operation in OPERATIONS {
            let target = Target::of(&app, ada.name());
            let ada = if row.who == Who::User { ada.log_in(ada.name()) } else { ada.clone() };
            let caller = caller(&app, row, &ada, &root);
            app.cut(Cut::Operation(operation));
            let response = row.call(&caller, &target).send();
            if app.cut(Cut::Nothing) > 0 {
                is_an_outage(&response);
                unused.retain(|unused| *unused != operation);
            } else {
                assert_eq!(response.status, row.success, "{row:?} without {operation}: {response:?}");
            }
        }
    }
    assert!(unused.is_empty(), "{unused:?}");
}

fn a_second_step_that_fails_spends_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let phone = Phone::enrol(&app, &ada);
    let device = enter(&app, "ada");
    let flow = second_step(&device);
    for operation in ["session_authority", "factor_keys", "network_is_known", "budget_charge", "session_step_up"] {
        app.cut(Cut::Operation(operation));
        is_an_outage(&show(&device, &flow, &phone.backup(0)));
        assert!(app.cut(Cut::Nothing) > 0, "{operation}");
    }
    show(&device, &flow, &phone.backup(0)).expect(200);
}
