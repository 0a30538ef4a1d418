//! Every kind of secret at every kind of door: none opens another's (`docs/MODEL.md`, *Tokens*).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use thunderhead_domain::id::SessionUuid;
use thunderhead_domain::scope::Scope;
use thunderhead_domain::service::EventAccess;
use thunderhead_testkit::authenticator::Authenticator;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, CodeApp, Cut, Enrolled, ORIGIN, Offer, PASSWORD, Response, TestApp, backup, claims, totp};
use crate::credentials::{OPAQUE, by_cookie, open};
use crate::errors::CHALLENGE_REQUIRED;
use crate::forward_auth::before_applications;
use crate::kratos;
use crate::pages::browser::PASS;
use crate::revoke::revoke;

on_both_engines!(no_kind_of_secret_opens_the_door_of_another);

const RENAME: &str = "/api/users/me/username";

/// Where a secret may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Authorization,
    AuthenticatedSession,
    Cookie,
    /// The session of a staff endpoint's caller.
    StaffEndpoint,
    ForwardAuth,
    /// The cookie that a browser shows to applications.
    Pass,
    /// The token that a service asks about.
    Introspection,
    /// The secret that a service shows.
    ServiceSecret,
    /// The challenge that a login answers.
    Login,
    /// The challenge that a change of the account answers.
    Reverification,
    /// The code that answers a challenge.
    BackupCode,
    TotpCode,
    Password,
    TotpConfirmation,
    WebauthnConfirmation,
    /// The challenge that a passkey answers to log in.
    PasskeyLogin,
    /// The challenge that a passkey answers to change the account.
    PasskeyReverification,
    /// `Authorization` at the legacy dialect.
    LegacySession,
    /// The challenge that a login of the legacy dialect answers.
    LegacyLogin,
    /// `X-Session-Token` at the Kratos dialect.
    SessionToken,
    /// The session of a staff endpoint's caller at the Kratos dialect.
    Admin,
    /// The flow that a login is submitted to.
    Flow,
    /// The fields of such a submission.
    FlowPassword,
    FlowTotpCode,
    FlowLookupSecret,
    /// The session that a native client gives up.
    NativeLogout,
    /// The same of whoever has the token; what is no token is not told from one.
    Revocation,
    /// The link that a browser follows to log out.
    BrowserLogout,
}

impl Door {
    const ALL: [Self; 28] = [
        Self::Authorization,
        Self::AuthenticatedSession,
        Self::Cookie,
        Self::StaffEndpoint,
        Self::ForwardAuth,
        Self::Pass,
        Self::Introspection,
        Self::ServiceSecret,
        Self::Login,
        Self::Reverification,
        Self::BackupCode,
        Self::TotpCode,
        Self::Password,
        Self::TotpConfirmation,
        Self::WebauthnConfirmation,
        Self::PasskeyLogin,
        Self::PasskeyReverification,
        Self::LegacySession,
        Self::LegacyLogin,
        Self::SessionToken,
        Self::Admin,
        Self::Flow,
        Self::FlowPassword,
        Self::FlowTotpCode,
        Self::FlowLookupSecret,
        Self::NativeLogout,
        Self::Revocation,
        Self::BrowserLogout,
    ];
    /// Those of an ordinary session of staff.
    const SESSION: [Self; 11] = [
        Self::Authorization,
        Self::AuthenticatedSession,
        Self::Cookie,
        Self::StaffEndpoint,
        Self::ForwardAuth,
        Self::Introspection,
        Self::LegacySession,
        Self::SessionToken,
        Self::Admin,
        Self::NativeLogout,
        Self::Revocation,
    ];
    /// Those of a scoped session that may nothing of what is behind the others.
    const SCOPED: [Self; 5] =
        [Self::ForwardAuth, Self::Introspection, Self::SessionToken, Self::NativeLogout, Self::Revocation];

    /// What the storage is asked last where a secret would be spent, or a session ended, by opening the door. It
    /// refuses, so that the secret is there for other doors.
    const fn last_operation(self) -> Option<&'static str> {
        match self {
            Self::LegacyLogin => Some("session_open"),
            Self::FlowTotpCode | Self::FlowLookupSecret => Some("session_step_up"),
            Self::NativeLogout | Self::Revocation | Self::BrowserLogout => Some("session_end"),
            _ => None,
        }
    }
}

/// A staff member with a phone, and everything that is secret about them.
struct Holder {
    app: TestApp,
    root: Client,
    phone: CodeApp,
    key: Authenticator,
    codes: Vec<String>,
    totp_offer: Offer,
    webauthn_offer: Offer,
    passkey: Authenticator,
    asked_to_log_in: Value,
    asked_to_rename: Value,
    service: String,
}

impl Holder {
    fn new(database: TestDatabase) -> Self {
        let app = before_applications(database);
        let root = app.staff("root");
        let service = block_on(app.operator().service_create("shop", EventAccess::Denied)).unwrap().expose().to_owned();
        let (phone, Enrolled { codes, .. }) = root.enrol_totp(&app);
        let totp_offer = root.offer_by_backup("totp", &codes[0]);
        let webauthn_offer = root.offer_by_backup("webauthn", &codes[1]);
        let mut passkey = Authenticator::default();
        root.enrol_passkey_by_backup(&mut passkey, &codes[6]);
        let asked_to_log_in = app.anonymous().passkey_challenge();
        let rename = json!({"username": "root", "passkey": {}});
        let asked_to_rename = root.put(RENAME, &rename).expect(CHALLENGE_REQUIRED.status);
        Self {
            app,
            root,
            phone,
            key: Authenticator::default(),
            codes,
            totp_offer,
            webauthn_offer,
            passkey,
            asked_to_log_in,
            asked_to_rename,
            service,
        }
    }

    /// Shows a secret at a door, with everything else as it should be; returns whether it opened.
    fn opens(&mut self, door: Door, secret: &str) -> bool {
        let (app, root) = (&self.app, &self.root);
        let shown = root.with_token(secret);
        let question = app.anonymous().call("POST", "/introspect");
        let form = "application/x-www-form-urlencoded";
        let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("shop:{secret}")));
        let rename = json!({"username": "root"});
        let code = self.phone.code(app, 1);
        // Some of these doors count what is wrong.
        block_on(app.operator().account_unlock(root.name())).unwrap();
        let token = json!({"token": secret});
        // A space is no part of an address.
        let in_query = secret.replace(' ', "+");
        let step_up = |body: &Value| {
            let pending = kratos::enter(app, "root");
            kratos::show(&pending, &kratos::second_step(&pending), body)
        };
        app.cut(door.last_operation().map_or(Cut::Nothing, Cut::Operation));
        let answer: Response = match door {
            Door::Authorization => shown.get("/api/users/me"),
            Door::AuthenticatedSession => root.with_token(&format!("Bearer {secret}")).get("/api/users/me"),
            Door::Cookie => by_cookie(&shown, app, "GET", "/api/users/me").send(),
            Door::StaffEndpoint => shown.get("/api/users"),
            Door::ForwardAuth => shown.get("/forward-auth"),
            Door::Pass => {
                let question = app.anonymous().call("GET", "/forward-auth").header("X-Forwarded-Method", "GET");
                question.header("Cookie", &format!("{PASS}={secret}")).send()
            }
            Door::Introspection => {
                let asked =
                    question.header("Authorization", &basic(&self.service)).body(form, format!("token={secret}"));
                return asked.send().expect(200)["active"] == true;
            }
            Door::ServiceSecret => question.header("Authorization", &basic(secret)).body(form, "token=x").send(),
            Door::Login => app.anonymous().answer_login(&totp(&token, &code)),
            Door::Reverification => root.answer("PUT", RENAME, &rename, &totp(&token, &code)),
            Door::BackupCode => {
                let challenge = app.anonymous().login_challenged("root");
                app.anonymous().answer_login(&backup(&challenge, secret))
            }
            Door::TotpCode => {
                let challenge = app.anonymous().login_challenged("root");
                app.anonymous().answer_login(&totp(&challenge, secret))
            }
            Door::Password => {
                let first = app.anonymous().post("/api/login", &json!({"username": "root", "password": secret}));
                return first.json()["code"] == CHALLENGE_REQUIRED.code;
            }
            Door::TotpConfirmation => {
                let code = self.totp_offer.code_app().code(app, 0);
                root.post("/api/users/me/2fa/totp/confirm", &json!({"token": secret, "name": "x", "code": code}))
            }
            Door::WebauthnConfirmation => {
                let response = self.key.register(&self.webauthn_offer.body, ORIGIN);
                let body = json!({"token": secret, "name": "x", "response": response});
                root.post("/api/users/me/2fa/webauthn/confirm", &body)
            }
            Door::PasskeyLogin => {
                let response = self.passkey.assert(&self.asked_to_log_in["challenge"], ORIGIN);
                app.anonymous().login_by_passkey(&json!({"token": secret, "response": response}))
            }
            Door::PasskeyReverification => {
                let response = self.passkey.assert(&self.asked_to_rename["challenge"], ORIGIN);
                let passkey = json!({"token": secret, "response": response});
                root.put(RENAME, &json!({"username": "root", "passkey": passkey}))
            }
            Door::LegacySession => shown.get("/api/user/session"),
            Door::LegacyLogin => app.anonymous().post("/api/user/session", &json!({"2fa": totp(&token, &code)})),
            Door::SessionToken => {
                app.anonymous().call("GET", "/auth/sessions/whoami").header("X-Session-Token", secret).send()
            }
            Door::Admin => shown.get("/auth/admin/sessions"),
            Door::Flow => kratos::submission(app, &in_query, &kratos::password("root")).send(),
            Door::FlowPassword => {
                let body = json!({"method": "password", "identifier": "root", "password": secret});
                kratos::submission(app, &kratos::begin(app, "api", ""), &body).send()
            }
            Door::FlowTotpCode => step_up(&kratos::totp(secret)),
            Door::FlowLookupSecret => step_up(&kratos::lookup_secret(secret)),
            Door::NativeLogout => {
                app.anonymous().delete_with("/auth/self-service/logout/api", &json!({"session_token": secret}))
            }
            Door::Revocation => revoke(app, secret),
            Door::BrowserLogout => root.get(&format!("/auth/self-service/logout?token={in_query}")),
        };
        let was_reached = app.cut(Cut::Nothing) > 0;
        if door == Door::Revocation && !was_reached {
            assert_eq!(answer.status, 200);
            return false;
        }
        match answer.status {
            200 | 201 | 204 => true,
            503 if was_reached => true,
            400 | 401 | 403 => false,
            404 if door == Door::Flow => false,
            _ => panic!("{door:?}: {answer:?}"),
        }
    }
}

/// Every secret, by its name, with the doors that it is for.
fn secrets(holder: &mut Holder) -> Vec<(&'static str, String, Vec<Door>)> {
    let Holder { app, root, codes, .. } = &*holder;
    let text = |value: &Value| value["token"].as_str().unwrap().to_owned();
    let uuid = |client: &Client| SessionUuid(claims(client.token())["jti"].as_str().unwrap().parse().unwrap());
    let scoped = root.scoped_by_backup(&[Scope::UploadFile], &codes[2]);
    open(app, root.user_id(), OPAQUE, false);
    let ended = root.login_by_backup(&codes[3]);
    ended.delete("/api/users/me/sessions/me").expect(200);
    let pending = kratos::enter(app, "root");
    let (session, other) = (uuid(root), uuid(&scoped));
    let row = block_on(app.storage().session_find_any(session)).unwrap().unwrap();
    let pass = block_on(app.auth().passes.give(&row)).unwrap().unwrap();
    let secret = holder.totp_offer.body["secret"].as_str().unwrap().to_owned();
    vec![
        ("session", root.token().to_owned(), Door::SESSION.to_vec()),
        // What is over may be given up once more.
        ("ended session", ended.token().to_owned(), vec![Door::NativeLogout, Door::Revocation]),
        ("scoped session", scoped.token().to_owned(), Door::SCOPED.to_vec()),
        ("opaque token", OPAQUE.to_owned(), Door::SESSION.to_vec()),
        ("TOTP enrolment", holder.totp_offer.token.clone(), vec![Door::TotpConfirmation]),
        ("WebAuthn enrolment", holder.webauthn_offer.token.clone(), vec![Door::WebauthnConfirmation]),
        ("challenge to passkeys", text(&holder.asked_to_log_in), vec![Door::PasskeyLogin]),
        ("challenge to one's own passkeys", text(&holder.asked_to_rename), vec![Door::PasskeyReverification]),
        ("TOTP code", holder.phone.code(app, 1), vec![Door::FlowTotpCode, Door::TotpCode]),
        ("login challenge", text(&app.anonymous().login_challenged("root")), vec![Door::LegacyLogin, Door::Login]),
        (
            "reverification challenge",
            text(&root.challenged("PUT", RENAME, &json!({"username": "root"}))),
            vec![Door::Reverification],
        ),
        ("backup code", codes[4].clone(), vec![Door::FlowLookupSecret, Door::BackupCode]),
        ("backup code without hyphens", codes[5].replace('-', ""), vec![Door::FlowLookupSecret, Door::BackupCode]),
        ("TOTP secret", secret, vec![]),
        ("pass", pass.expose().to_owned(), vec![Door::Pass]),
        ("service secret", holder.service.clone(), vec![Door::ServiceSecret]),
        ("logout token", app.auth().flows.logout_token(session), vec![Door::BrowserLogout]),
        ("another session's logout token", app.auth().flows.logout_token(other), vec![]),
        ("login flow", kratos::begin(app, "api", ""), vec![Door::Flow]),
        ("login flow of a second step", kratos::second_step(&pending), vec![]),
        (
            "opaque token whose second factor is pending",
            pending.token.clone(),
            vec![Door::NativeLogout, Door::Revocation],
        ),
        ("session uuid", session.0.to_string(), vec![]),
        ("password", PASSWORD.to_owned(), vec![Door::Password, Door::FlowPassword]),
    ]
}

fn no_kind_of_secret_opens_the_door_of_another(database: TestDatabase) {
    let mut holder = Holder::new(database);
    let secrets = secrets(&mut holder);
    for (kind, secret, own) in &secrets {
        for door in Door::ALL.into_iter().filter(|door| !own.contains(door)) {
            assert!(!holder.opens(door, secret), "{kind} at {door:?}");
        }
    }
    // That was no fault of the doors, nor has it spent anything.
    for (kind, secret, own) in &secrets {
        if own.iter().any(|door| matches!(door, Door::Login | Door::Reverification)) {
            // These need a code that was not used.
            holder.app.clock().advance_seconds(30);
        }
        for door in own {
            assert!(holder.opens(*door, secret), "{kind} at {door:?}");
        }
    }
}
