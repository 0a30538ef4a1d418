//! Rows that this version cannot read, because a newer one made them or somebody by hand: they take no other with them.

use thunderhead_domain::audit::{AuditFilter, AuditKind};
use thunderhead_domain::ports::{
    AccountName, ChangeCursor, Invalidation, PageRequest, PageStart, SessionCursor, SessionFilter, SessionHandle,
    SessionSearch, StorageError,
};
use thunderhead_domain::session::{NewSession, SessionKey, TokenDigest};
use thunderhead_domain::switch::{KillSwitch, SwitchSet};
use thunderhead_domain::user::PasswordHash;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    Intruder, WHY, account, action, at, challenge, challenge_id, codes, enrol, factor_id, first, keys, live, open,
    session, totp, trail, user, uuid, webauthn,
};

on_both_engines!(async:
    lists_leave_out_the_sessions_that_cannot_be_read_and_no_other,
    a_list_goes_on_after_sessions_that_cannot_be_read,
    what_cannot_be_read_can_be_ended,
    a_session_is_located_whether_or_not_it_can_be_read,
    a_user_who_cannot_be_read_is_changed_all_the_same,
    users_and_records_that_cannot_be_read_are_left_out,
    a_factor_that_cannot_be_read_stops_no_other,
    a_challenge_that_cannot_be_read_is_no_absence,
    a_switch_that_is_not_known_stops_nobody,
    a_change_of_a_kind_that_is_not_known_concerns_everything,
);

fn is_unreadable<T: std::fmt::Debug>(outcome: Result<T, StorageError>) {
    assert!(matches!(outcome, Err(StorageError::Unreadable(_))), "{outcome:?}");
}

/// Makes sessions of a user unreadable.
fn spoil(database: &TestDatabase, numbers: &[u128]) {
    for number in numbers {
        let id = format!("{number:032x}");
        let uuid = if database.url().sqlite_path().is_some() { format!("x'{id}'") } else { format!("'\\x{id}'") };
        Intruder::new(database).run(&format!("UPDATE sessions SET dialect = 'gopher' WHERE uuid = {uuid}"));
    }
}

async fn lists_leave_out_the_sessions_that_cannot_be_read_and_no_other(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for number in 1..=3 {
        open(&*storage, ada, session(number)).await;
    }
    spoil(&database, &[2]);
    let page = storage.session_page(ada, first(10), at(0)).await.unwrap();
    let numbers: Vec<_> = page.items.iter().map(|session| session.uuid.0.as_u128()).collect();
    assert_eq!((page.count, numbers), (3, vec![3, 1]));
    for number in [1, 3] {
        let found = storage.session_authority(Some(SessionKey::Uuid(uuid(number), ada))).await.unwrap();
        assert!(found.authenticated.is_some());
    }
    is_unreadable(storage.session_authority(Some(SessionKey::Uuid(uuid(2), ada))).await);
    is_unreadable(storage.session_find_any(uuid(2)).await);
    is_unreadable(storage.session_find_with_user(uuid(2)).await);
}

async fn a_list_goes_on_after_sessions_that_cannot_be_read(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for number in 1..=9 {
        open(&*storage, ada, NewSession { at: at(number as i64), ..session(number) }).await;
    }
    spoil(&database, &[9, 6, 5, 4, 1]);
    for limit in 1..=9 {
        let (mut met, mut start) = (Vec::new(), PageStart::Skip(0));
        loop {
            let page = storage.session_list(SessionFilter::default(), start, limit, at(10)).await.unwrap();
            met.extend(page.iter().map(|authenticated| authenticated.session.uuid.0.as_u128()));
            // A page that is not full is the last one.
            let Some(last) = page.last().filter(|_| page.len() == limit as usize) else { break };
            start = PageStart::After(SessionCursor::from(&last.session));
        }
        assert_eq!(met, [8, 7, 3, 2], "{limit} at a time");
        let (mut met, mut after) = (Vec::new(), None);
        loop {
            let page = storage.session_search(SessionSearch::default(), after, limit, at(10)).await.unwrap();
            met.extend(page.items.iter().map(|found| found.session.uuid.0.as_u128()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(met, [8, 7, 3, 2], "searched, {limit} at a time");
    }
}

async fn what_cannot_be_read_can_be_ended(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for number in 1..=2 {
        open(&*storage, ada, session(number)).await;
    }
    spoil(&database, &[1, 2]);
    assert_eq!(storage.session_end_all(ada, WHY, action(1)).await.unwrap(), 2);
    assert!(live(&*storage, ada).await.is_empty());
}

async fn a_session_is_located_whether_or_not_it_can_be_read(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for number in 1..=3 {
        open(&*storage, ada, NewSession { opaque: Some(TokenDigest([number as u8; 32])), ..session(number) }).await;
    }
    spoil(&database, &[1, 2]);
    let all = storage.session_locate_some(SessionFilter::default(), 2, at(0)).await.unwrap();
    let mut ended = Vec::new();
    for number in [1, 2] {
        let found = storage.session_locate(SessionHandle::Uuid(uuid(number))).await.unwrap().unwrap();
        let by_token = storage.session_locate(SessionHandle::Opaque(TokenDigest([number as u8; 32]))).await.unwrap();
        assert_eq!((found.user, by_token), (ada, Some(found)));
        assert!(storage.session_end(ada, found.id, WHY, action(1)).await.unwrap());
        ended.push(found);
        // It is over, and that is all there is to know.
        let authority = storage.session_authority(Some(SessionKey::Uuid(uuid(number), ada))).await.unwrap();
        assert_eq!(authority.authenticated, None);
    }
    assert!(all.len() == 2 && all.contains(&ended[1]), "the newest first");
    assert_eq!(live(&*storage, ada).await, [3]);
    assert_eq!(storage.session_locate(SessionHandle::Uuid(uuid(4))).await.unwrap(), None);
    assert_eq!(storage.session_locate(SessionHandle::Opaque(TokenDigest([4; 32]))).await.unwrap(), None);
}

async fn a_user_who_cannot_be_read_is_changed_all_the_same(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await;
    let name = AccountName::Username(ada.username.clone());
    open(&*storage, ada.id, session(1)).await;
    Intruder::new(&database).run(&format!("UPDATE users SET username = 'b b' WHERE id = {}", ada.id.number()));
    for name in [name, AccountName::Id(ada.id), AccountName::Uuid(ada.uuid), AccountName::Email(ada.email.clone())] {
        assert_eq!(storage.account_id(name).await.unwrap(), Some(ada.id));
    }
    let banned = storage.account_ban(ada.id, None, action(1).into()).await.unwrap().unwrap();
    assert_eq!((banned.user, banned.sessions_ended), (None, 1));
    assert_eq!(storage.account_unban(ada.id, action(2).into()).await.unwrap().unwrap(), None);
    for staff in [true, false] {
        assert_eq!(storage.account_set_staff(ada.id, staff, action(3).into()).await.unwrap().unwrap(), None);
    }
    let hash = PasswordHash::new("new".to_owned());
    assert_eq!(storage.account_set_password(ada.id, hash, action(4).into()).await.unwrap().unwrap().user, None);
    let kinds: Vec<_> = trail(&*storage).await.into_iter().map(|record| record.kind).collect();
    for kind in [
        AuditKind::AccountBanned,
        AuditKind::AccountUnbanned,
        AuditKind::StaffGranted,
        AuditKind::StaffRevoked,
        AuditKind::PasswordChanged,
    ] {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
    storage.account_delete(ada.id, action(5).into()).await.unwrap().unwrap();
    assert_eq!(storage.account_id(AccountName::Id(ada.id)).await.unwrap(), None);
}

async fn users_and_records_that_cannot_be_read_are_left_out(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    open(&*storage, ada, session(1)).await;
    open(&*storage, grace, session(2)).await;
    let mut intruder = Intruder::new(&database);
    intruder.run(&format!("UPDATE users SET username = 'not a name' WHERE id = {}", grace.number()));
    let page = storage.account_page(first(10)).await.unwrap();
    assert_eq!((page.count, page.items.len(), page.items[0].id), (2, 1, ada));
    is_unreadable(storage.account_find(AccountName::Id(grace)).await);
    is_unreadable(storage.account_credential(AccountName::Id(grace)).await);
    is_unreadable(storage.session_authority(Some(SessionKey::Uuid(uuid(2), grace))).await);
    let list = storage.session_list(SessionFilter::default(), PageStart::Skip(0), 10, at(0)).await.unwrap();
    assert_eq!(list.iter().map(|authenticated| authenticated.user.id).collect::<Vec<_>>(), [ada]);
    // A name that this version would not give is taken all the same.
    storage.account_create(account("hopper"), action(1)).await.unwrap();
    let before = storage.audit_page(AuditFilter::default(), first(100)).await.unwrap();
    intruder.run(&format!("UPDATE audit SET kind = 'from-the-future' WHERE user_id = {}", grace.number()));
    intruder.run("INSERT INTO audit (at, actor, kind) VALUES (1, 'nobody known', 'logged-in')");
    let after = storage.audit_page(AuditFilter::default(), first(100)).await.unwrap();
    assert_eq!(after.count, before.count + 1);
    let readable = before.items.into_iter().filter(|record| record.user != Some(grace)).collect::<Vec<_>>();
    assert_eq!(after.items, readable);
}

async fn a_factor_that_cannot_be_read_stops_no_other(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    enrol(&*storage, ada, totp(1), codes(0)).await;
    enrol(&*storage, ada, webauthn(2, 7), vec![]).await;
    enrol(&*storage, ada, webauthn(3, 7), vec![]).await;
    let unchecked = match database.url().sqlite_path() {
        Some(_) => "PRAGMA ignore_check_constraints = ON",
        None => "ALTER TABLE second_factors DROP CONSTRAINT second_factors_whole",
    };
    let new_kind = "UPDATE second_factors SET kind = 'pigeon' WHERE name = 'factor 1'";
    Intruder::new(&database).run(&format!("{unchecked}; {new_kind}"));
    Intruder::new(&database).run("UPDATE second_factors SET sign_count = -1 WHERE name = 'factor 2'");
    let found = keys(&*storage, ada).await;
    let webauthn: Vec<_> = found.webauthn.iter().map(|key| key.factor).collect();
    assert_eq!((found.totp.len(), webauthn, found.backup.count()), (0, vec![factor_id(3)], 10));
    let page = storage.factor_page(ada, PageRequest { limit: 10, offset: 0 }).await.unwrap();
    let names: Vec<_> = page.items.iter().map(|factor| factor.name.as_str()).collect();
    assert_eq!((page.count, names), (3, vec!["factor 3", "factor 2"]));
    is_unreadable(storage.factor_find(ada, factor_id(1)).await);
}

async fn a_challenge_that_cannot_be_read_is_no_absence(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for number in [1, 2] {
        storage.challenge_create(challenge(ada, number)).await.unwrap();
    }
    Intruder::new(&database).run("UPDATE challenges SET purpose = 'something new'");
    is_unreadable(storage.challenge_find(challenge_id(1)).await);
    is_unreadable(storage.challenge_charge(challenge_id(1), action(1)).await);
    assert_eq!(storage.challenge_find(challenge_id(3)).await.unwrap(), None);
}

async fn a_switch_that_is_not_known_stops_nobody(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    storage.switch_set(KillSwitch::FileCreate, true, action(0).into()).await.unwrap().unwrap();
    let unchecked = match database.url().sqlite_path() {
        Some(_) => "PRAGMA ignore_check_constraints = ON",
        None => "ALTER TABLE kill_switches DROP CONSTRAINT kill_switches_id_check",
    };
    let unknown = KillSwitch::TABLE.len();
    let insert = "INSERT INTO kill_switches (id, is_on, changed_by, changed_at)";
    Intruder::new(&database).run(&format!("{unchecked}; {insert} VALUES ({unknown}, TRUE, 'stranger', 0)"));
    let on = SwitchSet::NONE.with(KillSwitch::FileCreate);
    assert_eq!(storage.switches().await.unwrap(), on);
    let found = storage.session_authority(Some(SessionKey::Uuid(uuid(1), ada))).await.unwrap();
    assert_eq!((found.switches, found.authenticated.is_some()), (on, true));
}

async fn a_change_of_a_kind_that_is_not_known_concerns_everything(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let known = storage.changes_since(&ChangeCursor::default()).await.unwrap().latest;
    storage.account_set_staff(ada, true, action(0).into()).await.unwrap().unwrap();
    Intruder::new(&database).run("UPDATE change_log SET invalidation = 'a planet' WHERE user_id IS NOT NULL");
    let changes = storage.changes_since(&known).await.unwrap();
    assert!(changes.invalidations.contains(&Invalidation::Everything), "{changes:?}");
}
