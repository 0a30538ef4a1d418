//! Reading the database of Ory Kratos, on both engines, as its versions 1 and 26 have it: with made-up people, and the
//! columns that all of those versions have.

use thunderhead_domain::import::{
    AccountSource as _, LeftOut, Remark, SourceAccount, SourceCode, SourceError, SourceFactorMaterial, SourceItem,
    SourceSecret, SourceToken,
};
use thunderhead_domain::session::Method;
use thunderhead_domain::time::Timestamp;
use thunderhead_storage::KratosSource;
use thunderhead_testkit::{TestDatabase, on_both_engines};

on_both_engines!(
    identities_come_the_oldest_first_with_what_lets_them_in,
    names_are_told_as_the_accounts_have_them,
    sessions_that_are_over_or_were_ended_do_not_come,
    somebody_with_very_many_sessions_comes_in_parts,
    what_cannot_be_read_is_told_and_the_rest_comes,
    a_session_that_cannot_be_read_is_told_of_and_the_others_come,
    another_database_is_refused,
);

/// The tables, as Postgres has them; SQLite has text everywhere. Our own table of sessions makes room for that of Kratos.
const TABLES: &str = "
DROP TABLE sessions;
CREATE TABLE identities (id uuid PRIMARY KEY, traits jsonb NOT NULL, state text NOT NULL, state_changed_at timestamp,
    created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE identity_credential_types (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE identity_credentials (id uuid PRIMARY KEY, config jsonb NOT NULL, identity_credential_type_id uuid NOT NULL,
    identity_id uuid NOT NULL, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE identity_verifiable_addresses (id uuid PRIMARY KEY, via text NOT NULL, verified boolean NOT NULL,
    value text NOT NULL, verified_at timestamp, identity_id uuid NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE sessions (id uuid PRIMARY KEY, issued_at timestamp NOT NULL, expires_at timestamp NOT NULL,
    authenticated_at timestamp NOT NULL, identity_id uuid NOT NULL, updated_at timestamp NOT NULL, token text,
    active boolean NOT NULL, authentication_methods jsonb NOT NULL);
CREATE TABLE session_devices (id uuid PRIMARY KEY, ip_address text, user_agent text, session_id uuid NOT NULL,
    created_at timestamp NOT NULL);
";

const PEOPLE: &str = r#"
INSERT INTO identity_credential_types (id, name) VALUES
    ({id 1}, 'password'), ({id 2}, 'totp'), ({id 3}, 'lookup_secret'), ({id 4}, 'webauthn'), ({id 5}, 'oidc');
INSERT INTO identities (id, traits, state, state_changed_at, created_at, updated_at) VALUES
    ({id 12}, '{"username":"Grace","email":"grace@example.net"}', 'inactive', {at 05:00:00.25}, {at 02:00:00}, {at 04:00:00}),
    ({id 11}, '{"username":"ada","email":"Ada@example.net"}', 'active', NULL, {at 01:00:00.5}, {at 04:00:00}),
    ({id 13}, '{"username":"Jean of Pines","email":"jean+pines@example.net"}', 'active', NULL, {at 03:00:00}, {at 03:00:00}),
    ({id 14}, '{"login":"ida","contact":{"email":"ida@example.net"}}', 'active', NULL, {at 03:00:01}, {at 03:00:01});
INSERT INTO identity_credentials (id, config, identity_credential_type_id, identity_id, created_at, updated_at) VALUES
    ({id 21}, '{"hashed_password":"$2a$12$made-up"}', {id 1}, {id 11}, {at 01:00:00}, {at 01:00:00}),
    ({id 22}, '{}', {id 4}, {id 11}, {at 01:00:00}, {at 01:00:00}),
    ({id 23}, '{"totp_url":"otpauth://totp/Example:ada?algorithm=SHA1\u0026digits=6\u0026issuer=Example\u0026period=30\u0026secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}',
        {id 2}, {id 11}, {at 01:00:01}, {at 01:00:02}),
    ({id 24}, '{"recovery_codes":[{"code":"k2vip5rf","used_at":"2026-11-28T03:45:06Z"},{"code":"08uypfek","used_at":null},{"code":"vinwszx1"}]}',
        {id 3}, {id 11}, {at 01:00:01}, {at 01:00:02}),
    ({id 25}, '{}', {id 1}, {id 12}, {at 02:00:00}, {at 02:00:00}),
    ({id 26}, '{"credentials":[{"id":"x/aNEQ==","public_key":"pQECAw==","authenticator":{"sign_count":7},"display_name":"ring","added_at":"2026-11-28T03:45:14Z","is_passwordless":true}]}',
        {id 4}, {id 12}, {at 02:00:01}, {at 02:00:02}),
    ({id 27}, '{"providers":[{"subject":"made up"}]}', {id 5}, {id 12}, {at 02:00:03}, {at 02:00:03}),
    ({id 28}, '{"totp_url":"otpauth://totp/Example:jean?algorithm=SHA256&digits=6&period=30&secret=GEZDGNBVGY3TQOJQ"}',
        {id 2}, {id 13}, {at 03:00:01}, {at 03:00:02});
INSERT INTO identity_verifiable_addresses (id, via, verified, value, verified_at, identity_id, updated_at) VALUES
    ({id 31}, 'email', true, 'ada@example.net', {at 01:30:00}, {id 11}, {at 01:30:00}),
    ({id 32}, 'email', false, 'grace@example.net', NULL, {id 12}, {at 01:30:00}),
    ({id 33}, 'email', true, 'other@example.net', {at 01:30:00}, {id 13}, {at 01:30:00});
INSERT INTO sessions (id, issued_at, expires_at, authenticated_at, identity_id, updated_at, token, active, authentication_methods) VALUES
    ({id 41}, {at 01:10:00.123}, {at 23:00:00}, {at 01:11:00}, {id 11}, {at 01:12:00}, 'ory_st_one', true,
        '[{"method":"password","aal":"aal1","completed_at":"2026-11-28T01:10:00.122Z"},{"method":"totp","aal":"aal2","completed_at":"2026-11-28T01:11:00Z"}]'),
    ({id 42}, {at 01:10:00}, {at 12:00:00}, {at 01:10:00}, {id 11}, {at 01:10:00}, 'ory_st_expired', true, '[]'),
    ({id 43}, {at 01:10:00}, {at 23:00:00}, {at 01:10:00}, {id 11}, {at 01:10:00}, 'ory_st_ended', false, '[]'),
    ({id 44}, {at 01:20:00}, {at 23:00:00}, {at 01:20:00}, {id 11}, {at 01:20:00}, NULL, true,
        '[{"method":"webauthn","aal":"aal1","completed_at":"2026-11-28T01:20:00Z"},{"method":"oidc","aal":"aal1"}]');
INSERT INTO session_devices (id, ip_address, user_agent, session_id, created_at) VALUES
    ({id 51}, '192.0.2.1:40000', 'Old/1.0', {id 41}, {at 01:10:00}),
    ({id 52}, '[2001:db8::1]:40000', 'New/2.0', {id 41}, {at 01:10:01}),
    ({id 53}, '192.0.2.7', '', {id 44}, {at 01:20:00});
"#;

/// Noon of the day of all this.
const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_867_200);

fn moment(seconds_before_noon: i64) -> Timestamp {
    NOW.plus_seconds(-seconds_before_noon)
}

fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// A statement with its ids and moments filled in, in the types of the engine.
fn filled(database: &TestDatabase, text: &str) -> String {
    let is_sqlite = database.url().sqlite_path().is_some();
    let mut filled = String::new();
    for (number, part) in text.split('{').enumerate() {
        let placeholder = part.split_once('}').and_then(|(name, rest)| Some((name.split_once(' ')?, rest)));
        match placeholder {
            Some((("id", number), rest)) => filled += &format!("'{}'{rest}", id(number.parse().unwrap())),
            Some((("at", time), rest)) if is_sqlite => filled += &format!("'2026-11-28 {time}+00:00'{rest}"),
            Some((("at", time), rest)) => filled += &format!("'2026-11-28 {time}'{rest}"),
            _ if number == 0 => filled += part,
            _ => filled += &format!("{{{part}"),
        }
    }
    if is_sqlite {
        filled.replace(" jsonb", " TEXT").replace(" uuid", " TEXT").replace(" timestamp", " TEXT")
    } else {
        filled
    }
}

fn kratos(database: &TestDatabase) -> KratosSource {
    database.tamper(&filled(database, TABLES));
    database.tamper(&filled(database, PEOPLE));
    open(database, "username", "email").unwrap()
}

fn open(database: &TestDatabase, username: &str, email: &str) -> Result<KratosSource, SourceError> {
    KratosSource::open(database.url(), username.parse().unwrap(), email.parse().unwrap(), NOW)
}

fn all(source: &mut KratosSource) -> Vec<SourceItem> {
    std::iter::from_fn(|| source.next().unwrap()).collect()
}

fn accounts(source: &mut KratosSource) -> Vec<SourceAccount> {
    let account = |item| match item {
        SourceItem::Account(account) => Some(*account),
        SourceItem::Unreadable { .. } => None,
    };
    all(source).into_iter().filter_map(account).collect()
}

fn identities_come_the_oldest_first_with_what_lets_them_in(database: TestDatabase) {
    let [ada, grace, jean]: [SourceAccount; 3] = accounts(&mut kratos(&database)).try_into().unwrap();
    assert!(!format!("{ada:?}{grace:?}").contains("made-up"));
    assert_eq!((ada.source_id.as_str(), ada.uuid.unwrap().to_string()), (id(11).as_str(), id(11)));
    assert_eq!((ada.username.as_str(), ada.email.as_str(), ada.staff), ("ada", "Ada@example.net", false));
    assert_eq!((ada.created_at, ada.verified_at), (moment(39_600).plus_millis(500), Some(moment(37_800))));
    assert_eq!((ada.banned_at, ada.remarks), (None, vec![]));
    assert_eq!(ada.password, Some(SourceSecret("$2a$12$made-up".to_owned())));
    let [app] = ada.factors.as_slice() else { panic!("one factor") };
    let SourceFactorMaterial::Totp { secret } = &app.material else { panic!("an app") };
    assert_eq!((secret.0.as_slice(), app.source_id.as_str()), (b"12345678901234567890".as_slice(), id(23).as_str()));
    let codes = ada.codes.iter().map(|code| match code {
        SourceCode::Short(code) => code.0.as_str(),
        SourceCode::Sha512Hex(_) => panic!("not a short one"),
    });
    assert_eq!(codes.collect::<Vec<_>>(), ["08uypfek", "vinwszx1"]);

    assert_eq!((grace.username.as_str(), grace.password.is_none(), grace.verified_at), ("Grace", true, None));
    assert_eq!(grace.banned_at, Some(moment(25_200).plus_millis(250)));
    let [key] = grace.factors.as_slice() else { panic!("one factor") };
    let SourceFactorMaterial::Webauthn { credential_id, public_key, sign_count, backup_eligible: false } =
        &key.material
    else {
        panic!("a key")
    };
    assert_eq!(
        (credential_id.as_slice(), public_key.as_slice()),
        ([0xC7, 0xF6, 0x8D, 0x11].as_slice(), [0xA5, 1, 2, 3].as_slice())
    );
    assert_eq!((key.name.as_str(), *sign_count, key.created_at), ("ring", 7, moment(29_686)));
    assert_eq!(grace.remarks, [Remark::Other("it could log in by oidc, which is not there here".to_owned())]);

    assert_eq!((jean.username.as_str(), jean.verified_at, jean.factors.len()), ("jean-pines", None, 0));
    let renamed = Remark::Renamed { from: "Jean of Pines".to_owned(), to: "jean-pines".to_owned() };
    assert_eq!(jean.remarks[0], renamed);
    assert!(matches!(&jean.remarks[1], Remark::FactorLeftOut { .. }));
}

fn names_are_told_as_the_accounts_have_them(database: TestDatabase) {
    let mut source = kratos(&database);
    let mut told = Vec::new();
    source.names(&mut |names| told.push((names.username.to_owned(), names.email.to_owned()))).unwrap();
    told.sort();
    let mut come: Vec<_> = accounts(&mut source).into_iter().map(|account| (account.username, account.email)).collect();
    come.sort();
    assert_eq!(told, come);
    drop(source);
    let mut elsewhere = open(&database, "login", "contact.email").unwrap();
    assert_eq!(accounts(&mut elsewhere)[0].username, "ida");
}

fn sessions_that_are_over_or_were_ended_do_not_come(database: TestDatabase) {
    let ada = accounts(&mut kratos(&database)).swap_remove(0);
    let [app, browser] = ada.sessions.as_slice() else { panic!("two sessions: {:?}", ada.sessions.len()) };
    assert_eq!(app.uuid.unwrap().to_string(), id(41));
    assert!(matches!(&app.token, SourceToken::Opaque(SourceSecret(token)) if token == "ory_st_one"));
    assert_eq!((app.created_at, app.expires_at), (moment(39_000).plus_millis(123), moment(-39_600)));
    assert_eq!(app.origin.client_ip, "2001:db8::1".parse().ok());
    assert_eq!(app.origin.user_agent.as_deref(), Some("New/2.0"));
    let shown: Vec<_> = app.authentications.iter().map(|shown| (shown.method, shown.at)).collect();
    assert_eq!(shown, [(Method::Password, moment(39_000).plus_millis(122)), (Method::Totp, moment(38_940))]);
    assert!(matches!(browser.token, SourceToken::Lost) && browser.authentications.is_empty());
    assert_eq!((browser.origin.client_ip, &browser.origin.user_agent), ("192.0.2.7".parse().ok(), &None));
}

fn somebody_with_very_many_sessions_comes_in_parts(database: TestDatabase) {
    let mut source = kratos(&database);
    drop(source);
    let row = |number: u32| {
        filled(
            &database,
            &format!(
                "({{id {number}}}, {{at 01:00:00}}, {{at 23:00:00}}, {{at 01:00:00}}, {{id 13}}, {{at 01:00:00}}, 't{number}', true, '[]')"
            ),
        )
    };
    for first in [1_000, 3_000] {
        let rows: Vec<_> = (first..first + 1_500).map(row).collect();
        database.tamper(&format!("INSERT INTO sessions VALUES {}", rows.join(", ")));
    }
    source = open(&database, "username", "email").unwrap();
    let parts: Vec<_> = accounts(&mut source).split_off(2);
    let counts: Vec<_> = parts.iter().map(|part| (part.sessions.len(), part.continued)).collect();
    assert_eq!(counts, [(2_000, false), (1_000, true)]);
    assert!(parts[1].source_id == id(13) && parts[1].remarks.is_empty());
}

fn what_cannot_be_read_is_told_and_the_rest_comes(database: TestDatabase) {
    let mut source = kratos(&database);
    let unreadable: Vec<_> = all(&mut source)
        .into_iter()
        .filter_map(|item| match item {
            SourceItem::Unreadable { who, why } => Some((who, why)),
            SourceItem::Account(_) => None,
        })
        .collect();
    // Where the traits are looked for, this one has neither name nor address.
    assert_eq!(unreadable, [(id(14), LeftOut::Address)]);
}

/// Dates that mean nothing here: SQLite keeps any text, and Postgres has infinities.
fn a_session_that_cannot_be_read_is_told_of_and_the_others_come(database: TestDatabase) {
    drop(kratos(&database));
    let never = if database.url().sqlite_path().is_some() { "whenever" } else { "infinity" };
    database.tamper(&filled(&database, &format!("UPDATE sessions SET updated_at = '{never}' WHERE id = {{id 44}}")));
    let ada = accounts(&mut open(&database, "username", "email").unwrap()).swap_remove(0);
    assert_eq!(ada.sessions.len(), 1);
    assert_eq!(ada.remarks, [Remark::SessionLeftOut { id: id(44), why: "its dates are none".to_owned() }]);
}

fn another_database_is_refused(database: TestDatabase) {
    let Err(error) = open(&database, "username", "email") else { panic!("not refused") };
    assert!(error.to_string().starts_with("the source is not the database of Kratos"), "{error}");
}
