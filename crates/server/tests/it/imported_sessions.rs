//! Sessions that came from another program: the tokens that people hold go on working, and nothing else that the same key
//! has signed does.

use thunderhead_auth::tokens::keys::verification_key;
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::id::{SessionId, SessionUuid, UserId, UserUuid};
use thunderhead_domain::import::{ImportBatch, ImportSource, ImportedAccount, ImportedSession};
use thunderhead_domain::ports::Clock as _;
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{Actor, Authentication, Dialect, End, EndReason, Grant, Method, Origin, SessionName};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{EmailAddress, PasswordHash, Username};
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};
use uuid::Uuid;

use crate::app::{Client, Cut, TestApp};

on_both_engines!(
    an_old_token_opens_its_session_in_every_dialect_and_ends_like_any_other,
    nothing_else_that_the_old_key_has_signed_opens_anything,
    an_old_token_of_somebody_who_is_banned_is_told_so,
    an_old_token_of_somebody_who_was_banned_before_never_opens_anything,
    a_session_without_any_scope_may_do_nothing,
    old_tokens_are_known_to_every_replica_and_by_no_published_key,
    old_tokens_end_with_their_key,
    an_outage_is_503_for_an_old_token_too,
);

/// The public key of another program: its private key made the tokens here, and is gone.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2w3WziLB0DCq5Lm8i76dArk1XkAd\nar7cZLb1LIfBVGROu8yvv0m8rXED5lNjYVBnJ0nKw4jLbxpBLBGh+9CykQ==\n-----END PUBLIC KEY-----";
/// What tokens here say: `{"iat":1768477400,"iss":"localhost","sub":"1600000000000","exp":4102444800}`.
const GOOD: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0Nzc0MDAsImlzcyI6ImxvY2FsaG9zdCIsInN1YiI6IjE2MDAwMDAwMDAwMDAiLCJleHAiOjQxMDI0NDQ4MDB9.tQ9pAyWKMd6TxQwPJGPrdoxLOPRE8LmNQ9fzynmLwSoQ3DkAof0Mk7rcgEF4ovrkymXqXIjqzBAKLYTKVNN91Q";
/// The token of the second session, of a second later.
const SECOND: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0Nzc0MDEsImlzcyI6ImxvY2FsaG9zdCIsInN1YiI6IjE2MDAwMDAwMDAwMDAiLCJleHAiOjQxMDI0NDQ4MDd9.CY7YO3jT5eJLHNUbk-lGwPbv4RrK7U5UZkaJdIKWel1z5mw3xzVSNN1u4Kf9sDJAzZDCNTbDAUz390oVimwzXQ";
/// Near misses, each signed by the same key where nothing else is said.
const REFUSED: [(&str, &str); 17] = [
    (
        "another exp",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0Nzc0MDAsImlzcyI6ImxvY2FsaG9zdCIsInN1YiI6IjE2MDAwMDAwMDAwMDAiLCJleHAiOjQxMDI0NDQ4MDF9.OomSR42ayzHoWu6bHhzwNIAXdwCKNTGCxyhqxXGU6gU5tIwEv8H8zJLcoGJAPz4yUQhaZoAqmc1t-34r2QQp_Q",
    ),
    (
        "five minutes as a challenge has",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0Nzc0MDAsImlzcyI6ImxvY2FsaG9zdCIsInN1YiI6IjE2MDAwMDAwMDAwMDAiLCJleHAiOjE3Njg0Nzg3MDB9.PknhcwoqJoaYp727ScJljxRVlhUx2ygQ07A4L243kM8pDaT34FzrJBGq7P7ZqDckbTqgi22jRIwJH7afoSTOvA",
    ),
    (
        "iat of another session",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0Nzc0MDEsImlzcyI6ImxvY2FsaG9zdCIsInN1YiI6IjE2MDAwMDAwMDAwMDAiLCJleHAiOjQxMDI0NDQ4MDB9.h00F9sRRyEQ_eari9FAknXaWKbz7kW98HOA7vd8ixLYj7ZYlFd9y_UM-H3ltbp-wdvqrgpKPV0UhYQ1yCLdPPA",
    ),
    (
        "iat of no session",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0NzczOTUsImlzcyI6ImxvY2FsaG9zdCIsInN1YiI6IjE2MDAwMDAwMDAwMDAiLCJleHAiOjQxMDI0NDQ4MDB9.ESebGsVPgoLApduaeIDyRne3VW6j6a7WvzAEBVnNe4x2_mySHOWK9qydlfle7EXO3q9cZO4CSGatLkqs7q-KUw",
    ),
    (
        "another user",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0Nzc0MDAsImlzcyI6ImxvY2FsaG9zdCIsInN1YiI6IjE2MDAwMDAwMDAwMDEiLCJleHAiOjQxMDI0NDQ4MDB9.mQ2s5KlwPP1BCPKPY66SSjVyhPrj0rqXxUqPJuRFxSzFlRi-Q7Ydbmc17FWp3pWSIgjjXXgUesQLsewpW3s0kQ",
    ),
    (
        "no sub",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0Nzc0MDAsImlzcyI6ImxvY2FsaG9zdCIsImV4cCI6NDEwMjQ0NDgwMH0.erJKofKMXVj2G6HJN1TNTpyHBre-aL88ipq_BiZgNao12O4wtKEz9_4p4zRgIXH4ZWECyVvsgpOxx0LyfTt_JQ",
    ),
    (
        "no iss",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0Nzc0MDAsInN1YiI6IjE2MDAwMDAwMDAwMDAiLCJleHAiOjQxMDI0NDQ4MDB9.kvfHGJZu92BRhNxgrpFj6sT0Gyzg1xL7rtJQfuNOAeupY7ibXTbDyA-QFzr8M1Ie7ca3Pn5v_GjRg8O7dKFIUA",
    ),
    (
        "another iss",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0Nzc0MDAsImlzcyI6ImVsc2V3aGVyZSIsInN1YiI6IjE2MDAwMDAwMDAwMDAiLCJleHAiOjQxMDI0NDQ4MDB9.LPNCnZdv0BuB_gAnhRivD-B7gEKw6_irCxTBTp14xLPM570ZDAElKsXm01OFFyNGHi7jHvlUfbGoNMdCQ6yd3g",
    ),
    (
        "another key",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0Nzc0MDAsImlzcyI6ImxvY2FsaG9zdCIsInN1YiI6IjE2MDAwMDAwMDAwMDAiLCJleHAiOjQxMDI0NDQ4MDB9.h5obFcGN4Ic5qX18jqn4tvZgiqNDFeWkkRNx44zRB2hb9MLTcQR483mazvzMJsQCbzUHCgAg5LzByN8bMoD67g",
    ),
    (
        "none",
        "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJpYXQiOjE3Njg0Nzc0MDAsImlzcyI6ImxvY2FsaG9zdCIsInN1YiI6IjE2MDAwMDAwMDAwMDAiLCJleHAiOjQxMDI0NDQ4MDB9.",
    ),
    (
        "the certificate as a secret",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0Nzc0MDAsImlzcyI6ImxvY2FsaG9zdCIsInN1YiI6IjE2MDAwMDAwMDAwMDAiLCJleHAiOjQxMDI0NDQ4MDB9.oHvOb3vu-LnHboMYdNVm-W40e-JuNP5tvTYVnkwm19k",
    ),
    (
        "the same under the right header",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0Nzc0MDAsImlzcyI6ImxvY2FsaG9zdCIsInN1YiI6IjE2MDAwMDAwMDAwMDAiLCJleHAiOjQxMDI0NDQ4MDB9.gVwcvnROeXoSVbDcVnUMO3Pp5r8wTa73HY3v74z03RaBXBy-dE55ehJVsNxWdQw7c-nmvzBNrvcdje_vjPTdFg",
    ),
    (
        "a challenge",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0Nzc0MDAsImlzcyI6ImxvY2FsaG9zdCIsInN1YiI6IjE2MDAwMDAwMDAwMDAiLCJleHAiOjQxMDI0NDQ4MDAsImNoYWxsZW5nZSI6ImFiYyJ9.-HMJ61wf84fCQfPKnKnHRnWUGshVB9Z3ln7bX-ggUHJ_Opu42z33uf9_wmGsmQewWa-A_VV-uJCfbXOARBlkBA",
    ),
    (
        "an enrolment",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0Nzc0MDAsImlzcyI6ImxvY2FsaG9zdCIsInN1YiI6IjE2MDAwMDAwMDAwMDAiLCJleHAiOjQxMDI0NDQ4MDAsInNlY3JldCI6IkpCU1dZM0RQRUhQSzNQWFAifQ.6bJ4_HpGxvoXNGqt16u-fwTsBAvD0zvbme0IqU7s0xOETlo61rvkp--z8_qMLdsPmkm7y9t5e_G4Vpq8r6Vfdg",
    ),
    (
        "a mail",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0Nzc0MDAsImlzcyI6ImxvY2FsaG9zdCIsInN1YiI6ImFubmllQGV4YW1wbGUub3JnIiwiZXhwIjo0MTAyNDQ0ODAwfQ.ERj550lPcmOpYlq1kcBEnMKi9_QwidVySlAJLHNOQs8pYaQSF530jYV8k_BnZUvBhTlixTnFHXFrfPH0h-glkw",
    ),
    (
        "a kid",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IngifQ.eyJpYXQiOjE3Njg0Nzc0MDAsImlzcyI6ImxvY2FsaG9zdCIsInN1YiI6IjE2MDAwMDAwMDAwMDAiLCJleHAiOjQxMDI0NDQ4MDB9.j09DWuTNK4Nq7s9slplTVVcSCsvfRTN2Bh1YgVO9cgFO7AtkSK1Ognfn1qZ7O_3K-QnWFqc3cUn_95goJCfOvQ",
    ),
    (
        "a jti",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Njg0Nzc0MDAsImlzcyI6ImxvY2FsaG9zdCIsInN1YiI6IjE2MDAwMDAwMDAwMDAiLCJleHAiOjQxMDI0NDQ4MDAsImp0aSI6IjAxOTFmMmE0LThiMWMtN2RlZi04MDAwLTAwMDAwMDAwMDAyYSJ9.zSbxc1X_sKrnoMZCTBtuQUeJuKDuZgAgxmCd6d19Yn5hP1td9ditRoyNGXYjq2gfYW5y0S456ZA7xnd_7kDKBw",
    ),
];

const IAT: i64 = 1_768_477_400;
const EXP: i64 = 4_102_444_800;
const ADA: i64 = 1_600_000_000_000;

fn session(app: &TestApp, number: i64, grant: Grant, end: Option<End>) -> ImportedSession {
    let key = verification_key(PUBLIC_KEY, Some("localhost".to_owned()), app.clock().now()).unwrap();
    let at = Timestamp::from_unix_seconds(IAT);
    ImportedSession {
        source_id: format!("{ADA}/{number}"),
        uuid: SessionUuid(Uuid::from_u128(1_000 + number as u128)),
        id: Some(SessionId::from_number(IAT + number)),
        opaque: None,
        key: Some(key.id),
        name: SessionName::made_of("old"),
        grant,
        expires_at: Timestamp::from_unix_seconds(EXP + 7 * number),
        created_at: at,
        updated_at: at,
        used_at: None,
        origin: Origin { dialect: Dialect::Current, client_ip: None, user_agent: None },
        authentications: vec![Authentication { method: Method::Password, at }],
        second_factor_pending: false,
        end,
    }
}

/// Somebody whose sessions came, of which the tokens are [`GOOD`] and [`SECOND`].
fn import(app: &TestApp, grant: Grant, banned: bool) {
    let now = app.clock().now();
    let end = banned.then_some(End { at: now, by: Actor::CommandLine, why: EndReason::Banned });
    let account = ImportedAccount {
        source_id: ADA.to_string(),
        id: Some(UserId::from_number(ADA)),
        uuid: UserUuid(Uuid::from_u128(1)),
        username: Username::try_from("ada".to_owned()).unwrap(),
        other_username: None,
        email: EmailAddress::from_checked("ada@example.org".to_owned()),
        password: PasswordHash::new("nobody's".to_owned()),
        has_password: true,
        staff: false,
        verified_at: None,
        banned_at: banned.then_some(now),
        created_at: now,
        updated_at: now,
        factors: vec![],
        codes: vec![],
        sessions: vec![session(app, 0, grant, end), session(app, 1, grant, end)],
    };
    let key = verification_key(PUBLIC_KEY, Some("localhost".to_owned()), now).unwrap();
    let batch = ImportBatch { source: ImportSource::Reference, key: Some(key), accounts: vec![account] };
    let action = ActionContext { at: now, by: Actor::CommandLine, client_ip: None };
    block_on(app.storage().import_batch(batch, action)).unwrap();
}

fn shown(app: &TestApp, token: &str) -> Client {
    app.anonymous().with_token(token)
}

fn an_old_token_opens_its_session_in_every_dialect_and_ends_like_any_other(database: TestDatabase) {
    let app = TestApp::start(database);
    import(&app, Grant::Full, false);
    let (ada, second) = (shown(&app, GOOD), shown(&app, SECOND));
    let me = ada.get("/api/users/me").expect(200);
    assert_eq!((me["id"].as_str(), me["username"].as_str()), (Some("1600000000000"), Some("ada")));
    let own = ada.get("/api/users/me/sessions/me").expect(200);
    assert_eq!((own["id"].as_i64(), own["exp"].as_i64()), (Some(IAT), Some(EXP)));
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 2);
    app.anonymous().call("GET", "/auth/sessions/whoami").header("X-Session-Token", GOOD).send().expect(200);
    assert!(second.works());
    ada.delete(&format!("/api/users/me/sessions/{}", IAT + 1)).expect(200);
    assert!(!second.works() && ada.works());
    // What found the token ends it.
    let form = "application/x-www-form-urlencoded";
    assert_eq!(app.anonymous().call("POST", "/revoke").body(form, format!("token={GOOD}")).send().status, 200);
    assert_eq!(ada.get("/api/users/me").status, 401);
}

fn nothing_else_that_the_old_key_has_signed_opens_anything(database: TestDatabase) {
    let app = TestApp::start(database);
    import(&app, Grant::Full, false);
    assert!(shown(&app, GOOD).works());
    for (what, token) in REFUSED {
        assert_eq!(shown(&app, token).get("/api/users/me").status, 401, "{what}");
        let form = "application/x-www-form-urlencoded";
        app.anonymous().call("POST", "/revoke").body(form, format!("token={token}")).send();
    }
    assert!(shown(&app, GOOD).works() && shown(&app, SECOND).works());
}

fn an_old_token_of_somebody_who_is_banned_is_told_so(database: TestDatabase) {
    let app = TestApp::start(database);
    import(&app, Grant::Full, false);
    assert!(shown(&app, GOOD).works());
    block_on(app.operator().account_ban("ada", None)).unwrap();
    assert_eq!(shown(&app, GOOD).get("/api/users/me").status, 403);
    block_on(app.operator().account_unban("ada")).unwrap();
    assert_eq!(shown(&app, GOOD).get("/api/users/me").status, 401);
}

fn an_old_token_of_somebody_who_was_banned_before_never_opens_anything(database: TestDatabase) {
    let app = TestApp::start(database);
    import(&app, Grant::Full, true);
    assert_eq!(shown(&app, GOOD).get("/api/users/me").status, 401);
    block_on(app.operator().account_unban("ada")).unwrap();
    assert_eq!(shown(&app, GOOD).get("/api/users/me").status, 401);
}

fn a_session_without_any_scope_may_do_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    import(&app, Grant::Scoped(ScopeSet::known_of(0, false)), false);
    let ada = shown(&app, GOOD);
    for path in ["/api/users/me", "/api/users/me/sessions", "/api/users/me/2fa"] {
        assert_eq!(ada.get(path).status, 403, "{path}");
    }
}

fn old_tokens_are_known_to_every_replica_and_by_no_published_key(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    import(&app, Grant::Full, false);
    // The first that shows one has the key looked for.
    for server in [&app, &replica] {
        assert!(shown(&app, GOOD).at(server).works());
        let keys = server.anonymous().get("/.well-known/jwks.json").expect(200);
        assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    }
    block_on(app.operator().key_rotate(app.encryption_keys())).unwrap();
    assert_eq!(block_on(app.storage().signing_keys()).unwrap().len(), 2);
    assert!(shown(&app, GOOD).works());
}

fn old_tokens_end_with_their_key(database: TestDatabase) {
    let app = TestApp::start(database);
    import(&app, Grant::Full, false);
    assert!(shown(&app, GOOD).works());
    let ends = Timestamp::from_unix_seconds(EXP + 7);
    let listed = block_on(app.operator().verification_key_list()).unwrap();
    assert_eq!(listed.iter().map(|key| key.issuer.as_deref()).collect::<Vec<_>>(), [Some("localhost")]);
    assert_eq!(block_on(app.storage().prune_verification_keys(app.clock().now())).unwrap(), 0);
    assert_eq!(block_on(app.storage().prune_verification_keys(ends)).unwrap(), 1);
    app.refresh_keys();
    assert_eq!(shown(&app, GOOD).get("/api/users/me").status, 401);
}

fn an_outage_is_503_for_an_old_token_too(database: TestDatabase) {
    let app = TestApp::start(database);
    import(&app, Grant::Full, false);
    app.cut(Cut::Everything);
    assert_eq!(shown(&app, GOOD).get("/api/users/me").status, 503);
}
