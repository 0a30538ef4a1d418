//! Challenges: how often they may be answered, and that an answer is right once.

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::budget::BudgetKey;
use thunderhead_domain::challenge::{Challenge, ChallengePurpose, NewChallenge};
use thunderhead_domain::change_authorization::{Evidence, PreconditionFailed};
use thunderhead_domain::factor::{FactorUse, RightAnswer};
use thunderhead_domain::id::UserId;
use thunderhead_domain::network::Network;
use thunderhead_domain::ports::{ChallengeCharge, Storage, StorageError};
use thunderhead_domain::session::NewSession;
use thunderhead_domain::user::PasswordHash;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    FIRST_CREDENTIAL, FIRST_STEP, Picture, action, answer, asked_by, at, at_once, challenge, challenge_id, codes,
    digest, enrol, found, keys, live, open, plain, recorded, session, stale_change, step, totp, used_budget, user,
    uuid,
};

on_both_engines!(async:
    a_challenge_is_stored_as_it_was_made,
    an_id_is_never_used_twice,
    somebody_with_a_live_session_is_given_a_challenge,
    five_answers_are_admitted_and_a_refunded_one_does_not_count,
    an_answer_costs_the_accounts_budget_and_a_refund_gives_it_back,
    a_closed_challenge_costs_nothing,
    a_closed_challenge_costs_nothing_when_the_budget_is_used_up,
    an_answer_that_must_wait_is_not_counted,
    of_many_answers_at_once_five_are_admitted,
    a_right_answer_opens_one_session_and_is_spent,
    a_login_that_is_refused_spends_no_answer,
    the_fifth_answer_may_be_the_right_one,
    of_many_who_spend_one_challenge_at_once_one_succeeds,
    of_many_who_spend_one_code_at_once_one_succeeds,
    of_many_who_spend_one_backup_code_at_once_one_succeeds,
    answers_charged_and_spent_at_once_never_fail,
    a_deleted_user_has_no_challenges,
    challenges_that_expired_before_the_moment_are_forgotten_each_once,
);

async fn charge(storage: &dyn Storage, number: u128, millis: i64) -> ChallengeCharge {
    storage.challenge_charge(challenge_id(number), action(millis)).await.unwrap()
}

/// A user with a TOTP factor (1) and backup codes from 0 on.
async fn ada(storage: &dyn Storage) -> UserId {
    let ada = user(storage, "ada").await.id;
    enrol(storage, ada, totp(1), codes(0)).await;
    ada
}

async fn a_challenge_is_stored_as_it_was_made(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let ada = user(&*storage, "ada").await.id;
    let reverification = ChallengePurpose::Reverification { session: uuid(7), endpoint: "DELETE /users/me".to_owned() };
    let purposes = [
        ChallengePurpose::Login,
        reverification,
        ChallengePurpose::TotpEnrolment(uuid(8)),
        ChallengePurpose::WebauthnEnrolment(uuid(9)),
    ];
    for (number, purpose) in (1..).zip(purposes) {
        let state = (number > 2).then(|| "sealed → ß".to_owned());
        let budget = BudgetKey::Network(ada, Network::of("2001:db8::7".parse().unwrap()));
        let new = NewChallenge { purpose, state, budget, credential_version: 5, at: at(3), ..challenge(ada, number) };
        storage.challenge_create(new.clone()).await.unwrap();
        let expected = Challenge {
            id: new.id,
            user: ada,
            purpose: new.purpose,
            credential_version: 5,
            state: new.state,
            budget: new.budget,
            failures: 0,
            spent: false,
            created_at: at(3),
            expires_at: at(300_000),
        };
        assert_eq!(found(&*other, number).await, expected);
    }
    assert_eq!(storage.challenge_find(challenge_id(99)).await.unwrap(), None);
}

async fn an_id_is_never_used_twice(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    storage.challenge_create(challenge(ada, 1)).await.unwrap();
    let outcome = storage.challenge_create(challenge(grace, 1)).await;
    assert!(matches!(outcome, Err(StorageError::Defect(_))), "{outcome:?}");
    assert_eq!(found(&*storage, 1).await.user, ada);
}

async fn somebody_with_a_live_session_is_given_a_challenge(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    storage.challenge_create_for(challenge(ada, 1), plain(ada, 1, 0)).await.unwrap().unwrap();
    assert_eq!(found(&*storage, 1).await.user, ada);
    let outcome = storage.challenge_create_for(challenge(ada, 2), plain(ada, 99, 0)).await.unwrap();
    assert_eq!(outcome, stale_change(PreconditionFailed::SessionEnded));
    assert_eq!(storage.challenge_find(challenge_id(2)).await.unwrap(), None);
}

async fn five_answers_are_admitted_and_a_refunded_one_does_not_count(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let ada = user(&*storage, "ada").await.id;
    storage.challenge_create(challenge(ada, 1)).await.unwrap();
    for failures in 1..=4 {
        assert!(matches!(charge(&*storage, 1, 0).await, ChallengeCharge::Admitted(_)));
        assert_eq!(found(&*other, 1).await.failures, failures);
    }
    let ChallengeCharge::Admitted(receipt) = charge(&*other, 1, 0).await else { panic!("the fifth is admitted") };
    storage.challenge_refund(challenge_id(1), receipt).await.unwrap();
    assert!(found(&*other, 1).await.is_open(at(0)));
    assert!(matches!(charge(&*storage, 1, 0).await, ChallengeCharge::Admitted(_)));
    assert!(!found(&*other, 1).await.is_open(at(0)));
    assert_eq!(charge(&*other, 1, 0).await, ChallengeCharge::Closed);
    assert_eq!(found(&*other, 1).await.failures, 5);
}

async fn an_answer_costs_the_accounts_budget_and_a_refund_gives_it_back(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    for number in [1, 2] {
        storage.challenge_create(challenge(ada, number)).await.unwrap();
    }
    // A new challenge does not begin the count anew.
    charge(&*storage, 1, 0).await;
    charge(&*storage, 2, 0).await;
    assert_eq!(used_budget(&*storage, ada).await, 2);
    let ChallengeCharge::Admitted(receipt) = charge(&*storage, 2, 0).await else { panic!("it is open") };
    assert_eq!(receipt.before.map(|used| used.failures), Some(3));
    storage.challenge_refund(challenge_id(2), receipt).await.unwrap();
    assert_eq!(used_budget(&*storage, ada).await, 3);
    assert_eq!(found(&*storage, 2).await.failures, 1);
    assert_eq!(used_budget(&*storage, grace).await, 0);
    // To give back what belongs to no challenge changes nothing.
    storage.challenge_refund(challenge_id(99), receipt).await.unwrap();
    assert_eq!(used_budget(&*storage, ada).await, 4);
}

/// Makes challenges that nothing can answer at 10, and returns their numbers.
async fn closed(storage: &dyn Storage, ada: UserId) -> [u128; 4] {
    for new in [challenge(ada, 1), challenge(ada, 2), NewChallenge { expires_at: at(10), ..challenge(ada, 3) }] {
        storage.challenge_create(new).await.unwrap();
    }
    for _ in 0..5 {
        charge(storage, 1, 0).await;
    }
    let right = answer(2, step(1, FIRST_STEP + 1));
    let login = NewSession { clears: Some(BudgetKey::Account(ada)), ..session(1) };
    storage.session_open(ada, FIRST_CREDENTIAL, Some(right), login).await.unwrap().unwrap();
    [1, 2, 3, 99]
}

async fn a_closed_challenge_costs_nothing(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    let numbers = closed(&*storage, ada).await;
    for before in [0, 1] {
        let picture = Picture::take(&*storage, &[ada], &numbers).await;
        for number in numbers {
            assert_eq!(charge(&*storage, number, 10).await, ChallengeCharge::Closed, "{number}");
        }
        assert_eq!(Picture::take(&*storage, &[ada], &numbers).await, picture);
        assert_eq!(used_budget(&*storage, ada).await, before);
    }
}

async fn a_closed_challenge_costs_nothing_when_the_budget_is_used_up(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    let numbers = closed(&*storage, ada).await;
    for before in 0..10 {
        assert_eq!(used_budget(&*storage, ada).await, before);
    }
    // The wait is over: an attempt would be checked, and recorded.
    for millis in [500, 5_000] {
        let picture = Picture::take(&*storage, &[ada], &numbers).await;
        for number in numbers {
            assert_eq!(charge(&*storage, number, millis).await, ChallengeCharge::Closed, "{number}");
        }
        assert_eq!(Picture::take(&*storage, &[ada], &numbers).await, picture);
    }
    storage.challenge_create(challenge(ada, 4)).await.unwrap();
    let ChallengeCharge::Admitted(receipt) = charge(&*storage, 4, 5_000).await else { panic!("the wait is over") };
    assert_eq!(receipt.before.map(|used| (used.failures, used.last_at)), Some((10, at(0))));
    assert_eq!(recorded(&*storage, AuditKind::AttemptedBeyondBudget).await, 1);
}

async fn an_answer_that_must_wait_is_not_counted(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    storage.challenge_create(challenge(ada, 1)).await.unwrap();
    for before in 0..10 {
        assert_eq!(used_budget(&*storage, ada).await, before);
    }
    assert_eq!(charge(&*storage, 1, 1).await, ChallengeCharge::Wait(999));
    assert_eq!(found(&*storage, 1).await.failures, 0);
    assert_eq!(charge(&*storage, 1, 400).await, ChallengeCharge::Wait(600), "to be told to wait costs nothing");
}

async fn of_many_answers_at_once_five_are_admitted(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    replicas[0].challenge_create(challenge(ada, 1)).await.unwrap();
    let charges = at_once((0..50).map(|turn| {
        let storage = replicas[turn % 2].clone();
        async move { charge(&*storage, 1, 0).await }
    }))
    .await;
    let admitted = charges.iter().filter(|charge| matches!(charge, ChallengeCharge::Admitted(_))).count();
    let closed = charges.iter().filter(|charge| **charge == ChallengeCharge::Closed).count();
    assert_eq!((admitted, closed), (5, 45));
    assert_eq!(found(&*replicas[0], 1).await.failures, 5);
    assert_eq!(used_budget(&*replicas[1], ada).await, 5);
}

async fn a_right_answer_opens_one_session_and_is_spent(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    storage.challenge_create(challenge(ada, 1)).await.unwrap();
    assert!(matches!(charge(&*storage, 1, 0).await, ChallengeCharge::Admitted(_)));
    let log_in = async |number, used| {
        let right = Some(answer(1, used));
        let session = NewSession { clears: Some(BudgetKey::Account(ada)), ..session(number) };
        storage.session_open(ada, FIRST_CREDENTIAL, right, session).await.unwrap().map(drop)
    };
    assert_eq!(log_in(1, step(1, FIRST_STEP + 1)).await, Ok(()));
    assert!(found(&*storage, 1).await.spent);
    assert_eq!(keys(&*storage, ada).await.totp[0].last_step, FIRST_STEP + 1);
    for used in [step(1, FIRST_STEP + 2), FactorUse::Backup(digest(0))] {
        assert_eq!(log_in(2, used).await, stale_change(PreconditionFailed::AnswerSpent));
    }
    assert_eq!(keys(&*storage, ada).await.backup.own, codes(0));
    assert_eq!(live(&*storage, ada).await, [1]);
    assert_eq!(used_budget(&*storage, ada).await, 0, "a completed login clears it");
}

async fn a_login_that_is_refused_spends_no_answer(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    storage.challenge_create(challenge(ada, 1)).await.unwrap();
    charge(&*storage, 1, 0).await;
    let log_in =
        async |version, new| storage.session_open(ada, version, Some(answer(1, step(1, FIRST_STEP + 1))), new).await;
    storage.account_ban(ada, None, action(1).into()).await.unwrap().unwrap();
    let before = Picture::take(&*storage, &[ada], &[1]).await;
    assert_eq!(log_in(FIRST_CREDENTIAL, session(1)).await.unwrap().map(drop), stale_change(PreconditionFailed::Banned));
    assert_eq!(Picture::take(&*storage, &[ada], &[1]).await, before);
    storage.account_unban(ada, action(2).into()).await.unwrap().unwrap();
    storage.account_set_password(ada, PasswordHash::new("new".to_owned()), action(3).into()).await.unwrap().unwrap();
    let before = Picture::take(&*storage, &[ada], &[1]).await;
    // The challenge followed the password that was right before.
    for (version, failed) in [
        (FIRST_CREDENTIAL, PreconditionFailed::PasswordChanged),
        (FIRST_CREDENTIAL + 1, PreconditionFailed::AnswerSpent),
    ] {
        assert_eq!(log_in(version, session(1)).await.unwrap().map(drop), stale_change(failed));
    }
    assert_eq!(Picture::take(&*storage, &[ada], &[1]).await, before);
    // A session that cannot be made is no reason to spend an answer either.
    storage.session_open(ada, FIRST_CREDENTIAL + 1, None, session(7)).await.unwrap().unwrap();
    let now = NewChallenge { credential_version: FIRST_CREDENTIAL + 1, ..challenge(ada, 2) };
    storage.challenge_create(now).await.unwrap();
    let right = Some(answer(2, step(1, FIRST_STEP + 1)));
    assert!(storage.session_open(ada, FIRST_CREDENTIAL + 1, right.clone(), session(7)).await.is_err());
    assert!(!found(&*storage, 2).await.spent);
    assert_eq!(keys(&*storage, ada).await.totp[0].last_step, FIRST_STEP);
    storage.session_open(ada, FIRST_CREDENTIAL + 1, right, session(8)).await.unwrap().unwrap();
}

async fn the_fifth_answer_may_be_the_right_one(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    storage.challenge_create(challenge(ada, 1)).await.unwrap();
    for _ in 0..5 {
        assert!(matches!(charge(&*storage, 1, 0).await, ChallengeCharge::Admitted(_)));
    }
    let right = Some(answer(1, step(1, FIRST_STEP + 1)));
    storage.session_open(ada, FIRST_CREDENTIAL, right, session(1)).await.unwrap().unwrap();
}

/// Fifty attempts at once, on two replicas, each with its answer: half of them log in, half change an account. Exactly
/// one must succeed.
async fn assert_one_succeeds(database: &TestDatabase, ada: UserId, answers: impl Fn(u128) -> RightAnswer) {
    let replicas = [database.open(), database.open()];
    open(&*replicas[0], ada, session(1_000)).await;
    let outcomes = at_once((0..50_u128).map(|turn| {
        let storage = replicas[turn as usize % 2].clone();
        let shown = answers(turn);
        async move {
            if turn % 4 < 2 {
                storage.session_open(ada, FIRST_CREDENTIAL, Some(shown), session(turn)).await.unwrap().map(drop)
            } else {
                let authorization = asked_by(ada, 1_000, Evidence::Answer(shown), 0);
                storage.account_set_verified(ada, true, authorization).await.unwrap().map(drop)
            }
        }
    }))
    .await;
    let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let spent = outcomes.iter().filter(|outcome| **outcome == stale_change(PreconditionFailed::AnswerSpent)).count();
    assert_eq!((done, spent), (1, 49), "{outcomes:?}");
    let logins = recorded(&*replicas[0], AuditKind::LoggedIn).await - 1;
    assert_eq!(logins + recorded(&*replicas[0], AuditKind::AccountVerified).await, 1);
}

async fn of_many_who_spend_one_challenge_at_once_one_succeeds(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    storage.challenge_create(challenge(ada, 0)).await.unwrap();
    // Each with a code of its own, or with a backup code.
    assert_one_succeeds(&database, ada, |turn| match turn {
        0..10 => answer(0, FactorUse::Backup(digest(turn as u8))),
        _ => answer(0, step(1, FIRST_STEP + 1 + turn as i64)),
    })
    .await;
    assert!(found(&*storage, 0).await.spent);
}

async fn of_many_who_spend_one_code_at_once_one_succeeds(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    for number in 0..50 {
        storage.challenge_create(challenge(ada, number)).await.unwrap();
    }
    assert_one_succeeds(&database, ada, |turn| answer(turn, step(1, FIRST_STEP + 1))).await;
    assert_one_spent(&*storage).await;
}

async fn of_many_who_spend_one_backup_code_at_once_one_succeeds(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    for number in 0..50 {
        storage.challenge_create(challenge(ada, number)).await.unwrap();
    }
    assert_one_succeeds(&database, ada, |turn| answer(turn, FactorUse::Backup(digest(5)))).await;
    assert_one_spent(&*storage).await;
    assert_eq!(keys(&*storage, ada).await.backup.count(), 9);
}

/// Of fifty challenges one has been spent.
async fn assert_one_spent(storage: &dyn Storage) {
    let mut spent = 0;
    for number in 0..50 {
        spent += u32::from(found(storage, number).await.spent);
    }
    assert_eq!(spent, 1);
}

async fn answers_charged_and_spent_at_once_never_fail(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = ada(&*replicas[0]).await;
    for round in 0..20_u128 {
        replicas[0].challenge_create(challenge(ada, round)).await.unwrap();
        let done: usize = at_once((0..12_u128).map(|turn| {
            let storage = replicas[turn as usize % 2].clone();
            async move {
                if turn % 4 != 3 {
                    if let ChallengeCharge::Admitted(receipt) = charge(&*storage, round, 0).await {
                        storage.challenge_refund(challenge_id(round), receipt).await.unwrap();
                    }
                    return 0;
                }
                let right = answer(round, step(1, FIRST_STEP + 1 + round as i64));
                let new = NewSession { second_factor_pending: turn == 3, ..session(round * 100 + turn) };
                storage.session_open(ada, FIRST_CREDENTIAL, Some(right), new).await.unwrap().is_ok().into()
            }
        }))
        .await
        .into_iter()
        .sum();
        assert_eq!(done, 1, "one of those who spend it");
        replicas[0].budget_clear(&BudgetKey::Account(ada)).await.unwrap();
    }
}

async fn a_deleted_user_has_no_challenges(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    storage.challenge_create(challenge(ada, 1)).await.unwrap();
    storage.challenge_create(challenge(grace, 2)).await.unwrap();
    storage.account_delete(ada, action(1).into()).await.unwrap().unwrap();
    assert_eq!(storage.challenge_find(challenge_id(1)).await.unwrap(), None);
    assert_eq!(charge(&*storage, 1, 2).await, ChallengeCharge::Closed);
    assert!(matches!(charge(&*storage, 2, 2).await, ChallengeCharge::Admitted(_)));
}

async fn challenges_that_expired_before_the_moment_are_forgotten_each_once(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    for number in 0..40 {
        let new = NewChallenge { expires_at: at(1_000 * number), ..challenge(ada, number as u128) };
        replicas[0].challenge_create(new).await.unwrap();
    }
    assert_eq!(replicas[0].prune_challenges(at(-1)).await.unwrap(), 0);
    let forgotten = at_once((0..8).map(|turn| {
        let storage = replicas[turn % 2].clone();
        async move {
            let mut sum = 0;
            loop {
                match storage.prune_challenges(at(30_500)).await.unwrap() {
                    0 => return sum,
                    some => sum += some,
                }
            }
        }
    }))
    .await;
    assert_eq!(forgotten.iter().sum::<u64>(), 31);
    assert_eq!(replicas[0].challenge_find(challenge_id(30)).await.unwrap(), None);
    assert!(replicas[0].challenge_find(challenge_id(31)).await.unwrap().is_some());
}
