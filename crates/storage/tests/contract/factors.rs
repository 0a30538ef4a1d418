//! Second factors and backup codes.

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::change_authorization::{PreconditionFailed, Refusal};
use thunderhead_domain::factor::{
    Factor, FactorChoice, FactorId, FactorKeys, FactorKind, FactorName, FactorUse, MOST_FACTORS,
};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{AccountName, Enrolled, PageRequest, Resealed, SealedRow, SealedText, Storage};
use thunderhead_domain::session::{Actor, TokenDigest};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    FIRST_STEP, STAY, action, action_of, at, at_once, codes, digest, enrol, factor_id, first, keys, open, passkey,
    recorded, session, stale_change, step, stepping_up, totp, trail, user, uuid, webauthn,
};

on_both_engines!(async:
    a_factor_is_kept_as_it_was_enrolled,
    backup_codes_come_with_the_first_factor_alone,
    of_many_first_factors_at_once_one_brings_the_codes,
    nobody_has_more_factors_than_the_most,
    an_authenticator_is_enrolled_once_among_all_users,
    of_many_who_enrol_one_authenticator_at_once_one_succeeds,
    factors_may_share_a_name_and_are_listed_newest_first_and_in_pages,
    the_last_factor_takes_the_codes_with_it,
    named_factors_are_removed_and_unknown_and_repeated_ids_are_skipped,
    all_factors_are_removed_at_once,
    another_users_factor_is_not_found_and_stays,
    factors_removed_at_once_are_counted_once,
    a_factor_that_is_enrolled_while_the_last_one_is_removed_has_codes_or_finds_some,
    new_backup_codes_void_the_old_ones,
    who_has_no_factor_has_no_backup_codes,
    a_step_moves_forward_alone,
    the_counter_of_a_security_key_moves_forward_unless_it_never_counts,
    a_deleted_user_leaves_no_factor_and_no_code,
    changes_of_factors_are_recorded_by_kind_and_name_and_without_their_secrets,
    secrets_of_all_users_are_listed_and_sealed_anew_where_they_are_still_the_same,
    what_is_done_to_nobodys_factors_is_refused,
);

/// Whether a user is said to have a second factor, and when the account last changed.
async fn flag(storage: &dyn Storage, user: UserId) -> (bool, i64) {
    let user = storage.account_find(AccountName::Id(user)).await.unwrap().unwrap();
    (user.has_second_factor, user.updated_at.millis_since(at(0)))
}

/// The numbers of a user's factors, newest first.
async fn numbers(storage: &dyn Storage, user: UserId) -> Vec<u128> {
    let page = storage.factor_page(user, first(100)).await.unwrap();
    assert_eq!(page.count, page.items.len() as u64);
    assert_eq!(storage.factor_list(user).await.unwrap(), page.items);
    page.items.into_iter().map(|factor| factor.id.0.as_u128()).collect()
}

async fn remove(storage: &dyn Storage, user: UserId, which: FactorChoice, millis: i64) -> Result<u64, Refusal> {
    storage.factor_remove(user, which, STAY, action(millis).into()).await.unwrap()
}

fn some(numbers: &[u128]) -> FactorChoice {
    FactorChoice::Some(numbers.iter().copied().map(factor_id).collect())
}

async fn a_factor_is_kept_as_it_was_enrolled(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let ada = user(&*storage, "ada").await.id;
    let mut secret_key = webauthn(2, 3_000_000_000);
    secret_key.name = FactorName::try_from("Schlüssel → 1".to_owned()).unwrap();
    for (new, kind, synced, millis) in [
        (totp(1), FactorKind::Totp, false, 5),
        (secret_key, FactorKind::Webauthn, false, 7),
        (passkey(4, 0, false), FactorKind::Passkey, false, 8),
        (passkey(5, 1, true), FactorKind::Passkey, true, 9),
    ] {
        let made = storage.factor_add(ada, new.clone(), codes(0), STAY, action(millis).into()).await.unwrap().unwrap();
        let moment = at(millis);
        let (used_at, created_at, updated_at) = (Some(moment), moment, moment);
        let expected = Factor { id: new.id, name: new.name, kind, synced, used_at, created_at, updated_at };
        assert_eq!(made, Enrolled { factor: expected.clone(), first: kind == FactorKind::Totp });
        assert_eq!(other.factor_find(ada, new.id).await.unwrap(), Some(expected));
    }
    let stored = keys(&*other, ada).await;
    let [code] = stored.totp.as_slice() else { panic!("one TOTP factor") };
    assert_eq!((code.factor, code.sealed.as_str(), code.last_step), (factor_id(1), "sealed 1", FIRST_STEP));
    let [key, passkeys @ ..] = stored.webauthn.as_slice() else { panic!("no security key") };
    assert_eq!((key.factor, key.credential.as_str(), key.sign_count), (factor_id(2), "credential 2", 3_000_000_000));
    assert_eq!((key.credential_id.as_slice(), key.passkey), (2_u128.to_be_bytes().as_slice(), false));
    let told: Vec<_> = passkeys.iter().map(|key| (key.factor, key.sign_count, key.passkey)).collect();
    assert_eq!(told, [(factor_id(4), 0, true), (factor_id(5), 1, true)]);
    assert_eq!(storage.factor_find(ada, factor_id(3)).await.unwrap(), None);
}

async fn backup_codes_come_with_the_first_factor_alone(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    assert_eq!(keys(&*storage, ada).await, FactorKeys::default());
    for (number, millis, is_first) in [(1, 5, true), (2, 6, false)] {
        let by = action(millis).into();
        let made = storage.factor_add(ada, totp(number), codes(10 * number as u8), STAY, by).await.unwrap().unwrap();
        assert_eq!(made.first, is_first);
        assert_eq!(keys(&*storage, ada).await.backup.own, codes(10));
        assert_eq!(flag(&*storage, ada).await, (true, 5));
    }
    assert_eq!((flag(&*storage, grace).await, keys(&*storage, grace).await), ((false, 0), FactorKeys::default()));
}

async fn of_many_first_factors_at_once_one_brings_the_codes(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    let made = at_once((0..20_u128).map(|number| {
        let storage = replicas[number as usize % 2].clone();
        async move { (number, enrol(&*storage, ada, totp(number), codes(10 * number as u8)).await.first) }
    }))
    .await;
    let firsts: Vec<_> = made.iter().filter(|(_, first)| *first).map(|(number, _)| *number).collect();
    let [number] = firsts.as_slice() else { panic!("not one is the first: {firsts:?}") };
    assert_eq!(keys(&*replicas[0], ada).await.backup.own, codes(10 * *number as u8));
    assert_eq!(numbers(&*replicas[0], ada).await.len(), 20);
}

async fn nobody_has_more_factors_than_the_most(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let (ada, grace) = (user(&*replicas[0], "ada").await.id, user(&*replicas[0], "grace").await.id);
    enrol(&*replicas[0], grace, totp(1_000), codes(50)).await;
    let most = MOST_FACTORS as u128;
    for number in 2..most {
        enrol(&*replicas[0], ada, totp(number), codes(0)).await;
    }
    // There is room for two.
    let outcomes = at_once((0..6_usize).map(|turn| {
        let (storage, number) = (replicas[turn % 2].clone(), most + turn as u128);
        let new = if turn < 3 { totp(number) } else { webauthn(number, 0) };
        async move { storage.factor_add(ada, new, vec![], STAY, action(1).into()).await.unwrap() }
    }))
    .await;
    let full = outcomes.iter().filter(|outcome| **outcome == Err(Refusal::FactorsFull)).count();
    assert_eq!((full, outcomes.iter().filter(|outcome| outcome.is_ok()).count()), (4, 2));
    assert_eq!(numbers(&*replicas[0], ada).await.len(), MOST_FACTORS);
    assert_eq!(recorded(&*replicas[0], AuditKind::FactorAdded).await, most as u64 + 1);
    remove(&*replicas[0], ada, FactorChoice::One(factor_id(2)), 2).await.unwrap();
    for (turn, outcome) in [(10, Ok(false)), (11, Err(Refusal::FactorsFull))] {
        let made = replicas[0].factor_add(ada, totp(most + turn), vec![], STAY, action(3).into()).await.unwrap();
        assert_eq!(made.map(|enrolled| enrolled.first), outcome);
    }
}

async fn an_authenticator_is_enrolled_once_among_all_users(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    enrol(&*storage, ada, webauthn(1, 0), codes(0)).await;
    for whose in [ada, grace] {
        // Another factor, of the same authenticator.
        let mut again = webauthn(1, 0);
        again.id = factor_id(2);
        let outcome = storage.factor_add(whose, again, codes(50), STAY, action(1).into()).await.unwrap();
        assert_eq!(outcome, Err(Refusal::FactorTaken));
    }
    assert_eq!((flag(&*storage, grace).await, keys(&*storage, grace).await), ((false, 0), FactorKeys::default()));
    assert_eq!(numbers(&*storage, ada).await, [1]);
    assert_eq!(recorded(&*storage, AuditKind::FactorAdded).await, 1);
    remove(&*storage, ada, FactorChoice::All, 2).await.unwrap();
    assert!(enrol(&*storage, grace, webauthn(1, 0), codes(50)).await.first);
}

async fn of_many_who_enrol_one_authenticator_at_once_one_succeeds(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let mut users = Vec::new();
    for number in 0..20 {
        users.push(user(&*replicas[0], &format!("user{number}")).await.id);
    }
    let outcomes = at_once(users.clone().into_iter().enumerate().map(|(turn, user)| {
        let storage = replicas[turn % 2].clone();
        let mut new = webauthn(1, 0);
        new.id = factor_id(turn as u128);
        let codes = codes(10 * turn as u8);
        async move { storage.factor_add(user, new, codes, STAY, action(1).into()).await.unwrap() }
    }))
    .await;
    let taken = outcomes.iter().filter(|outcome| **outcome == Err(Refusal::FactorTaken)).count();
    assert_eq!((taken, outcomes.iter().filter(|outcome| outcome.is_ok()).count()), (19, 1));
    let mut with_factor = 0;
    for user in users {
        let has = flag(&*replicas[0], user).await.0;
        let left = keys(&*replicas[0], user).await;
        assert_eq!((left.webauthn.len(), left.backup.count()), if has { (1, 10) } else { (0, 0) });
        with_factor += u32::from(has);
    }
    assert_eq!(with_factor, 1);
}

async fn factors_may_share_a_name_and_are_listed_newest_first_and_in_pages(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    for (number, millis) in [(1, 100), (2, 200), (3, -5), (4, 200), (5, 100)] {
        let mut new = totp(number);
        new.name = FactorName::try_from("phone".to_owned()).unwrap();
        storage.factor_add(ada, new, codes(0), STAY, action(millis).into()).await.unwrap().unwrap();
    }
    enrol(&*storage, grace, totp(6), codes(50)).await;
    let page = async |limit, offset| {
        let page = storage.factor_page(ada, PageRequest { limit, offset }).await.unwrap();
        assert_eq!(page.count, 5);
        page.items.into_iter().map(|factor| factor.id.0.as_u128()).collect::<Vec<_>>()
    };
    // Of one moment the one with the greater id comes first.
    assert_eq!(page(50, 0).await, [4, 2, 5, 1, 3]);
    assert_eq!(page(2, 1).await, [2, 5]);
    assert_eq!(page(2, 4).await, [3]);
    assert!(page(2, 5).await.is_empty() && page(0, 0).await.is_empty() && page(50, u64::MAX).await.is_empty());
}

async fn the_last_factor_takes_the_codes_with_it(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for number in [1, 2] {
        enrol(&*storage, ada, totp(number), codes(0)).await;
    }
    assert_eq!(remove(&*storage, ada, FactorChoice::One(factor_id(1)), 5).await, Ok(1));
    assert_eq!((flag(&*storage, ada).await, keys(&*storage, ada).await.backup.own), ((true, 0), codes(0)));
    assert_eq!(remove(&*storage, ada, FactorChoice::One(factor_id(1)), 6).await, Err(Refusal::UnknownFactor));
    assert_eq!(remove(&*storage, ada, FactorChoice::One(factor_id(2)), 7).await, Ok(1));
    assert_eq!((flag(&*storage, ada).await, keys(&*storage, ada).await), ((false, 7), FactorKeys::default()));
    assert_eq!(remove(&*storage, ada, FactorChoice::One(factor_id(2)), 8).await, Err(Refusal::UnknownFactor));
    // What comes next is a first one again.
    assert!(enrol(&*storage, ada, totp(3), codes(20)).await.first);
    assert_eq!(keys(&*storage, ada).await.backup.own, codes(20));
}

async fn named_factors_are_removed_and_unknown_and_repeated_ids_are_skipped(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for number in 1..=4 {
        enrol(&*storage, ada, totp(number), codes(0)).await;
    }
    assert_eq!(remove(&*storage, ada, some(&[1, 77, 3, 1]), 5).await, Ok(2));
    assert_eq!(numbers(&*storage, ada).await, [4, 2]);
    assert_eq!(remove(&*storage, ada, some(&[1, 3]), 6).await, Ok(0));
    assert_eq!(remove(&*storage, ada, some(&[]), 6).await, Ok(0));
    assert_eq!(flag(&*storage, ada).await, (true, 0));
    assert_eq!(remove(&*storage, ada, some(&[2, 4]), 7).await, Ok(2));
    assert_eq!((flag(&*storage, ada).await, keys(&*storage, ada).await), ((false, 7), FactorKeys::default()));
    assert_eq!(recorded(&*storage, AuditKind::FactorRemoved).await, 4);
}

async fn all_factors_are_removed_at_once(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    enrol(&*storage, ada, totp(1), codes(0)).await;
    enrol(&*storage, ada, webauthn(2, 0), vec![]).await;
    enrol(&*storage, grace, totp(3), codes(50)).await;
    assert_eq!(remove(&*storage, ada, FactorChoice::All, 5).await, Ok(2));
    assert_eq!((flag(&*storage, ada).await, keys(&*storage, ada).await), ((false, 5), FactorKeys::default()));
    assert_eq!(remove(&*storage, ada, FactorChoice::All, 6).await, Ok(0));
    assert_eq!((flag(&*storage, ada).await, recorded(&*storage, AuditKind::FactorRemoved).await), ((false, 5), 2));
    assert_eq!((numbers(&*storage, grace).await, keys(&*storage, grace).await.backup.own), (vec![3], codes(50)));
}

async fn another_users_factor_is_not_found_and_stays(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    enrol(&*storage, ada, totp(1), codes(0)).await;
    enrol(&*storage, grace, totp(2), codes(50)).await;
    assert_eq!(storage.factor_find(grace, factor_id(1)).await.unwrap(), None);
    assert_eq!(remove(&*storage, grace, FactorChoice::One(factor_id(1)), 5).await, Err(Refusal::UnknownFactor));
    assert_eq!(remove(&*storage, grace, FactorChoice::One(FactorId::NONE), 5).await, Err(Refusal::UnknownFactor));
    assert_eq!(remove(&*storage, grace, some(&[1]), 5).await, Ok(0));
    assert_eq!(remove(&*storage, grace, FactorChoice::All, 5).await, Ok(1));
    assert_eq!((numbers(&*storage, ada).await, keys(&*storage, ada).await.backup.own), (vec![1], codes(0)));
    assert_eq!(flag(&*storage, ada).await, (true, 0));
}

async fn factors_removed_at_once_are_counted_once(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    for number in 0..20 {
        enrol(&*replicas[0], ada, totp(number), codes(0)).await;
    }
    let all: Vec<u128> = (0..20).collect();
    let counts = at_once((0..12).map(|turn| {
        let storage = replicas[turn % 2].clone();
        let which = match turn % 3 {
            0 => FactorChoice::All,
            1 => some(&all[turn..]),
            _ => FactorChoice::One(factor_id(turn as u128)),
        };
        async move { remove(&*storage, ada, which, 5).await.unwrap_or(0) }
    }))
    .await;
    assert_eq!(counts.iter().sum::<u64>(), 20);
    assert_eq!(recorded(&*replicas[0], AuditKind::FactorRemoved).await, 20);
    assert_eq!((flag(&*replicas[0], ada).await, keys(&*replicas[0], ada).await), ((false, 5), FactorKeys::default()));
}

async fn a_factor_that_is_enrolled_while_the_last_one_is_removed_has_codes_or_finds_some(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    for round in 0..10_u128 {
        let ada = user(&*replicas[0], &format!("ada{round}")).await.id;
        enrol(&*replicas[0], ada, totp(2 * round), codes(0)).await;
        let storage = replicas[1].clone();
        let removing =
            tokio::spawn(async move { remove(&*storage, ada, FactorChoice::One(factor_id(2 * round)), 5).await });
        let made = enrol(&*replicas[0], ada, totp(2 * round + 1), codes(100)).await;
        assert_eq!(removing.await.unwrap(), Ok(1));
        let expected = if made.first { codes(100) } else { codes(0) };
        assert_eq!(keys(&*replicas[0], ada).await.backup.own, expected);
        assert!(flag(&*replicas[0], ada).await.0);
        remove(&*replicas[0], ada, FactorChoice::All, 6).await.unwrap();
    }
}

async fn new_backup_codes_void_the_old_ones(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    enrol(&*storage, ada, totp(1), codes(0)).await;
    enrol(&*storage, grace, totp(2), codes(50)).await;
    open(&*storage, ada, session(1)).await;
    let use_code = async |code: u8| {
        let used = FactorUse::Backup(digest(code));
        storage.session_step_up(ada, uuid(1), stepping_up(ada, used), action(5)).await.unwrap().map(drop)
    };
    assert_eq!(use_code(3).await, Ok(()));
    storage.backup_codes_renew(ada, codes(100), action(6).into()).await.unwrap().unwrap();
    assert_eq!(keys(&*storage, ada).await.backup.own, codes(100));
    for old in [3, 4] {
        assert_eq!(use_code(old).await, stale_change(PreconditionFailed::AnswerSpent));
    }
    assert_eq!(use_code(100).await, Ok(()));
    assert_eq!(keys(&*storage, grace).await.backup.own, codes(50));
    assert_eq!(recorded(&*storage, AuditKind::BackupCodesRenewed).await, 1);
}

async fn who_has_no_factor_has_no_backup_codes(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let outcome = storage.backup_codes_renew(ada, codes(0), action(1).into()).await.unwrap();
    assert_eq!(outcome, Err(Refusal::FactorMissing));
    assert_eq!(keys(&*storage, ada).await, FactorKeys::default());
    assert_eq!(recorded(&*storage, AuditKind::BackupCodesRenewed).await, 0);
}

async fn a_step_moves_forward_alone(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for number in [1, 2] {
        enrol(&*storage, ada, totp(number), codes(0)).await;
    }
    open(&*storage, ada, session(1)).await;
    for (moved, right, last) in [
        // The code that confirmed it was used by that.
        (0, false, 0),
        (-1, false, 0),
        (1, true, 1),
        (1, false, 1),
        (3, true, 3),
        (2, false, 3),
        (3, false, 3),
        (4, true, 4),
    ] {
        let factor = stepping_up(ada, step(1, FIRST_STEP + moved));
        let outcome = storage.session_step_up(ada, uuid(1), factor, action(5)).await.unwrap();
        assert_eq!(outcome.is_ok(), right, "{moved}");
        let steps: Vec<_> = keys(&*storage, ada).await.totp.into_iter().map(|key| key.last_step).collect();
        assert_eq!(steps, [FIRST_STEP + last, FIRST_STEP], "each factor has its own");
    }
}

async fn the_counter_of_a_security_key_moves_forward_unless_it_never_counts(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    enrol(&*storage, ada, webauthn(1, 0), codes(0)).await;
    open(&*storage, ada, session(1)).await;
    for (count, right, stored) in [
        (0, true, 0),
        (0, true, 0),
        (1, true, 1),
        (1, false, 1),
        (0, false, 1),
        (7, true, 7),
        (6, false, 7),
        (u32::MAX, true, u32::MAX),
        (u32::MAX, false, u32::MAX),
        (0, false, u32::MAX),
    ] {
        let before = keys(&*storage, ada).await.webauthn.remove(0).credential;
        let told = format!("told with {count}, {right}");
        let used = FactorUse::Webauthn { factor: factor_id(1), sign_count: count, credential: told.clone() };
        let outcome = storage.session_step_up(ada, uuid(1), stepping_up(ada, used), action(5)).await.unwrap();
        assert_eq!(outcome.is_ok(), right, "{count}");
        let key = keys(&*storage, ada).await.webauthn.remove(0);
        let expected = if right { told } else { before };
        assert_eq!((key.sign_count, key.credential), (stored, expected), "{count}");
    }
}

async fn a_deleted_user_leaves_no_factor_and_no_code(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    enrol(&*storage, ada, totp(1), codes(0)).await;
    enrol(&*storage, ada, webauthn(2, 0), vec![]).await;
    storage.account_delete(ada, action(1).into()).await.unwrap().unwrap();
    assert!(numbers(&*storage, ada).await.is_empty());
    assert_eq!(keys(&*storage, ada).await, FactorKeys::default());
    assert!(storage.sealed_texts().await.unwrap().is_empty());
    // Ids, authenticators and codes are free again.
    enrol(&*storage, grace, totp(1), codes(0)).await;
    enrol(&*storage, grace, webauthn(2, 0), vec![]).await;
    assert_eq!(keys(&*storage, grace).await.backup.own, codes(0));
}

async fn changes_of_factors_are_recorded_by_kind_and_name_and_without_their_secrets(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let by = action_of(Actor::User(ada), 9);
    let sevens: Vec<TokenDigest> = vec![digest(7)];
    storage.factor_add(ada, totp(1), sevens.clone(), STAY, by.clone().into()).await.unwrap().unwrap();
    storage.factor_add(ada, webauthn(2, 0), sevens.clone(), STAY, by.clone().into()).await.unwrap().unwrap();
    storage.backup_codes_renew(ada, sevens, by.clone().into()).await.unwrap().unwrap();
    storage.factor_remove(ada, FactorChoice::One(factor_id(1)), STAY, by.clone().into()).await.unwrap().unwrap();
    let records = trail(&*storage).await.split_off(1);
    let told: Vec<_> = records.iter().map(|record| (record.kind, record.detail.as_deref())).collect();
    let expected = [
        (AuditKind::FactorAdded, Some("totp factor 1")),
        (AuditKind::FactorAdded, Some("webauthn factor 2")),
        (AuditKind::BackupCodesRenewed, None),
        (AuditKind::FactorRemoved, Some("totp factor 1")),
    ];
    assert_eq!(told, expected);
    for record in records {
        assert_eq!((&record.action, record.user, record.session), (&by, Some(ada), None));
        let text = format!("{record:?}");
        assert!(!text.contains("sealed") && !text.contains("credential") && !text.contains("0707"), "{text}");
    }
}

fn sealed(number: u128, text: &str) -> SealedText {
    SealedText { row: SealedRow::Factor(factor_id(number)), sealed: text.to_owned() }
}

async fn secrets_of_all_users_are_listed_and_sealed_anew_where_they_are_still_the_same(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    enrol(&*storage, ada, totp(1), codes(0)).await;
    enrol(&*storage, ada, webauthn(2, 0), vec![]).await;
    enrol(&*storage, grace, totp(3), codes(50)).await;
    let mut listed = storage.sealed_texts().await.unwrap();
    listed.sort_by_key(|text| text.row.context());
    assert_eq!(listed, [sealed(1, "sealed 1"), sealed(3, "sealed 3")]);
    let anew = |number, old| Resealed { old: sealed(number, old), new: format!("anew {number}") };
    let texts = vec![anew(1, "sealed 1"), anew(2, "credential 2"), anew(3, "something else"), anew(77, "sealed 3")];
    assert_eq!(storage.sealed_replace(texts.clone(), action(5)).await.unwrap(), 1);
    assert_eq!(storage.sealed_replace(texts, action(6)).await.unwrap(), 0);
    let hers = keys(&*storage, ada).await;
    assert_eq!((hers.totp[0].sealed.as_str(), hers.totp[0].last_step), ("anew 1", FIRST_STEP));
    assert_eq!(hers.webauthn[0].credential, "credential 2");
    assert_eq!(keys(&*storage, grace).await.totp[0].sealed, "sealed 3");
    let factor = storage.factor_find(ada, factor_id(1)).await.unwrap().unwrap();
    assert_eq!(factor.updated_at, at(0), "its owner has not changed it");
    assert_eq!(recorded(&*storage, AuditKind::SecretsResealed).await, 1);
}

async fn what_is_done_to_nobodys_factors_is_refused(database: TestDatabase) {
    let storage = database.open();
    let nobody = UserId::from_number(1);
    let outcome = storage.factor_add(nobody, totp(1), codes(0), STAY, action(1).into()).await.unwrap();
    assert_eq!(outcome, Err(Refusal::Gone));
    assert_eq!(remove(&*storage, nobody, FactorChoice::All, 1).await, Err(Refusal::Gone));
    assert_eq!(storage.backup_codes_renew(nobody, codes(0), action(1).into()).await.unwrap(), Err(Refusal::Gone));
    assert!(trail(&*storage).await.is_empty());
}
