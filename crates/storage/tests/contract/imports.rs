//! Accounts that come from another program.

use thunderhead_domain::audit::{AuditFilter, AuditKind};
use thunderhead_domain::factor::{FactorMaterial, NewFactor};
use thunderhead_domain::id::{SessionId, UserId, UserUuid, VerificationKeyId};
use thunderhead_domain::import::{
    AccountOutcome, ImportBatch, ImportOutcome, ImportSource, ImportedAccount, ImportedFactor, ImportedSession,
    LeftOut, VerificationKey,
};
use thunderhead_domain::ports::{AccountName, PageRequest, Storage};
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{Actor, End, EndReason, Grant, Session, SessionKey, SessionName, SessionStatus};
use thunderhead_domain::user::{EmailAddress, PasswordHash, Username};
use thunderhead_testkit::{TestDatabase, on_both_engines};
use uuid::Uuid;

use crate::support::{WHY, account, action, at, digest, factor_id, open, session, user, uuid};

on_both_engines!(async:
    an_account_comes_with_all_that_belongs_to_it_and_once,
    what_was_ended_deleted_or_changed_here_does_not_come_back,
    what_is_new_at_the_source_comes_later_but_not_for_whom_the_account_was_closed,
    what_is_taken_here_is_left_out_or_gets_another_name,
    a_rehearsal_tells_the_same_and_writes_nothing,
    a_key_is_there_as_long_as_one_of_its_sessions_is_open,
    sessions_that_came_need_no_signing_key_however_old_they_are,
    accounts_are_exported_in_the_order_of_their_ids,
);

const KEY: VerificationKeyId = VerificationKeyId(Uuid::from_u128(7));

fn key() -> VerificationKey {
    VerificationKey { id: KEY, jwk: "a public key".to_owned(), issuer: Some("localhost".to_owned()), created_at: at(0) }
}

fn imported_session(number: u128) -> ImportedSession {
    let new = session(number);
    ImportedSession {
        source_id: format!("session {number}"),
        uuid: new.uuid,
        id: Some(SessionId::from_number(number as i64)),
        opaque: None,
        key: Some(KEY),
        name: SessionName::made_of("imported"),
        grant: Grant::Full,
        expires_at: new.expires_at,
        created_at: at(-1_000_000),
        updated_at: at(-900_000),
        used_at: Some(at(-900_000)),
        origin: new.origin,
        authentications: new.authentications,
        second_factor_pending: false,
        end: None,
    }
}

pub(crate) fn imported_factor(number: u128) -> ImportedFactor {
    let material = FactorMaterial::Totp { sealed: "sealed".to_owned(), last_step: 5 };
    ImportedFactor {
        source_id: format!("factor {number}"),
        factor: NewFactor { id: factor_id(number), name: crate::support::totp(number).name, material },
        used_at: None,
        created_at: at(-50),
        updated_at: at(-40),
    }
}

/// An account of this name, of the source's id that is the name.
pub(crate) fn imported(name: &str, id: Option<i64>, sessions: Vec<ImportedSession>) -> ImportedAccount {
    let new = account(name);
    ImportedAccount {
        source_id: name.to_owned(),
        id: id.map(UserId::from_number),
        uuid: UserUuid(new.uuid.0),
        username: new.username,
        other_username: None,
        email: new.email,
        password: PasswordHash::new(format!("foreign hash of {name}")),
        has_password: true,
        staff: false,
        verified_at: Some(at(-5)),
        banned_at: None,
        created_at: at(-1_000_000),
        updated_at: at(-10),
        factors: Vec::new(),
        codes: Vec::new(),
        sessions,
    }
}

fn batch(accounts: Vec<ImportedAccount>) -> ImportBatch {
    ImportBatch { source: ImportSource::Reference, key: Some(key()), accounts }
}

async fn import(storage: &dyn Storage, accounts: Vec<ImportedAccount>) -> Vec<ImportOutcome> {
    storage.import_batch(batch(accounts), action(0)).await.unwrap()
}

pub(crate) async fn one(storage: &dyn Storage, account: ImportedAccount) -> ImportOutcome {
    import(storage, vec![account]).await.pop().unwrap()
}

async fn found(storage: &dyn Storage, number: u128, user: i64) -> Option<Session> {
    let key = SessionKey::Uuid(uuid(number), UserId::from_number(user));
    let authenticated = storage.session_authority(Some(key)).await.unwrap().authenticated;
    authenticated.map(|authenticated| authenticated.session)
}

async fn is_live(storage: &dyn Storage, number: u128, user: i64) -> bool {
    found(storage, number, user).await.is_some_and(|session| session.status(at(1)) == SessionStatus::Live)
}

async fn recorded(storage: &dyn Storage, kind: AuditKind) -> u64 {
    let filter = AuditFilter { kind: Some(kind), ..AuditFilter::default() };
    storage.audit_page(filter, PageRequest { limit: 0, offset: 0 }).await.unwrap().count
}

/// Does what a list of all operations asks for.
pub(crate) async fn write(storage: &dyn Storage, operation: &str) {
    match operation {
        "import_batch" => {
            let outcome = one(storage, imported("nora", Some(1_600_000_000_000), vec![imported_session(900)])).await;
            assert_eq!(outcome.sessions, 1);
        }
        "import_record" => storage.import_record("1 account", action(0)).await.unwrap(),
        _ => panic!("it is not said here what {operation} does"),
    }
}

async fn an_account_comes_with_all_that_belongs_to_it_and_once(database: TestDatabase) {
    let storage = database.open();
    let nothing = ImportedSession { grant: Grant::Scoped(ScopeSet::known_of(0, false)), ..imported_session(2) };
    let end = End { at: at(-100), by: Actor::CommandLine, why: EndReason::Banned };
    let over = ImportedSession { end: Some(end), ..imported_session(3) };
    let mut ada = imported("ada", Some(1_600_000_000_000), vec![imported_session(1), nothing, over]);
    ada.factors = vec![imported_factor(1)];
    let outcome = one(&*storage, ada.clone()).await;
    let id = UserId::from_number(1_600_000_000_000);
    assert_eq!(outcome.account, AccountOutcome::Created { id, renamed: false });
    assert_eq!((outcome.sessions, outcome.sessions_over, outcome.factors), (2, 1, 1));

    let user = storage.account_find(AccountName::Id(id)).await.unwrap().unwrap();
    assert_eq!((user.verified_at, user.created_at, user.updated_at), (Some(at(-5)), at(-1_000_000), at(-10)));
    assert!(user.has_second_factor && user.banned_at.is_none());
    let session = found(&*storage, 1, id.number()).await.unwrap();
    assert_eq!((session.id, session.used_at), (SessionId::from_number(1), Some(at(-900_000))));
    assert_eq!(session.status(at(0)), SessionStatus::Live);
    let Grant::Scoped(scopes) = found(&*storage, 2, id.number()).await.unwrap().grant else { panic!("it is scoped") };
    assert_eq!(scopes.flags(), 0);
    assert_eq!(found(&*storage, 3, id.number()).await.unwrap().status(at(0)), SessionStatus::Ended);
    let keys = storage.factor_keys(id).await.unwrap();
    assert_eq!((keys.totp.len(), keys.totp[0].last_step), (1, 5));
    assert_eq!(recorded(&*storage, AuditKind::AccountImported).await, 1);
    assert_eq!(recorded(&*storage, AuditKind::FactorAdded).await, 1);
    // Nothing ended here.
    assert_eq!(recorded(&*storage, AuditKind::SessionEnded).await, 0);

    let again = one(&*storage, ada).await;
    assert_eq!(again, ImportOutcome::of(AccountOutcome::Known));
    assert!(!again.changes_anything());
    assert_eq!(recorded(&*storage, AuditKind::AccountImported).await, 1);
}

async fn what_was_ended_deleted_or_changed_here_does_not_come_back(database: TestDatabase) {
    let storage = database.open();
    let ada = || {
        let mut ada = imported("ada", Some(1_600_000_000_000), vec![imported_session(1)]);
        ada.factors = vec![imported_factor(1)];
        ada
    };
    let grace = || imported("grace", Some(1_600_000_000_001), vec![imported_session(2)]);
    import(&*storage, vec![ada(), grace()]).await;
    let [ada_id, grace_id] = [1_600_000_000_000, 1_600_000_000_001].map(UserId::from_number);
    assert!(storage.session_end(ada_id, SessionId::from_number(1), WHY, action(1)).await.unwrap());
    let all = thunderhead_domain::factor::FactorChoice::All;
    storage.factor_remove(ada_id, all, crate::support::STAY, action(1).into()).await.unwrap().unwrap();
    let renamed = Username::try_from("augusta".to_owned()).unwrap();
    storage.account_rename(ada_id, renamed, action(1).into()).await.unwrap().unwrap();
    storage.account_delete(grace_id, action(1).into()).await.unwrap().unwrap();
    // Their rows go, too.
    while storage.delete_removed().await.unwrap() > 0 {}
    while storage.prune_sessions(at(10_000_000)).await.unwrap() > 0 {}

    let outcomes = import(&*storage, vec![ada(), grace()]).await;
    assert_eq!(outcomes, [AccountOutcome::Known, AccountOutcome::Deleted].map(ImportOutcome::of));
    assert_eq!(found(&*storage, 1, ada_id.number()).await, None);
    assert_eq!(found(&*storage, 2, grace_id.number()).await, None);
    let user = storage.account_find(AccountName::Id(ada_id)).await.unwrap().unwrap();
    assert_eq!((user.username.as_str(), user.has_second_factor), ("augusta", false));
    assert_eq!(storage.account_find(AccountName::Id(grace_id)).await.unwrap(), None);
}

async fn what_is_new_at_the_source_comes_later_but_not_for_whom_the_account_was_closed(database: TestDatabase) {
    let storage = database.open();
    let names = [("ada", 1_600_000_000_000_i64), ("grace", 1_600_000_000_001), ("hedy", 1_600_000_000_002)];
    let accounts = |first: u128| {
        let with_sessions = |((name, id), number)| imported(name, Some(id), vec![imported_session(number)]);
        names.into_iter().zip(first..).map(with_sessions).collect::<Vec<_>>()
    };
    import(&*storage, accounts(1)).await;
    let [ada, grace, hedy] = names.map(|(_, id)| UserId::from_number(id));
    storage.account_ban(grace, None, action(1).into()).await.unwrap().unwrap();
    storage
        .account_set_password(hedy, PasswordHash::new("another".to_owned()), action(1).into())
        .await
        .unwrap()
        .unwrap();

    let mut later = accounts(11);
    later[0].factors = vec![imported_factor(1)];
    let outcomes = import(&*storage, later).await;
    assert_eq!(outcomes.iter().map(|outcome| outcome.sessions).collect::<Vec<_>>(), [1, 0, 0]);
    assert_eq!(outcomes.iter().map(|outcome| outcome.remarks.len()).collect::<Vec<_>>(), [0, 1, 1]);
    assert!(is_live(&*storage, 11, ada.number()).await);
    assert!(storage.account_find(AccountName::Id(ada)).await.unwrap().unwrap().has_second_factor);
    assert_eq!(found(&*storage, 12, grace.number()).await, None);
    assert_eq!(found(&*storage, 13, hedy.number()).await, None);
    assert_eq!(recorded(&*storage, AuditKind::SessionsImported).await, 1);

    storage.account_unban(grace, action(2).into()).await.unwrap().unwrap();
    let outcomes = import(&*storage, accounts(11)).await;
    assert_eq!(outcomes.iter().map(|outcome| outcome.sessions).collect::<Vec<_>>(), [0, 1, 0]);
    assert!(is_live(&*storage, 12, grace.number()).await && !is_live(&*storage, 2, grace.number()).await);
}

async fn what_is_taken_here_is_left_out_or_gets_another_name(database: TestDatabase) {
    let storage = database.open();
    let here = user(&*storage, "ada").await;
    let by_name = ImportedAccount {
        email: EmailAddress::from_checked("x@y.example".to_owned()),
        ..imported("ADA", None, vec![])
    };
    let by_address =
        ImportedAccount { username: Username::try_from("other".to_owned()).unwrap(), ..imported("ada", None, vec![]) };
    let by_address = ImportedAccount { uuid: UserUuid(Uuid::from_u128(99)), ..by_address };
    let by_id = imported("grace", Some(here.id.number()), vec![]);
    let by_uuid = ImportedAccount { uuid: here.uuid, ..imported("hedy", None, vec![]) };
    let outcomes = import(&*storage, vec![by_name.clone(), by_address, by_id, by_uuid]).await;
    let left_out = [LeftOut::NameTaken, LeftOut::AddressTaken, LeftOut::IdTaken, LeftOut::UuidTaken];
    assert_eq!(outcomes, left_out.map(|why| ImportOutcome::of(AccountOutcome::LeftOut(why))));

    let renamed = ImportedAccount { other_username: Username::try_from("ada-1".to_owned()).ok(), ..by_name };
    let outcome = one(&*storage, renamed).await;
    assert!(matches!(outcome.account, AccountOutcome::Created { renamed: true, .. }));

    // The session of the same second here keeps its id.
    let id = SessionId::at(at(0));
    open(&*storage, here.id, session(50)).await;
    let mut both = imported("joan", Some(1_600_000_000_000), vec![imported_session(51), imported_session(52)]);
    both.sessions[1].id = both.sessions[0].id;
    both.sessions.push(ImportedSession {
        id: None,
        created_at: at(0),
        key: None,
        opaque: Some(digest(3)),
        ..imported_session(53)
    });
    both.sessions.push(ImportedSession {
        id: None,
        created_at: at(0),
        key: None,
        opaque: Some(digest(4)),
        ..imported_session(54)
    });
    let outcome = one(&*storage, both).await;
    assert_eq!((outcome.sessions, outcome.remarks.len()), (3, 1));
    let ids = [53, 54].map(|number| found(&*storage, number, 1_600_000_000_000));
    let [first, second] = ids;
    assert_eq!((first.await.unwrap().id, second.await.unwrap().id), (id, id.previous()));
}

async fn a_rehearsal_tells_the_same_and_writes_nothing(database: TestDatabase) {
    let storage = database.open();
    user(&*storage, "grace").await;
    let accounts = || {
        let mut ada = imported("ada", Some(1_600_000_000_000), vec![imported_session(1)]);
        ada.factors = vec![imported_factor(1)];
        batch(vec![ada, imported("grace", Some(1_600_000_000_001), vec![imported_session(2)])])
    };
    let rehearsed = storage.import_rehearse(accounts()).await.unwrap();
    assert_eq!(recorded(&*storage, AuditKind::AccountImported).await, 0);
    assert_eq!(storage.verification_keys().await.unwrap(), []);
    assert_eq!(storage.import_batch(accounts(), action(0)).await.unwrap(), rehearsed);
    assert_eq!(recorded(&*storage, AuditKind::AccountImported).await, 1);
}

async fn a_key_is_there_as_long_as_one_of_its_sessions_is_open(database: TestDatabase) {
    let storage = database.open();
    one(&*storage, imported("grace", Some(1_600_000_000_001), vec![])).await;
    assert_eq!(storage.verification_keys().await.unwrap(), []);
    let sessions = vec![imported_session(1), imported_session(2)];
    one(&*storage, imported("ada", Some(1_600_000_000_000), sessions)).await;
    assert_eq!(storage.verification_keys().await.unwrap(), [key()]);
    let ada = UserId::from_number(1_600_000_000_000);
    assert_eq!(storage.prune_verification_keys(at(1)).await.unwrap(), 0);
    assert!(storage.session_end(ada, SessionId::from_number(1), WHY, action(1)).await.unwrap());
    assert_eq!(storage.prune_verification_keys(at(1)).await.unwrap(), 0);
    assert!(storage.session_end(ada, SessionId::from_number(2), WHY, action(1)).await.unwrap());
    assert_eq!(storage.prune_verification_keys(at(1)).await.unwrap(), 1);
    assert_eq!(storage.verification_keys().await.unwrap(), []);
    one(&*storage, imported("ada", Some(1_600_000_000_000), vec![imported_session(3)])).await;
    assert_eq!(storage.verification_keys().await.unwrap(), [key()]);
    assert_eq!(storage.prune_verification_keys(at(3_600_000)).await.unwrap(), 1);
}

async fn sessions_that_came_need_no_signing_key_however_old_they_are(database: TestDatabase) {
    use thunderhead_domain::ports::SigningKeyRecord;
    let storage = database.open();
    let record = |kid: &str, from| SigningKeyRecord {
        kid: kid.to_owned(),
        sealed: "sealed".to_owned(),
        created_at: at(from),
        signs_from: at(from),
    };
    storage.signing_key_first(record("old", -500_000)).await.unwrap();
    storage.signing_key_add(record("new", 0), action(0)).await.unwrap();
    one(&*storage, imported("ada", Some(1_600_000_000_000), vec![imported_session(1)])).await;
    assert_eq!(storage.prune_signing_keys(at(1), at(1)).await.unwrap(), 1);
}

async fn accounts_are_exported_in_the_order_of_their_ids(database: TestDatabase) {
    let storage = database.open();
    let mut ada = imported("ada", Some(1_600_000_000_000), vec![]);
    ada.factors = vec![imported_factor(1)];
    let grace = imported("grace", Some(1_600_000_000_001), vec![]);
    import(&*storage, vec![ImportedAccount { has_password: false, ..grace }, ada]).await;
    let first = storage.account_export(None, 1).await.unwrap();
    assert_eq!((first.len(), first[0].user.username.as_str(), first[0].totp.len()), (1, "ada", 1));
    assert_eq!(first[0].password.as_ref().map(PasswordHash::expose), Some("foreign hash of ada"));
    let rest = storage.account_export(Some(first[0].user.id), 10).await.unwrap();
    assert_eq!(rest.iter().map(|account| account.user.username.as_str()).collect::<Vec<_>>(), ["grace"]);
    // The hash of a password that nobody knows stays here.
    assert!(rest[0].password.is_none() && !rest[0].user.has_password);
}
