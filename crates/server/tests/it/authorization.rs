//! Every endpoint with every kind of caller (`docs/MODEL.md`, *How a request is authorized*).

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::json;
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Call, Client, TestApp};
use crate::errors::{
    BANNED, ENDPOINT_REQUIRES_SECOND_FACTOR, Expected, INSUFFICIENT_PERMISSIONS, NOT_AUTHENTICATED, UNAVAILABLE,
};
use crate::routes::{ROWS, Row, Who};

on_both_engines!(
    the_matrix_of_endpoints_and_callers_is_the_recorded_one,
    every_endpoint_tells_callers_with_and_without_a_good_credential_apart,
    every_endpoint_lets_in_who_may_come_in,
    every_endpoint_requires_exactly_its_scope,
    staff_without_a_factor_are_told_so_on_every_staff_endpoint,
    every_switch_shuts_exactly_its_endpoints_and_staff_pass,
    a_scoped_session_of_staff_passes_switches_only_with_the_scope_for_it,
);

/// Sends a good request of a row as somebody who must be refused.
#[track_caller]
fn refuse(row: &Row, call: Call, expected: Expected, who: &str) {
    let response = call.send();
    assert_eq!(response.status, expected.status, "{} {} as {who}: {:?}", row.method, row.path, response.json());
    response.is(row.worded(expected));
}

fn every_endpoint_tells_callers_with_and_without_a_good_credential_apart(database: TestDatabase) {
    let app = TestApp::start(database);
    let expired = app.user("expired");
    app.clock().advance_seconds(86_400);
    let target = app.user("target");
    let ended = target.log_in("target");
    ended.delete("/api/users/me/sessions/me").expect(200);
    let banned = app.user("banned");
    let (banned_scoped, banned_ended) = (banned.scoped(&[Scope::All]), banned.log_in("banned"));
    banned_ended.delete("/api/users/me/sessions/me").expect(200);
    app.ban("banned");
    let last = target.token().chars().last().unwrap();
    let mut forged = target.token()[..target.token().len() - 1].to_owned();
    forged.push(if last == 'A' { 'Q' } else { 'A' });
    let cases: [(&str, Client, Expected); 9] = [
        ("nobody", app.anonymous(), NOT_AUTHENTICATED),
        ("garbage", target.with_token("garbage"), NOT_AUTHENTICATED),
        ("an unknown opaque token", target.with_token(&"x".repeat(32)), NOT_AUTHENTICATED),
        ("a forger", target.with_token(&forged), NOT_AUTHENTICATED),
        ("an expired session", expired, NOT_AUTHENTICATED),
        ("an ended session", ended, NOT_AUTHENTICATED),
        ("a banned user", banned, BANNED),
        ("a banned user's scoped session", banned_scoped, BANNED),
        ("a banned user's ended session", banned_ended, BANNED),
    ];
    for row in &ROWS {
        for (who, caller, expected) in &cases {
            let call = row.call(&app, caller, &target);
            if row.who.gets_in() && *expected != BANNED {
                assert_eq!(call.send().status, row.success, "{} {} as {who}", row.method, row.path);
            } else {
                refuse(row, call, *expected, who);
            }
        }
        let twice = row.call(&app, &target, &target).header("Authorization", target.token());
        refuse(row, twice, NOT_AUTHENTICATED, "somebody with two tokens");
    }
}

fn every_endpoint_lets_in_who_may_come_in(database: TestDatabase) {
    let app = TestApp::start(database);
    for (number, row) in ROWS.iter().enumerate() {
        let ada = app.user(&format!("ada{number}"));
        let root = app.staff(&format!("root{number}"));
        match row.who {
            Who::Guest => {
                assert_eq!(row.call(&app, &app.anonymous(), &ada).send().status, row.success);
                refuse(row, row.call(&app, &ada, &ada), NOT_AUTHENTICATED, "a user");
                refuse(row, row.call(&app, &root, &ada), NOT_AUTHENTICATED, "staff");
            }
            Who::Login => {
                for caller in [&app.anonymous(), &ada, &root] {
                    assert_eq!(row.call(&app, caller, &ada).send().status, row.success, "{row:?}");
                }
            }
            Who::User => {
                let authenticated = format!("Bearer {}", ada.token());
                assert_eq!(row.call(&app, &root, &root).send().status, row.success, "{row:?}");
                assert_eq!(row.call(&app, &ada.with_token(&authenticated), &ada).send().status, row.success, "{row:?}");
            }
            Who::Staff => {
                refuse(row, row.call(&app, &ada, &root), INSUFFICIENT_PERMISSIONS, "a user");
                refuse(row, row.call(&app, &ada, &ada), INSUFFICIENT_PERMISSIONS, "a user about themselves");
                assert_eq!(row.call(&app, &root, &ada).send().status, row.success, "{row:?}");
            }
        }
    }
}

/// The user whose session a row is called with.
fn caller_for(app: &TestApp, row: &Row, name: &str) -> Client {
    if row.who == Who::Staff { app.staff(name) } else { app.user(name) }
}

fn every_endpoint_requires_exactly_its_scope(database: TestDatabase) {
    let app = TestApp::start(database);
    let target = app.user("target");
    for (number, row) in ROWS.iter().enumerate().filter(|(_, row)| !row.who.gets_in()) {
        let caller = caller_for(&app, row, &format!("caller{number}"));
        let about = if row.who == Who::Staff { &target } else { &caller };
        let known: Vec<Scope> = Scope::TABLE
            .into_iter()
            .map(|(scope, _)| scope)
            .filter(|scope| row.who == Who::Staff || !scope.is_staff())
            .collect();
        let right = |scope: &Scope| row.scope.is_some_and(|needed| *scope == needed || *scope == Scope::All);
        let wrong: Vec<Scope> = known.iter().copied().filter(|scope| !right(scope)).collect();
        refuse(row, row.call(&app, &caller.scoped(&wrong), about), INSUFFICIENT_PERMISSIONS, "all but the scope");
        for scope in known.into_iter().filter(right) {
            // The row may have ended every session but the one that it was called with.
            let scoped = caller.log_in(caller.name()).scoped(&[scope]);
            assert_eq!(row.call(&app, &scoped, about).send().status, row.success, "{row:?} with {scope}");
        }
    }
}

fn staff_without_a_factor_are_told_so_on_every_staff_endpoint(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.staff_factor = StaffFactor::Required);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    for row in ROWS.iter().filter(|row| row.who == Who::Staff) {
        refuse(row, row.call(&app, &root, &ada), ENDPOINT_REQUIRES_SECOND_FACTOR, "staff");
        let all = root.scoped(&[Scope::All]);
        refuse(row, row.call(&app, &all, &ada), ENDPOINT_REQUIRES_SECOND_FACTOR, "a script of staff");
        let reader = root.scoped(&[Scope::AccountRead]);
        refuse(row, row.call(&app, &reader, &ada), ENDPOINT_REQUIRES_SECOND_FACTOR, "a script without the scope");
        refuse(row, row.call(&app, &ada, &root), INSUFFICIENT_PERMISSIONS, "a user");
    }
    assert!(root.works(), "what is not a staff endpoint is open");
}

fn every_switch_shuts_exactly_its_endpoints_and_staff_pass(database: TestDatabase) {
    let app = TestApp::start(database);
    let guest = app.anonymous();
    for row in &ROWS {
        let mut people: Option<(Client, Client)> = None;
        for (switch, name) in KillSwitch::TABLE {
            // Whoever got through has perhaps lost the session by it, or the account.
            let lives = |client: &Client| client.get("/api/users/me").status == 200;
            let untouched = people.take().filter(|(ada, root)| lives(ada) && lives(root));
            let (ada, root) = untouched.unwrap_or_else(|| (app.spare(), app.staff(&format!("root{}", app.number()))));
            let caller = match row.who {
                Who::Guest | Who::Login => &guest,
                Who::User => &ada,
                Who::Staff => &root,
            };
            let session = ada.log_in(ada.name()).session_id();
            app.switch(switch, true);
            let response = row.call_about(&app, caller, &ada, session).send();
            let passes = row.who == Who::Staff || row.leads_to_login();
            let shut = switch == KillSwitch::Global || row.switches.contains(&switch);
            if shut && !passes {
                response.is_with(UNAVAILABLE, json!({"feature": switch.id()}));
            } else {
                assert_eq!(response.status, row.success, "{row:?} under {name}");
            }
            // The row may have turned it off.
            app.switch(switch, true);
            if switch == KillSwitch::Global && !row.who.gets_in() {
                let nobody = row.call_about(&app, &guest, &ada, session).send();
                nobody.is_with(UNAVAILABLE, json!({"feature": 8}));
            }
            if row.who == Who::User {
                let own = root.session_id();
                assert_eq!(row.call_about(&app, &root, &root, own).send().status, row.success, "{row:?} under {name}");
            }
            app.switch(switch, false);
            people = Some((ada, root));
        }
    }
}

fn a_scoped_session_of_staff_passes_switches_only_with_the_scope_for_it(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let read = Scope::AccountRead;
    let passing = [root.scoped(&[Scope::All]), root.scoped(&[read, Scope::StaffModifyKillswitches])];
    let others: Vec<Scope> = Scope::TABLE
        .into_iter()
        .map(|(scope, _)| scope)
        .filter(|scope| !matches!(scope, Scope::All | Scope::StaffModifyKillswitches))
        .collect();
    let stopped = [root.scoped(&others), ada.clone(), ada.scoped(&[Scope::All])];
    app.switch(KillSwitch::Global, true);
    for client in &passing {
        client.get("/api/users/me").expect(200);
    }
    for client in &stopped {
        client.get("/api/users/me").is_with(UNAVAILABLE, json!({"feature": 8}));
    }
    block_on(app.operator().account_demote("root")).unwrap();
    for client in passing.iter().chain(&stopped).chain([&root]) {
        client.get("/api/users/me").is_with(UNAVAILABLE, json!({"feature": 8}));
    }
}

/// The callers of the matrix.
const CALLERS: [&str; 9] = [
    "nobody",
    "garbage",
    "banned user",
    "user",
    "user, scoped to read sessions",
    "user, scoped to everything",
    "staff without a factor",
    "staff, factor waived",
    "staff, factor waived, scoped to read sessions",
];

/// The whole of it at a glance, for readers and for reviewers of changes.
fn the_matrix_of_endpoints_and_callers_is_the_recorded_one(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.staff_factor = StaffFactor::Required);
    let waived = app.replica_with(|config| config.policy.staff_factor = StaffFactor::Waived);
    let (target, banned) = (app.user("target"), app.user("banned"));
    app.ban("banned");
    let staff = || app.staff(&format!("root{}", app.number()));
    // A user of their own each: some endpoints end the session, or the account.
    let caller = |who: &str| match who {
        "nobody" => app.anonymous(),
        "garbage" => target.with_token("garbage"),
        "banned user" => banned.clone(),
        "user" => app.spare(),
        "user, scoped to read sessions" => app.spare().scoped(&[Scope::SessionRead]),
        "user, scoped to everything" => app.spare().scoped(&[Scope::All]),
        "staff without a factor" => staff(),
        "staff, factor waived" => staff().at(&waived),
        "staff, factor waived, scoped to read sessions" => staff().scoped(&[Scope::StaffReadSessions]).at(&waived),
        _ => panic!("unknown caller {who}"),
    };
    let mut matrix = String::new();
    let mut untouched: HashMap<&str, Client> = HashMap::new();
    for row in &ROWS {
        writeln!(matrix, "{} {}", row.method, row.path).unwrap();
        for who in CALLERS {
            let caller = untouched.remove(who).unwrap_or_else(|| caller(who));
            let has_session = !matches!(who, "nobody" | "garbage" | "banned user");
            let about = if row.who == Who::User && has_session { &caller } else { &target };
            let response = row.call(&app, &caller, about).send();
            let answer = response.json()["code"].as_str().filter(|_| response.status >= 400).unwrap_or("").to_owned();
            writeln!(matrix, "{}", format!("    {who}: {} {answer}", response.status).trim_end()).unwrap();
            // Nothing has happened to whoever only looked, or was refused.
            if row.method == "GET" || [401, 403, 404].contains(&response.status) {
                untouched.insert(who, caller);
            }
        }
    }
    insta::assert_snapshot!("endpoints_and_callers", matrix);
}
