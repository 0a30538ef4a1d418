//! Reading the database of the reference implementation, versions 5 and 4: with made-up people, in the tables as those
//! versions make them. It is always Postgres.

use thunderhead_domain::import::{
    AccountSource as _, LeftOut, Remark, SourceAccount, SourceError, SourceFactorMaterial, SourceItem, SourceSecret,
};
use thunderhead_domain::time::Timestamp;
use thunderhead_storage::{ReferenceSource, ReferenceVersion};
use thunderhead_testkit::{TestDatabase, on_both_engines};

on_both_engines!(
    version_five_tells_accounts_in_the_order_of_their_ids_with_all_that_is_theirs,
    somebody_with_very_many_sessions_comes_in_parts_that_are_told_apart,
    version_four_keeps_sessions_with_their_user,
    the_database_of_another_program_is_refused,
);

const FIVE: &str = r#"
CREATE TABLE "Users" (id varchar(255) PRIMARY KEY, username varchar(64) NOT NULL, email varchar(255) NOT NULL,
    password varchar(60) NOT NULL, staff boolean NOT NULL, "verifiedAt" timestamptz, "bannedAt" timestamptz,
    "twoFactorBackupCodes" varchar(128)[], "createdAt" timestamptz NOT NULL, "updatedAt" timestamptz NOT NULL);
CREATE TABLE "Sessions" (id varchar(255) NOT NULL, "user" varchar(255) NOT NULL, exp timestamptz NOT NULL,
    name varchar(255) NOT NULL, "permissionFlags" integer, "usedAt" timestamptz, "createdAt" timestamptz NOT NULL,
    "updatedAt" timestamptz NOT NULL);
CREATE TABLE "SecondFactors" (id varchar(255) NOT NULL, "user" varchar(255) NOT NULL, type varchar(255) NOT NULL,
    name varchar(255) NOT NULL, secret varchar(255), "keyId" varchar(255), "publicKey" bytea, counter integer,
    "deviceType" varchar(255), "usedAt" timestamptz, "createdAt" timestamptz NOT NULL, "updatedAt" timestamptz NOT NULL);
INSERT INTO "Users" VALUES
    ('1600000000002', 'grace', 'grace@example.org', '$2b$15$made-up', true, NULL, '2026-01-02T00:00:00.25Z', NULL,
        '2020-09-13T12:26:40.002Z', '2026-01-02T00:00:00.25Z'),
    ('1600000000001', 'Ada', 'ada@example.org', '$2b$15$made-up', false, '2026-01-01T00:00:00Z', NULL, ARRAY['0f', NULL],
        '2020-09-13T12:26:40.001Z', '2020-09-13T12:26:40.343Z'),
    ('no id', 'hedy', 'hedy@example.org', '', false, NULL, NULL, NULL, now(), now());
INSERT INTO "Sessions" VALUES
    ('1700000001', '1600000000001', '2035-01-01T00:00:00Z', 'one', NULL, '2026-01-01T00:00:01Z',
        '2023-11-14T22:13:21.5Z', '2026-01-01T00:00:01Z'),
    ('1700000002', '1600000000001', '2035-01-01T00:00:00Z', '', 0, NULL, '2023-11-14T22:13:22Z', '2023-11-14T22:13:22Z'),
    ('x', '1600000000001', '2035-01-01T00:00:00Z', 'no id', 0, NULL, '2023-11-14T22:13:22Z', '2023-11-14T22:13:22Z'),
    ('1700000003', '1600000000000', '2035-01-01T00:00:00Z', 'of nobody', NULL, NULL, now(), now());
INSERT INTO "SecondFactors" VALUES
    ('1700000010', '1600000000001', 'totp', 'phone', 'GEZDGNBVGY3TQOJQ', NULL, NULL, NULL, NULL, NULL, now(), now()),
    ('1700000011', '1600000000001', 'webauthn', 'ring', NULL, 'x_aNEQ', '\x0102', 7, 'multiDevice', NULL, now(), now()),
    ('1700000012', '1600000000001', 'totp', 'broken', '0!', NULL, NULL, NULL, NULL, NULL, now(), now());
"#;

const FOUR: &str = r#"
CREATE TABLE "Users" (id varchar(255) PRIMARY KEY, username varchar(64) NOT NULL, email varchar(255) NOT NULL,
    password varchar(60) NOT NULL, sessions jsonb[] NOT NULL, staff boolean NOT NULL, "verifiedAt" timestamptz,
    "bannedAt" timestamptz, "createdAt" timestamptz NOT NULL, "updatedAt" timestamptz NOT NULL);
INSERT INTO "Users" VALUES
    ('1600000000001', 'ada', 'ada@example.org', '$2b$15$made-up', ARRAY[
        '{"iat": 1700000001, "exp": 2051222400, "name": "one"}'::jsonb, '{"iat": 1700000002, "exp": "soon"}'::jsonb],
        false, NULL, NULL, now(), now());
"#;

/// The source, where there is one.
fn opened(database: &TestDatabase, tables: &str) -> Option<ReferenceSource> {
    if database.url().sqlite_path().is_some() {
        assert!(matches!(ReferenceSource::open(database.url()), Err(SourceError::Unfit(_))));
        return None;
    }
    database.tamper(tables);
    Some(ReferenceSource::open(database.url()).unwrap())
}

fn items(source: &mut ReferenceSource) -> Vec<SourceItem> {
    std::iter::from_fn(|| source.next().unwrap()).collect()
}

fn accounts(source: &mut ReferenceSource) -> Vec<SourceAccount> {
    let account = |item| match item {
        SourceItem::Account(account) => Some(*account),
        SourceItem::Unreadable { .. } => None,
    };
    items(source).into_iter().filter_map(account).collect()
}

fn version_five_tells_accounts_in_the_order_of_their_ids_with_all_that_is_theirs(database: TestDatabase) {
    let Some(mut source) = opened(&database, FIVE) else { return };
    assert_eq!(source.version(), ReferenceVersion::Five);
    let mut names = Vec::new();
    source.names(&mut |one| names.push(one.username.to_owned())).unwrap();
    names.sort();
    assert_eq!(names, ["Ada", "grace", "hedy"]);
    let found = items(&mut source);
    let [SourceItem::Account(ada), SourceItem::Account(grace), SourceItem::Unreadable { who, why: LeftOut::Id }] =
        found.as_slice()
    else {
        panic!("{found:?}")
    };
    assert_eq!((who.as_str(), grace.staff, grace.sessions.len(), grace.factors.len()), ("no id", true, 0, 0));
    assert_eq!(grace.banned_at, Some(Timestamp::from_unix_millis(1_767_312_000_250)));
    assert_eq!((ada.id.unwrap().number(), ada.username.as_str(), ada.codes.len()), (1_600_000_000_001, "Ada", 1));
    assert_eq!(ada.updated_at, Timestamp::from_unix_millis(1_600_000_000_343));
    let told: Vec<_> =
        ada.sessions.iter().map(|one| (one.id.unwrap().number(), one.flags, one.name.as_str())).collect();
    assert_eq!(told, [(1_700_000_001, None, "one"), (1_700_000_002, Some(0), "")]);
    assert_eq!(ada.sessions[0].created_at, Timestamp::from_unix_millis(1_700_000_001_500));
    assert_eq!(ada.sessions[0].expires_at, Timestamp::from_unix_seconds(2_051_222_400));
    assert_eq!(ada.factors.len(), 2);
    let SourceFactorMaterial::Totp { secret: SourceSecret(secret) } = &ada.factors[0].material else {
        panic!("an app")
    };
    assert_eq!(secret, b"1234567890");
    let SourceFactorMaterial::Webauthn { credential_id, public_key, sign_count: 7, backup_eligible: true } =
        &ada.factors[1].material
    else {
        panic!("a key")
    };
    assert_eq!((credential_id.as_slice(), public_key.as_slice()), (&[0xc7, 0xf6, 0x8d, 0x11][..], &[1, 2][..]));
    assert!(matches!(ada.remarks.as_slice(), [Remark::FactorLeftOut { .. }, Remark::SessionLeftOut { .. }]));
}

fn somebody_with_very_many_sessions_comes_in_parts_that_are_told_apart(database: TestDatabase) {
    let Some(mut source) = opened(
        &database,
        &format!(
            r#"{FIVE} INSERT INTO "Sessions" SELECT 1700100000 + n, '1600000000001', '2035-01-01T00:00:00Z', 'more', NULL, NULL,
            now(), now() FROM generate_series(1, 2500) n;"#
        ),
    ) else {
        return;
    };
    let parts = accounts(&mut source);
    let told: Vec<_> = parts
        .iter()
        .map(|part| (part.username.as_str(), part.continued, part.sessions.len(), part.factors.len()))
        .collect();
    assert_eq!(
        told,
        [("Ada", false, 1_000, 2), ("Ada", true, 1_000, 0), ("Ada", true, 502, 0), ("grace", false, 0, 0)]
    );
}

fn version_four_keeps_sessions_with_their_user(database: TestDatabase) {
    let Some(mut source) = opened(&database, FOUR) else { return };
    assert_eq!(source.version(), ReferenceVersion::Four);
    let [ada] = accounts(&mut source).try_into().unwrap();
    let [one] = ada.sessions.as_slice() else { panic!("{:?}", ada.sessions) };
    assert_eq!((one.id.unwrap().number(), one.name.as_str(), one.flags), (1_700_000_001, "one", None));
    assert_eq!(one.expires_at, Timestamp::from_unix_seconds(2_051_222_400));
    assert_eq!(one.created_at, Timestamp::from_unix_seconds(1_700_000_001));
    assert!(matches!(ada.remarks.as_slice(), [Remark::SessionLeftOut { .. }]));
}

fn the_database_of_another_program_is_refused(database: TestDatabase) {
    assert!(matches!(ReferenceSource::open(database.url()), Err(SourceError::Unfit(_))));
}
