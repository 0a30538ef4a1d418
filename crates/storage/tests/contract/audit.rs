//! The audit trail: what each change leaves, and how it is asked for.

use thunderhead_domain::audit::{ActionContext, AuditFilter, AuditKind};
use thunderhead_domain::budget::{BudgetKey, Charge};
use thunderhead_domain::change_authorization::{PreconditionFailed, Refusal};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{AccountCreated, PageRequest, Registered, Storage};
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{Actor, EndReason, Grant, NewSession};
use thunderhead_domain::user::{EmailAddress, NewAccount, PasswordHash, Username};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    FIRST_CREDENTIAL, WHY, account, action, action_of, at, created, digest, open, plain, session, stale_change, trail,
    user, uuid,
};

on_both_engines!(async:
    a_new_account_is_recorded_and_a_taken_name_is_not,
    a_registration_is_recorded_as_an_account_and_a_login_by_its_user_and_a_failed_one_not_at_all,
    opened_sessions_are_recorded_by_their_user_and_refused_ones_are_not,
    ended_sessions_are_recorded_one_by_one_and_only_those_that_this_call_ended,
    a_ban_is_recorded_with_its_reason_and_the_ends_of_sessions,
    changes_of_an_account_are_recorded_and_what_changes_nothing_is_not,
    a_changed_password_is_recorded_with_the_ends_of_sessions,
    a_refused_change_leaves_no_record,
    deleted_accounts_are_recorded_with_their_names,
    an_attempt_beyond_the_budget_of_an_account_is_recorded_and_no_other,
    no_record_holds_a_secret_or_an_address,
    records_are_asked_for_by_any_mix_of_filters_newest_first_and_in_pages,
    hundreds_of_sessions_ended_at_once_are_all_recorded,
);

/// What, to whom, to which session, and the detail.
type Told = (AuditKind, Option<UserId>, Option<u128>, Option<String>);

/// The records from the one of this index on, oldest first, all of which must be of one action.
async fn told(storage: &dyn Storage, from: usize, action: &ActionContext) -> Vec<Told> {
    let records = trail(storage).await.into_iter().skip(from);
    let told = records.map(|record| {
        assert_eq!(&record.action, action);
        (record.kind, record.user, record.session.map(|uuid| uuid.0.as_u128()), record.detail)
    });
    told.collect()
}

fn of(kind: AuditKind, user: UserId, detail: Option<&str>) -> Told {
    (kind, Some(user), None, detail.map(str::to_owned))
}

fn of_session(kind: AuditKind, user: UserId, number: u128, detail: Option<&str>) -> Told {
    (kind, Some(user), Some(number), detail.map(str::to_owned))
}

fn sorted(mut list: Vec<Told>) -> Vec<Told> {
    list.sort_by_key(|told| (told.0 as u8, told.2));
    list
}

/// A user doing something, from where the sessions of the scenarios are opened.
fn by_owner(user: UserId, millis: i64) -> ActionContext {
    ActionContext { at: at(millis), by: Actor::User(user), client_ip: session(0).origin.client_ip }
}

async fn a_new_account_is_recorded_and_a_taken_name_is_not(database: TestDatabase) {
    let storage = database.open();
    let by = action_of(Actor::CommandLine, 3);
    let ada = created(storage.account_create(account("ada"), by.clone()).await.unwrap()).id;
    let taken = storage.account_create(account("ADA"), by.clone()).await.unwrap();
    assert_eq!(taken, AccountCreated::Taken);
    assert_eq!(told(&*storage, 0, &by).await, [of(AuditKind::AccountCreated, ada, None)]);
    let staff = NewAccount { staff: true, ..account("grace") };
    let grace = created(storage.account_create(staff, by.clone()).await.unwrap()).id;
    let expected = [of(AuditKind::AccountCreated, grace, None), of(AuditKind::StaffGranted, grace, None)];
    assert_eq!(told(&*storage, 1, &by).await, expected);
}

async fn a_registration_is_recorded_as_an_account_and_a_login_by_its_user_and_a_failed_one_not_at_all(
    database: TestDatabase,
) {
    let storage = database.open();
    let Registered::Registered(authenticated) = storage.account_register(account("ada"), session(1)).await.unwrap()
    else {
        panic!("the name is free");
    };
    let ada = authenticated.user.id;
    let expected = [of(AuditKind::AccountCreated, ada, None), of_session(AuditKind::LoggedIn, ada, 1, None)];
    assert_eq!(told(&*storage, 0, &by_owner(ada, 0)).await, expected);
    assert_eq!(storage.account_register(account("ada"), session(2)).await.unwrap(), Registered::Taken);
    assert!(storage.account_register(account("grace"), session(1)).await.is_err());
    assert_eq!(trail(&*storage).await.len(), 2);
}

async fn opened_sessions_are_recorded_by_their_user_and_refused_ones_are_not(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let new = |number| NewSession { at: at(7), ..session(number) };
    open(&*storage, ada, new(1)).await;
    open(&*storage, ada, NewSession { second_factor_pending: true, ..new(2) }).await;
    let scoped = |flags, number| {
        let grant = Grant::Scoped(ScopeSet::from_flags(flags).unwrap());
        NewSession { grant, ..new(number) }
    };
    storage.session_open_from(ada, scoped(34, 3), plain(ada, 1, 7)).await.unwrap().unwrap();
    let refused = [
        storage.session_open(ada, FIRST_CREDENTIAL + 1, None, new(4)).await.unwrap(),
        storage.session_open_from(ada, scoped(2, 5), plain(ada, 2, 7)).await.unwrap(),
        storage.session_open_from(ada, scoped(512, 6), plain(ada, 1, 7)).await.unwrap(),
    ];
    assert_eq!(
        refused,
        [PreconditionFailed::PasswordChanged, PreconditionFailed::SessionEnded, PreconditionFailed::NotStaff]
            .map(stale_change)
    );
    assert!(storage.session_open(ada, FIRST_CREDENTIAL, None, new(1)).await.is_err(), "its uuid is taken");
    let expected = [
        of_session(AuditKind::LoggedIn, ada, 1, None),
        of_session(AuditKind::LoggedIn, ada, 2, Some("second factor pending")),
        of_session(AuditKind::ScopedSessionIssued, ada, 3, Some("UPLOAD_FILE SESSION_READ")),
    ];
    assert_eq!(told(&*storage, 1, &by_owner(ada, 7)).await, expected);
}

async fn ended_sessions_are_recorded_one_by_one_and_only_those_that_this_call_ended(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    let mut ids = Vec::new();
    for number in 1..=6 {
        ids.push(open(&*storage, ada, session(number)).await.id);
    }
    let mut seen = trail(&*storage).await.len();
    let by = action_of(Actor::User(grace), 9);
    let ended = |number, why| of_session(AuditKind::SessionEnded, ada, number, Some(why));

    assert!(storage.session_end(ada, ids[0], EndReason::Revoked, by.clone()).await.unwrap());
    assert!(!storage.session_end(ada, ids[0], EndReason::Revoked, by.clone()).await.unwrap());
    assert_eq!(told(&*storage, seen, &by).await, [ended(1, "revoked")]);
    seen += 1;
    let some = [ids[0], ids[1], ids[2], ids[1]];
    storage.session_end_some(ada, &some, EndReason::RevokedByStaff, by.clone()).await.unwrap();
    let expected = vec![ended(2, "revoked_by_staff"), ended(3, "revoked_by_staff")];
    assert_eq!(sorted(told(&*storage, seen, &by).await), expected);
    seen += 2;
    storage.session_end_others(ada, uuid(6), EndReason::Revoked, by.clone()).await.unwrap();
    assert_eq!(sorted(told(&*storage, seen, &by).await), [ended(4, "revoked"), ended(5, "revoked")]);
    seen += 2;
    storage.session_end_all(ada, EndReason::Operator, by.clone()).await.unwrap();
    assert_eq!(told(&*storage, seen, &by).await, [ended(6, "operator")]);
    storage.session_end_all(ada, EndReason::Operator, by.clone()).await.unwrap();
    assert_eq!(trail(&*storage).await.len(), seen + 1);
}

async fn a_ban_is_recorded_with_its_reason_and_the_ends_of_sessions(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    for number in 1..=2 {
        open(&*storage, ada, session(number)).await;
    }
    let seen = trail(&*storage).await.len();
    let by = action_of(Actor::User(grace), 9);
    storage.account_ban(ada, Some("spam → ß".to_owned()), by.clone().into()).await.unwrap().unwrap();
    storage.account_ban(ada, Some("again".to_owned()), by.clone().into()).await.unwrap().unwrap();
    let expected = vec![
        of(AuditKind::AccountBanned, ada, Some("spam → ß")),
        of_session(AuditKind::SessionEnded, ada, 1, Some("banned")),
        of_session(AuditKind::SessionEnded, ada, 2, Some("banned")),
    ];
    assert_eq!(sorted(told(&*storage, seen, &by).await), expected);
    storage.account_ban(grace, None, by.clone().into()).await.unwrap().unwrap();
    assert_eq!(told(&*storage, seen + 3, &by).await, [of(AuditKind::AccountBanned, grace, None)]);
}

async fn changes_of_an_account_are_recorded_and_what_changes_nothing_is_not(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let by = action_of(Actor::User(ada), 9);
    let name = Username::try_from("Ada.L".to_owned()).unwrap();
    let email = EmailAddress::from_checked("other@example.org".to_owned());
    // Each twice: the second time it changes nothing.
    for twice in [by.clone(), by.clone()] {
        storage.account_set_verified(ada, true, twice.clone().into()).await.unwrap().unwrap();
    }
    for twice in [by.clone(), by.clone()] {
        storage.account_set_verified(ada, false, twice.into()).await.unwrap().unwrap();
    }
    for twice in [by.clone(), by.clone()] {
        storage.account_set_staff(ada, true, twice.into()).await.unwrap().unwrap();
    }
    for twice in [by.clone(), by.clone()] {
        storage.account_set_staff(ada, false, twice.into()).await.unwrap().unwrap();
    }
    for twice in [by.clone(), by.clone()] {
        storage.account_rename(ada, name.clone(), twice.into()).await.unwrap().unwrap();
    }
    for twice in [by.clone(), by.clone()] {
        storage.account_readdress(ada, email.clone(), twice.into()).await.unwrap().unwrap();
    }
    storage.account_ban(ada, None, by.clone().into()).await.unwrap().unwrap();
    for twice in [by.clone(), by.clone()] {
        storage.account_unban(ada, twice.into()).await.unwrap().unwrap();
    }
    storage.account_rehash(ada, FIRST_CREDENTIAL, PasswordHash::new("newer".to_owned())).await.unwrap();
    let expected = [
        of(AuditKind::AccountVerified, ada, None),
        of(AuditKind::AccountUnverified, ada, None),
        of(AuditKind::StaffGranted, ada, None),
        of(AuditKind::StaffRevoked, ada, None),
        of(AuditKind::AccountRenamed, ada, Some("ada → Ada.L")),
        of(AuditKind::EmailChanged, ada, None),
        of(AuditKind::AccountBanned, ada, None),
        of(AuditKind::AccountUnbanned, ada, None),
    ];
    assert_eq!(told(&*storage, 1, &by).await, expected);
}

async fn a_changed_password_is_recorded_with_the_ends_of_sessions(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for number in 1..=3 {
        open(&*storage, ada, session(number)).await;
    }
    let seen = trail(&*storage).await.len();
    let by = action_of(Actor::User(ada), 9);
    let hash = PasswordHash::new("new".to_owned());
    storage.account_set_password(ada, hash, plain(ada, 2, 9)).await.unwrap().unwrap();
    let expected = vec![
        of(AuditKind::PasswordChanged, ada, None),
        of_session(AuditKind::SessionEnded, ada, 1, Some("password_changed")),
        of_session(AuditKind::SessionEnded, ada, 3, Some("password_changed")),
    ];
    assert_eq!(sorted(told(&*storage, seen, &by).await), expected);
}

async fn a_refused_change_leaves_no_record(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await, user(&*storage, "grace").await);
    let renamed = storage.account_rename(ada.id, grace.username, action(1).into()).await.unwrap();
    let readdressed = storage.account_readdress(ada.id, grace.email, action(1).into()).await.unwrap();
    assert_eq!([renamed, readdressed], [Err(Refusal::Taken), Err(Refusal::Taken)]);
    assert_eq!(trail(&*storage).await.len(), 2);
}

async fn deleted_accounts_are_recorded_with_their_names(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "Ada").await.id, user(&*storage, "grace").await.id);
    open(&*storage, ada, session(1)).await;
    let by = action_of(Actor::CommandLine, 9);
    storage.account_delete_some(&[grace, ada], by.clone().into()).await.unwrap().unwrap();
    storage.account_delete_some(&[grace, ada], by.clone().into()).await.unwrap().unwrap();
    let expected =
        [of(AuditKind::AccountDeleted, ada, Some("Ada")), of(AuditKind::AccountDeleted, grace, Some("grace"))];
    assert_eq!(told(&*storage, 3, &by).await, expected);
}

async fn an_attempt_beyond_the_budget_of_an_account_is_recorded_and_no_other(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let by = |millis| action_of(Actor::Stranger, millis);
    for key in [BudgetKey::Account(ada), BudgetKey::Typed([7; 32], None)] {
        for _ in 0..10 {
            storage.budget_charge(&key, by(0)).await.unwrap();
        }
        assert_eq!(storage.budget_charge(&key, by(1)).await.unwrap(), Charge::Wait(999));
        assert!(matches!(storage.budget_charge(&key, by(1_000)).await.unwrap(), Charge::Admitted(_)));
    }
    assert_eq!(told(&*storage, 1, &by(1_000)).await, [of(AuditKind::AttemptedBeyondBudget, ada, None)]);
}

async fn no_record_holds_a_secret_or_an_address(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await;
    storage.account_register(account("grace"), session(9)).await.unwrap();
    open(&*storage, ada.id, NewSession { opaque: Some(digest(7)), ..session(1) }).await;
    let email = EmailAddress::from_checked("new@example.org".to_owned());
    storage.account_readdress(ada.id, email, action(1).into()).await.unwrap().unwrap();
    let hash = PasswordHash::new("another hash of ada".to_owned());
    storage.account_set_password(ada.id, hash, action(2).into()).await.unwrap().unwrap();
    storage.account_delete_some(&[ada.id], action(3).into()).await.unwrap().unwrap();
    for record in trail(&*storage).await {
        let text = format!("{record:?}");
        assert!(!text.contains("hash of") && !text.contains("example"), "{text}");
        assert!(!text.contains("[7, 7") && !text.contains("0707"), "{text}");
    }
}

async fn records_are_asked_for_by_any_mix_of_filters_newest_first_and_in_pages(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    let by_grace = Actor::User(grace);
    for (whom, by, staff, millis) in [
        (ada, by_grace, true, 10),
        (grace, Actor::CommandLine, true, 20),
        (ada, Actor::CommandLine, false, 30),
        (ada, Actor::Stranger, true, 40),
        (ada, by_grace, false, 50),
    ] {
        storage.account_set_staff(whom, staff, action_of(by, millis).into()).await.unwrap().unwrap();
    }
    let none = AuditFilter::default;
    let granted = Some(AuditKind::StaffGranted);
    for (filter, expected) in [
        (none(), vec![50, 40, 30, 20, 10, 0, 0]),
        (AuditFilter { user: Some(grace), ..none() }, vec![20, 0]),
        (AuditFilter { by: Some(by_grace), ..none() }, vec![50, 10]),
        (AuditFilter { by: Some(Actor::Stranger), ..none() }, vec![40]),
        (AuditFilter { kind: granted, ..none() }, vec![40, 20, 10]),
        (AuditFilter { since: Some(at(30)), ..none() }, vec![50, 40, 30]),
        (AuditFilter { until: Some(at(30)), ..none() }, vec![20, 10, 0, 0]),
        (AuditFilter { since: Some(at(10)), until: Some(at(40)), kind: granted, ..none() }, vec![20, 10]),
        (AuditFilter { user: Some(ada), by: Some(by_grace), kind: granted, ..none() }, vec![10]),
        (AuditFilter { user: Some(grace), by: Some(by_grace), ..none() }, vec![]),
        (AuditFilter { user: Some(UserId::from_number(1)), ..none() }, vec![]),
    ] {
        for (limit, offset) in [(100, 0), (1, 0), (2, 1), (0, 0), (9, u64::MAX)] {
            let page = storage.audit_page(filter, PageRequest { limit, offset }).await.unwrap();
            let times: Vec<_> = page.items.iter().map(|record| record.action.at).collect();
            let skipped = expected.iter().skip(usize::try_from(offset).unwrap()).take(limit as usize);
            assert_eq!(page.count, expected.len() as u64, "{filter:?}");
            assert_eq!(times, skipped.map(|millis| at(*millis)).collect::<Vec<_>>(), "{filter:?}");
            assert!(page.items.is_sorted_by(|one, next| one.number > next.number));
        }
    }
}

async fn hundreds_of_sessions_ended_at_once_are_all_recorded(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    crate::support::Intruder::new(&database).add_sessions(ada, 900);
    assert_eq!(storage.session_end_all(ada, WHY, action(1)).await.unwrap(), 900);
    assert_eq!(crate::support::recorded(&*storage, AuditKind::SessionEnded).await, 900);
}
