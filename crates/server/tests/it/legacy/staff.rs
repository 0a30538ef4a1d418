//! The sessions of a user, for staff: `/api/user/{id}/sessions` and `/api/user/{id}/session/{sid}`.

use serde_json::json;
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::id::SessionId;
use thunderhead_domain::ports::Clock;
use thunderhead_domain::session::{Actor, EndReason};
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use super::{MISSING_PERMISSIONS, SESSION_MISSING, ended, shown};
use crate::app::TestApp;
use crate::errors::{INVALID_USER, MISSING_FIELDS, NO_SUCH_SESSION};

on_both_engines!(
    staff_see_the_sessions_of_a_user,
    staff_end_one_and_are_shown_it_once_more,
    of_two_who_end_a_session_at_once_one_is_shown_it,
    staff_end_some_or_all,
    a_users_own_id_is_no_exception,
    an_unknown_user_is_404,
    me_and_the_paths_without_user_are_nobody,
);

fn staff_see_the_sessions_of_a_user(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let user = format!("/api/user/{}", ada.id());
    let list = root.get(&format!("{user}/sessions?LIMIT=1")).expect(200);
    assert_eq!(list, json!({"count": 1, "items": [shown(&ada)]}));
    assert_eq!(root.get(&format!("{user}/session/{}", ada.session_id())).expect(200), shown(&ada));
    for id in ["me", "x", "1"] {
        root.get(&format!("{user}/session/{id}")).is(SESSION_MISSING);
    }
}

fn staff_end_one_and_are_shown_it_once_more(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let path = format!("/api/user/{}/session/{}", ada.id(), ada.session_id());
    let session = shown(&ada);
    assert_eq!(root.delete(&path).expect(200), session);
    assert!(!ada.works() && root.works());
    root.delete(&path).is(NO_SUCH_SESSION);
    root.get(&path).is(SESSION_MISSING);
}

fn of_two_who_end_a_session_at_once_one_is_shown_it(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let (user, id) = (ada.user_id(), SessionId::from_number(ada.session_id()));
    let action = ActionContext { at: app.clock().now(), by: Actor::User(user), client_ip: None };
    app.before("session_end", move |storage| {
        assert!(block_on(storage.session_end(user, id, EndReason::Revoked, action)).unwrap());
    });
    root.delete(&format!("/api/user/{}/session/{}", ada.id(), ada.session_id())).is(NO_SUCH_SESSION);
    assert!(!ada.works());
}

fn staff_end_some_or_all(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let [one, two] = [(); 2].map(|()| ada.log_in("ada"));
    let sessions = format!("/api/user/{}/sessions", ada.id());
    let ids = json!({"sessions": [one.session_id().to_string(), "0987654321"]});
    assert_eq!(root.delete_with(&sessions, &ids).expect(200), ended(1));
    root.delete(&sessions).is_with(MISSING_FIELDS, json!({"fields": ["sessions"]}));
    assert!(!one.works() && two.works());
    // `allButSelf` means nothing here.
    assert_eq!(root.delete(&format!("{sessions}/all?allButSelf=true")).expect(200), ended(2));
    let own = format!("/api/user/{}/sessions/all?allButSelf=true", root.id());
    assert_eq!(root.delete(&own).expect(200), ended(1));
    assert!(!root.works());
}

fn a_users_own_id_is_no_exception(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let user = format!("/api/user/{}", ada.id());
    ada.get(&format!("{user}/sessions")).is(MISSING_PERMISSIONS);
    ada.get(&format!("{user}/session/{}", ada.session_id())).is(MISSING_PERMISSIONS);
    ada.delete(&format!("{user}/sessions/all")).is(MISSING_PERMISSIONS);
    assert!(ada.works());
}

fn an_unknown_user_is_404(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    for user in ["1234567890", "1234567890123", "x", "me"] {
        let base = format!("/api/user/{user}");
        root.get(&format!("{base}/sessions")).is(INVALID_USER);
        root.get(&format!("{base}/session/1234567890")).is(INVALID_USER);
        root.delete(&format!("{base}/session/1234567890")).is(INVALID_USER);
        root.delete(&format!("{base}/sessions/all")).is(INVALID_USER);
        root.delete_with(&format!("{base}/sessions"), &json!({"sessions": []})).is(INVALID_USER);
    }
}

fn me_and_the_paths_without_user_are_nobody(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    root.get(&format!("/api/{}/sessions", root.id())).is(crate::errors::INVALID_ENDPOINT);
    root.delete("/api/user/me/session/me").is(INVALID_USER);
    assert!(root.works());
}
