//! `DELETE /api/users/me/sessions…`: one, some, all.

use serde_json::{Value, json};
use thunderhead_domain::id::SessionUuid;
use thunderhead_domain::scope::Scope;
use thunderhead_domain::session::{Actor, End, EndReason, SessionKey, State};
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, TestApp, claims};
use crate::errors::{INSUFFICIENT_PERMISSIONS, MISSING_FIELDS, NO_SUCH_SESSION, NOT_AUTHENTICATED, TOO_MANY_IDS};

on_both_engines!(
    one_session_is_ended_by_its_id,
    me_is_the_session_in_use,
    an_ended_token_is_refused_at_once_and_on_every_replica,
    unknown_ended_and_foreign_sessions_are_404,
    some_sessions_are_ended_and_unknown_ones_skipped,
    me_may_stand_among_ids,
    more_than_50_ids_are_refused_as_they_were_sent,
    ids_of_wrong_types_are_a_missing_field,
    all_spares_the_session_in_use,
    all_takes_the_session_in_use_where_it_is_asked_to,
    all_counts_what_it_ended,
    the_row_keeps_when_by_whom_and_why,
    a_scoped_session_ends_sessions_if_it_may,
    an_id_is_not_used_again,
);

const SESSIONS: &str = "/api/users/me/sessions";

fn end_one(client: &Client, id: i64) -> crate::app::Response {
    client.delete(&format!("{SESSIONS}/{id}"))
}

fn end_some(client: &Client, ids: Value) -> crate::app::Response {
    client.delete_with(SESSIONS, &json!({"ids": ids}))
}

fn ended(count: u64) -> Value {
    json!({"code": "DELETE_SESSIONS_SUCCESS", "message": "Sessions Successfully Deleted", "count": count})
}

fn one_session_is_ended_by_its_id(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let other = ada.log_in("ada");
    let answer = end_one(&ada, other.session_id()).expect(200);
    assert_eq!(answer, json!({"code": "DELETE_SESSION_SUCCESS", "message": "Session Successfully Deleted"}));
    assert!(ada.works() && !other.works());
}

fn me_is_the_session_in_use(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let other = ada.log_in("ada");
    ada.delete("/api/users/me/sessions/me").expect(200);
    assert!(!ada.works() && other.works());
}

fn an_ended_token_is_refused_at_once_and_on_every_replica(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let ada = app.user("ada");
    for _ in 0..5 {
        let other = ada.log_in("ada");
        assert!(other.works() && other.at(&replica).works());
        end_one(&ada, other.session_id()).expect(200);
        other.at(&replica).get("/api/users/me").is(NOT_AUTHENTICATED);
        other.get("/api/users/me").is(NOT_AUTHENTICATED);
    }
    assert!(ada.at(&replica).works());
}

fn unknown_ended_and_foreign_sessions_are_404(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let other = ada.log_in("ada");
    app.clock().advance_seconds(10);
    let bob = app.user("bob");
    end_one(&ada, other.session_id()).expect(200);
    end_one(&ada, other.session_id()).is(NO_SUCH_SESSION);
    end_one(&ada, bob.session_id()).is(NO_SUCH_SESSION);
    for text in ["0", "x", "-1", "ALL", "99999999999999999999", "%00"] {
        ada.delete(&format!("{SESSIONS}/{text}")).is(NO_SUCH_SESSION);
    }
    assert!(bob.works() && ada.works());
}

fn some_sessions_are_ended_and_unknown_ones_skipped(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let [one, two, three] = [(); 3].map(|()| ada.log_in("ada"));
    app.clock().advance_seconds(10);
    let bob = app.user("bob");
    let ids = json!([
        one.session_id(),
        one.session_id().to_string(),
        two.session_id().to_string(),
        bob.session_id(),
        1,
        -5,
        1.5,
        1e300,
        "x",
        "",
        " ",
        "99999999999999999999",
        format!("0{}", three.session_id()),
        format!("{} ", three.session_id()),
    ]);
    assert_eq!(end_some(&ada, ids.clone()).expect(200), ended(2));
    assert_eq!(end_some(&ada, ids).expect(200), ended(0));
    assert_eq!(end_some(&ada, json!([])).expect(200), ended(0));
    assert_eq!([&ada, &one, &two, &three, &bob].map(Client::works), [true, false, false, true, true]);
}

fn me_may_stand_among_ids(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let other = ada.log_in("ada");
    assert_eq!(end_some(&ada, json!(["me", ada.session_id(), "me"])).expect(200), ended(1));
    assert!(!ada.works() && other.works());
}

fn more_than_50_ids_are_refused_as_they_were_sent(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let other = ada.log_in("ada");
    let id = json!(other.session_id());
    end_some(&ada, json!(vec![&id; 51])).is(TOO_MANY_IDS);
    end_some(&ada, json!(vec![json!(null); 51])).is(TOO_MANY_IDS);
    assert!(other.works());
    assert_eq!(end_some(&ada, json!(vec![&id; 50])).expect(200), ended(1));
}

fn ids_of_wrong_types_are_a_missing_field(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let other = ada.log_in("ada");
    let id = other.session_id();
    let wrong = [
        json!(null),
        json!(id),
        json!(id.to_string()),
        json!(true),
        json!({}),
        json!({"0": id}),
        json!([id, null]),
        json!([id, [id]]),
        json!([id, {}]),
        json!([true, id]),
    ];
    for ids in wrong {
        end_some(&ada, ids).is_with(MISSING_FIELDS, json!({"fields": ["ids"]}));
    }
    ada.delete(SESSIONS).is_with(MISSING_FIELDS, json!({"fields": ["ids"]}));
    assert!(other.works());
}

fn all_spares_the_session_in_use(database: TestDatabase) {
    let app = TestApp::start(database);
    for (number, query) in [
        "",
        "?include-self=false",
        "?include-self=0",
        "?include-self",
        "?includeSelf=no",
        "?include-self=TRUE",
        "?self=1",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("user{number}");
        let ada = app.user(&name);
        let others = [ada.log_in(&name), ada.scoped(&[Scope::All])];
        assert_eq!(ada.delete(&format!("{SESSIONS}/all{query}")).expect(200), ended(2), "{query}");
        assert!(ada.works() && others.iter().all(|other| !other.works()), "{query}");
    }
}

fn all_takes_the_session_in_use_where_it_is_asked_to(database: TestDatabase) {
    let app = TestApp::start(database);
    for (number, query) in
        ["include-self=true", "include-self=1", "includeSelf=true", "includeSelf=1"].into_iter().enumerate()
    {
        let name = format!("user{number}");
        let ada = app.user(&name);
        let other = ada.log_in(&name);
        assert_eq!(ada.delete(&format!("{SESSIONS}/all?{query}")).expect(200), ended(2), "{query}");
        assert!(!ada.works() && !other.works(), "{query}");
    }
}

fn all_counts_what_it_ended(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let bob = app.user("bob");
    app.clock().advance_seconds(86_000);
    let later = ada.log_in("ada");
    later.log_in("ada").delete("/api/users/me/sessions/me").expect(200);
    app.clock().advance_seconds(400);
    // One session has expired and one was ended: neither is ended now.
    assert_eq!(later.delete(&format!("{SESSIONS}/all")).expect(200), ended(0));
    assert_eq!(later.delete(&format!("{SESSIONS}/all?include-self=1")).expect(200), ended(1));
    assert!(bob.log_in("bob").works());
}

fn state(app: &TestApp, client: &Client) -> State {
    let uuid = SessionUuid(claims(client.token())["jti"].as_str().unwrap().parse().unwrap());
    let key = SessionKey::Uuid(uuid, client.user_id());
    block_on(app.storage().session_authority(Some(key))).unwrap().authenticated.unwrap().session.state
}

fn the_row_keeps_when_by_whom_and_why(database: TestDatabase) {
    use thunderhead_domain::ports::Clock;

    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let [one, some, others, staff] = [(); 4].map(|()| ada.log_in("ada"));
    app.clock().advance_seconds(7);
    let at = app.clock().now();
    let uid = ada.id();
    end_one(&ada, one.session_id()).expect(200);
    end_some(&ada, json!([some.session_id()])).expect(200);
    root.delete(&format!("/api/users/{uid}/sessions/{}", staff.session_id())).expect(200);
    ada.delete(&format!("{SESSIONS}/all")).expect(200);
    app.clock().advance_seconds(7);
    // What ended stays as it ended, whatever comes after.
    ada.delete(&format!("{SESSIONS}/all?include-self=true")).expect(200);
    app.ban("ada");
    let by_user = State::Ended(End { at, by: Actor::User(ada.user_id()), why: EndReason::Revoked });
    for session in [&one, &some, &others] {
        assert_eq!(state(&app, session), by_user);
    }
    let by_staff = State::Ended(End { at, by: Actor::User(root.user_id()), why: EndReason::RevokedByStaff });
    assert_eq!(state(&app, &staff), by_staff);
    let later = app.clock().now();
    app.ban("root");
    let banned = State::Ended(End { at: later, by: Actor::CommandLine, why: EndReason::Banned });
    assert_eq!(state(&app, &root), banned);
}

fn a_scoped_session_ends_sessions_if_it_may(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (other, reader) = (ada.log_in("ada"), ada.scoped(&[Scope::SessionRead]));
    end_one(&reader, other.session_id()).is(INSUFFICIENT_PERMISSIONS);
    end_some(&reader, json!([other.session_id()])).is(INSUFFICIENT_PERMISSIONS);
    reader.delete(&format!("{SESSIONS}/all")).is(INSUFFICIENT_PERMISSIONS);
    let ender = ada.scoped(&[Scope::SessionModify]);
    assert_eq!(ender.delete(&format!("{SESSIONS}/all")).expect(200), ended(3));
    assert!(!ada.works() && !other.works());
    ender.delete("/api/users/me/sessions/me").expect(200);
    end_one(&ender, 1).is(NOT_AUTHENTICATED);
}

fn an_id_is_not_used_again(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let first = ada.log_in("ada");
    end_one(&ada, first.session_id()).expect(200);
    let second = ada.log_in("ada");
    assert_ne!(first.session_id(), second.session_id());
    assert!(!first.works() && second.works());
}
