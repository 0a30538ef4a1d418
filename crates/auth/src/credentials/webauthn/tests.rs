//! Security keys against a software authenticator that can be told to lie.

use thunderhead_testkit::authenticator::{Authenticator, Forgery, USER_PRESENT};

use super::*;

const ORIGIN: &str = "https://example.com";
const USER: Uuid = Uuid::from_u128(0xADA);

fn security_keys() -> SecurityKeys {
    SecurityKeys::new(RelyingParty {
        id: "example.com".to_owned(),
        name: "Thunderhead".to_owned(),
        origins: vec![ORIGIN.to_owned(), "https://login.example.com:8443".to_owned()],
        related_origins: vec!["https://example.de".to_owned()],
    })
    .unwrap()
}

fn registered(authenticator: &mut Authenticator) -> NewKey {
    let keys = security_keys();
    let (options, pending) = keys.begin_registration(USER, "ada", &[]).unwrap();
    keys.finish_registration(&pending, &authenticator.register(&options, ORIGIN)).unwrap()
}

/// Registers with a forged answer.
fn register_with(forgery: Forgery, origin: &str) -> Result<NewKey, WebauthnError> {
    let keys = security_keys();
    let (options, pending) = keys.begin_registration(USER, "ada", &[]).unwrap();
    let mut authenticator = Authenticator::default();
    authenticator.forgery = forgery;
    keys.finish_registration(&pending, &authenticator.register(&options, origin))
}

/// Asks for one key, and has the authenticator answer.
fn assert_with(authenticator: &mut Authenticator, key: &str, origin: &str) -> Result<Asserted, WebauthnError> {
    let keys = security_keys();
    let (options, pending) = keys.begin_authentication(&[key]).unwrap();
    keys.finish_authentication(&pending, &authenticator.assert(&options, origin))
}

fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, WebauthnError>, what: &str) {
    assert!(matches!(outcome, Err(WebauthnError::Refused(_))), "{what}: {outcome:?}");
}

/// Lies that no ceremony may believe.
fn lies() -> Vec<(&'static str, Forgery)> {
    vec![
        ("another relying party", Forgery { rp_id: Some("example.org".to_owned()), ..Forgery::default() }),
        ("another challenge", Forgery { challenge: Some(vec![7; 32]), ..Forgery::default() }),
        ("an empty challenge", Forgery { challenge: Some(vec![]), ..Forgery::default() }),
        ("a payment", Forgery { client_type: Some("payment.get".to_owned()), ..Forgery::default() }),
        ("nobody present", Forgery { flags: Some(0), ..Forgery::default() }),
        ("a user verified and not present", Forgery { flags: Some(0x04), ..Forgery::default() }),
        ("a frame of another site", Forgery { cross_origin: true, ..Forgery::default() }),
    ]
}

/// Origins that are not those of the settings.
const FOREIGN: [&str; 9] = [
    "https://badexample.com",
    "https://example.com.evil.org",
    "https://other.example.com",
    "https://example.com:8443",
    "https://login.example.com",
    "http://example.com",
    "https://example.com/",
    "null",
    "",
];

#[test]
fn a_key_is_registered_and_proves_itself() {
    let mut authenticator = Authenticator::default();
    let new = registered(&mut authenticator);
    assert_eq!((new.credential_id.len(), new.sign_count), (32, 1));
    let asserted = assert_with(&mut authenticator, &new.credential, ORIGIN).unwrap();
    assert_eq!((asserted.credential_id, asserted.sign_count), (new.credential_id, 2));
}

#[test]
fn options_are_what_browsers_parse() {
    let keys = security_keys();
    let (options, _) = keys.begin_registration(USER, "ada", &[vec![1, 2, 3]]).unwrap();
    assert_eq!(options["rp"], serde_json::json!({ "id": "example.com", "name": "Thunderhead" }));
    assert_eq!(options["user"]["name"], "ada");
    assert_eq!(options["attestation"], "none");
    assert_eq!(options["authenticatorSelection"]["userVerification"], "discouraged");
    assert_eq!(options["excludeCredentials"][0]["id"], "AQID");
    let algorithms = options["pubKeyCredParams"].as_array().unwrap();
    assert_eq!(algorithms.iter().map(|entry| entry["alg"].as_i64().unwrap()).collect::<Vec<_>>(), [-7, -257]);
    assert!(options.get("hints").is_none() && options.get("publicKey").is_none());

    let new = registered(&mut Authenticator::default());
    let (options, _) = keys.begin_authentication(&[&new.credential]).unwrap();
    assert_eq!((&options["rpId"], &options["userVerification"]), (&"example.com".into(), &"discouraged".into()));
    assert_eq!(options["allowCredentials"].as_array().unwrap().len(), 1);
    assert!(options["challenge"].as_str().unwrap().len() >= 22);
    assert!(options.get("hints").is_none() && options.get("publicKey").is_none());
}

#[test]
fn every_origin_of_the_settings_will_do() {
    let mut authenticator = Authenticator::default();
    let new = registered(&mut authenticator);
    assert!(assert_with(&mut authenticator, &new.credential, "https://login.example.com:8443").is_ok());
    assert!(assert_with(&mut authenticator, &new.credential, "https://example.de").is_ok());
}

#[test]
fn lies_register_no_key() {
    for (what, forgery) in lies() {
        assert_refused(register_with(forgery, ORIGIN), what);
    }
    let proof = Forgery { client_type: Some("webauthn.get".to_owned()), ..Forgery::default() };
    assert_refused(register_with(proof, ORIGIN), "the type of a proof");
    for origin in FOREIGN {
        assert_refused(register_with(Forgery::default(), origin), origin);
    }
}

#[test]
fn lies_prove_nothing() {
    let mut authenticator = Authenticator::default();
    let new = registered(&mut authenticator);
    for (what, forgery) in lies() {
        authenticator.forgery = forgery;
        assert_refused(assert_with(&mut authenticator, &new.credential, ORIGIN), what);
    }
    for (what, forgery) in [
        (
            "the type of a registration",
            Forgery { client_type: Some("webauthn.create".to_owned()), ..Forgery::default() },
        ),
        ("a bad signature", Forgery { bad_signature: true, ..Forgery::default() }),
        ("an unknown credential", Forgery { credential_id: Some(vec![7; 32]), ..Forgery::default() }),
    ] {
        authenticator.forgery = forgery;
        assert_refused(assert_with(&mut authenticator, &new.credential, ORIGIN), what);
    }
    authenticator.forgery = Forgery::default();
    for origin in FOREIGN {
        assert_refused(assert_with(&mut authenticator, &new.credential, origin), origin);
    }
    assert!(assert_with(&mut authenticator, &new.credential, ORIGIN).is_ok());
}

#[test]
fn another_users_key_proves_nothing_even_under_the_right_id() {
    let mut mine = Authenticator::default();
    let new = registered(&mut mine);
    let mut theirs = Authenticator::default();
    registered(&mut theirs);
    theirs.forgery.any_key = true;
    assert_refused(assert_with(&mut theirs, &new.credential, ORIGIN), "their own id");
    theirs.forgery.credential_id = Some(new.credential_id);
    assert_refused(assert_with(&mut theirs, &new.credential, ORIGIN), "my id");
}

#[test]
fn an_answer_is_good_for_its_own_challenge_alone() {
    let keys = security_keys();
    let mut authenticator = Authenticator::default();
    let new = registered(&mut authenticator);
    let (options, _) = keys.begin_authentication(&[&new.credential]).unwrap();
    let (_, other) = keys.begin_authentication(&[&new.credential]).unwrap();
    let answer = authenticator.assert(&options, ORIGIN);
    assert_refused(keys.finish_authentication(&other, &answer), "another challenge of the same key");
    let (_, registration) = keys.begin_registration(USER, "ada", &[]).unwrap();
    assert_refused(keys.finish_registration(&registration, &answer), "a registration");
}

#[test]
fn a_counter_must_go_up_where_there_is_one() {
    let mut authenticator = Authenticator::default();
    let new = registered(&mut authenticator);
    authenticator.counter = 10;
    let asserted = assert_with(&mut authenticator, &new.credential, ORIGIN).unwrap();
    let stored = asserted.refreshed(&new.credential).unwrap();
    assert_eq!(asserted.sign_count, 11);
    for earlier in [0, 5, 10] {
        authenticator.counter = earlier;
        assert_refused(assert_with(&mut authenticator, &stored, ORIGIN), "a counter that stands still or goes back");
    }
    authenticator.counter = 11;
    assert_eq!(assert_with(&mut authenticator, &stored, ORIGIN).unwrap().sign_count, 12);
    (authenticator.counter, authenticator.step) = (0, 0);
    assert_refused(assert_with(&mut authenticator, &stored, ORIGIN), "a counter that is gone");
}

#[test]
fn a_key_that_does_not_count_works_time_and_again() {
    let mut authenticator = Authenticator::without_counter();
    let new = registered(&mut authenticator);
    for _ in 0..2 {
        let asserted = assert_with(&mut authenticator, &new.credential, ORIGIN).unwrap();
        assert_eq!((asserted.sign_count, asserted.refreshed(&new.credential).unwrap()), (0, new.credential.clone()));
    }
}

#[test]
fn a_proof_refreshes_its_own_key_alone() {
    let mut authenticator = Authenticator::default();
    let (first, second) = (registered(&mut authenticator), registered(&mut Authenticator::default()));
    let asserted = assert_with(&mut authenticator, &first.credential, ORIGIN).unwrap();
    assert!(matches!(asserted.refreshed(&second.credential), Err(WebauthnError::Defect(_))));
    assert!(matches!(asserted.refreshed("{}"), Err(WebauthnError::Defect(_))));
}

#[test]
fn a_key_that_is_known_is_not_registered_again() {
    let keys = security_keys();
    let mut authenticator = Authenticator::default();
    let new = registered(&mut authenticator);
    let (options, pending) = keys.begin_registration(USER, "ada", std::slice::from_ref(&new.credential_id)).unwrap();
    authenticator.forgery.credential_id = Some(new.credential_id);
    assert_refused(keys.finish_registration(&pending, &authenticator.register(&options, ORIGIN)), "known");
}

#[test]
fn answers_are_read_as_browsers_write_them() {
    let keys = security_keys();
    let mut authenticator = Authenticator::default();
    let new = registered(&mut authenticator);
    let (options, pending) = keys.begin_authentication(&[&new.credential]).unwrap();
    authenticator.forgery.user_handle = Some(USER.as_bytes().to_vec());
    authenticator.forgery.flags = Some(USER_PRESENT | 0x04);
    let with_handle = authenticator.assert(&options, ORIGIN);
    assert!(keys.finish_authentication(&pending, &with_handle).is_ok());
    let mut without = with_handle;
    without["response"].as_object_mut().unwrap().remove("userHandle");
    without.as_object_mut().unwrap().remove("authenticatorAttachment");
    assert!(keys.finish_authentication(&pending, &without).is_ok());
}

#[test]
fn what_is_no_answer_is_refused_and_what_is_no_state_is_a_defect() {
    let keys = security_keys();
    let mut authenticator = Authenticator::default();
    let new = registered(&mut authenticator);
    let (options, pending) = keys.begin_authentication(&[&new.credential]).unwrap();
    let answer = authenticator.assert(&options, ORIGIN);
    let set = |path: &str, value: Value| {
        let mut answer = answer.clone();
        *answer.pointer_mut(path).unwrap() = value;
        answer
    };
    for malformed in [
        Value::Null,
        serde_json::json!({}),
        serde_json::json!([]),
        set("/type", "password".into()),
        set("/rawId", "%".into()),
        set("/response", Value::Null),
        set("/response/clientDataJSON", "AAAA".into()),
        set("/response/authenticatorData", "AAAA".into()),
        set("/response/authenticatorData", "".into()),
        set("/response/signature", "".into()),
        set("/response/signature", 1.into()),
    ] {
        assert_refused(keys.finish_authentication(&pending, &malformed), &malformed.to_string());
        let (_, registration) = keys.begin_registration(USER, "ada", &[]).unwrap();
        assert_refused(keys.finish_registration(&registration, &malformed), &malformed.to_string());
    }
    let broken = keys.finish_authentication(&PendingAuthentication("{".to_owned()), &answer);
    assert!(matches!(broken, Err(WebauthnError::Defect(_))));
    let broken = keys.finish_registration(&PendingRegistration(String::new()), &answer);
    assert!(matches!(broken, Err(WebauthnError::Defect(_))));
    assert!(matches!(keys.begin_authentication(&["{}"]), Err(WebauthnError::Defect(_))));
}

/// What was begun before a restart is finished after it, on any replica.
#[test]
fn a_ceremony_outlives_the_process() {
    let mut authenticator = Authenticator::default();
    let (options, pending) = security_keys().begin_registration(USER, "ada", &[]).unwrap();
    let response = authenticator.register(&options, ORIGIN);
    let new = security_keys().finish_registration(&PendingRegistration(pending.0), &response).unwrap();
    assert!(assert_with(&mut authenticator, &new.credential, ORIGIN).is_ok());
}

/// A passkey of the user that was registered.
fn passkey(authenticator: &mut Authenticator) -> NewKey {
    let keys = security_keys();
    let (options, pending) = keys.begin_passkey_registration(USER, "ada", &[]).unwrap();
    keys.finish_passkey_registration(&pending, &authenticator.register(&options, ORIGIN)).unwrap()
}

/// Asks for any passkey, and has the authenticator answer; the answer is checked against this key.
fn assert_passkey(authenticator: &mut Authenticator, key: &NewKey, origin: &str) -> Result<Asserted, WebauthnError> {
    let keys = security_keys();
    let (options, pending) = keys.begin_passkey_authentication().unwrap();
    let response = keys.read_passkey_response(&authenticator.assert(&options, origin))?;
    assert_eq!(response.user, Some(USER));
    keys.finish_passkey_authentication(&pending, &response, &key.credential)
}

#[test]
fn a_passkey_proves_itself_and_its_user_without_being_named() {
    for synced in [false, true] {
        let mut authenticator = Authenticator::default();
        authenticator.synced = synced;
        let key = passkey(&mut authenticator);
        assert_eq!(key.synced, synced);
        let asserted = assert_passkey(&mut authenticator, &key, ORIGIN).unwrap();
        assert_eq!((&asserted.credential_id, asserted.sign_count), (&key.credential_id, 2));
        // It is a security key as well.
        let refreshed = asserted.refreshed(&key.credential).unwrap();
        let (mut options, pending) = security_keys().begin_authentication(&[&refreshed]).unwrap();
        options["userVerification"] = "preferred".into();
        let asserted = security_keys().finish_authentication(&pending, &authenticator.assert(&options, ORIGIN));
        assert_eq!(asserted.unwrap().sign_count, 3);
    }
}

#[test]
fn a_challenge_to_passkeys_names_nobody_and_says_what_is_wanted() {
    let (options, PendingAuthentication(state)) = security_keys().begin_passkey_authentication().unwrap();
    assert_eq!((&options["rpId"], &options["userVerification"]), (&"example.com".into(), &"required".into()));
    assert_eq!(options["allowCredentials"], serde_json::json!([]));
    assert!(options.get("hints").is_none() && options.get("extensions").is_none());
    assert!(state.len() < 256, "{state}");
}

#[test]
fn lies_of_a_passkey_are_refused() {
    let mut authenticator = Authenticator::default();
    let key = passkey(&mut authenticator);
    let unverified = Forgery { flags: Some(USER_PRESENT), ..Forgery::default() };
    let backed_up = Forgery { flags: Some(USER_PRESENT | 0x04 | 0x18), ..Forgery::default() };
    let bad_signature = Forgery { bad_signature: true, ..Forgery::default() };
    let others = [("an unverified user", unverified), ("a copy", backed_up), ("a bad signature", bad_signature)];
    for (what, forgery) in lies().into_iter().chain(others) {
        authenticator.forgery = forgery;
        assert_refused(assert_passkey(&mut authenticator, &key, ORIGIN), what);
    }
    authenticator.forgery = Forgery::default();
    for origin in FOREIGN {
        assert_refused(assert_passkey(&mut authenticator, &key, origin), origin);
    }
    authenticator.counter = 0;
    assert_refused(assert_passkey(&mut authenticator, &key, ORIGIN), "a counter that went back");
    authenticator.counter = 10;
    assert!(assert_passkey(&mut authenticator, &key, ORIGIN).is_ok());
    let other = passkey(&mut Authenticator::default());
    assert_refused(assert_passkey(&mut authenticator, &other, ORIGIN), "another's key");
}
