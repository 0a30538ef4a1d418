//! Authorizations of changes: what must hold, what is spent, and that a refusal leaves everything as it was.

use std::sync::Arc;

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::budget::BudgetKey;
use thunderhead_domain::challenge::NewChallenge;
use thunderhead_domain::change_authorization::{
    ChangeAuthorization, Evidence, PreconditionFailed, Preconditions, Refusal,
};
use thunderhead_domain::factor::{FactorChoice, FactorUse};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::Storage;
use thunderhead_domain::session::{Authentication, Method, NewSession};
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::user::{EmailAddress, PasswordHash, Username};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    FIRST_CREDENTIAL, FIRST_STEP, Intruder, Picture, STAY, WHY, action, answer, asked_by, at, at_once, challenge,
    challenge_id, codes, digest, enrol, factor_id, found, keys, live, open, plain, session, stale_change, step, totp,
    trail, used, used_budget, user, uuid, webauthn,
};

on_both_engines!(async:
    a_live_session_authorizes_every_change,
    a_session_that_is_not_live_authorizes_nothing,
    a_banned_user_authorizes_nothing,
    a_user_who_is_gone_authorizes_nothing,
    staff_who_are_none_any_more_authorize_nothing,
    staff_need_a_second_factor_that_the_session_has_shown_unless_that_is_waived,
    a_password_that_was_changed_authorizes_nothing,
    nothing_is_done_for_an_answer_to_a_challenge_that_is_closed,
    nothing_is_done_for_an_answer_that_was_used_or_is_somebody_elses,
    nothing_is_done_for_an_enrolment_whose_challenge_is_closed,
    a_change_that_is_refused_spends_no_answer,
    an_answer_is_spent_with_the_change_that_it_allows,
    an_enrolment_is_spent_with_the_factor_and_neither_with_a_taken_one,
    an_enrolment_that_was_begun_with_the_password_alone_ends_with_the_first_factor,
    a_password_and_an_answer_clear_the_failure_budget_and_nothing_else_does,
    who_is_made_staff_by_another_must_have_a_second_factor,
    a_change_comes_before_the_end_of_the_session_that_asked_for_it_or_never,
    users_who_change_each_other_at_once_never_fail,
);

/// Ada, who asks, with the sessions 1 and 9, a TOTP factor (1) and a security key (2); and Grace, to whom it is done,
/// with session 2 and a TOTP factor (3). The backup codes are from 0 and from 50 on.
pub(crate) async fn cast(storage: &dyn Storage) -> (UserId, UserId) {
    let (ada, grace) = (user(storage, "ada").await.id, user(storage, "grace").await.id);
    for (user, number) in [(ada, 1), (grace, 2), (ada, 9)] {
        open(storage, user, session(number)).await;
    }
    enrol(storage, ada, totp(1), codes(0)).await;
    enrol(storage, ada, webauthn(2, 7), vec![]).await;
    enrol(storage, grace, totp(3), codes(50)).await;
    (ada, grace)
}

/// Tries every change that takes an authorization, and returns what it is told.
async fn try_everything(
    storage: &dyn Storage,
    whom: UserId,
    authorization: &ChangeAuthorization,
) -> Vec<Result<(), Refusal>> {
    let asked_by = || authorization.clone();
    let name = Username::try_from("renamed".to_owned()).unwrap();
    let email = EmailAddress::from_checked("readdressed@example.org".to_owned());
    let hash = PasswordHash::new("other".to_owned());
    let new = NewSession { at: authorization.action.at, ..session(100) };
    let asked = NewChallenge { at: authorization.action.at, ..challenge(whom, 100) };
    let deleted = [whom];
    vec![
        storage.account_rename(whom, name, asked_by()).await.unwrap().map(drop),
        storage.account_readdress(whom, email, asked_by()).await.unwrap().map(drop),
        storage.account_set_verified(whom, true, asked_by()).await.unwrap().map(drop),
        storage.account_set_staff(whom, true, asked_by()).await.unwrap().map(drop),
        storage.switch_set(KillSwitch::Global, true, asked_by()).await.unwrap().map(drop),
        storage.switch_clear(asked_by()).await.unwrap().map(drop),
        storage.challenge_create_for(asked, asked_by()).await.unwrap(),
        storage.factor_add(whom, totp(100), codes(100), STAY, asked_by()).await.unwrap().map(drop),
        storage.backup_codes_renew(whom, codes(200), asked_by()).await.unwrap(),
        storage.factor_remove(whom, FactorChoice::All, STAY, asked_by()).await.unwrap().map(drop),
        storage.session_open_from(whom, new, asked_by()).await.unwrap().map(drop),
        storage.account_set_password(whom, hash, asked_by()).await.unwrap().map(drop),
        storage.account_ban(whom, Some("why".to_owned()), asked_by()).await.unwrap().map(drop),
        storage.account_unban(whom, asked_by()).await.unwrap().map(drop),
        storage.account_delete_some(&deleted, asked_by()).await.unwrap().map(drop),
        storage.account_delete(whom, asked_by()).await.unwrap(),
    ]
}

/// Makes sure that an authorization is good for nothing, and that asking leaves no trace.
async fn assert_good_for_nothing(
    storage: &dyn Storage,
    whom: &[UserId],
    authorization: &ChangeAuthorization,
    failed: PreconditionFailed,
    why: &str,
) {
    let challenges = [0, 1, 2, 3, 4, 5, 6, 100];
    let before = Picture::take(storage, whom, &challenges).await;
    for user in whom {
        for outcome in try_everything(storage, *user, authorization).await {
            assert_eq!(outcome, stale_change(failed), "{why}");
        }
    }
    assert_eq!(Picture::take(storage, whom, &challenges).await, before, "{why}");
}

/// What a member of staff asks for, by their session of this number.
fn staff_word(user: UserId, number: u128, factor: StaffFactor) -> ChangeAuthorization {
    let preconditions = Preconditions { user, session: uuid(number), staff: Some(factor), evidence: Evidence::Nothing };
    ChangeAuthorization { preconditions: Some(preconditions), ..plain(user, number, 10) }
}

/// Makes Ada staff, which ends her sessions, and opens two others: 21 with the password alone, 22 with a factor too.
pub(crate) async fn promote(storage: &dyn Storage, ada: UserId) {
    storage.account_set_staff(ada, true, action(1).into()).await.unwrap().unwrap();
    open(storage, ada, session(21)).await;
    open(storage, ada, proved(22)).await;
}

/// A session that a second factor was shown for.
fn proved(number: u128) -> NewSession {
    let mut session = session(number);
    session.authentications.push(Authentication { method: Method::Totp, at: at(-1) });
    session
}

async fn a_live_session_authorizes_every_change(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = cast(&*storage).await;
    let outcomes = try_everything(&*storage, grace, &plain(ada, 1, 10)).await;
    let (last, earlier) = outcomes.split_last().unwrap();
    assert!(earlier.iter().all(Result::is_ok), "{earlier:?}");
    assert_eq!(*last, Err(Refusal::Gone), "she was deleted just before");
}

async fn a_session_that_is_not_live_authorizes_nothing(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = cast(&*storage).await;
    let ended = open(&*storage, ada, session(11)).await;
    storage.session_end(ada, ended.id, WHY, action(1)).await.unwrap();
    open(&*storage, ada, NewSession { expires_at: at(10), ..session(12) }).await;
    open(&*storage, ada, NewSession { second_factor_pending: true, ..session(13) }).await;
    for (number, why) in [
        (11, "it was ended"),
        (12, "it has expired"),
        (13, "its second factor is pending"),
        (2, "another's"),
        (99, "there is none"),
    ] {
        for evidence in [Evidence::Nothing, Evidence::Password(FIRST_CREDENTIAL)] {
            let authorization = asked_by(ada, number, evidence, 10);
            assert_good_for_nothing(&*storage, &[ada, grace], &authorization, PreconditionFailed::SessionEnded, why)
                .await;
        }
    }
}

async fn a_banned_user_authorizes_nothing(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = cast(&*storage).await;
    storage.account_ban(ada, None, action(1).into()).await.unwrap().unwrap();
    let authorization = plain(ada, 1, 10);
    assert_good_for_nothing(&*storage, &[ada, grace], &authorization, PreconditionFailed::Banned, "banned").await;
    storage.account_unban(ada, action(2).into()).await.unwrap().unwrap();
    assert_good_for_nothing(
        &*storage,
        &[ada, grace],
        &authorization,
        PreconditionFailed::SessionEnded,
        "no longer banned",
    )
    .await;
}

async fn a_user_who_is_gone_authorizes_nothing(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = cast(&*storage).await;
    storage.account_delete(ada, action(1).into()).await.unwrap().unwrap();
    assert_good_for_nothing(&*storage, &[ada, grace], &plain(ada, 1, 10), PreconditionFailed::SessionEnded, "gone")
        .await;
}

async fn staff_who_are_none_any_more_authorize_nothing(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = cast(&*storage).await;
    promote(&*storage, ada).await;
    storage.account_set_verified(grace, true, staff_word(ada, 22, StaffFactor::Required)).await.unwrap().unwrap();
    storage.account_set_staff(ada, false, action(2).into()).await.unwrap().unwrap();
    for factor in [StaffFactor::Required, StaffFactor::Waived] {
        let authorization = staff_word(ada, 22, factor);
        assert_good_for_nothing(&*storage, &[ada, grace], &authorization, PreconditionFailed::NotStaff, "demoted")
            .await;
    }
}

async fn staff_need_a_second_factor_that_the_session_has_shown_unless_that_is_waived(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = cast(&*storage).await;
    promote(&*storage, ada).await;
    let users = [ada, grace];
    let unproved = staff_word(ada, 21, StaffFactor::Required);
    assert_good_for_nothing(&*storage, &users, &unproved, PreconditionFailed::StaffFactorMissing, "not shown").await;
    let proved = staff_word(ada, 22, StaffFactor::Required);
    storage.account_set_verified(grace, true, proved.clone()).await.unwrap().unwrap();
    storage.factor_remove(ada, FactorChoice::All, STAY, action(2).into()).await.unwrap().unwrap();
    assert_good_for_nothing(&*storage, &users, &proved, PreconditionFailed::StaffFactorMissing, "no factor").await;
    storage.account_set_verified(grace, false, staff_word(ada, 21, StaffFactor::Waived)).await.unwrap().unwrap();
}

async fn a_password_that_was_changed_authorizes_nothing(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = cast(&*storage).await;
    let shown = |version| asked_by(ada, 1, Evidence::Password(version), 10);
    let hash = PasswordHash::new("new".to_owned());
    // Her own change keeps the session that it is asked for with.
    storage.account_set_password(ada, hash, shown(FIRST_CREDENTIAL)).await.unwrap().unwrap();
    for version in [FIRST_CREDENTIAL, FIRST_CREDENTIAL + 2] {
        let authorization = shown(version);
        assert_good_for_nothing(
            &*storage,
            &[ada, grace],
            &authorization,
            PreconditionFailed::PasswordChanged,
            "changed",
        )
        .await;
    }
    storage.account_set_verified(ada, true, shown(FIRST_CREDENTIAL + 1)).await.unwrap().unwrap();
}

/// Makes a challenge (1) that Ada can answer, and some that she cannot answer (any more) at 10.
async fn closed_challenges(storage: &dyn Storage, ada: UserId, grace: UserId) -> [(u128, &'static str); 5] {
    for new in [
        challenge(ada, 1),
        challenge(ada, 2),
        challenge(grace, 4),
        NewChallenge { credential_version: FIRST_CREDENTIAL + 1, ..challenge(ada, 5) },
        NewChallenge { expires_at: at(10), ..challenge(ada, 6) },
    ] {
        storage.challenge_create(new).await.unwrap();
    }
    let spending = asked_by(ada, 1, Evidence::Answer(answer(2, step(1, FIRST_STEP + 1))), 5);
    storage.account_set_verified(ada, true, spending).await.unwrap().unwrap();
    [(0, "unknown"), (2, "answered"), (4, "another's"), (5, "of another password"), (6, "expired")]
}

/// Makes of all challenges what they are where a factor was shown for them.
pub(crate) fn show_factor_for_all(database: &TestDatabase) {
    Intruder::new(database).run("UPDATE challenges SET factor_verified = TRUE");
}

async fn nothing_is_done_for_an_answer_to_a_challenge_that_is_closed(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = cast(&*storage).await;
    for (number, why) in closed_challenges(&*storage, ada, grace).await {
        let authorization = asked_by(ada, 1, Evidence::Answer(answer(number, step(1, FIRST_STEP + 9))), 10);
        assert_good_for_nothing(&*storage, &[ada, grace], &authorization, PreconditionFailed::AnswerSpent, why).await;
    }
    // The same answer to one that is open is right.
    let authorization = asked_by(ada, 1, Evidence::Answer(answer(1, step(1, FIRST_STEP + 9))), 10);
    storage.account_set_verified(grace, true, authorization).await.unwrap().unwrap();
}

async fn nothing_is_done_for_an_answer_that_was_used_or_is_somebody_elses(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = cast(&*storage).await;
    for number in 1..=3 {
        storage.challenge_create(challenge(ada, number)).await.unwrap();
    }
    let by = |number, used| asked_by(ada, 1, Evidence::Answer(answer(number, used)), 10);
    for (number, used) in [(1, step(1, FIRST_STEP + 5)), (2, FactorUse::Backup(digest(0)))] {
        storage.account_set_verified(ada, true, by(number, used)).await.unwrap().unwrap();
    }
    let key = |factor, sign_count| FactorUse::Webauthn {
        factor: factor_id(factor),
        sign_count,
        credential: "moved".to_owned(),
    };
    for (used, why) in [
        (step(1, FIRST_STEP + 5), "the code was used"),
        (step(1, FIRST_STEP + 4), "a later code was used"),
        (step(3, FIRST_STEP + 9), "another's factor"),
        (step(2, FIRST_STEP + 9), "a security key has no codes"),
        (step(77, FIRST_STEP + 9), "no such factor"),
        (FactorUse::Backup(digest(0)), "the backup code was used"),
        (FactorUse::Backup(digest(50)), "another's backup code"),
        (FactorUse::Backup(digest(255)), "no such backup code"),
        (key(2, 7), "the counter has not moved"),
        (key(2, 6), "the counter has gone back"),
        (key(2, 0), "the counter has stopped"),
        (key(1, 8), "a TOTP factor signs nothing"),
        (key(77, 8), "no such security key"),
    ] {
        assert_good_for_nothing(&*storage, &[ada, grace], &by(3, used), PreconditionFailed::AnswerSpent, why).await;
    }
    storage.account_set_verified(grace, true, by(3, key(2, 8))).await.unwrap().unwrap();
}

async fn nothing_is_done_for_an_enrolment_whose_challenge_is_closed(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = cast(&*storage).await;
    let closed = closed_challenges(&*storage, ada, grace).await;
    show_factor_for_all(&database);
    for (number, why) in closed {
        let authorization = asked_by(ada, 1, Evidence::Enrolment(challenge_id(number)), 10);
        assert_good_for_nothing(&*storage, &[ada, grace], &authorization, PreconditionFailed::AnswerSpent, why).await;
    }
}

async fn a_change_that_is_refused_spends_no_answer(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = cast(&*storage).await;
    let bare = user(&*storage, "bare").await.id;
    storage.challenge_create(challenge(ada, 1)).await.unwrap();
    let users = [ada, grace, bare];
    let nobody = UserId::from_number(1);
    for used in [step(1, FIRST_STEP + 1), FactorUse::Backup(digest(3))] {
        let by = || asked_by(ada, 1, Evidence::Answer(answer(1, used.clone())), 10);
        let before = Picture::take(&*storage, &users, &[1]).await;
        let name = Username::try_from("GRACE".to_owned()).unwrap();
        let email = EmailAddress::from_checked("GRACE@example.org".to_owned());
        let unknown = FactorChoice::One(factor_id(77));
        let outcomes = [
            storage.account_rename(ada, name, by()).await.unwrap().map(drop),
            storage.account_readdress(ada, email, by()).await.unwrap().map(drop),
            storage.account_ban(nobody, None, by()).await.unwrap().map(drop),
            storage.account_delete(nobody, by()).await.unwrap(),
            storage.factor_remove(ada, unknown, STAY, by()).await.unwrap().map(drop),
            storage.factor_add(grace, webauthn(2, 0), codes(100), STAY, by()).await.unwrap().map(drop),
            storage.backup_codes_renew(bare, codes(100), by()).await.unwrap(),
            storage.account_set_staff(bare, true, by()).await.unwrap().map(drop),
        ];
        let refusals = [
            Refusal::Taken,
            Refusal::Taken,
            Refusal::Gone,
            Refusal::Gone,
            Refusal::UnknownFactor,
            Refusal::FactorTaken,
            Refusal::FactorMissing,
            Refusal::FactorMissing,
        ];
        assert_eq!(outcomes, refusals.map(Err));
        assert_eq!(Picture::take(&*storage, &users, &[1]).await, before);
    }
    let by = asked_by(ada, 1, Evidence::Answer(answer(1, step(1, FIRST_STEP + 1))), 10);
    storage.account_set_verified(grace, true, by).await.unwrap().unwrap();
}

async fn an_answer_is_spent_with_the_change_that_it_allows(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = cast(&*storage).await;
    let moved = FactorUse::Webauthn { factor: factor_id(2), sign_count: 8, credential: "moved".to_owned() };
    for (number, used) in [(1, step(1, FIRST_STEP + 7)), (2, moved), (3, FactorUse::Backup(digest(4)))] {
        storage.challenge_create(challenge(ada, number)).await.unwrap();
        let by = asked_by(ada, 1, Evidence::Answer(answer(number, used)), 10);
        storage.account_set_verified(grace, number % 2 == 1, by).await.unwrap().unwrap();
        assert!(found(&*storage, number).await.spent);
    }
    let left = keys(&*storage, ada).await;
    assert_eq!(left.totp[0].last_step, FIRST_STEP + 7);
    assert_eq!((left.webauthn[0].sign_count, left.webauthn[0].credential.as_str()), (8, "moved"));
    assert_eq!(left.backup.own, codes(0).into_iter().filter(|code| *code != digest(4)).collect::<Vec<_>>());
    for number in [1, 2] {
        let factor = storage.factor_find(ada, factor_id(number)).await.unwrap().unwrap();
        assert_eq!((factor.used_at, factor.updated_at, factor.created_at), (Some(at(10)), at(10), at(0)));
    }
    assert_eq!(keys(&*storage, grace).await.backup.own, codes(50));
}

async fn an_enrolment_is_spent_with_the_factor_and_neither_with_a_taken_one(database: TestDatabase) {
    let storage = database.open();
    let (ada, _) = cast(&*storage).await;
    storage.challenge_create(challenge(ada, 1)).await.unwrap();
    show_factor_for_all(&database);
    let by = || asked_by(ada, 1, Evidence::Enrolment(challenge_id(1)), 10);
    let taken = webauthn(2, 0);
    let outcome = storage.factor_add(ada, taken, vec![], STAY, by()).await.unwrap();
    assert_eq!(outcome, Err(Refusal::FactorTaken));
    assert!(!found(&*storage, 1).await.spent);
    assert!(!storage.factor_add(ada, totp(4), vec![], STAY, by()).await.unwrap().unwrap().first);
    assert!(found(&*storage, 1).await.spent);
    assert_eq!(
        storage.factor_add(ada, totp(5), vec![], STAY, by()).await.unwrap(),
        stale_change(PreconditionFailed::AnswerSpent)
    );
    assert_eq!(keys(&*storage, ada).await.totp.len(), 2);
}

async fn an_enrolment_that_was_begun_with_the_password_alone_ends_with_the_first_factor(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    let begin = async |number, evidence| {
        let by = asked_by(ada, 1, evidence, 10);
        storage.challenge_create_for(challenge(ada, number), by).await.unwrap().unwrap();
    };
    let confirm = async |number| {
        let by = asked_by(ada, 1, Evidence::Enrolment(challenge_id(number)), 10);
        storage.factor_add(ada, totp(number), codes(0), STAY, by).await.unwrap().map(|enrolled| enrolled.first)
    };
    for number in [1, 2, 3] {
        begin(number, Evidence::Password(FIRST_CREDENTIAL)).await;
    }
    assert_eq!(confirm(1).await, Ok(true));
    let before = Picture::take(&*storage, &[ada], &[1, 2, 3]).await;
    assert_eq!(confirm(2).await, stale_change(PreconditionFailed::AnswerSpent));
    assert_eq!(Picture::take(&*storage, &[ada], &[1, 2, 3]).await, before);

    storage.challenge_create(challenge(ada, 100)).await.unwrap();
    begin(4, Evidence::Answer(answer(100, step(1, FIRST_STEP + 1)))).await;
    assert_eq!(confirm(4).await, Ok(false), "the factor was shown");
    assert_eq!(confirm(3).await, stale_change(PreconditionFailed::AnswerSpent));
    storage.factor_remove(ada, FactorChoice::All, STAY, action(20).into()).await.unwrap().unwrap();
    assert_eq!(confirm(2).await, Ok(true), "without a factor the password is enough again");
}

async fn a_password_and_an_answer_clear_the_failure_budget_and_nothing_else_does(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = cast(&*storage).await;
    for number in [1, 2] {
        storage.challenge_create(challenge(ada, number)).await.unwrap();
    }
    show_factor_for_all(&database);
    for (evidence, left) in [
        (Evidence::Nothing, 1),
        (Evidence::Enrolment(challenge_id(1)), 1),
        (Evidence::Password(FIRST_CREDENTIAL), 0),
        (Evidence::Answer(answer(2, step(1, FIRST_STEP + 1))), 0),
    ] {
        let key = BudgetKey::Session(ada, uuid(1));
        storage.budget_clear(&key).await.unwrap();
        assert_eq!(used(&*storage, &key).await, 0);
        let [strangers, others] = [used_budget(&*storage, ada).await, used_budget(&*storage, grace).await];
        let authorization = asked_by(ada, 1, evidence.clone(), 10);
        storage.account_set_verified(grace, true, authorization).await.unwrap().unwrap();
        assert_eq!(used(&*storage, &key).await, left, "{evidence:?}");
        assert_eq!(used_budget(&*storage, ada).await, strangers + 1, "it is not that of strangers");
        assert_eq!(used_budget(&*storage, grace).await, others + 1, "it is nobody else's");
    }
}

async fn who_is_made_staff_by_another_must_have_a_second_factor(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = cast(&*storage).await;
    let bare = user(&*storage, "bare").await.id;
    let outcome = storage.account_set_staff(bare, true, plain(ada, 1, 10)).await.unwrap();
    assert_eq!(outcome, Err(Refusal::FactorMissing));
    assert!(storage.account_set_staff(grace, true, plain(ada, 1, 10)).await.unwrap().unwrap().unwrap().staff);
    assert!(storage.account_set_staff(bare, true, action(10).into()).await.unwrap().unwrap().unwrap().staff);
    assert!(!storage.account_set_staff(bare, false, plain(ada, 1, 20)).await.unwrap().unwrap().unwrap().staff);
}

async fn a_change_comes_before_the_end_of_the_session_that_asked_for_it_or_never(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let (ada, grace) = (user(&*replicas[0], "ada").await.id, user(&*replicas[0], "grace").await.id);
    for round in 0..10_u128 {
        let made = open(&*replicas[0], ada, session(round)).await;
        let seen = trail(&*replicas[0]).await.len();
        let storage = replicas[1].clone();
        let ending = tokio::spawn(async move { storage.session_end(ada, made.id, WHY, action(5)).await.unwrap() });
        let wishes = (0..6).map(|turn| {
            let storage = replicas[turn % 2].clone();
            async move { storage.account_set_verified(grace, turn < 3, plain(ada, round, 5)).await.unwrap().is_ok() }
        });
        at_once(wishes).await;
        assert!(ending.await.unwrap());
        let kinds: Vec<_> = trail(&*replicas[0]).await[seen..].iter().map(|record| record.kind).collect();
        assert_eq!(kinds.last(), Some(&AuditKind::SessionEnded), "{kinds:?}");
    }
}

async fn users_who_change_each_other_at_once_never_fail(database: TestDatabase) {
    let replicas: [Arc<dyn Storage>; 2] = [database.open(), database.open()];
    let (ada, grace) = cast(&*replicas[0]).await;
    let users = [(ada, 1, grace), (grace, 2, ada)];
    for number in 0..20 {
        let owner = users[number as usize % 2].0;
        replicas[0].challenge_create(challenge(owner, number)).await.unwrap();
    }
    let outcomes = at_once((0..20_u128).map(|number| {
        let storage = replicas[number as usize / 2 % 2].clone();
        let (by, with, whom) = users[number as usize % 2];
        let factor = if by == ada { 1 } else { 3 };
        let shown = answer(number, step(factor, FIRST_STEP + 1 + number as i64));
        let authorization = asked_by(by, with, Evidence::Answer(shown), 5);
        async move {
            storage.challenge_charge(challenge_id(number), action(5)).await.unwrap();
            storage.account_set_verified(whom, number % 4 < 2, authorization).await.unwrap()
        }
    }))
    .await;
    assert!(outcomes.iter().any(Result::is_ok));
    assert_eq!((live(&*replicas[0], ada).await.len(), live(&*replicas[0], grace).await.len()), (2, 1));
}
