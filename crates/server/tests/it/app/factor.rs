//! Second factors in the hands of users: authenticator apps and security keys, and the calls that ask for them.

use serde_json::{Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::authenticator::Authenticator;
use totp_rs::{Builder, Secret, Totp};

use super::{Client, ORIGIN, PASSWORD, Response, TestApp};
use crate::errors::CHALLENGE_REQUIRED;

/// The path of one's own factors.
const FACTORS: &str = "/api/users/me/2fa";
/// Seconds in a step of an authenticator app.
const STEP: i64 = 30;

/// An authenticator app with one secret.
#[derive(Clone)]
pub(crate) struct CodeApp(Totp);

impl CodeApp {
    /// With the secret as people type it.
    pub(crate) fn new(base32: &str) -> Self {
        Self(Builder::new().with_secret(Secret::try_from_base32(base32).expect("base32")).build_noncompliant())
    }

    /// The code of the step that is so many away from the present one.
    pub(crate) fn code(&self, app: &TestApp, steps: i64) -> String {
        self.code_at(app.seconds(), steps)
    }

    /// The code of the step that is so many away from the one of a second.
    pub(crate) fn code_at(&self, second: i64, steps: i64) -> String {
        self.0.generate(u64::try_from(second + steps * STEP).expect("a time after 1970")).to_string()
    }

    /// A code that was never shown before: a step passes.
    pub(crate) fn fresh_code(&self, app: &TestApp) -> String {
        app.clock().advance_seconds(STEP);
        self.code(app, 0)
    }
}

/// A factor that waits to be confirmed.
pub(crate) struct Offer {
    pub(crate) token: String,
    pub(crate) body: Value,
}

/// A factor that stands.
pub(crate) struct Enrolled {
    pub(crate) id: String,
    /// The backup codes, with the first factor.
    pub(crate) codes: Vec<String>,
}

/// An answer by an authenticator app.
pub(crate) fn totp(challenge: &Value, code: &str) -> Value {
    json!({"token": challenge["token"], "type": "totp", "code": code})
}

/// An answer by a backup code.
pub(crate) fn backup(challenge: &Value, code: &str) -> Value {
    json!({"token": challenge["token"], "type": "backup", "code": code})
}

/// An answer by a security key.
pub(crate) fn assertion(challenge: &Value, key: &mut Authenticator) -> Value {
    let response = key.assert(&challenge["challenge"], ORIGIN);
    json!({"token": challenge["token"], "type": "webauthn", "response": response})
}

/// A passkey's answer.
pub(crate) fn passkey(challenge: &Value, key: &mut Authenticator) -> Value {
    json!({"token": challenge["token"], "response": key.assert(&challenge["challenge"], ORIGIN)})
}

impl Client {
    /// A challenge to whichever passkey there is.
    #[track_caller]
    pub(crate) fn passkey_challenge(&self) -> Value {
        self.call("POST", "/api/login/passkey").send().expect(200)
    }

    /// A login by a passkey's answer.
    pub(crate) fn login_by_passkey(&self, answer: &Value) -> Response {
        self.post("/api/login", &json!({"passkey": answer}))
    }

    /// The challenge that the right password earns at an endpoint that asks for identity.
    #[track_caller]
    pub(crate) fn challenged(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut body = body.clone();
        body["password"] = json!(PASSWORD);
        challenge(&self.call(method, path).json(&body).send())
    }

    /// The challenge that the right password earns at login.
    #[track_caller]
    pub(crate) fn login_challenged(&self, name: &str) -> Value {
        challenge(&self.post("/api/login", &json!({"username": name, "password": PASSWORD})))
    }

    /// Repeats a call with an answer in the password's place.
    pub(crate) fn answer(&self, method: &str, path: &str, body: &Value, answer: &Value) -> Response {
        let mut body = body.clone();
        body["2fa"] = answer.clone();
        self.call(method, path).json(&body).send()
    }

    /// The same at login, by nobody.
    pub(crate) fn answer_login(&self, answer: &Value) -> Response {
        self.post("/api/login", &json!({"2fa": answer}))
    }

    /// Makes a call that asks for identity, and proves it with the password and a backup code.
    pub(crate) fn by_backup(&self, code: &str, method: &str, path: &str, body: &Value) -> Response {
        let challenge = self.challenged(method, path, body);
        self.answer(method, path, body, &backup(&challenge, code))
    }

    /// Logs the user in with the password and a backup code.
    pub(crate) fn login_by_backup(&self, code: &str) -> Self {
        let anonymous = self.without_token();
        let challenge = anonymous.login_challenged(self.name());
        let response = anonymous.answer_login(&backup(&challenge, code));
        response.expect(201);
        self.with_token(&response.token())
    }

    /// A client of the same user with a scoped session, by a backup code.
    pub(crate) fn scoped_by_backup(&self, scopes: &[Scope], code: &str) -> Self {
        let flags: u32 = scopes.iter().map(|scope| scope.bit()).sum();
        let body = json!({"name": "script", "permissionFlags": flags});
        let response = self.by_backup(code, "POST", "/api/users/me/sessions", &body);
        response.expect(201);
        self.with_token(&response.token())
    }

    /// Asks for a first factor of this kind.
    pub(crate) fn offer(&self, kind: &str) -> Offer {
        Offer::of(&self.post(&format!("{FACTORS}/{kind}"), &json!({"password": PASSWORD})))
    }

    /// Asks for a further factor of this kind, and proves identity with a backup code.
    pub(crate) fn offer_by_backup(&self, kind: &str, code: &str) -> Offer {
        Offer::of(&self.by_backup(code, "POST", &format!("{FACTORS}/{kind}"), &json!({})))
    }

    /// Confirms an authenticator app.
    pub(crate) fn confirm_totp(&self, offer: &Offer, code: &str) -> Response {
        let body = json!({"token": offer.token, "name": "My phone", "code": code});
        self.post(&format!("{FACTORS}/totp/confirm"), &body)
    }

    /// Confirms a security key.
    pub(crate) fn confirm_webauthn(&self, offer: &Offer, response: &Value) -> Response {
        let body = json!({"token": offer.token, "name": "My key", "response": response});
        self.post(&format!("{FACTORS}/webauthn/confirm"), &body)
    }

    /// Enrols an authenticator app as the first factor. Its present code is thereby used.
    pub(crate) fn enrol_totp(&self, app: &TestApp) -> (CodeApp, Enrolled) {
        let offer = self.offer("totp");
        let phone = offer.code_app();
        let enrolled = Enrolled::of(&self.confirm_totp(&offer, &phone.code(app, 0)));
        (phone, enrolled)
    }

    /// Enrols a security key as the first factor.
    pub(crate) fn enrol_webauthn(&self, key: &mut Authenticator) -> Enrolled {
        let offer = self.offer("webauthn");
        Enrolled::of(&self.confirm_webauthn(&offer, &key.register(&offer.body, ORIGIN)))
    }

    /// Enrols a passkey as the first factor.
    pub(crate) fn enrol_passkey(&self, key: &mut Authenticator) -> Enrolled {
        let offer = self.offer("passkey");
        Enrolled::of(&self.confirm_passkey(&offer, &key.register(&offer.body, ORIGIN)))
    }

    /// Enrols a passkey beside another factor.
    pub(crate) fn enrol_passkey_by_backup(&self, key: &mut Authenticator, code: &str) -> Enrolled {
        let offer = self.offer_by_backup("passkey", code);
        Enrolled::of(&self.confirm_passkey(&offer, &key.register(&offer.body, ORIGIN)))
    }

    /// Confirms a passkey.
    pub(crate) fn confirm_passkey(&self, offer: &Offer, response: &Value) -> Response {
        let body = json!({"token": offer.token, "name": "My passkey", "response": response});
        self.post(&format!("{FACTORS}/passkey/confirm"), &body)
    }

    /// Enrols a security key beside another factor.
    pub(crate) fn enrol_webauthn_by_backup(&self, key: &mut Authenticator, code: &str) -> Enrolled {
        let offer = self.offer_by_backup("webauthn", code);
        Enrolled::of(&self.confirm_webauthn(&offer, &key.register(&offer.body, ORIGIN)))
    }

    /// How many factors the user has.
    pub(crate) fn factor_count(&self) -> Value {
        self.get(FACTORS).expect(200)["count"].clone()
    }
}

#[track_caller]
fn challenge(response: &Response) -> Value {
    let body = response.expect(CHALLENGE_REQUIRED.status);
    assert_eq!(body["code"], CHALLENGE_REQUIRED.code, "{body}");
    body
}

impl Offer {
    fn of(response: &Response) -> Self {
        let body = response.expect(200);
        Self { token: response.token(), body }
    }

    /// The app that was told the secret.
    pub(crate) fn code_app(&self) -> CodeApp {
        CodeApp::new(self.body["secret"].as_str().expect("a secret"))
    }
}

impl Enrolled {
    fn of(response: &Response) -> Self {
        let body = response.expect(201);
        let codes = body["codes"].as_array().into_iter().flatten();
        let codes = codes.map(|code| code.as_str().expect("a code").to_owned()).collect();
        Self { id: body["id"].as_str().expect("an id").to_owned(), codes }
    }
}
