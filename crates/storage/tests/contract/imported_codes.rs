//! Backup codes that came from another program.

use thunderhead_domain::change_authorization::{PreconditionFailed, Refusal};
use thunderhead_domain::factor::{FactorChoice, FactorUse, ImportedCode, ImportedCodeId, UnspentCodes};
use thunderhead_domain::id::UserId;
use thunderhead_domain::import::{AccountOutcome, Remark};
use thunderhead_domain::ports::{AccountName, Resealed, SealedRow, SealedText, Storage};
use thunderhead_domain::session::Method;
use thunderhead_testkit::{TestDatabase, on_both_engines};
use uuid::Uuid;

use crate::imports::{imported, imported_factor, one};
use crate::support::{
    FIRST_CREDENTIAL, STAY, action, answer, at_once, challenge, codes, enrol, keys, session, stale_change, totp,
};

on_both_engines!(async:
    codes_come_with_a_factor_and_short_ones_without_as_well,
    a_code_that_somebody_else_has_stays_with_the_first,
    a_code_is_spent_once_and_by_its_owner_alone,
    new_codes_void_those_that_came_and_so_does_the_last_factor,
    who_has_nothing_but_codes_gets_new_ones_with_the_first_factor_or_is_freed_of_them,
    encrypted_codes_are_listed_and_sealed_anew,
);

fn hashed(byte: u8) -> ImportedCode {
    ImportedCode::Sha512(Box::new([byte; 64]))
}

fn short(number: u128) -> ImportedCode {
    ImportedCode::Sealed { id: ImportedCodeId(Uuid::from_u128(number)), sealed: format!("sealed {number}") }
}

/// Somebody who came with these codes and so many factors.
async fn somebody(storage: &dyn Storage, name: &str, factors: &[u128], codes: &[ImportedCode]) -> UserId {
    let mut account = imported(name, None, vec![]);
    account.factors = factors.iter().copied().map(imported_factor).collect();
    account.codes = codes.to_vec();
    let outcome = one(storage, account).await;
    let AccountOutcome::Created { id, .. } = outcome.account else { panic!("{outcome:?}") };
    id
}

async fn left(storage: &dyn Storage, user: UserId) -> UnspentCodes {
    keys(storage, user).await.backup
}

async fn has_factor(storage: &dyn Storage, user: UserId) -> bool {
    storage.account_find(AccountName::Id(user)).await.unwrap().unwrap().has_second_factor
}

/// Logs in with an answer to a challenge of this number.
async fn log_in(storage: &dyn Storage, user: UserId, number: u128, code: ImportedCode) -> Result<(), Refusal> {
    storage.challenge_create(challenge(user, number)).await.unwrap();
    let right = answer(number, FactorUse::ImportedCode(code));
    storage.session_open(user, FIRST_CREDENTIAL, Some(right), session(number)).await.unwrap().map(drop)
}

async fn codes_come_with_a_factor_and_short_ones_without_as_well(database: TestDatabase) {
    let storage = database.open();
    let ada = somebody(&*storage, "ada", &[1], &[hashed(1), hashed(2)]).await;
    let grace = somebody(&*storage, "grace", &[], &[hashed(3)]).await;
    let radia = somebody(&*storage, "radia", &[], &[short(8), short(9)]).await;
    assert_eq!(left(&*storage, ada).await, UnspentCodes { own: vec![], imported: vec![hashed(1), hashed(2)] });
    assert_eq!((left(&*storage, grace).await, has_factor(&*storage, grace).await), (UnspentCodes::default(), false));
    assert_eq!(
        (left(&*storage, radia).await.imported, has_factor(&*storage, radia).await),
        (vec![short(8), short(9)], true)
    );
    assert!(!format!("{:?}", left(&*storage, radia).await).contains("sealed 8"));
}

async fn a_code_that_somebody_else_has_stays_with_the_first(database: TestDatabase) {
    let storage = database.open();
    let ada = somebody(&*storage, "ada", &[1], &[hashed(1), hashed(1)]).await;
    let grace = somebody(&*storage, "grace", &[2], &[hashed(2), hashed(1)]).await;
    assert_eq!(left(&*storage, ada).await.imported, [hashed(1)]);
    assert_eq!(left(&*storage, grace).await.imported, [hashed(2)]);
    let mut radia = imported("radia", None, vec![]);
    (radia.factors, radia.codes) = (vec![imported_factor(3)], vec![hashed(1), hashed(3)]);
    let outcome = one(&*storage, radia).await;
    let why = "there are the same here".to_owned();
    assert_eq!((outcome.codes, outcome.remarks), (1, vec![Remark::CodesLeftOut { count: 1, why }]));
}

async fn a_code_is_spent_once_and_by_its_owner_alone(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = somebody(&*replicas[0], "ada", &[1], &[hashed(1), hashed(2)]).await;
    let grace = somebody(&*replicas[0], "grace", &[], &[short(8), short(9)]).await;
    assert_eq!(FactorUse::ImportedCode(hashed(1)).method(), Method::LookupSecret);
    for (number, foreign) in [(1, short(8)), (2, hashed(7)), (3, short(7))] {
        let refused = log_in(&*replicas[0], ada, number, foreign).await;
        assert_eq!(refused, stale_change(PreconditionFailed::AnswerSpent));
    }
    for (user, code, first) in [(ada, hashed(1), 100_u128), (grace, short(9), 200)] {
        let done = at_once((first..first + 10).map(|number| {
            let (storage, code) = (replicas[number as usize % 2].clone(), code.clone());
            async move { log_in(&*storage, user, number, code).await }
        }))
        .await;
        assert_eq!(done.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    }
    assert_eq!(left(&*replicas[1], ada).await.imported, [hashed(2)]);
    assert_eq!(left(&*replicas[1], grace).await.imported, [short(8)]);
}

async fn new_codes_void_those_that_came_and_so_does_the_last_factor(database: TestDatabase) {
    let storage = database.open();
    let ada = somebody(&*storage, "ada", &[1], &[hashed(1), short(2)]).await;
    let grace = somebody(&*storage, "grace", &[3], &[hashed(3)]).await;
    storage.backup_codes_renew(ada, codes(0), action(1).into()).await.unwrap().unwrap();
    assert_eq!(left(&*storage, ada).await, UnspentCodes { own: codes(0), imported: vec![] });
    assert_eq!(left(&*storage, grace).await.imported, [hashed(3)]);
    assert_eq!(storage.factor_remove(grace, FactorChoice::All, STAY, action(2).into()).await.unwrap(), Ok(1));
    assert_eq!((left(&*storage, grace).await, has_factor(&*storage, grace).await), (UnspentCodes::default(), false));
}

async fn who_has_nothing_but_codes_gets_new_ones_with_the_first_factor_or_is_freed_of_them(database: TestDatabase) {
    let storage = database.open();
    let (radia, grace) =
        (somebody(&*storage, "radia", &[], &[short(8)]).await, somebody(&*storage, "grace", &[], &[short(9)]).await);
    assert!(enrol(&*storage, radia, totp(1), codes(0)).await.first);
    assert_eq!(left(&*storage, radia).await, UnspentCodes { own: codes(0), imported: vec![] });
    assert_eq!(storage.factor_remove(grace, FactorChoice::All, STAY, action(2).into()).await.unwrap(), Ok(1));
    assert_eq!((left(&*storage, grace).await, has_factor(&*storage, grace).await), (UnspentCodes::default(), false));
    assert_eq!(storage.factor_remove(grace, FactorChoice::All, STAY, action(3).into()).await.unwrap(), Ok(0));
}

async fn encrypted_codes_are_listed_and_sealed_anew(database: TestDatabase) {
    let storage = database.open();
    let radia = somebody(&*storage, "radia", &[], &[short(8), hashed(9)]).await;
    let row = SealedRow::ImportedCode(ImportedCodeId(Uuid::from_u128(8)));
    let text = |sealed: &str| SealedText { row: row.clone(), sealed: sealed.to_owned() };
    assert_eq!(storage.sealed_texts().await.unwrap(), [text("sealed 8")]);
    for (old, replaced) in [("other", 0), ("sealed 8", 1), ("sealed 8", 0)] {
        let anew = vec![Resealed { old: text(old), new: "anew".to_owned() }];
        assert_eq!(storage.sealed_replace(anew, action(1)).await.unwrap(), replaced);
    }
    assert_eq!(storage.sealed_texts().await.unwrap(), [text("anew")]);
    assert_eq!(left(&*storage, radia).await.imported.len(), 2);
}
