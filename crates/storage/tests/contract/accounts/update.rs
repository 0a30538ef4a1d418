//! Changing names, addresses and whether they were verified.

use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{AccountCreated, AccountName, Storage};
use thunderhead_domain::user::{EmailAddress, User, Username};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{account, action, at, at_once, first, live, open, session, user};

on_both_engines!(async:
    a_renamed_user_is_found_under_the_new_name_alone,
    another_spelling_of_the_own_name_is_a_change_and_the_same_is_none,
    a_name_that_somebody_else_has_in_any_case_is_taken,
    a_name_that_was_given_up_is_free_again,
    of_many_who_rename_themselves_alike_at_once_one_gets_the_name,
    users_who_swap_their_names_at_once_are_told_that_they_are_taken,
    a_name_goes_to_a_new_or_to_a_renamed_user_but_never_to_both,
    a_changed_address_is_not_verified_and_the_same_address_is_no_change,
    an_address_that_somebody_else_has_in_any_case_is_taken,
    of_many_who_take_one_address_at_once_one_gets_it,
    an_address_is_verified_once_and_keeps_its_first_date,
);

fn name(text: &str) -> Username {
    Username::try_from(text.to_owned()).unwrap()
}

fn email(text: &str) -> EmailAddress {
    EmailAddress::from_checked(text.to_owned())
}

async fn find(storage: &dyn Storage, name: AccountName) -> Option<User> {
    storage.account_find(name).await.unwrap()
}

async fn a_renamed_user_is_found_under_the_new_name_alone(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await;
    open(&*storage, ada.id, session(1)).await;
    let renamed = storage.account_rename(ada.id, name("Lovelace"), action(5).into()).await.unwrap().unwrap();
    assert_eq!(renamed, User { username: name("Lovelace"), updated_at: at(5), ..ada.clone() });
    assert_eq!(find(&*storage, AccountName::Id(ada.id)).await.as_ref(), Some(&renamed));
    assert_eq!(find(&*storage, AccountName::Username(name("lovelace"))).await, Some(renamed));
    assert_eq!(find(&*storage, AccountName::Username(name("ada"))).await, None);
    assert_eq!(live(&*storage, ada.id).await, [1]);
}

async fn another_spelling_of_the_own_name_is_a_change_and_the_same_is_none(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for (spelling, millis, updated) in [("ada", 1, 0), ("Ada", 2, 2), ("Ada", 3, 2), ("ada", 4, 4)] {
        let user = storage.account_rename(ada, name(spelling), action(millis).into()).await.unwrap().unwrap();
        assert_eq!((user.username.as_str(), user.updated_at), (spelling, at(updated)));
        assert_eq!(find(&*storage, AccountName::Id(ada)).await, Some(user));
    }
}

async fn a_name_that_somebody_else_has_in_any_case_is_taken(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await;
    user(&*storage, "grace").await;
    for taken in ["grace", "GRACE"] {
        let outcome = storage.account_rename(ada.id, name(taken), action(1).into()).await.unwrap();
        assert_eq!(outcome, Err(Refusal::Taken));
    }
    assert_eq!(find(&*storage, AccountName::Id(ada.id)).await, Some(ada));
}

async fn a_name_that_was_given_up_is_free_again(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    storage.account_rename(ada, name("other"), action(1).into()).await.unwrap().unwrap();
    let renamed = storage.account_rename(grace, name("ADA"), action(2).into()).await.unwrap().unwrap();
    assert_eq!(renamed.username.as_str(), "ADA");
}

async fn of_many_who_rename_themselves_alike_at_once_one_gets_the_name(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let mut users = Vec::new();
    for number in 0..30 {
        users.push(user(&*replicas[0], &format!("user{number}")).await.id);
    }
    for round in 0..4 {
        let outcomes = at_once(users.iter().enumerate().map(|(turn, user)| {
            let (storage, user) = (replicas[turn % 2].clone(), *user);
            let wanted = name(&format!("wanted{round}"));
            async move { storage.account_rename(user, wanted, action(1).into()).await.unwrap() }
        }))
        .await;
        assert_one_changed(&outcomes);
    }
}

fn assert_one_changed(outcomes: &[Result<User, Refusal>]) {
    let changed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let taken = outcomes.iter().filter(|outcome| **outcome == Err(Refusal::Taken)).count();
    assert_eq!((changed, taken), (1, outcomes.len() - 1));
}

async fn users_who_swap_their_names_at_once_are_told_that_they_are_taken(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let (ada, grace) = (user(&*replicas[0], "ada").await.id, user(&*replicas[0], "grace").await.id);
    let wishes: [(usize, UserId, &str); 2] = [(0, ada, "grace"), (1, grace, "ada")];
    for _ in 0..10 {
        let outcomes = at_once(wishes.map(|(replica, user, wanted)| {
            let storage = replicas[replica].clone();
            async move { storage.account_rename(user, name(wanted), action(1).into()).await.unwrap() }
        }))
        .await;
        assert_eq!(outcomes, [Err(Refusal::Taken), Err(Refusal::Taken)]);
    }
}

async fn a_name_goes_to_a_new_or_to_a_renamed_user_but_never_to_both(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    for round in 0..10 {
        let wanted = format!("wanted{round}");
        let (storage, new) = (replicas[1].clone(), account(&wanted));
        let creating = tokio::spawn(async move { storage.account_create(new, action(0)).await.unwrap() });
        let renamed = replicas[0].account_rename(ada, name(&wanted), action(1).into()).await.unwrap();
        let created = matches!(creating.await.unwrap(), AccountCreated::Created(_));
        assert_ne!(created, renamed.is_ok());
    }
}

async fn a_changed_address_is_not_verified_and_the_same_address_is_no_change(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await;
    let verified = storage.account_set_verified(ada.id, true, action(1).into()).await.unwrap().unwrap();
    let same = storage.account_readdress(ada.id, ada.email.clone(), action(2).into()).await.unwrap().unwrap();
    assert_eq!(same, verified);
    for (millis, address) in [(3, "ada@example.com"), (4, "ADA@example.com")] {
        storage.account_set_verified(ada.id, true, action(millis).into()).await.unwrap().unwrap();
        let moved = storage.account_readdress(ada.id, email(address), action(millis).into()).await.unwrap().unwrap();
        assert_eq!(moved, User { email: email(address), updated_at: at(millis), ..ada.clone() });
        assert_eq!(moved.verified_at, None);
        assert_eq!(find(&*storage, AccountName::Id(ada.id)).await, Some(moved));
    }
}

async fn an_address_that_somebody_else_has_in_any_case_is_taken(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await;
    let grace = user(&*storage, "grace").await;
    for taken in ["grace@example.org", "Grace@EXAMPLE.org"] {
        let outcome = storage.account_readdress(ada.id, email(taken), action(1).into()).await.unwrap();
        assert_eq!(outcome, Err(Refusal::Taken));
    }
    assert_eq!(find(&*storage, AccountName::Id(ada.id)).await.as_ref(), Some(&ada));
    storage.account_readdress(grace.id, email("g@example.org"), action(1).into()).await.unwrap().unwrap();
    storage.account_readdress(ada.id, email("grace@example.org"), action(1).into()).await.unwrap().unwrap();
    assert_eq!(storage.account_page(first(0)).await.unwrap().count, 2);
}

async fn of_many_who_take_one_address_at_once_one_gets_it(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let mut users = Vec::new();
    for number in 0..20 {
        users.push(user(&*replicas[0], &format!("user{number}")).await.id);
    }
    let outcomes = at_once(users.into_iter().enumerate().map(|(turn, user)| {
        let storage = replicas[turn % 2].clone();
        async move { storage.account_readdress(user, email("wanted@example.org"), action(1).into()).await.unwrap() }
    }))
    .await;
    assert_one_changed(&outcomes);
}

async fn an_address_is_verified_once_and_keeps_its_first_date(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for (verified, millis, since, updated) in [
        (false, 5, None, 0),
        (true, 10, Some(10), 10),
        (true, 20, Some(10), 10),
        (false, 30, None, 30),
        (false, 40, None, 30),
    ] {
        let user = storage.account_set_verified(ada, verified, action(millis).into()).await.unwrap().unwrap();
        assert_eq!((user.verified_at, user.updated_at), (since.map(at), at(updated)));
        assert_eq!(find(&*storage, AccountName::Id(ada)).await, Some(user));
    }
}
