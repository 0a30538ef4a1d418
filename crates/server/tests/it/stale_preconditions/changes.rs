//! Every change that asks for proof of identity, with something in between the proof and the change that makes it void:
//! it is refused and changes nothing, nor is anything used up.

use std::collections::BTreeSet;
use std::sync::mpsc;

use serde_json::{Value, json};
use thunderhead_domain::audit::{ActionContext, AuditFilter};
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::change_authorization::{ChangeAuthorization, Evidence, Preconditions};
use thunderhead_domain::factor::{FactorChoice, OtherSessions};
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::ports::{AccountName, PageRequest, Storage};
use thunderhead_domain::session::Actor;
use thunderhead_testkit::authenticator::Authenticator;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use super::{action, ban, end_all};
use crate::app::{Client, CodeApp, ORIGIN, PASSWORD, Response, START, TestApp, claims, totp};
use crate::errors::{
    BANNED, ENDPOINT_REQUIRES_SECOND_FACTOR, Expected, INSUFFICIENT_PERMISSIONS, INVALID_PASSWORD, NOT_AUTHENTICATED,
    REFUSED_SECOND_FACTOR,
};

on_both_engines!(
    every_change_that_asks_for_proof_is_listed_here,
    no_change_is_made_on_a_password_that_is_stale,
    no_change_is_made_on_an_answer_that_is_stale,
    no_factor_is_enrolled_on_a_reverification_that_is_stale,
    no_session_is_opened_on_an_answer_that_is_stale,
);

/// A change: its method and path, its body but for the proof, and the operation that carries it out.
type Change = (&'static str, &'static str, Value, &'static str);

/// What is done just before an operation.
type Interlude = Box<dyn FnOnce(&dyn Storage) + Send>;

/// Those that users make to themselves.
fn own() -> Vec<Change> {
    let passwords = json!({"newPassword": "amber quarry lantern 9", "confirmNewPassword": "amber quarry lantern 9"});
    let script = json!({"name": "script", "permissionFlags": 1});
    let me = "/api/users/me";
    vec![
        ("PUT", "/api/users/me/username", json!({"username": "NAME-x"}), "account_rename"),
        ("PUT", "/api/users/me/email", json!({"email": "NAME@example.net"}), "account_readdress"),
        ("PUT", "/api/users/me/password", passwords, "account_set_password"),
        ("DELETE", "/api/users/me/password", json!({}), "account_remove_password"),
        ("DELETE", me, json!({}), "account_delete"),
        ("POST", "/api/users/me/sessions", script, "session_open_from"),
        ("POST", "/api/users/me/2fa/totp", json!({}), "challenge_create_for"),
        ("POST", "/api/users/me/2fa/webauthn", json!({}), "challenge_create_for"),
        ("POST", "/api/users/me/2fa/passkey", json!({}), "challenge_create_for"),
        ("POST", "/api/users/me/2fa/backup", json!({}), "backup_codes_renew"),
        ("DELETE", "/api/users/me/2fa/FACTOR", json!({}), "factor_remove"),
        ("DELETE", "/api/users/me/2fa", json!({"ids": ["FACTOR"]}), "factor_remove"),
        ("DELETE", "/api/users/me/2fa/all", json!({}), "factor_remove"),
    ]
}

/// Those that staff make to somebody who has a factor.
fn by_staff() -> Vec<Change> {
    let passwords = json!({"newPassword": "amber quarry lantern 9", "confirmNewPassword": "amber quarry lantern 9"});
    vec![
        ("PUT", "/api/users/TARGET/ban", json!({}), "account_ban"),
        ("DELETE", "/api/users/TARGET/ban", json!({}), "account_unban"),
        ("PUT", "/api/users/TARGET/verify", json!({}), "account_set_verified"),
        ("DELETE", "/api/users/TARGET/verify", json!({}), "account_set_verified"),
        ("PUT", "/api/users/TARGET/username", json!({"username": "NAME-x"}), "account_rename"),
        ("PUT", "/api/users/TARGET/email", json!({"email": "NAME@example.net"}), "account_readdress"),
        ("PUT", "/api/users/TARGET/password", passwords, "account_set_password"),
        ("PUT", "/api/users/TARGET/staff", json!({}), "account_set_staff"),
        ("DELETE", "/api/users/TARGET/staff", json!({}), "account_set_staff"),
        ("DELETE", "/api/users/TARGET", json!({}), "account_delete"),
        ("DELETE", "/api/users", json!({"ids": ["TARGET"]}), "account_delete_some"),
        ("DELETE", "/api/users/TARGET/2fa/FACTOR", json!({}), "factor_remove"),
        ("DELETE", "/api/users/TARGET/2fa", json!({"ids": ["FACTOR"]}), "factor_remove"),
        ("DELETE", "/api/users/TARGET/2fa/all", json!({}), "factor_remove"),
        ("PUT", "/api/killswitches/6", json!({}), "switch_set"),
        ("DELETE", "/api/killswitches/6", json!({}), "switch_set"),
        ("DELETE", "/api/killswitches", json!({}), "switch_clear"),
    ]
}

/// What happens in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    SessionEnds,
    PasswordChanges,
    UserIsBanned,
    StaffIsDemoted,
    FactorsAreRemoved,
    CodeIsUsed,
}

/// Somebody who makes a change, or logs in.
struct Caller {
    client: Client,
    phone: Option<CodeApp>,
}

impl Caller {
    fn new(app: &TestApp, staff: bool, with_factor: bool) -> Self {
        let name = format!("caller{}", app.number());
        let client = if staff { app.staff(&name) } else { app.user(&name) };
        let phone = with_factor.then(|| client.enrol_totp(app).0);
        Self { client, phone }
    }

    /// The code that is shown, in a step that no other was shown in.
    fn code(&self, app: &TestApp) -> Option<String> {
        self.phone.as_ref().map(|phone| phone.code(app, 1))
    }

    fn session(&self) -> SessionUuid {
        SessionUuid(claims(self.client.token())["jti"].as_str().unwrap().parse().unwrap())
    }

    /// What is done to them just before an operation.
    fn suffer(&self, app: &TestApp, other: &TestApp, meanwhile: Meanwhile) -> Interlude {
        let (user, session) = (self.client.user_id(), self.session());
        match meanwhile {
            Meanwhile::SessionEnds => Box::new(move |storage| end_all(storage, user)),
            Meanwhile::UserIsBanned => Box::new(move |storage| ban(storage, user)),
            Meanwhile::PasswordChanges => Box::new(move |storage| change_password(storage, user, session)),
            Meanwhile::StaffIsDemoted => Box::new(move |storage| {
                block_on(storage.account_set_staff(user, false, action().into())).unwrap().unwrap();
            }),
            Meanwhile::FactorsAreRemoved => Box::new(move |storage| {
                block_on(storage.factor_remove(user, FactorChoice::All, OtherSessions::Stay, action().into()))
                    .unwrap()
                    .unwrap();
            }),
            Meanwhile::CodeIsUsed => {
                let (anonymous, code) = (other.anonymous(), self.code(app).unwrap());
                let challenge = anonymous.login_challenged(self.client.name());
                Box::new(move |_| drop(anonymous.answer_login(&totp(&challenge, &code)).expect(201)))
            }
        }
    }
}

/// The user changes the password by the session at hand, so that it lives on.
fn change_password(storage: &dyn Storage, user: UserId, session: SessionUuid) {
    let (_, credential) = block_on(storage.account_credential(AccountName::Id(user))).unwrap().unwrap();
    let action = ActionContext { at: START, by: Actor::User(user), client_ip: None };
    let preconditions = Preconditions { user, session, staff: None, evidence: Evidence::Nothing };
    let authorization = ChangeAuthorization { action, preconditions: Some(preconditions) };
    block_on(storage.account_set_password(user, credential.password, authorization)).unwrap().unwrap();
}

/// All that a change could have changed.
fn everything(storage: &dyn Storage, users: &[UserId]) -> String {
    let page = PageRequest { limit: 1_000, offset: 0 };
    let of_user = |user: &UserId| {
        block_on(async {
            let account = storage.account_credential(AccountName::Id(*user)).await.unwrap();
            let account = account.map(|(user, credential)| (user, credential.version));
            let factors = (storage.factor_page(*user, page).await.unwrap(), storage.factor_keys(*user).await.unwrap());
            format!("{account:?} {factors:?} {:?}", storage.session_page(*user, page, START).await.unwrap())
        })
    };
    let users: Vec<String> = users.iter().map(of_user).collect();
    let trail = block_on(storage.audit_page(AuditFilter::default(), PageRequest { limit: 0, offset: 0 })).unwrap();
    format!("{users:?} {:?} {}", block_on(storage.switches()).unwrap(), trail.count)
}

/// Makes a request in whose midst something happens; demands that it is refused and that nothing else changes.
fn refused(
    app: &TestApp,
    operation: &'static str,
    meanwhile: Interlude,
    users: Vec<UserId>,
    request: impl FnOnce() -> Response,
    (expected, what): (Expected, &str),
) {
    let (sender, receiver) = mpsc::channel();
    let concerned = users.clone();
    app.before(operation, move |storage| {
        meanwhile(storage);
        sender.send(everything(storage, &concerned)).unwrap();
    });
    let response = request();
    let before = receiver.try_recv().unwrap_or_else(|_| panic!("{what}: {operation} is not reached: {response:?}"));
    assert_eq!(response.status, expected.status, "{what}: {response:?}");
    response.is(expected);
    assert_eq!(everything(app.storage(), &users), before, "{what}");
}

fn every_change_that_asks_for_proof_is_listed_here(database: TestDatabase) {
    let app = TestApp::start(database);
    let document = app.anonymous().get("/openapi.json").expect(200);
    let mut proved = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let shapes = schema["oneOf"].as_array().into_iter().flatten();
            let mut shapes = shapes.filter_map(|shape| document.pointer(shape["$ref"].as_str()?.strip_prefix('#')?));
            if shapes.any(|shape| shape["properties"].get("2fa").is_some()) {
                proved.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    let listed = own().into_iter().chain(by_staff()).map(|(method, path, ..)| {
        let path = path.replace("TARGET", "{uid}").replace("FACTOR", "{fid}").replace("switches/6", "switches/{id}");
        format!("{method} {path}")
    });
    let logins = ["POST /api/login", "POST /api/user/session", "POST /api/session"].map(str::to_owned);
    let listed: BTreeSet<String> = listed.chain(logins).collect();
    assert_eq!(listed, proved);
}

/// Lists all changes: each by a new caller, to somebody with a factor, to whom nothing happens.
fn walk(database: TestDatabase, with_factor: bool, cases: &[(Meanwhile, Expected)]) {
    let app = TestApp::with(database, |config| {
        config.policy.staff_factor = if with_factor { StaffFactor::Required } else { StaffFactor::Waived };
    });
    let replica = app.replica();
    let target = app.spare();
    let (_, enrolled) = target.enrol_totp(&app);
    let changes = own().into_iter().map(|change| (change, false)).chain(by_staff().into_iter().map(|one| (one, true)));
    for ((method, path, body, operation), staff) in changes {
        for (meanwhile, expected) in cases {
            let staff_alone = matches!(meanwhile, Meanwhile::StaffIsDemoted | Meanwhile::FactorsAreRemoved);
            if staff_alone && !staff {
                continue;
            }
            let caller = Caller::new(&app, staff, with_factor);
            let own = caller.client.get("/api/users/me/2fa").expect(200)["items"][0]["id"].clone();
            let factor = own.as_str().filter(|_| !staff).unwrap_or(&enrolled.id).to_owned();
            let named = |text: &str| {
                let text = text.replace("TARGET", target.id()).replace("FACTOR", &factor);
                text.replace("NAME", caller.client.name())
            };
            let (path, body) = (named(path), serde_json::from_str::<Value>(&named(&body.to_string())).unwrap());
            let what = format!("{method} {path} {meanwhile:?}");
            let answer = caller.code(&app).map(|code| totp(&caller.client.challenged(method, &path, &body), &code));
            let request = || match &answer {
                Some(answer) => caller.client.answer(method, &path, &body, answer),
                None => {
                    let mut body = body.clone();
                    body["password"] = json!(PASSWORD);
                    caller.client.call(method, &path).json(&body).send()
                }
            };
            let act = caller.suffer(&app, &replica, *meanwhile);
            let users = vec![caller.client.user_id(), target.user_id()];
            refused(&app, operation, act, users, request, (*expected, &what));
        }
    }
}

fn no_change_is_made_on_a_password_that_is_stale(database: TestDatabase) {
    let cases = [
        (Meanwhile::SessionEnds, NOT_AUTHENTICATED),
        (Meanwhile::PasswordChanges, INVALID_PASSWORD),
        (Meanwhile::UserIsBanned, BANNED),
        (Meanwhile::StaffIsDemoted, INSUFFICIENT_PERMISSIONS),
    ];
    walk(database, false, &cases);
}

fn no_change_is_made_on_an_answer_that_is_stale(database: TestDatabase) {
    let cases = [
        (Meanwhile::SessionEnds, NOT_AUTHENTICATED),
        (Meanwhile::PasswordChanges, REFUSED_SECOND_FACTOR),
        (Meanwhile::UserIsBanned, BANNED),
        (Meanwhile::CodeIsUsed, REFUSED_SECOND_FACTOR),
        (Meanwhile::StaffIsDemoted, INSUFFICIENT_PERMISSIONS),
        (Meanwhile::FactorsAreRemoved, ENDPOINT_REQUIRES_SECOND_FACTOR),
    ];
    walk(database, true, &cases);
}

fn no_factor_is_enrolled_on_a_reverification_that_is_stale(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    for (meanwhile, expected) in [
        (Meanwhile::SessionEnds, NOT_AUTHENTICATED),
        (Meanwhile::PasswordChanges, REFUSED_SECOND_FACTOR),
        (Meanwhile::UserIsBanned, BANNED),
        // Here: the offer's own.
        (Meanwhile::CodeIsUsed, REFUSED_SECOND_FACTOR),
    ] {
        for kind in ["totp", "webauthn"] {
            let caller = Caller::new(&app, false, false);
            let offer = caller.client.offer(kind);
            let code = if kind == "totp" { offer.code_app().code(&app, 0) } else { String::new() };
            let response = match kind {
                "totp" => Value::Null,
                _ => Authenticator::default().register(&offer.body, ORIGIN),
            };
            let body = json!({"token": offer.token, "name": "x", "code": code, "response": response});
            let path = format!("/api/users/me/2fa/{kind}/confirm");
            let elsewhere = (caller.client.at(&replica), path.clone(), body.clone());
            let act: Interlude = match meanwhile {
                Meanwhile::CodeIsUsed => {
                    let (client, path, body) = elsewhere;
                    Box::new(move |_| drop(client.post(&path, &body).expect(201)))
                }
                _ => caller.suffer(&app, &replica, meanwhile),
            };
            let what = format!("{kind} {meanwhile:?}");
            let users = vec![caller.client.user_id()];
            refused(&app, "factor_add", act, users, || caller.client.post(&path, &body), (expected, &what));
        }
    }
}

fn no_session_is_opened_on_an_answer_that_is_stale(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    for (meanwhile, expected) in [
        (Meanwhile::PasswordChanges, INVALID_PASSWORD),
        (Meanwhile::UserIsBanned, BANNED),
        (Meanwhile::CodeIsUsed, REFUSED_SECOND_FACTOR),
        (Meanwhile::FactorsAreRemoved, REFUSED_SECOND_FACTOR),
    ] {
        let caller = Caller::new(&app, false, true);
        let challenge = app.anonymous().login_challenged(caller.client.name());
        let answer = totp(&challenge, &caller.code(&app).unwrap());
        let act = caller.suffer(&app, &replica, meanwhile);
        let request = || app.anonymous().answer_login(&answer);
        let users = vec![caller.client.user_id()];
        refused(&app, "session_open", act, users, request, (expected, &format!("{meanwhile:?}")));
    }
}
