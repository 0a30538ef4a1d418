//! Backup codes that came from another program, over HTTP.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::factor::{FactorId, FactorMaterial, FactorName, ImportedCode, ImportedCodeId, NewFactor};
use thunderhead_domain::id::UserUuid;
use thunderhead_domain::import::{ImportBatch, ImportSource, ImportedAccount, ImportedFactor};
use thunderhead_domain::ports::{Clock as _, SealedRow};
use thunderhead_domain::session::Actor;
use thunderhead_domain::user::{EmailAddress, PasswordHash, Username};
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};
use uuid::Uuid;

use crate::app::{CodeApp, TestApp, backup, totp};
use crate::errors::REFUSED_SECOND_FACTOR;
use crate::pages::browser::Browser;

on_both_engines!(
    codes_from_elsewhere_work_once_and_make_way_for_new_ones,
    a_short_code_alone_is_a_second_factor_and_its_guesses_are_counted,
    an_authenticator_app_from_elsewhere_works,
);

/// Twenty hexadecimal digits, as the reference makes them, and eight letters and digits, as Kratos does.
const HASHED: [&str; 2] = ["2582a0bfae36d8a06bda", "0123456789abcdef0123"];
const SHORT: [&str; 2] = ["k2vip5rf", "08uypfek"];
/// As bcrypt for Python has hashed it.
const PASSWORD: &str = "caf\u{e9} \u{2615} 7 looms";
const HASH: &str = "$2b$05$msfXAhYQCJLZBzpo8N.JEOnGptdw0ytO5zuXE7CrFfJZA7lO7x64u";
const APP_SECRET: &[u8] = b"0123456789";

fn hashed(code: &str) -> ImportedCode {
    ImportedCode::Sha512(Box::new(Sha512::digest(code).into()))
}

fn sealed(app: &TestApp, number: u128, code: &str) -> ImportedCode {
    let id = ImportedCodeId(Uuid::from_u128(number));
    let sealed = app.encryption_keys().seal_bytes(code.as_bytes(), &SealedRow::ImportedCode(id).context()).unwrap();
    ImportedCode::Sealed { id, sealed }
}

/// An authenticator app of a secret that is shorter than those made here.
fn phone(app: &TestApp) -> ImportedFactor {
    let (id, at) = (FactorId(Uuid::from_u128(77)), app.clock().now());
    let sealed = app.encryption_keys().seal_bytes(APP_SECRET, &SealedRow::Factor(id).context()).unwrap();
    let material = FactorMaterial::Totp { sealed, last_step: 0 };
    ImportedFactor {
        source_id: "phone".to_owned(),
        factor: NewFactor { id, name: FactorName::made_of("phone".to_owned()), material },
        used_at: None,
        created_at: at,
        updated_at: at,
    }
}

fn import(app: &TestApp, factors: Vec<ImportedFactor>, codes: Vec<ImportedCode>) {
    let at = app.clock().now();
    let account = ImportedAccount {
        source_id: "radia".to_owned(),
        id: None,
        uuid: UserUuid(Uuid::from_u128(1)),
        username: Username::try_from("radia".to_owned()).unwrap(),
        other_username: None,
        email: EmailAddress::from_checked("radia@example.org".to_owned()),
        password: PasswordHash::new(HASH.to_owned()),
        has_password: true,
        staff: false,
        verified_at: None,
        banned_at: None,
        created_at: at,
        updated_at: at,
        factors,
        codes,
        sessions: vec![],
    };
    let batch = ImportBatch { source: ImportSource::Kratos, key: None, accounts: vec![account] };
    let action = ActionContext { at, by: Actor::CommandLine, client_ip: None };
    block_on(app.storage().import_batch(batch, action)).unwrap();
}

fn challenged(app: &TestApp) -> Value {
    app.anonymous().post("/api/login", &json!({"username": "radia", "password": PASSWORD})).expect(401)
}

fn codes_from_elsewhere_work_once_and_make_way_for_new_ones(database: TestDatabase) {
    let app = TestApp::start(database);
    let codes = HASHED.map(hashed).into_iter().chain([sealed(&app, 1, SHORT[0]), sealed(&app, 2, SHORT[1])]);
    let codes = codes.collect();
    import(&app, vec![phone(&app)], codes);
    let challenge = challenged(&app);
    assert_eq!(challenge["types"], json!(["totp", "backup"]));
    let answer = |code: &str| app.anonymous().answer_login(&backup(&challenged(&app), code));
    for (code, spelling) in [(HASHED[0], "2582A0BFAE-36d8a06bda "), (SHORT[0], "K2VI P5RF")] {
        answer(spelling).expect(201);
        answer(code).is(REFUSED_SECOND_FACTOR);
    }
    for wrong in ["k2vip5rg", "2582a0bfae36d8a06bdb", &HASHED[1][1..]] {
        answer(wrong).is(REFUSED_SECOND_FACTOR);
    }
    let token = answer(HASHED[1]).token();
    let mut browser = Browser::with_token(&app, &token);
    let page = browser.get("/account").text();
    assert!(page.contains("Your backup codes were made before this account came here."), "{page}");
    let page = browser.get("/account/security").text();
    assert!(page.contains("1 are left") && page.contains("Make new ones; these are void then."), "{page}");
    let radia = app.anonymous().with_token(&token);
    let path = "/api/users/me/2fa/backup";
    let challenge = radia.post(path, &json!({"password": PASSWORD})).expect(401);
    let made = radia.answer("POST", path, &json!({}), &backup(&challenge, SHORT[1])).expect(201);
    assert_eq!(made["codes"].as_array().unwrap().len(), 10);
    let page = browser.get("/account/security").text();
    assert!(page.contains("10 of 10 are left"), "{page}");
}

fn a_short_code_alone_is_a_second_factor_and_its_guesses_are_counted(database: TestDatabase) {
    let app = TestApp::start(database);
    let code = sealed(&app, 1, SHORT[0]);
    import(&app, vec![], vec![code, hashed(HASHED[0])]);
    assert_eq!(challenged(&app)["types"], json!(["backup"]));
    for _ in 0..10 {
        app.anonymous().answer_login(&backup(&challenged(&app), "aaaaaaaa")).is(REFUSED_SECOND_FACTOR);
    }
    app.anonymous().post("/api/login", &json!({"username": "radia", "password": PASSWORD})).expect(429);
    app.clock().advance_seconds(90_000);
    app.anonymous().answer_login(&backup(&challenged(&app), SHORT[0])).expect(201);
}

fn an_authenticator_app_from_elsewhere_works(database: TestDatabase) {
    let app = TestApp::start(database);
    import(&app, vec![phone(&app)], vec![]);
    // The secret as an app has it.
    let phone = CodeApp::new("GAYTEMZUGU3DOOBZ");
    let answer = |code: &str| app.anonymous().answer_login(&totp(&challenged(&app), code));
    let code = phone.fresh_code(&app);
    answer(&code).expect(201);
    answer(&code).is(REFUSED_SECOND_FACTOR);
}
