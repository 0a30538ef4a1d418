//! Accounts and their credentials.

use std::collections::BTreeSet;

use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{AccountCreated, AccountName, PageRequest, Registered};
use thunderhead_domain::session::{Actor, EndReason, SessionKey, State};
use thunderhead_domain::user::{EmailAddress, NewAccount, PasswordHash, Username};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    WHY, account, action, action_of, at, at_once, created, first, live, open, session, trail, user, uuid,
};

on_both_engines!(async:
    an_account_is_found_by_id_and_by_name_in_any_case,
    nobody_is_found_under_an_unknown_name,
    accounts_of_one_millisecond_get_the_next_free_ids,
    a_name_or_an_address_that_differs_only_in_case_is_taken,
    of_many_who_want_one_name_at_once_one_gets_it,
    accounts_made_at_once_get_different_ids,
    registering_makes_the_account_and_its_session_or_neither,
    users_are_listed_newest_first,
    a_ban_ends_open_sessions_and_keeps_its_first_date,
    lifting_a_ban_leaves_sessions_ended,
    staff_are_made_and_unmade,
    a_hash_is_replaced_only_while_the_credential_is_the_same,
    what_is_done_to_nobody_is_refused,
);

fn named(name: &str) -> AccountName {
    AccountName::Username(Username::try_from(name.to_owned()).unwrap())
}

async fn an_account_is_found_by_id_and_by_name_in_any_case(database: TestDatabase) {
    let storage = database.open();
    let mut new = account("Ada");
    new.staff = true;
    let uuid = new.uuid;
    let ada = created(storage.account_create(new, action(0)).await.unwrap());
    assert_eq!((ada.id, ada.uuid), (UserId::at(at(0)), uuid));
    assert_eq!((ada.username.as_str(), ada.email.as_str()), ("Ada", "Ada@example.org"));
    assert_eq!((ada.staff, ada.has_second_factor, ada.verified_at, ada.banned_at), (true, false, None, None));
    assert_eq!((ada.created_at, ada.updated_at), (at(0), at(0)));
    for name in [AccountName::Id(ada.id), named("ada"), named("ADA")] {
        assert_eq!(storage.account_find(name.clone()).await.unwrap().as_ref(), Some(&ada));
        let (found, credential) = storage.account_credential(name).await.unwrap().unwrap();
        assert_eq!((found, credential.password.expose(), credential.version), (ada.clone(), "hash of Ada", 1));
    }
}

async fn nobody_is_found_under_an_unknown_name(database: TestDatabase) {
    let storage = database.open();
    user(&*storage, "ada").await;
    for name in [AccountName::Id(UserId::from_number(1)), named("grace")] {
        assert_eq!(storage.account_find(name.clone()).await.unwrap(), None);
        assert_eq!(storage.account_credential(name).await.unwrap(), None);
    }
}

async fn accounts_of_one_millisecond_get_the_next_free_ids(database: TestDatabase) {
    let storage = database.open();
    let later = NewAccount { at: at(2), ..account("c") };
    assert_eq!(created(storage.account_create(later, action(0)).await.unwrap()).id, UserId::at(at(2)));
    for (name, millis) in [("a", 0), ("b", 1), ("d", 3)] {
        assert_eq!(user(&*storage, name).await.id, UserId::at(at(millis)), "{name}");
    }
}

async fn a_name_or_an_address_that_differs_only_in_case_is_taken(database: TestDatabase) {
    let storage = database.open();
    user(&*storage, "Ada").await;
    let same_name = NewAccount { email: EmailAddress::from_checked("other@example.org".to_owned()), ..account("aDA") };
    let same_address = NewAccount { email: EmailAddress::from_checked("ADA@EXAMPLE.org".to_owned()), ..account("b") };
    for taken in [same_name, same_address] {
        assert_eq!(storage.account_create(taken, action(0)).await.unwrap(), AccountCreated::Taken);
    }
    assert_eq!(storage.account_page(first(0)).await.unwrap().count, 1);
}

async fn of_many_who_want_one_name_at_once_one_gets_it(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let outcomes = at_once((0..40_u128).map(|number| {
        let storage = replicas[number as usize % 2].clone();
        let mut wanted = account("ada");
        wanted.uuid.0 = uuid::Uuid::from_u128(number);
        async move { storage.account_create(wanted, action(0)).await.unwrap() }
    }))
    .await;
    let made = outcomes.iter().filter(|outcome| matches!(outcome, AccountCreated::Created(_))).count();
    assert_eq!((made, outcomes.len()), (1, 40));
}

async fn accounts_made_at_once_get_different_ids(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ids: BTreeSet<UserId> = at_once((0..40).map(|number| {
        let storage = replicas[number % 2].clone();
        async move { user(&*storage, &format!("user{number}")).await.id }
    }))
    .await
    .into_iter()
    .collect();
    assert_eq!(ids, (0..40).map(|millis| UserId::at(at(millis))).collect());
}

async fn registering_makes_the_account_and_its_session_or_neither(database: TestDatabase) {
    let storage = database.open();
    let Registered::Registered(authenticated) = storage.account_register(account("ada"), session(1)).await.unwrap()
    else {
        panic!("the name is free");
    };
    let found = storage.session_authority(Some(SessionKey::Uuid(uuid(1), authenticated.user.id))).await.unwrap();
    assert_eq!(found.authenticated, Some(*authenticated));
    assert_eq!(storage.account_register(account("ada"), session(2)).await.unwrap(), Registered::Taken);
    // A session that cannot be made takes its account with it.
    assert!(storage.account_register(account("grace"), session(1)).await.is_err());
    assert_eq!(storage.account_page(first(0)).await.unwrap().count, 1);
}

async fn users_are_listed_newest_first(database: TestDatabase) {
    let storage = database.open();
    for name in ["a", "b", "c"] {
        user(&*storage, name).await;
    }
    storage.account_create(NewAccount { at: at(-50), ..account("old") }, action(-50)).await.unwrap();
    let names = async |limit, offset| {
        let page = storage.account_page(PageRequest { limit, offset }).await.unwrap();
        assert_eq!(page.count, 4);
        page.items.into_iter().map(|user| user.username.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(2, 0).await, ["c", "b"]);
    assert_eq!(names(2, 2).await, ["a", "old"]);
    assert!(names(2, 4).await.is_empty() && names(0, 0).await.is_empty() && names(50, u64::MAX).await.is_empty());
}

async fn a_ban_ends_open_sessions_and_keeps_its_first_date(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    for number in 1..=3 {
        open(&*storage, ada, session(number)).await;
    }
    open(&*storage, grace, session(4)).await;
    storage.session_end_all(ada, WHY, action(1)).await.unwrap();
    open(&*storage, ada, session(5)).await;
    open(&*storage, ada, session(6)).await;
    let by_grace = action_of(Actor::User(grace), 10);
    let ban = by_grace.end(EndReason::Banned);
    let outcome = storage.account_ban(ada, None, by_grace.into()).await.unwrap().unwrap();
    assert_eq!(outcome.sessions_ended, 2);
    let banned = outcome.user.unwrap();
    assert_eq!((banned.banned_at, banned.updated_at), (Some(at(10)), at(10)));
    assert_eq!(storage.account_find(AccountName::Id(ada)).await.unwrap(), Some(banned));
    let key = SessionKey::Uuid(uuid(5), ada);
    let authenticated = storage.session_authority(Some(key)).await.unwrap().authenticated.unwrap();
    assert_eq!((authenticated.session.state, authenticated.user.banned_at), (State::Ended(ban), Some(at(10))));
    let again = storage.account_ban(ada, None, action(20).into()).await.unwrap().unwrap();
    let user = again.user.unwrap();
    assert_eq!((again.sessions_ended, user.banned_at, user.updated_at), (0, Some(at(10)), at(10)));
    assert_eq!(live(&*storage, grace).await, [4]);
}

async fn lifting_a_ban_leaves_sessions_ended(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    storage.account_ban(ada, None, action(10).into()).await.unwrap().unwrap();
    let lifted = storage.account_unban(ada, action(20).into()).await.unwrap().unwrap().unwrap();
    assert_eq!((lifted.banned_at, lifted.updated_at), (None, at(20)));
    let again = storage.account_unban(ada, action(30).into()).await.unwrap().unwrap().unwrap();
    assert_eq!(again, lifted);
    assert!(live(&*storage, ada).await.is_empty());
}

async fn staff_are_made_and_unmade(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for (staff, now, changed) in [(true, 10, 10), (true, 20, 10), (false, 30, 30), (false, 40, 30)] {
        let user = storage.account_set_staff(ada, staff, action(now).into()).await.unwrap().unwrap().unwrap();
        assert_eq!((user.staff, user.updated_at), (staff, at(changed)));
        assert_eq!(storage.account_find(AccountName::Id(ada)).await.unwrap(), Some(user));
    }
}

async fn a_hash_is_replaced_only_while_the_credential_is_the_same(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    for (version, hash, stored) in [(2, "other", "hash of ada"), (1, "newer", "newer")] {
        storage.account_rehash(ada, version, PasswordHash::new(hash.to_owned())).await.unwrap();
        let (_, credential) = storage.account_credential(AccountName::Id(ada)).await.unwrap().unwrap();
        assert_eq!((credential.password.expose(), credential.version), (stored, 1));
    }
    assert_eq!(live(&*storage, ada).await, [1]);
}

async fn what_is_done_to_nobody_is_refused(database: TestDatabase) {
    let storage = database.open();
    let nobody = UserId::from_number(1);
    assert_eq!(storage.account_ban(nobody, None, action(0).into()).await.unwrap(), Err(Refusal::Gone));
    assert_eq!(storage.account_unban(nobody, action(0).into()).await.unwrap(), Err(Refusal::Gone));
    assert_eq!(storage.account_set_staff(nobody, true, action(0).into()).await.unwrap(), Err(Refusal::Gone));
    storage.account_rehash(nobody, 1, PasswordHash::new("x".to_owned())).await.unwrap();
    let name = Username::try_from("ada".to_owned()).unwrap();
    assert_eq!(storage.account_rename(nobody, name, action(0).into()).await.unwrap(), Err(Refusal::Gone));
    let email = EmailAddress::from_checked("ada@example.org".to_owned());
    assert_eq!(storage.account_readdress(nobody, email, action(0).into()).await.unwrap(), Err(Refusal::Gone));
    let hash = PasswordHash::new("x".to_owned());
    assert_eq!(storage.account_set_password(nobody, hash, action(0).into()).await.unwrap(), Err(Refusal::Gone));
    assert_eq!(storage.account_set_verified(nobody, true, action(0).into()).await.unwrap(), Err(Refusal::Gone));
    assert_eq!(storage.account_delete_some(&[nobody], action(0).into()).await.unwrap(), Ok(0));
    assert_eq!(storage.account_delete(nobody, action(0).into()).await.unwrap(), Err(Refusal::Gone));
    assert!(trail(&*storage).await.is_empty());
}
