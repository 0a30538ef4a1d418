//! A database of the first release, with rows in every table, is brought up to date and keeps all that is in it.

use diesel::prelude::*;
use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::budget::{BudgetKey, Charge};
use thunderhead_domain::challenge::{ChallengeId, ChallengePurpose};
use thunderhead_domain::factor::FactorKind;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::network::Network;
use thunderhead_domain::ports::{
    AccountName, ChangeCursor, Invalidation, Invalidations, PageStart, SessionFilter, Storage,
};
use thunderhead_domain::service::ServiceName;
use thunderhead_domain::session::{Actor, Dialect, End, EndReason, Grant, Method, Session, SessionKey, State};
use thunderhead_domain::switch::{KillSwitch, SwitchSet};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::User;
use thunderhead_storage::{MigrateError, check_schema, migrate, revert};
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};
use uuid::Uuid;

use crate::schema::names;
use crate::support::{Intruder, action_of, at, digest, first, trail};
use crate::upgrades::run_next_migration;

on_both_engines!(a_database_of_the_first_release_is_brought_up_to_date_with_all_that_is_in_it);

const ADA: UserId = UserId::from_number(1_700_000_000_000);
const EVE: UserId = UserId::from_number(1_700_000_000_100);

fn a_database_of_the_first_release_is_brought_up_to_date_with_all_that_is_in_it(database: TestDatabase) {
    let all = names("sqlite").len();
    assert_eq!(revert(database.url()).unwrap().len(), all);
    let mut intruder = Intruder::new(&database);
    assert_eq!(run_next_migration(&database, &mut intruder), "20261128000001");
    let tables = tables(&mut intruder);
    intruder.run(&rows(&database));
    let empty: Vec<_> = tables.iter().filter(|table| count(&mut intruder, table) == 0).collect();
    assert!(tables.len() > 10 && empty.is_empty(), "give {empty:?} rows in first_release.sql");

    match check_schema(database.url()) {
        Ok(()) => assert_eq!(all, 1),
        Err(MigrateError::Older(missing)) => assert_eq!(missing.len(), all - 1),
        Err(other) => panic!("{other}"),
    }
    assert_eq!(migrate(database.url()).unwrap().len(), all - 1);
    check_schema(database.url()).unwrap();
    block_on(everything_is_there(&*database.open()));
}

/// The statements of `first_release.sql`, in the words of the engine.
pub(crate) fn rows(database: &TestDatabase) -> String {
    let (begin, end) = if database.url().sqlite_path().is_some() { ("X'", "'") } else { ("'\\x", "'::bytea") };
    let mut pieces = include_str!("first_release.sql").split('{');
    let plain = pieces.next().unwrap().to_owned();
    pieces.fold(plain, |text, piece| {
        let (bytes, plain) = piece.split_once('}').unwrap();
        let length = if bytes.starts_with("uuid ") { 16 } else { 32 };
        format!("{text}{begin}{}{end}{plain}", bytes[bytes.len() - 2..].repeat(length))
    })
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

fn tables(intruder: &mut Intruder) -> Vec<String> {
    let found: Vec<Name> = match intruder {
        Intruder::Sqlite(connection) => {
            diesel::sql_query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
                .load(connection)
        }
        Intruder::Postgres(connection) => {
            diesel::sql_query("SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'")
                .load(connection)
        }
    }
    .unwrap();
    found.into_iter().map(|table| table.name).collect()
}

fn count(intruder: &mut Intruder, table: &str) -> i64 {
    let query = diesel::sql_query(format!("SELECT count(*) AS count FROM {table}"));
    let counted: Count = match intruder {
        Intruder::Sqlite(connection) => query.get_result(connection),
        Intruder::Postgres(connection) => query.get_result(connection),
    }
    .unwrap();
    counted.count
}

async fn everything_is_there(storage: &dyn Storage) {
    // Changes begin anew, for nobody runs who knows any.
    let known = storage.changes_since(&ChangeCursor::default()).await.unwrap().latest;
    assert_eq!(known.changes(), 0);
    accounts_are_there(storage).await;
    sessions_are_there(storage).await;
    factors_and_challenges_are_there(storage).await;
    limits_are_there(storage).await;
    keys_services_and_records_are_there(storage).await;
    storage.account_set_verified(EVE, true, action_of(Actor::CommandLine, 900).into()).await.unwrap().unwrap();
    let Invalidations { latest, invalidations } = storage.changes_since(&known).await.unwrap();
    assert_eq!((latest.changes(), invalidations), (1, vec![Invalidation::User(EVE)]));
    // What was to be finished is.
    assert_eq!(storage.write_ends().await.unwrap(), 1);
    assert_eq!(storage.write_ends().await.unwrap(), 1);
    assert_eq!(storage.delete_removed().await.unwrap(), 1);
    let over_cap = storage.sessions_over_cap(at(100)).await.unwrap();
    assert_eq!(over_cap, None, "one full session is not too many");
}

async fn accounts_are_there(storage: &dyn Storage) {
    let (ada, credential) = storage.account_credential(AccountName::Id(ADA)).await.unwrap().unwrap();
    assert_eq!((credential.password.expose(), credential.version), ("nfc$hash of ada", 3));
    assert_eq!((ada.username.as_str(), ada.email.as_str(), ada.uuid.0), ("Ada", "Ada@example.org", same(1)));
    assert_eq!((ada.staff, ada.has_second_factor, ada.verified_at, ada.banned_at), (true, true, Some(at(1)), None));
    assert_eq!((ada.created_at, ada.updated_at), (at(0), at(2)));
    for name in ["ADA".to_owned().try_into().map(AccountName::Username).unwrap(), AccountName::Uuid(ada.uuid)] {
        assert_eq!(storage.account_find(name).await.unwrap(), Some(ada.clone()));
    }
    let page = storage.account_page(first(10)).await.unwrap();
    let [eve, same_ada]: [User; 2] = page.items.try_into().unwrap();
    assert_eq!(same_ada, ada);
    assert_eq!((eve.id, eve.banned_at, eve.staff, eve.has_second_factor), (EVE, Some(at(103)), false, false));
    let office = Network::of("192.0.2.7".parse().unwrap());
    assert!(storage.network_is_known(ADA, office, at(100)).await.unwrap());
    let on = SwitchSet::from_iter([KillSwitch::AccountCreate]);
    assert_eq!(storage.switches().await.unwrap(), on);
}

async fn sessions_are_there(storage: &dyn Storage) {
    let all = storage.session_list(SessionFilter::default(), PageStart::Skip(0), 10, at(100)).await.unwrap();
    let all: Vec<_> = all.into_iter().map(|found| found.session).collect();
    let [of_generation, ended, pending, scoped, full]: [Session; 5] = all.try_into().unwrap();
    let by_ada = End { at: at(45), by: Actor::User(ADA), why: EndReason::Revoked };
    let by_operator = End { at: at(55), by: Actor::CommandLine, why: EndReason::Operator };
    assert_eq!((&of_generation.state, &ended.state), (&State::Ended(by_operator), &State::Ended(by_ada)));
    assert_eq!((pending.second_factor_pending, pending.origin.dialect), (true, Dialect::Kratos));
    assert!(matches!(scoped.grant, Grant::Scoped(scopes) if scopes.flags() == 1));
    assert_eq!((scoped.origin.dialect, scoped.origin.client_ip), (Dialect::Legacy, None));
    assert_eq!((full.uuid.0, full.id.number(), full.user), (same(0x11), at(10).unix_millis(), ADA));
    assert_eq!((full.name.as_str(), &full.grant, &full.state), ("full", &Grant::Full, &State::Open));
    assert_eq!((full.created_at, full.used_at, full.updated_at), (at(10), Some(at(12)), at(11)));
    assert_eq!(full.expires_at, Timestamp::from_unix_millis(1_800_000_000_000));
    assert_eq!(full.origin.client_ip, "2001:db8::1".parse().ok());
    assert_eq!(full.origin.user_agent.as_deref(), Some("Browser/1.0"));
    let shown: Vec<_> = full.authentications.iter().map(|shown| (shown.method, shown.at)).collect();
    assert_eq!(shown, [(Method::Password, at(10)), (Method::Totp, at(11))]);
    let by_token = storage.session_authority(Some(SessionKey::Opaque(digest(0x11)))).await.unwrap();
    assert_eq!(by_token.authenticated.map(|found| found.session), Some(full));
    let live: Vec<_> = storage.session_page(ADA, first(10), at(100)).await.unwrap().items;
    assert_eq!(live.iter().map(|session| session.name.as_str()).collect::<Vec<_>>(), ["pending", "scoped", "full"]);
}

async fn factors_and_challenges_are_there(storage: &dyn Storage) {
    let factors = storage.factor_page(ADA, first(10)).await.unwrap().items;
    let told: Vec<_> = factors.iter().map(|it| (it.id.0, it.kind, it.name.as_str(), it.used_at)).collect();
    let (totp, webauthn) = (FactorKind::Totp, FactorKind::Webauthn);
    assert_eq!(told, [(same(0x22), webauthn, "key", None), (same(0x21), totp, "phone", Some(at(11)))]);
    let keys = storage.factor_keys(ADA).await.unwrap();
    assert_eq!((keys.totp[0].sealed.as_str(), keys.totp[0].last_step), ("sealed secret", 56_666_667));
    let webauthn = &keys.webauthn[0];
    assert_eq!(webauthn.credential_id, [0x2a; 16]);
    assert_eq!((webauthn.credential.as_str(), webauthn.sign_count), ("public key", 7));
    assert_eq!(keys.backup.own, [digest(0x31)]);
    let challenge = storage.challenge_find(ChallengeId(same(0x41))).await.unwrap().unwrap();
    assert_eq!((challenge.user, challenge.credential_version, challenge.failures), (ADA, 3, 1));
    let endpoint = "DELETE /api/users/me".to_owned();
    let session = SessionUuid(same(0x11));
    assert_eq!(challenge.purpose, ChallengePurpose::Reverification { session, endpoint });
    assert_eq!(challenge.budget, BudgetKey::Network(ADA, Network::of("192.0.2.1".parse().unwrap())));
    assert_eq!((challenge.state.as_deref(), challenge.spent, challenge.created_at), (Some("state"), false, at(70)));
}

async fn limits_are_there(storage: &dyn Storage) {
    let charge = storage.budget_charge(&BudgetKey::Account(EVE), action_of(Actor::Stranger, 111)).await.unwrap();
    assert!(matches!(charge, Charge::Wait(millis) if millis > 0), "{charge:?}");
    assert_eq!(storage.failed_logins_close(at(400_000)).await.unwrap(), 1);
    let records = trail(storage).await;
    let failed = records.iter().find(|record| record.kind == AuditKind::LoginsFailed).unwrap();
    let detail = failed.detail.as_deref().unwrap();
    assert_eq!((failed.user, failed.action.client_ip), (Some(EVE), "192.0.2.7".parse().ok()));
    assert!(detail.starts_with("3 × wrong password") && detail.contains("Browser/1.0"), "{detail}");
}

async fn keys_services_and_records_are_there(storage: &dyn Storage) {
    let keys = storage.signing_keys().await.unwrap();
    let told: Vec<_> = keys.iter().map(|key| (key.kid.as_str(), key.sealed.as_str(), key.created_at)).collect();
    assert_eq!(told, [("first", "sealed key", at(0))]);
    assert_eq!(keys[0].signs_from, at(60_000));
    let shop = ServiceName::try_from("shop".to_owned()).unwrap();
    let service = storage.service_find(&shop).await.unwrap().unwrap();
    assert_eq!((service.secret, service.created_at, service.revoked_at), (digest(0x51), at(80), None));
    let records = trail(storage).await;
    let record = &records[0];
    assert_eq!(
        (record.kind, record.user, record.session.map(|it| it.0)),
        (AuditKind::SessionEnded, Some(ADA), Some(same(0x14)))
    );
    assert_eq!((&record.action, record.detail.as_deref()), (&action_of(Actor::User(ADA), 45), Some("revoked")));
}

/// The uuid of bytes that are all alike.
fn same(byte: u8) -> Uuid {
    Uuid::from_bytes([byte; 16])
}
