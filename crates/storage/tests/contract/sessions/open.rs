//! Opening sessions.

use std::collections::BTreeSet;
use std::net::IpAddr;

use thunderhead_domain::budget::{BudgetKey, Charge};
use thunderhead_domain::change_authorization::{PreconditionFailed, Refusal};
use thunderhead_domain::id::{SessionId, UserId};
use thunderhead_domain::network::{MOST_KNOWN, Network};
use thunderhead_domain::ports::StorageError;
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{Grant, NewSession, Origin, SessionKey, State};
use thunderhead_domain::time::Timestamp;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    FIRST_CREDENTIAL, Intruder, WHY, action, at, at_once, digest, live, open, plain, session, stale_change, user, uuid,
};

on_both_engines!(async:
    a_session_is_opened_as_it_was_asked_for,
    five_hundred_sessions_of_one_millisecond_get_different_ids_and_are_listed_latest_first,
    the_id_of_an_ended_session_is_not_used_again,
    a_gap_between_taken_ids_is_used,
    the_end_of_a_long_row_of_taken_ids_is_found,
    two_users_may_have_sessions_of_one_id,
    sessions_opened_at_once_get_different_ids,
    a_session_is_not_opened_once_its_grounds_are_gone,
    a_session_opens_another_while_it_is_itself_live,
    staff_scopes_are_refused_once_the_user_is_not_staff,
    a_uuid_or_a_digest_is_never_used_twice,
    a_completed_login_clears_the_failure_budget_and_one_whose_factor_is_pending_does_not,
    the_networks_that_sessions_were_opened_from_last_are_known,
);

async fn a_session_is_opened_as_it_was_asked_for(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let scopes = ScopeSet::from_flags(32 | 1).unwrap();
    let new = NewSession {
        opaque: Some(digest(7)),
        grant: Grant::Scoped(scopes),
        second_factor_pending: true,
        at: at(1_234),
        ..session(1)
    };
    let made = open(&*storage, ada, new.clone()).await;
    assert_eq!((made.uuid, made.id, made.user), (uuid(1), SessionId::at(at(1_000)), ada));
    assert_eq!(
        (made.name.as_str(), made.grant, made.second_factor_pending),
        ("session 1", Grant::Scoped(scopes), true)
    );
    assert_eq!((made.expires_at, made.used_at), (new.expires_at, None));
    assert_eq!((made.created_at, made.updated_at), (at(1_234), at(1_234)));
    assert_eq!(
        (&made.origin, made.authentications.as_slice(), made.state),
        (&new.origin, new.authentications.as_slice(), State::Open)
    );
    for key in [SessionKey::Uuid(uuid(1), ada), SessionKey::Opaque(digest(7))] {
        let stored = storage.session_authority(Some(key)).await.unwrap().authenticated.unwrap();
        assert_eq!(stored.session, made);
    }
}

async fn five_hundred_sessions_of_one_millisecond_get_different_ids_and_are_listed_latest_first(
    database: TestDatabase,
) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for number in 0..500 {
        let made = open(&*storage, ada, session(number)).await;
        assert_eq!(made.id.number(), at(0).unix_seconds() - number as i64);
    }
    assert_eq!(live(&*storage, ada).await, (0..500).rev().collect::<Vec<_>>());
}

async fn the_id_of_an_ended_session_is_not_used_again(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let first = open(&*storage, ada, session(1)).await;
    assert!(storage.session_end(ada, first.id, WHY, action(1)).await.unwrap());
    assert_eq!(open(&*storage, ada, session(2)).await.id, first.id.previous());
}

async fn a_gap_between_taken_ids_is_used(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    // Ids 0 to -9 and -11 are taken, counted from the start; the gap lies beyond the first chunk that is read.
    open(&*storage, ada, NewSession { at: at(-11_000), ..session(100) }).await;
    for number in 0..10 {
        open(&*storage, ada, session(number)).await;
    }
    let ids = [open(&*storage, ada, session(10)).await.id, open(&*storage, ada, session(11)).await.id];
    assert_eq!(ids, [SessionId::at(at(-10_000)), SessionId::at(at(-12_000))]);
}

async fn the_end_of_a_long_row_of_taken_ids_is_found(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    // Ids from 1 to so many are taken; what lies between looks at them is found, too.
    const TAKEN: u32 = 20_000;
    let mut intruder = Intruder::new(&database);
    intruder.add_sessions(ada, TAKEN);
    let open_at = async |second: u32, number| {
        let new = NewSession { at: Timestamp::from_unix_seconds(second.into()), ..session(number) };
        open(&*storage, ada, new).await.id.number()
    };
    assert_eq!(open_at(TAKEN, 1).await, 0);
    assert_eq!(open_at(TAKEN, 2).await, -1);
    assert_eq!(open_at(1_008, 3).await, -2);
    assert_eq!(open_at(1_500, 4).await, -3);
    intruder.run("DELETE FROM sessions WHERE id = 19995 OR id = 19500");
    assert_eq!(open_at(TAKEN, 5).await, 19_995);
    assert_eq!(open_at(TAKEN, 6).await, 19_500);
    assert_eq!(open_at(TAKEN, 7).await, -4);
}

async fn two_users_may_have_sessions_of_one_id(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    let ids = [open(&*storage, ada, session(1)).await.id, open(&*storage, grace, session(2)).await.id];
    assert_eq!(ids, [SessionId::at(at(0)); 2]);
}

async fn sessions_opened_at_once_get_different_ids(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    let ids: BTreeSet<SessionId> = at_once((0..60_u128).map(|number| {
        let storage = replicas[number as usize % 2].clone();
        async move { open(&*storage, ada, session(number)).await.id }
    }))
    .await
    .into_iter()
    .collect();
    assert_eq!(ids.len(), 60);
}

async fn a_session_is_not_opened_once_its_grounds_are_gone(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let try_open = async |user: UserId, version| storage.session_open(user, version, None, session(1)).await.unwrap();
    assert_eq!(try_open(UserId::from_number(1), FIRST_CREDENTIAL).await, Err(Refusal::Gone));
    assert_eq!(try_open(ada, FIRST_CREDENTIAL + 1).await, stale_change(PreconditionFailed::PasswordChanged));
    storage.account_ban(ada, None, action(1).into()).await.unwrap().unwrap();
    assert_eq!(try_open(ada, FIRST_CREDENTIAL).await, stale_change(PreconditionFailed::Banned));
    storage.account_unban(ada, action(2).into()).await.unwrap().unwrap();
    assert!(try_open(ada, FIRST_CREDENTIAL).await.is_ok());
}

async fn a_session_opens_another_while_it_is_itself_live(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    open(&*storage, ada, NewSession { second_factor_pending: true, ..session(2) }).await;
    open(&*storage, ada, NewSession { expires_at: at(500), ..session(3) }).await;
    let ended = open(&*storage, ada, session(4)).await;
    storage.session_end(ada, ended.id, WHY, action(1)).await.unwrap();
    open(&*storage, ada, session(1)).await;
    let open_by = async |user, by, number| {
        let new = NewSession { at: at(500), ..session(number) };
        storage.session_open_from(user, new, plain(user, by, 500)).await.unwrap().map(drop)
    };
    let ended = stale_change(PreconditionFailed::SessionEnded);
    assert_eq!(open_by(ada, 1, 10).await, Ok(()));
    assert_eq!(open_by(ada, 2, 11).await, ended, "its second factor is pending");
    assert_eq!(open_by(ada, 3, 12).await, ended, "it has expired");
    assert_eq!(open_by(ada, 4, 13).await, ended, "it was ended");
    assert_eq!(open_by(ada, 99, 14).await, ended, "there is none");
    assert_eq!(open_by(grace, 1, 15).await, ended, "it is another user's");
    storage.account_ban(ada, None, action(600).into()).await.unwrap().unwrap();
    assert_eq!(open_by(ada, 1, 16).await, stale_change(PreconditionFailed::Banned), "its user is banned");
}

async fn staff_scopes_are_refused_once_the_user_is_not_staff(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    let open_with = async |flags, by, number| {
        let grant = Grant::Scoped(ScopeSet::from_flags(flags).unwrap());
        let new = NewSession { grant, ..session(number) };
        storage.session_open_from(ada, new, plain(ada, by, 0)).await.unwrap().map(drop)
    };
    assert_eq!(open_with(1, 1, 2).await, Ok(()), "anybody may ask for ALL");
    assert_eq!(open_with(512, 1, 3).await, stale_change(PreconditionFailed::NotStaff));
    storage.account_set_staff(ada, true, action(1).into()).await.unwrap().unwrap();
    open(&*storage, ada, session(6)).await;
    assert_eq!(open_with(512, 6, 4).await, Ok(()));
    storage.account_set_staff(ada, false, action(2).into()).await.unwrap().unwrap();
    assert_eq!(open_with(512, 6, 5).await, stale_change(PreconditionFailed::NotStaff));
}

async fn a_uuid_or_a_digest_is_never_used_twice(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, NewSession { opaque: Some(digest(1)), ..session(1) }).await;
    for twice in [session(1), NewSession { opaque: Some(digest(1)), ..session(2) }] {
        let outcome = storage.session_open(ada, FIRST_CREDENTIAL, None, twice).await;
        assert!(matches!(outcome, Err(StorageError::Defect(_))), "{outcome:?}");
    }
    // Who may ask for a session by its uuid is told that there is one.
    let asked = async || {
        let token = NewSession { grant: Grant::Scoped(ScopeSet::from_flags(2).unwrap()), ..session(3) };
        storage.session_open_from(ada, token, plain(ada, 1, 0)).await.unwrap().map(drop)
    };
    assert_eq!((asked().await, asked().await), (Ok(()), Err(Refusal::Taken)));
    let mut live = live(&*storage, ada).await;
    live.sort_unstable();
    assert_eq!(live, [1, 3]);
}

async fn a_completed_login_clears_the_failure_budget_and_one_whose_factor_is_pending_does_not(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let key = BudgetKey::Account(ada);
    let used_before = async || match storage.budget_charge(&key, action(0)).await.unwrap() {
        Charge::Admitted(receipt) => receipt.before.map_or(0, |used| used.failures),
        Charge::Wait(_) => panic!("a free failure waits"),
    };
    assert_eq!(used_before().await, 0);
    let login = |number, second_factor_pending| NewSession {
        second_factor_pending,
        clears: Some(key.clone()),
        ..session(number)
    };
    open(&*storage, ada, login(1, true)).await;
    assert_eq!(used_before().await, 1);
    open(&*storage, ada, session(2)).await;
    assert_eq!(used_before().await, 2);
    open(&*storage, ada, login(3, false)).await;
    assert_eq!(used_before().await, 0);
}

async fn the_networks_that_sessions_were_opened_from_last_are_known(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let address = |number: usize| -> IpAddr { format!("10.0.{number}.7").parse().unwrap() };
    let mut opened = 0;
    let mut open_from = async |number| {
        opened += 1;
        let origin = Origin { client_ip: Some(address(number)), ..session(1).origin };
        open(&*storage, ada, NewSession { origin, at: at(opened), ..session(opened as u128) }).await;
    };
    for number in 0..MOST_KNOWN {
        open_from(number).await;
    }
    open_from(0).await;
    open_from(MOST_KNOWN).await;
    let mut known = Vec::new();
    for number in 0..=MOST_KNOWN {
        if storage.network_is_known(ada, Network::of(address(number)), at(1_000)).await.unwrap() {
            known.push(number);
        }
    }
    let all_but_one: Vec<usize> = (0..=MOST_KNOWN).filter(|number| *number != 1).collect();
    assert_eq!(known, all_but_one, "the one that was longest ago is forgotten");
}
