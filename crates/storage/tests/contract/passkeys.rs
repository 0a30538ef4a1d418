//! Passkeys: finding them, and spending what they answer.

use thunderhead_domain::change_authorization::{Evidence, PreconditionFailed, Refusal};
use thunderhead_domain::factor::{FactorChoice, FactorKind, PasskeyAnswer};
use thunderhead_domain::id::{UserId, UserUuid};
use thunderhead_domain::network::Network;
use thunderhead_domain::ports::{AccountName, Storage};
use thunderhead_domain::session::{Actor, Authentication, BeyondCap, Method, NewSession, SessionCap};
use thunderhead_domain::user::{PasswordHash, Username};
use thunderhead_testkit::{TestDatabase, on_both_engines};
use uuid::Uuid;

use crate::support::{
    FIRST_CREDENTIAL, Picture, STAY, action, action_of, asked_by, at, at_once, codes, digest, enrol, factor_id, keys,
    link, live, open, passkey, passkey_answer, plain, session, stale_change, user, uuid, webauthn,
};

on_both_engines!(async:
    a_passkey_is_found_by_its_name_and_its_user_together,
    a_session_is_opened_by_an_answer_once,
    of_many_answers_to_one_challenge_at_once_one_opens_a_session,
    of_two_users_who_answer_one_challenge_at_once_one_gets_in,
    of_many_answers_with_one_count_at_once_one_is_taken,
    at_the_cap_a_refusal_spends_nothing_and_room_is_made_by_an_answer_that_is_spent,
    what_is_no_good_changes_nothing,
    a_change_is_made_on_an_answer_once,
    a_used_challenge_is_forgotten_once_it_has_expired,
    a_password_is_given_up_where_passkeys_suffice_and_only_there,
    who_has_no_password_keeps_the_passkeys_that_suffice,
    a_link_makes_a_passkey_in_place_of_a_password_once,
    a_link_of_who_has_a_second_factor_makes_no_passkey,
);

async fn a_passkey_is_found_by_its_name_and_its_user_together(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await, user(&*storage, "grace").await);
    enrol(&*storage, ada.id, passkey(1, 7, true), codes(0)).await;
    enrol(&*storage, ada.id, webauthn(2, 0), codes(0)).await;
    let find = async |user: UserUuid, key: u128, network: Option<&str>| {
        let network = network.map(|address| Network::of(address.parse().unwrap()));
        storage.passkey_find(user, &key.to_be_bytes(), network, at(0)).await.unwrap()
    };
    let (found, key, known) = find(ada.uuid, 1, None).await.unwrap();
    assert_eq!((found.id, found.has_second_factor, known), (ada.id, true, false));
    assert_eq!((key.factor, key.sign_count, key.passkey), (factor_id(1), 7, true));
    let nobody = UserUuid(Uuid::from_u128(7));
    for (user, key) in [(grace.uuid, 1), (nobody, 1), (ada.uuid, 2), (ada.uuid, 3)] {
        assert_eq!(find(user, key, Some("2001:db8::1")).await, None, "{user:?} {key}");
    }
    open(&*storage, ada.id, session(1)).await;
    for (address, expected) in [("2001:db8::9", true), ("192.0.2.1", false)] {
        assert_eq!(find(ada.uuid, 1, Some(address)).await.map(|(.., known)| known), Some(expected), "{address}");
    }
}

/// A session as a passkey opens it.
fn by_passkey(number: u128) -> NewSession {
    NewSession { authentications: vec![Authentication { method: Method::Passkey, at: at(0) }], ..session(number) }
}

async fn a_session_is_opened_by_an_answer_once(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    enrol(&*storage, ada, passkey(1, 0, false), codes(0)).await;
    let enter = async |answer: PasskeyAnswer, number| {
        storage.session_open_by_passkey(ada, answer, by_passkey(number)).await.unwrap()
    };
    let opened = enter(passkey_answer(1, 1, 5), 1).await.unwrap();
    assert_eq!(opened.authentications.to_vec(), by_passkey(1).authentications);
    let key = &keys(&*storage, ada).await.webauthn[0];
    assert_eq!((key.sign_count, key.credential.as_str()), (5, "moved 1"));
    assert_eq!(enter(passkey_answer(1, 1, 6), 2).await, stale_change(PreconditionFailed::AnswerSpent));
    enter(passkey_answer(2, 1, 6), 3).await.unwrap();
    assert_eq!(live(&*storage, ada).await.len(), 2);
}

async fn of_many_answers_to_one_challenge_at_once_one_opens_a_session(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    enrol(&*replicas[0], ada, passkey(1, 0, false), codes(0)).await;
    let outcomes = at_once((0..50_u32).map(|turn| {
        let storage = replicas[turn as usize % 2].clone();
        let (answer, session) = (passkey_answer(1, 1, turn + 1), by_passkey(u128::from(turn) + 1));
        async move { storage.session_open_by_passkey(ada, answer, session).await.unwrap() }
    }))
    .await;
    let spent = stale_change(PreconditionFailed::AnswerSpent);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == spent).count(), 49);
    assert_eq!(live(&*replicas[0], ada).await.len(), 1);
}

async fn of_two_users_who_answer_one_challenge_at_once_one_gets_in(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let mut users = Vec::new();
    for (number, name) in [(1, "ada"), (2, "grace")] {
        let id = user(&*replicas[0], name).await.id;
        enrol(&*replicas[0], id, passkey(number, 0, false), codes(10 * number as u8)).await;
        users.push(id);
    }
    for round in 1..=12_u32 {
        let before = [keys(&*replicas[0], users[0]).await, keys(&*replicas[0], users[1]).await];
        let outcomes = at_once((0..2_u32).map(|turn| {
            let (storage, user) = (replicas[turn as usize].clone(), users[turn as usize]);
            let answer = passkey_answer(round.into(), u128::from(turn) + 1, round);
            let session = by_passkey(u128::from(2 * round + turn));
            async move { (turn, storage.session_open_by_passkey(user, answer, session).await.unwrap()) }
        }))
        .await;
        assert_eq!(outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count(), 1, "{outcomes:?}");
        let (other, refused) = outcomes.into_iter().find(|(_, outcome)| outcome.is_err()).unwrap();
        assert_eq!(refused, stale_change(PreconditionFailed::AnswerSpent));
        assert_eq!(
            keys(&*replicas[0], users[other as usize]).await,
            before[other as usize],
            "its counter stands still"
        );
    }
    assert_eq!(live(&*replicas[0], users[0]).await.len() + live(&*replicas[0], users[1]).await.len(), 12);
}

/// Half of them log in, and half make a change, which is not counted among those of the user's sessions.
async fn of_many_answers_with_one_count_at_once_one_is_taken(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    enrol(&*replicas[0], ada, passkey(1, 0, false), codes(0)).await;
    open(&*replicas[0], ada, session(1)).await;
    for round in 1..=8_u32 {
        let outcomes = at_once((0..8_u32).map(|turn| {
            let storage = replicas[turn as usize % 2].clone();
            let number = u128::from(8 * round + turn);
            let answer = passkey_answer(number, 1, round);
            async move {
                if turn % 4 < 2 {
                    storage.session_open_by_passkey(ada, answer, by_passkey(number)).await.unwrap().map(drop)
                } else {
                    let name = Username::try_from(format!("ada{number}")).unwrap();
                    let authorization = asked_by(ada, 1, Evidence::Passkey(answer), 5);
                    storage.account_rename(ada, name, authorization).await.unwrap().map(drop)
                }
            }
        }))
        .await;
        let spent = stale_change(PreconditionFailed::AnswerSpent);
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == spent).count(), 7, "{outcomes:?}");
        assert_eq!(keys(&*replicas[0], ada).await.webauthn[0].sign_count, round);
    }
}

async fn at_the_cap_a_refusal_spends_nothing_and_room_is_made_by_an_answer_that_is_spent(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    enrol(&*storage, ada, passkey(1, 0, false), codes(0)).await;
    let at_cap = |number, beyond| NewSession { cap: SessionCap { most: 1, beyond }, ..by_passkey(number) };
    let enter = async |count, session| {
        storage.session_open_by_passkey(ada, passkey_answer(count, 1, count as u32), session).await.unwrap()
    };
    enter(1, at_cap(1, BeyondCap::Refuse)).await.unwrap();
    let before = Picture::take(&*storage, &[ada], &[]).await;
    assert_eq!(enter(2, at_cap(2, BeyondCap::Refuse)).await, Err(Refusal::TooManySessions));
    assert_eq!(Picture::take(&*storage, &[ada], &[]).await, before);
    enter(2, at_cap(2, BeyondCap::EndOldest)).await.unwrap();
    assert_eq!(live(&*storage, ada).await, [2]);
    let spent = stale_change(PreconditionFailed::AnswerSpent);
    assert_eq!(enter(2, at_cap(3, BeyondCap::EndOldest)).await, spent);
    assert_eq!(live(&*storage, ada).await, [2]);
}

async fn what_is_no_good_changes_nothing(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    enrol(&*storage, ada, passkey(1, 5, false), codes(0)).await;
    enrol(&*storage, grace, passkey(2, 5, false), codes(10)).await;
    let before = Picture::take(&*storage, &[ada, grace], &[]).await;
    let expired = PasskeyAnswer { expires_at: at(0), ..passkey_answer(1, 1, 6) };
    for (answer, what) in [
        (passkey_answer(1, 1, 5), "a counter that stands still"),
        (passkey_answer(1, 1, 0), "a counter that is lost"),
        (passkey_answer(1, 2, 6), "another's passkey"),
        (passkey_answer(1, 3, 6), "no passkey"),
        (expired, "a challenge that has expired"),
    ] {
        let outcome = storage.session_open_by_passkey(ada, answer, by_passkey(1)).await.unwrap();
        assert_eq!(outcome, stale_change(PreconditionFailed::AnswerSpent), "{what}");
        assert_eq!(Picture::take(&*storage, &[ada, grace], &[]).await, before, "{what}");
    }
    storage.account_ban(ada, None, action(1).into()).await.unwrap().unwrap();
    let banned = storage.session_open_by_passkey(ada, passkey_answer(1, 1, 6), by_passkey(1)).await.unwrap();
    assert_eq!(banned, stale_change(PreconditionFailed::Banned));
    storage.account_unban(ada, action(2).into()).await.unwrap().unwrap();
    // The challenge was not used by any of it.
    storage.session_open_by_passkey(ada, passkey_answer(1, 1, 6), by_passkey(1)).await.unwrap().unwrap();
    let gone = UserUuid(Uuid::from_u128(7));
    assert_eq!(storage.passkey_find(gone, &[1], None, at(0)).await.unwrap(), None);
}

async fn a_change_is_made_on_an_answer_once(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await);
    enrol(&*storage, ada, passkey(1, 0, false), codes(0)).await;
    open(&*storage, ada, session(1)).await;
    let rename = async |name: &str, challenge, count| {
        let authorization = asked_by(ada, 1, Evidence::Passkey(passkey_answer(challenge, 1, count)), 5);
        storage.account_rename(ada, Username::try_from(name.to_owned()).unwrap(), authorization).await.unwrap()
    };
    assert_eq!(rename(grace.username.as_str(), 1, 1).await, Err(Refusal::Taken));
    rename("lovelace", 1, 1).await.unwrap();
    assert_eq!(rename("ada", 1, 2).await, stale_change(PreconditionFailed::AnswerSpent));
    let session = storage.session_find_any(uuid(1)).await.unwrap().unwrap();
    let shown: Vec<_> = session.authentications.iter().map(|shown| (shown.method, shown.at)).collect();
    assert_eq!(shown, [(Method::Password, at(-5)), (Method::Passkey, at(5))]);
}

async fn a_used_challenge_is_forgotten_once_it_has_expired(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    enrol(&*storage, ada, passkey(1, 0, false), codes(0)).await;
    storage.session_open_by_passkey(ada, passkey_answer(1, 1, 1), by_passkey(1)).await.unwrap().unwrap();
    assert_eq!(storage.prune_challenges(at(300_000)).await.unwrap(), 0);
    assert_eq!(storage.prune_challenges(at(300_001)).await.unwrap(), 1);
    // It has expired, so it is refused all the same.
    let late = NewSession { at: at(300_001), ..by_passkey(2) };
    let refused = storage.session_open_by_passkey(ada, passkey_answer(1, 1, 2), late).await.unwrap();
    assert_eq!(refused, stale_change(PreconditionFailed::AnswerSpent));
}

/// Whether a user has a password, and its version.
async fn password(storage: &dyn Storage, user: UserId) -> (bool, String, i64) {
    let (user, credential) = storage.account_credential(AccountName::Id(user)).await.unwrap().unwrap();
    (user.has_password, credential.password.expose().to_owned(), credential.version)
}

fn nobodys() -> PasswordHash {
    PasswordHash::new("nobody's".to_owned())
}

async fn a_password_is_given_up_where_passkeys_suffice_and_only_there(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    open(&*storage, ada, session(2)).await;
    let give_up = async || storage.account_remove_password(ada, nobodys(), plain(ada, 1, 5)).await.unwrap();
    let missing = Err(Refusal::PasskeysMissing);
    assert_eq!(give_up().await, missing, "no factor");
    enrol(&*storage, ada, webauthn(1, 0), codes(0)).await;
    assert_eq!(give_up().await, missing, "a security key and backup codes");
    enrol(&*storage, ada, passkey(2, 0, true), vec![]).await;
    storage.backup_codes_renew(ada, vec![], action(2).into()).await.unwrap().unwrap();
    assert_eq!(give_up().await, missing, "one passkey alone");
    assert_eq!(password(&*storage, ada).await, (true, "hash of ada".to_owned(), FIRST_CREDENTIAL));
    storage.backup_codes_renew(ada, codes(20), action(2).into()).await.unwrap().unwrap();
    let update = give_up().await.unwrap();
    assert_eq!((update.user.unwrap().has_password, update.sessions_ended), (false, 1));
    assert_eq!(password(&*storage, ada).await, (false, "nobody's".to_owned(), FIRST_CREDENTIAL + 1));
    assert_eq!(live(&*storage, ada).await, [1]);
    let again = give_up().await.unwrap();
    assert_eq!(again.sessions_ended, 0);
    assert_eq!(password(&*storage, ada).await.2, FIRST_CREDENTIAL + 1, "nothing has changed");
    let hash = PasswordHash::new("new".to_owned());
    storage.account_set_password(ada, hash, plain(ada, 1, 6)).await.unwrap().unwrap();
    assert_eq!(password(&*storage, ada).await, (true, "new".to_owned(), FIRST_CREDENTIAL + 2));
}

async fn who_has_no_password_keeps_the_passkeys_that_suffice(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    for number in [1, 2, 3] {
        enrol(&*storage, ada, passkey(number, 0, true), vec![]).await;
    }
    storage.account_remove_password(ada, nobodys(), plain(ada, 1, 5)).await.unwrap().unwrap();
    let remove = async |which, authorization| storage.factor_remove(ada, which, STAY, authorization).await.unwrap();
    let one = |number| FactorChoice::One(factor_id(number));
    assert_eq!(remove(one(1), plain(ada, 1, 6)).await, Ok(1));
    let before = Picture::take(&*storage, &[ada], &[]).await;
    for which in [one(2), FactorChoice::All] {
        assert_eq!(remove(which, plain(ada, 1, 7)).await, Err(Refusal::PasskeysMissing));
        assert_eq!(Picture::take(&*storage, &[ada], &[]).await, before);
    }
    // The operator helps who has lost them.
    assert_eq!(remove(FactorChoice::All, action(8).into()).await, Ok(2));
}

async fn a_link_makes_a_passkey_in_place_of_a_password_once(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    storage.link_create(link(ada, 9), action(0).into()).await.unwrap().unwrap();
    let make = async |number| {
        let (new, by) = (passkey(number, 0, true), action_of(Actor::User(ada), 5));
        storage.link_use_for_passkey(ada, digest(9), nobodys(), new, codes(30), by).await.unwrap()
    };
    let made = make(1).await.unwrap();
    assert_eq!((made.id, made.kind, made.synced), (factor_id(1), FactorKind::Passkey, true));
    assert_eq!(password(&*storage, ada).await, (false, "nobody's".to_owned(), FIRST_CREDENTIAL + 1));
    assert_eq!((keys(&*storage, ada).await.backup.own, live(&*storage, ada).await), (codes(30), vec![]));
    assert!(storage.account_find(AccountName::Id(ada)).await.unwrap().unwrap().has_second_factor);
    assert_eq!(make(2).await, Err(Refusal::Gone));
    storage.session_open_by_passkey(ada, passkey_answer(1, 1, 1), by_passkey(2)).await.unwrap().unwrap();
}

async fn a_link_of_who_has_a_second_factor_makes_no_passkey(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    enrol(&*storage, ada, webauthn(1, 0), codes(0)).await;
    storage.link_create(link(ada, 9), action(0).into()).await.unwrap().unwrap();
    let before = Picture::take(&*storage, &[ada], &[]).await;
    let (new, by) = (passkey(2, 0, true), action_of(Actor::User(ada), 5));
    let refused = storage.link_use_for_passkey(ada, digest(9), nobodys(), new, codes(30), by).await.unwrap();
    assert_eq!(refused, Err(Refusal::Gone));
    assert_eq!(Picture::take(&*storage, &[ada], &[]).await, before);
    assert!(storage.link_find(digest(9), at(5)).await.unwrap().is_some(), "it still sets a password");
}
