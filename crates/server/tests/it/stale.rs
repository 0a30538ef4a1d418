//! A request that starts after the answer to a revocation was sent, anywhere, is never accepted: also by a replica that
//! caches the session, and one that is just about to.

use std::sync::{Arc, mpsc};

use serde_json::{Value, json};
use thunderhead_auth::sessions::pass::Pass;
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::id::SessionUuid;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, Cut, PASSWORD, Response, TestApp, claims};
use crate::errors::{
    BANNED, ENDPOINT_REQUIRES_SECOND_FACTOR, Expected, INSUFFICIENT_PERMISSIONS, NOT_AUTHENTICATED, UNAVAILABLE,
};
use crate::forward_auth::before_applications;
use crate::pages::browser::PASS;
use crate::revoke::revoke;

on_both_engines!(
    what_was_ended_in_any_way_is_refused_by_a_replica_that_caches_it,
    what_is_ended_while_a_replica_reads_it_is_refused_from_then_on,
    what_is_ended_while_a_replica_reads_the_changes_is_refused_from_then_on,
    staff_who_lose_their_second_factor_are_shut_out_by_a_replica_that_caches_it,
    a_switch_shuts_at_a_replica_that_caches_it_as_off,
    what_is_cached_is_not_trusted_while_nobody_knows_what_has_changed,
    what_is_cached_is_trusted_for_as_long_as_the_operator_says,
);

const ME: &str = "/api/users/me";
const STAFF: &str = "/api/users";
const NEW_PASSWORD: &str = "amber quarry lantern 9";

/// Two replicas, and those who meet there.
struct Scene {
    /// Caches the session.
    near: Arc<TestApp>,
    /// Where it is ended.
    far: Arc<TestApp>,
    root: Client,
}

/// A staff user with two sessions: the one that is ended, and another. Both at the far replica.
struct Victim {
    token: Client,
    other: Client,
}

impl Scene {
    fn set(database: TestDatabase) -> Self {
        let near = Arc::new(before_applications(database));
        let far = Arc::new(near.replica());
        let root = far.staff("root");
        Self { near, far, root }
    }

    fn victim(&self) -> Victim {
        let first = self.far.staff(&format!("victim{}", self.far.number()));
        let name = first.name().to_owned();
        Victim { token: first.log_in(&name), other: first }
    }

    /// Gives a session a pass at the far replica, and has the near one cache it.
    fn pass(&self, victim: &Victim) -> Pass {
        let session = block_on(self.far.storage().session_find_any(uuid(victim))).unwrap().unwrap();
        let pass = block_on(self.far.auth().passes.give(&session)).unwrap().expect("a live session");
        for _ in 0..2 {
            assert_eq!(self.status_by_pass(&pass, ""), 204);
        }
        self.near.cut(Cut::Operation("session_authority"));
        assert_eq!(self.status_by_pass(&pass, ""), 204, "it is not cached");
        self.near.cut(Cut::Nothing);
        pass
    }

    /// What the near replica answers to a proxy that is shown a pass.
    fn status_by_pass(&self, pass: &Pass, query: &str) -> u16 {
        let call = self.near.anonymous().call("GET", &format!("/forward-auth{query}"));
        call.header("Cookie", &format!("{PASS}={}", pass.expose())).header("X-Forwarded-Method", "GET").send().status
    }

    /// Has the near replica cache a session, for certain.
    fn fill_cache(&self, client: &Client) {
        let near = client.at(&self.near);
        // The first reads it, as of the latest change that is known; the second asks for later ones.
        for _ in 0..2 {
            assert!(near.works());
        }
        self.near.cut(Cut::Operation("session_authority"));
        assert!(near.works(), "it is not cached");
        self.near.cut(Cut::Nothing);
    }
}

/// Ends a victim's session at the far replica; staff may help.
type End = Box<dyn FnOnce(&TestApp, &Client, &Victim) + Send>;

/// A way of ending: what it is called, what it does, and how the near replica answers from then on at a path.
struct Way {
    name: &'static str,
    end: End,
    path: &'static str,
    refusal: Expected,
}

fn way(name: &'static str, end: impl FnOnce(&TestApp, &Client, &Victim) + Send + 'static) -> Way {
    Way { name, end: Box::new(end), path: ME, refusal: NOT_AUTHENTICATED }
}

/// A request to the far replica.
fn asked(
    name: &'static str,
    method: &'static str,
    path: &'static str,
    body: Value,
    by: fn(&Client, &Victim) -> Client,
) -> Way {
    way(name, move |_, root, victim| {
        let fill = |text: &str| {
            let text = text.replace("USER", victim.token.id()).replace("UUID", &uuid(victim).to_string());
            text.replace("SESSION", &victim.token.session_id().to_string()).replace("TOKEN", victim.token.token())
        };
        let body: Value = serde_json::from_str(&fill(&body.to_string())).unwrap();
        let response = by(root, victim).call(method, &fill(path)).json(&body).send();
        assert!(matches!(response.status, 200 | 204), "{name}: {response:?}");
    })
}

fn uuid(victim: &Victim) -> SessionUuid {
    SessionUuid(claims(victim.token.token())["jti"].as_str().unwrap().parse().unwrap())
}

fn by_itself(_: &Client, victim: &Victim) -> Client {
    victim.token.clone()
}

fn by_other(_: &Client, victim: &Victim) -> Client {
    victim.other.clone()
}

fn by_staff(root: &Client, _: &Victim) -> Client {
    root.clone()
}

/// All of them.
fn ways() -> Vec<Way> {
    let nothing = || json!({});
    let password = || json!({"password": PASSWORD});
    let passwords = || json!({"password": PASSWORD, "newPassword": NEW_PASSWORD, "confirmNewPassword": NEW_PASSWORD});
    let delete = "DELETE";
    let own = |name, path, body| asked(name, delete, path, body, by_other);
    let staff = |name, path, body| asked(name, delete, path, body, by_staff);
    let (ids, sessions) = (|| json!({"ids": ["SESSION"]}), || json!({"sessions": ["SESSION"]}));
    let disabled = json!({"action": "disable", "sessions": ["UUID"]});
    let demoted = |way: Way| Way { path: STAFF, refusal: INSUFFICIENT_PERMISSIONS, ..way };
    let banned = |way: Way| Way { refusal: BANNED, ..way };
    vec![
        asked("by itself", delete, "/api/users/me/sessions/me", nothing(), by_itself),
        own("by another", "/api/users/me/sessions/SESSION", nothing()),
        own("by its id", "/api/users/me/sessions", ids()),
        own("all but another", "/api/users/me/sessions/all", nothing()),
        own("all", "/api/users/me/sessions/all?include-self=true", nothing()),
        staff("by staff", "/api/users/USER/sessions/SESSION", nothing()),
        staff("by its id, by staff", "/api/users/USER/sessions", ids()),
        staff("all, by staff", "/api/users/USER/sessions/all", nothing()),
        own("legacy", "/api/user/session/SESSION", nothing()),
        own("legacy, by its id", "/api/user/sessions", sessions()),
        own("legacy, all but another", "/api/user/sessions/all?allButSelf=true", nothing()),
        own("legacy, all", "/api/user/sessions/all", nothing()),
        staff("legacy, by staff", "/api/user/USER/session/SESSION", nothing()),
        staff("legacy, by its id, by staff", "/api/user/USER/sessions", sessions()),
        staff("legacy, all, by staff", "/api/user/USER/sessions/all", nothing()),
        asked("password", "PUT", "/api/users/me/password", passwords(), by_other),
        asked("password, by staff", "PUT", "/api/users/USER/password", passwords(), by_staff),
        banned(asked("ban", "PUT", "/api/users/USER/ban", password(), by_staff)),
        own("deletion", "/api/users/me", password()),
        staff("deletion, by staff", "/api/users/USER", password()),
        staff("deletions, by staff", "/api/users", json!({"password": PASSWORD, "ids": ["USER"]})),
        demoted(staff("demotion", "/api/users/USER/staff", password())),
        own("Kratos", "/auth/sessions/UUID", nothing()),
        own("Kratos, all but another", "/auth/sessions", nothing()),
        own("Kratos, by logout", "/auth/self-service/logout/api", json!({"session_token": "TOKEN"})),
        way("by whoever has the token", |far, _, victim| {
            assert_eq!(revoke(far, victim.token.token()).status, 200);
        }),
        staff("Kratos, by staff", "/auth/admin/sessions/UUID", nothing()),
        asked("Kratos, disabled by staff", "POST", "/auth/admin/sessions", disabled, by_staff),
        way("operator", |far, _, victim| {
            assert!(block_on(far.operator().session_end(uuid(victim))).unwrap());
        }),
        way("operator, all", |far, _, victim| {
            assert_eq!(block_on(far.operator().session_end_all(victim.token.name())).unwrap(), 2);
        }),
        way("operator, deletion", |far, _, victim| {
            block_on(far.operator().account_delete(victim.token.name())).unwrap();
        }),
        banned(way("operator, ban", |far, _, victim| far.ban(victim.token.name()))),
        demoted(way("operator, demotion", |far, _, victim| {
            block_on(far.operator().account_demote(victim.token.name())).unwrap();
        })),
        // The last: nobody is left.
        way("operator, everybody", |far, _, _| {
            assert!(block_on(far.operator().session_end_everywhere(None)).unwrap() > 0);
        }),
    ]
}

fn what_was_ended_in_any_way_is_refused_by_a_replica_that_caches_it(database: TestDatabase) {
    let scene = Scene::set(database);
    for (number, Way { name, end, path, refusal }) in ways().into_iter().enumerate() {
        let victim = scene.victim();
        let pass = scene.pass(&victim);
        scene.fill_cache(&victim.token);
        end(&scene.far, &scene.root, &victim);
        let near = victim.token.at(&scene.near);
        let query = if path == STAFF { "?staff=true" } else { "" };
        // Whichever comes first.
        let asked = || {
            let response = near.get(path);
            assert_eq!(response.status, refusal.status, "{name}: {response:?}");
            response.is(refusal);
        };
        let asked_by_pass = || assert_eq!(scene.status_by_pass(&pass, query), refusal.status, "{name}");
        let asked_by_proxy = || {
            let status = near.get(&format!("/forward-auth{query}")).status;
            assert_eq!(status, refusal.status, "{name}");
        };
        match number % 3 {
            0 => asked(),
            1 => asked_by_proxy(),
            _ => asked_by_pass(),
        }
        asked_by_pass();
        asked_by_proxy();
        asked();
    }
}

/// Ends sessions when the near replica has done this and does not know what came of it; then they are refused. A
/// replica that does not cache them hears of their end, besides, before it knows what it has read of them.
fn ended_after(scene: Scene, operation: &'static str, cached: bool) {
    let Scene { near, far, root } = &scene;
    let (sender, receiver) = mpsc::channel();
    for Way { name, end, path, refusal } in ways() {
        let victim = scene.victim();
        scene.fill_cache(if cached { &victim.token } else { root });
        let client = victim.token.at(near);
        let (sender, near_by, far, root) = (sender.clone(), Arc::clone(near), Arc::clone(far), root.clone());
        near.after(operation, move |_| {
            end(&far, &root, &victim);
            if !cached {
                block_on(near_by.auth().lookup.look_up(Some(root.token()))).unwrap();
            }
            sender.send(()).unwrap();
        });
        let begun_before = client.get(path);
        receiver.try_recv().unwrap_or_else(|_| panic!("{name}: {operation} is not reached"));
        assert_eq!(begun_before.status, 200, "{name}: it was live when it was read: {begun_before:?}");
        let response = client.get(path);
        assert_eq!(response.status, refusal.status, "{name}: {response:?}");
        response.is(refusal);
    }
}

fn what_is_ended_while_a_replica_reads_it_is_refused_from_then_on(database: TestDatabase) {
    ended_after(Scene::set(database), "session_authority", false);
}

fn what_is_ended_while_a_replica_reads_the_changes_is_refused_from_then_on(database: TestDatabase) {
    ended_after(Scene::set(database), "changes_since", true);
}

fn staff_who_lose_their_second_factor_are_shut_out_by_a_replica_that_caches_it(database: TestDatabase) {
    let near = TestApp::with(database, |config| config.policy.staff_factor = StaffFactor::Required);
    let far = near.replica();
    for by_operator in [false, true] {
        let client = far.user(&format!("root{by_operator}"));
        let codes = client.enrol_totp(&far).1.codes;
        block_on(far.operator().account_promote(client.name())).unwrap();
        let client = client.login_by_backup(&codes[0]);
        let at_near = client.at(&near);
        for _ in 0..2 {
            at_near.get(STAFF).expect(200);
        }
        if by_operator {
            block_on(far.operator().factor_reset(client.name())).unwrap();
        } else {
            client.by_backup(&codes[1], "DELETE", "/api/users/me/2fa/all", &json!({})).expect(200);
        }
        at_near.get(STAFF).is(ENDPOINT_REQUIRES_SECOND_FACTOR);
        assert!(at_near.works());
    }
}

fn a_switch_shuts_at_a_replica_that_caches_it_as_off(database: TestDatabase) {
    let scene = Scene::set(database);
    let Scene { near, far, root } = &scene;
    let ada = far.user("ada");
    scene.fill_cache(&ada);
    let (ada, anonymous) = (ada.at(near), near.anonymous());
    let set = |on: bool, switch: KillSwitch, by_operator: bool| {
        if by_operator {
            far.switch(switch, on);
        } else {
            let method = if on { "PUT" } else { "DELETE" };
            let path = format!("/api/killswitches/{}", switch.id());
            root.call(method, &path).json(&json!({"password": PASSWORD})).send().expect(200);
        }
    };
    let login = || anonymous.post("/api/login", &json!({"username": "ada", "password": PASSWORD}));
    for by_operator in [false, true] {
        assert!(ada.works());
        set(true, KillSwitch::Global, by_operator);
        ada.get(ME).is_with(UNAVAILABLE, json!({"feature": 8}));
        login().is_with(UNAVAILABLE, json!({"feature": 8}));
        set(false, KillSwitch::Global, by_operator);
        assert!(ada.works());
        login().expect(201);
        set(true, KillSwitch::AccountLogin, by_operator);
        login().is_with(UNAVAILABLE, json!({"feature": 4}));
        set(false, KillSwitch::AccountLogin, by_operator);
        login().expect(201);
        set(true, KillSwitch::FileCreate, by_operator);
        assert_eq!(ada.get("/forward-auth?switch=FILE_CREATE").status, 503);
        set(false, KillSwitch::FileCreate, by_operator);
        assert_eq!(ada.get("/forward-auth?switch=FILE_CREATE").status, 204);
    }
}

#[track_caller]
fn is_an_outage(response: &Response) {
    assert_eq!((response.status, response.header("retry-after").is_some()), (503, true), "{response:?}");
}

fn what_is_cached_is_not_trusted_while_nobody_knows_what_has_changed(database: TestDatabase) {
    let scene = Scene::set(database);
    let (live, ended) = (scene.victim().token, scene.victim().token);
    for client in [&live, &ended] {
        scene.fill_cache(client);
    }
    scene.near.cut(Cut::Operation("changes_since"));
    ended.delete("/api/users/me/sessions/me").expect(200);
    for path in [ME, STAFF, "/api/user/session", "/forward-auth"] {
        for client in [&live, &ended] {
            is_an_outage(&client.at(&scene.near).get(path));
        }
    }
    // What is read anew is known.
    assert!(live.log_in(live.name()).at(&scene.near).works());
    assert!(scene.near.cut(Cut::Nothing) > 0);
    assert!(live.at(&scene.near).works());
    ended.at(&scene.near).get(ME).is(NOT_AUTHENTICATED);
}

fn what_is_cached_is_trusted_for_as_long_as_the_operator_says(database: TestDatabase) {
    let exact = TestApp::start(database);
    let lax = exact.replica_with(|config| config.cache_settings.max_staleness_millis = 5_000);
    let ada = exact.user("ada");
    let (at_exact, at_lax) = (ada.at(&exact), ada.at(&lax));
    // Read, and then the changes: from now on, it counts.
    for _ in 0..2 {
        assert!(at_lax.works() && at_exact.works());
    }
    ada.delete("/api/users/me/sessions/me").expect(200);
    assert!(!at_exact.works());
    assert!(at_lax.works());
    exact.clock().advance_millis(5_000);
    lax.cut(Cut::Everything);
    assert!(at_lax.works(), "the database is asked before the time is over");
    lax.cut(Cut::Nothing);
    exact.clock().advance_millis(1);
    assert!(!at_lax.works());
    assert!(!at_lax.works());
}
