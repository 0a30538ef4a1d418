//! Requests that need another one before them: answers to challenges and offers, and the ends of accounts that hold
//! very much.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::callers::{CallerKind, Callers, GOOD_PASSWORD, ORIGIN, TestAccount, backup, offered, send};
use super::texts::{Named, filled};
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::requests::log_in;

/// Bytes that fit into a body when they are written as base64.
const BYTES: usize = 36_000;
/// The id of the security key that the full account has.
const CREDENTIAL: [u8; 32] = [7; 32];

type Make = dyn Fn(&mut Callers) -> Result<Request>;

/// One request that is made anew each time.
pub(super) struct Ceremony {
    pub(super) endpoint: &'static str,
    pub(super) caller: &'static str,
    pub(super) input: String,
    /// Whether its cost has a bound. That of ending everybody's sessions is in their number, not in what is sent.
    pub(super) is_bounded: bool,
    make: Box<Make>,
}

impl Ceremony {
    fn new(
        endpoint: &'static str,
        caller: &'static str,
        input: impl Into<String>,
        make: impl Fn(&mut Callers) -> Result<Request> + 'static,
    ) -> Self {
        Self { endpoint, caller, input: input.into(), is_bounded: true, make: Box::new(make) }
    }

    /// Does what comes before, and returns the request itself.
    pub(super) fn request(&self, callers: &mut Callers) -> Result<Request> {
        (self.make)(callers)
    }
}

/// Those that can be repeated.
pub(super) fn all() -> Vec<Ceremony> {
    let full = CallerKind::Full.name();
    let mut ceremonies = vec![
        Ceremony::new("POST /api/login", full, "the right password", |callers| {
            let name = callers.full.name.clone();
            Ok(log_in(&name, GOOD_PASSWORD))
        }),
        Ceremony::new("POST /api/login", full, "a wrong code among 19 apps", |callers| {
            answer(callers, json!({"type": "totp", "code": "000000"}))
        }),
        Ceremony::new("POST /api/login", full, "a wrong backup code", |callers| {
            answer(callers, json!({"type": "backup", "code": "AAAAAA-AAAAAA-AAAAAA-AAAAAA"}))
        }),
    ];
    for (input, response) in assertions() {
        let input = format!("security key: {input}");
        ceremonies.push(Ceremony::new("POST /api/login", full, input, move |callers| {
            let (token, challenge) = challenged(callers)?;
            let response = with_challenge(&response, "webauthn.get", &challenge);
            Ok(Request::new("POST", "/api/login").json(&json!({
                "2fa": {"token": token, "type": "webauthn", "response": response},
            })))
        }));
    }
    for (input, response) in attestations() {
        let input = format!("security key: {input}");
        ceremonies.push(Ceremony::new("POST /api/users/me/2fa/webauthn/confirm", "user", input, move |callers| {
            let path = "/api/users/me/2fa/webauthn";
            let mut user = callers.caller(CallerKind::User, true)?.context("a user")?;
            let offer = offered(&mut callers.client, &mut user, path)?;
            let response = with_challenge(&response, "webauthn.create", &offer.text("challenge"));
            let body = json!({"token": offer.text("token"), "name": "key", "response": response});
            Ok(Request::new("POST", &format!("{path}/confirm")).token(&user.token).json(&body))
        }));
    }
    ceremonies
}

/// Those that leave nothing behind to be repeated: accounts with very many sessions end.
pub(super) fn endings(crowds: Vec<TestAccount>) -> Vec<Ceremony> {
    let staff = CallerKind::StaffScoped.name();
    let ends: [(&str, &str, &str); 4] = [
        ("DELETE /api/users/{uid}", "DELETE", "/api/users/{uid}"),
        ("PUT /api/users/{uid}/ban", "PUT", "/api/users/{uid}/ban"),
        ("DELETE /api/users/{uid}/sessions/all", "DELETE", "/api/users/{uid}/sessions/all"),
        ("DELETE /auth/admin/identities/{id}/sessions", "DELETE", "/auth/admin/identities/{id}/sessions"),
    ];
    let mut endings = vec![];
    for ((endpoint, method, path), account) in ends.into_iter().zip(crowds) {
        endings.push(Ceremony::new(endpoint, staff, "a user with 1 000 sessions", move |callers| {
            let path = path.replace("{uid}", &account.uid).replace("{id}", &account.uuid);
            let caller = callers.caller(CallerKind::StaffScoped, true)?.context("a caller")?;
            Ok(Request::new(method, &path).token(&caller.token).json(&json!({})))
        }));
    }
    let full = CallerKind::Full.name();
    endings.push(Ceremony::new("DELETE /api/users/me/sessions/all", full, "all of 1 200 sessions", |callers| {
        Ok(Request::new("DELETE", "/api/users/me/sessions/all?include-self=true").token(&callers.full.token))
    }));
    let everybody = Ceremony::new("POST /auth/admin/sessions", staff, "everybody's sessions", |callers| {
        let caller = callers.caller(CallerKind::StaffScoped, true)?.context("a caller")?;
        let body = json!({"action": "disable", "identities": ["*"]});
        Ok(Request::new("POST", "/auth/admin/sessions").token(&caller.token).json(&body))
    });
    endings.push(Ceremony { is_bounded: false, ..everybody });
    endings
}

/// Gives an account a security key. Its signature is never needed: without attestation none is asked for.
pub(super) fn enrol_key(client: &mut Client, account: &mut TestAccount) -> Result<()> {
    let path = "/api/users/me/2fa/webauthn";
    let offer = offered(client, account, path)?;
    let response = with_challenge(&attestation(&attestation_object(&[])), "webauthn.create", &offer.text("challenge"));
    let body = json!({"token": offer.text("token"), "name": "key", "response": response});
    let request = Request::new("POST", &format!("{path}/confirm")).token(&account.token).json(&body);
    let answer = send(client, &request)?;
    anyhow::ensure!(answer.status == 201, "no security key: {answer}");
    Ok(())
}

/// A new challenge of the full account: its token, and what the security key is asked.
fn challenged(callers: &mut Callers) -> Result<(String, String)> {
    let log_in = log_in(&callers.full.name.clone(), GOOD_PASSWORD);
    let mut answer = send(&mut callers.client, &log_in)?;
    if answer.status == 429 {
        anyhow::bail!("the full account has to wait: {answer}");
    }
    // Wrong answers are charged to the account; a login forgives them.
    callers.wrong_answers += 1;
    if callers.wrong_answers.is_multiple_of(6) {
        let right = backup(&answer, &mut callers.full.codes)?;
        callers.ask(&Request::new("POST", "/api/login").json(&json!({"2fa": right})), 201)?;
        answer = send(&mut callers.client, &log_in)?;
    }
    let challenge = answer.member("challenge")["challenge"].as_str().unwrap_or_default().to_owned();
    Ok((answer.text("token"), challenge))
}

fn answer(callers: &mut Callers, mut answer: Value) -> Result<Request> {
    let (token, _) = challenged(callers)?;
    answer["token"] = json!(token);
    Ok(Request::new("POST", "/api/login").json(&json!({"2fa": answer})))
}

/// Puts what the browser notes into a response, unless it has something of its own there.
fn with_challenge(response: &Value, kind: &str, challenge: &str) -> Value {
    let mut response = response.clone();
    let noted = json!({"type": kind, "challenge": challenge, "origin": ORIGIN, "crossOrigin": false});
    let inner = &mut response["response"];
    if inner["clientDataJSON"].is_null() {
        inner["clientDataJSON"] = json!(encoded(noted.to_string().as_bytes()));
    }
    response
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn attestation(object: &[u8]) -> Value {
    let id = encoded(&CREDENTIAL);
    json!({
        "id": id,
        "rawId": id,
        "type": "public-key",
        "clientExtensionResults": {},
        "response": {"attestationObject": encoded(object)},
    })
}

fn assertion(data: &[u8], signature: &[u8]) -> Value {
    let id = encoded(&CREDENTIAL);
    json!({
        "id": id,
        "rawId": id,
        "type": "public-key",
        "clientExtensionResults": {},
        "response": {"authenticatorData": encoded(data), "signature": encoded(signature)},
    })
}

/// SHA-256 of `localhost`, which keys answer for.
const RELYING_PARTY: &str = "49960de5880e8c687434170f6476605b8fe4aeb9a28632c7995cf3ba831d9763";
/// A point of P-256 that is known to be one: its generator (FIPS 186-5).
const POINT: [&str; 2] = [
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
];

fn bytes_of(hexadecimal: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
    hexadecimal.as_bytes().chunks(2).map(|pair| pair.iter().fold(0, |byte, hex| byte << 4 | digit(*hex))).collect()
}

/// What an authenticator signs: relying party, flags, counter.
fn authenticator_data(flags: u8) -> Vec<u8> {
    [bytes_of(RELYING_PARTY), vec![flags, 0, 0, 0, 1]].concat()
}

/// A CBOR head of one type with a length of two bytes.
fn head(major: u8, length: usize) -> Vec<u8> {
    let [high, low] = (length as u16).to_be_bytes();
    vec![major << 5 | 25, high, low]
}

/// An attestation object without attestation, of a good key, with so much behind its authenticator data.
fn attestation_object(behind: &[u8]) -> Vec<u8> {
    let flags = if behind.is_empty() { 0x41 } else { 0xc1 };
    let key = [bytes_of("a5010203262001215820"), bytes_of(POINT[0]), bytes_of("225820"), bytes_of(POINT[1])];
    let mut data = authenticator_data(flags);
    data.extend([0; 16]);
    data.extend([0, CREDENTIAL.len() as u8]);
    data.extend(CREDENTIAL);
    data.extend(key.concat());
    data.extend(behind);
    object("none", &[0xa0], &data)
}

fn object(format: &str, statement: &[u8], data: &[u8]) -> Vec<u8> {
    let mut object = vec![0xa3, 0x63];
    object.extend(b"fmt");
    object.push(0x60 | format.len() as u8);
    object.extend(format.bytes());
    object.push(0x67);
    object.extend(b"attStmt");
    object.extend(statement);
    object.push(0x68);
    object.extend(b"authData");
    object.extend(head(2, data.len()));
    object.extend(data);
    object
}

/// CBOR that is as much work as it can be.
fn cbor() -> Vec<(&'static str, Vec<u8>)> {
    let many = |piece: &[u8]| piece.repeat(BYTES / piece.len());
    let counted = |major: u8, count: usize, piece: &[u8]| [head(major, count), piece.repeat(count)].concat();
    vec![
        ("arrays in each other", many(&[0x81])),
        ("arrays without an end in each other", many(&[0x9f])),
        ("maps in each other", many(&[0xa1, 0x01])),
        ("tags in each other", many(&[0xc0])),
        ("an array of the largest length", [vec![0x9b], vec![0xff; 8]].concat()),
        ("a text of the largest length", [vec![0x7b], vec![0xff; 8]].concat()),
        ("30 000 numbers", counted(4, 30_000, &[0x01])),
        ("a map of 15 000 pairs", counted(5, 15_000, &[0x01, 0x01])),
        ("a map of maps", counted(5, 9_000, &[0x01, 0xa1, 0x01, 0x01])),
        ("a text in 10 000 pieces", [vec![0x7f], b"\x61a".repeat(15_000), vec![0xff]].concat()),
        ("36 KB of bytes", counted(2, BYTES, &[0x00])),
        ("10 000 fractions", counted(4, 3_900, &[0xfb, 0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a])),
    ]
}

/// Certificates that are none, in a statement of this format.
fn statement(format: &str) -> Vec<u8> {
    let certificates = [head(4, 500), [head(2, 60), vec![0x30; 60]].concat().repeat(500)].concat();
    let mut statement = vec![0xa3, 0x63];
    statement.extend(b"alg");
    statement.push(0x26);
    statement.push(0x63);
    statement.extend(b"sig");
    statement.extend([head(2, 70), vec![0x30; 70]].concat());
    statement.push(0x63);
    statement.extend(b"x5c");
    statement.extend(certificates);
    if format == "tpm" {
        statement[0] = 0xa4;
        statement.push(0x63);
        statement.extend(b"ver");
        statement.extend(b"\x632.0");
    }
    statement
}

fn attestations() -> Vec<(String, Value)> {
    let mut all = vec![("as usual, another challenge".to_owned(), {
        let mut usual = attestation(&attestation_object(&[]));
        usual["response"]["clientDataJSON"] = json!(encoded(b"{\"type\":\"webauthn.create\",\"challenge\":\"AAAA\"}"));
        usual
    })];
    for (input, bytes) in cbor() {
        all.push((format!("object of {input}"), attestation(&bytes)));
        all.push((format!("extensions of {input}"), attestation(&attestation_object(&bytes))));
        let with = object("none", &bytes, &authenticator_data(0x41));
        all.push((format!("statement of {input}"), attestation(&with)));
    }
    for format in ["packed", "tpm", "fido-u2f", "android-key", "android-safetynet", "apple"] {
        let bytes = object(format, &statement(format), &attestation_data());
        all.push((format!("500 certificates as {format}"), attestation(&bytes)));
    }
    all.extend(client_data().into_iter().map(|(input, text)| {
        let mut response = attestation(&attestation_object(&[]));
        response["response"]["clientDataJSON"] = json!(encoded(text.as_bytes()));
        (format!("client data of {input}"), response)
    }));
    all.push(("40 KB of an id".to_owned(), {
        let mut response = attestation(&attestation_object(&[]));
        response["rawId"] = json!(filled("AAAA", 40_000));
        response
    }));
    all
}

/// The authenticator data of a good key.
fn attestation_data() -> Vec<u8> {
    let object = attestation_object(&[]);
    let from = object.len() - 164;
    object[from..].to_vec()
}

fn assertions() -> Vec<(String, Value)> {
    let good = authenticator_data(0x01);
    let mut all = vec![
        ("a signature of 70 zeros".to_owned(), assertion(&good, &[0; 70])),
        ("a signature of 30 KB".to_owned(), assertion(&good, &vec![0x30; 30_000])),
        ("a signature that is spelt well".to_owned(), assertion(&good, &bytes_of("3006020101020101"))),
    ];
    for (input, bytes) in cbor().into_iter().take(8) {
        let data = [authenticator_data(0x81), bytes].concat();
        all.push((format!("extensions of {input}"), assertion(&data, &[0; 70])));
    }
    all.extend(client_data().into_iter().map(|(input, text)| {
        let mut response = assertion(&good, &[0; 70]);
        response["response"]["clientDataJSON"] = json!(encoded(text.as_bytes()));
        (format!("client data of {input}"), response)
    }));
    all
}

fn client_data() -> Vec<Named> {
    vec![
        ("brackets in each other", filled("[", BYTES)),
        ("objects in each other", filled("{\"a\":", BYTES)),
        ("one key again and again", format!("{{{}\"a\":1}}", filled("\"a\":1,", BYTES))),
        ("a long challenge", format!("{{\"type\":\"webauthn.get\",\"challenge\":\"{}\"}}", filled("AAAA", BYTES))),
        ("a long origin", format!("{{\"type\":\"webauthn.get\",\"origin\":\"http://{}\"}}", filled("a.", BYTES))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_full_account_is_described_as_keys_are() {
        assert_eq!(attestation_data().len(), 164);
        assert_eq!(attestation_data()[..32], bytes_of(RELYING_PARTY));
        assert_eq!(bytes_of("a5010203"), [0xa5, 1, 2, 3]);
        assert_eq!(head(2, 300), [0x59, 1, 44]);
    }
}
