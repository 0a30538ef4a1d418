//! Confirming sessions, and what a confirmation is good for.

use std::sync::Arc;

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::change_authorization::{
    ChangeAuthorization, Evidence, PreconditionFailed, Preconditions, Refusal,
};
use thunderhead_domain::factor::FactorChoice;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{ReplacedToken, Storage, TokenReplacement};
use thunderhead_domain::session::{Actor, Authentication, Method, NewSession, Session, SessionKey, State};
use thunderhead_domain::user::PasswordHash;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    FIRST_CREDENTIAL, FIRST_STEP, Intruder, Picture, STAY, WHY, action, action_of, answer, asked_by, at, at_once,
    challenge, codes, digest, enrol, found, live, open, recorded, session, stale_change, step, totp, trail, user, uuid,
};

on_both_engines!(async:
    a_confirmed_session_has_another_token_and_rests_on_what_was_shown,
    the_token_before_leads_nowhere_and_is_known_as_replaced,
    the_session_of_a_replaced_token_is_found_as_long_as_both_are_known,
    confirming_does_not_make_the_row_grow,
    a_session_that_has_another_token_by_now_is_not_confirmed,
    a_session_without_an_opaque_token_is_not_confirmed,
    a_session_that_is_not_live_is_not_confirmed,
    what_is_refused_spends_and_changes_nothing,
    of_many_who_confirm_a_session_at_once_one_succeeds,
    confirming_and_ending_at_once_leave_the_session_ended,
    replaced_tokens_are_forgotten_when_they_were_replaced_before_the_moment,
    a_confirmation_is_good_for_changes_as_long_as_it_holds,
    a_confirmation_without_the_factor_is_over_once_there_is_one,
    an_enrolment_begun_on_a_confirmation_knows_whether_a_factor_was_shown,
);

/// A user with a session (1) of an opaque token (1), opened by the password at -5.
async fn ada(storage: &dyn Storage) -> UserId {
    let ada = user(storage, "ada").await.id;
    open(storage, ada, NewSession { opaque: Some(digest(1)), ..session(1) }).await;
    ada
}

fn by_password(user: UserId, millis: i64) -> ChangeAuthorization {
    asked_by(user, 1, Evidence::Password(FIRST_CREDENTIAL), millis)
}

const fn shown(method: Method, millis: i64) -> Authentication {
    Authentication { method, at: at(millis) }
}

/// Confirms the session, by the password, at a moment: its token goes from one to another.
async fn confirm(
    storage: &dyn Storage,
    user: UserId,
    (old, new): (u8, u8),
    authorization: ChangeAuthorization,
) -> Result<Session, Refusal> {
    let at = authorization.action.at;
    let shown = [Authentication { method: Method::Password, at }];
    let token = TokenReplacement { old: digest(old), new: digest(new) };
    storage.session_confirm(uuid(1), user, token, &shown, authorization).await.unwrap()
}

async fn by_token(storage: &dyn Storage, byte: u8) -> Option<Session> {
    let found = storage.session_authority(Some(SessionKey::Opaque(digest(byte)))).await.unwrap();
    found.authenticated.map(|authenticated| authenticated.session)
}

async fn a_confirmed_session_has_another_token_and_rests_on_what_was_shown(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let ada = ada(&*storage).await;
    enrol(&*storage, ada, totp(1), codes(0)).await;
    storage.challenge_create(challenge(ada, 7)).await.unwrap();
    let before = by_token(&*storage, 1).await.unwrap();
    let records = trail(&*storage).await.len();
    let evidence = Evidence::Answer(answer(7, step(1, FIRST_STEP + 1)));
    let proofs = [shown(Method::Password, 40), shown(Method::Totp, 40)];
    let token = TokenReplacement { old: digest(1), new: digest(2) };
    let asked = asked_by(ada, 1, evidence, 50);
    let confirmed = storage.session_confirm(uuid(1), ada, token, &proofs, asked).await.unwrap().unwrap();
    let expected = Session { authentications: proofs.iter().copied().collect(), updated_at: at(50), ..before };
    assert_eq!(confirmed, expected);
    assert_eq!(by_token(&*other, 2).await, Some(expected));
    assert_eq!(live(&*other, ada).await, [1]);
    assert!(found(&*storage, 7).await.spent);
    // No session was opened, and none has ended.
    let told: Vec<_> = trail(&*storage).await[records..].iter().map(|record| record.kind).collect();
    assert_eq!(told, [AuditKind::SessionSteppedUp, AuditKind::SessionConfirmed]);
    let record = trail(&*storage).await.pop().unwrap();
    assert_eq!((record.user, record.session, record.detail), (Some(ada), Some(uuid(1)), None));
    assert_eq!(record.action, action_of(Actor::User(ada), 50));
}

async fn the_token_before_leads_nowhere_and_is_known_as_replaced(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let ada = ada(&*storage).await;
    assert!(!storage.token_was_replaced(digest(1), at(0)).await.unwrap());
    confirm(&*storage, ada, (1, 2), by_password(ada, 50)).await.unwrap();
    assert_eq!(by_token(&*other, 1).await, None);
    for (byte, since, replaced) in [(1, 50, true), (1, 51, false), (2, 0, false), (3, 0, false)] {
        assert_eq!(other.token_was_replaced(digest(byte), at(since)).await.unwrap(), replaced, "{byte} {since}");
    }
}

async fn the_session_of_a_replaced_token_is_found_as_long_as_both_are_known(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let ada = ada(&*storage).await;
    assert_eq!(storage.token_find_replaced(digest(1)).await.unwrap(), None);
    confirm(&*storage, ada, (1, 2), by_password(ada, 50)).await.unwrap();
    confirm(&*storage, ada, (2, 3), by_password(ada, 60)).await.unwrap();
    for (byte, replaced_at) in [(1, Some(50)), (2, Some(60)), (3, None), (4, None)] {
        let replaced = other.token_find_replaced(digest(byte)).await.unwrap();
        assert_eq!(replaced.as_ref().map(|replaced| replaced.replaced_at), replaced_at.map(at), "{byte}");
        if let Some(ReplacedToken { authenticated, .. }) = replaced {
            assert_eq!((authenticated.session.uuid, authenticated.user.id), (uuid(1), ada));
            assert_eq!(authenticated.session.state, State::Open);
        }
    }
    // Whatever becomes of the session.
    storage.session_end_all(ada, WHY, action(70)).await.unwrap();
    let ended = storage.token_find_replaced(digest(1)).await.unwrap().unwrap().authenticated.session;
    assert!(matches!(ended.state, State::Ended(end) if end.at == at(70)), "{ended:?}");
    // One of before it was noted whose it was is nobody's.
    Intruder::new(&database).run("UPDATE replaced_tokens SET session_uuid = NULL WHERE replaced_at = (SELECT MIN(replaced_at) FROM replaced_tokens)");
    assert_eq!(storage.token_find_replaced(digest(1)).await.unwrap(), None);
    assert!(storage.token_was_replaced(digest(1), at(50)).await.unwrap());
    assert!(storage.prune_sessions(at(71)).await.unwrap() > 0);
    assert_eq!(storage.token_find_replaced(digest(2)).await.unwrap(), None);
}

async fn confirming_does_not_make_the_row_grow(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    for turn in 1..=20_u8 {
        let confirmed = confirm(&*storage, ada, (turn, turn + 1), by_password(ada, turn.into())).await.unwrap();
        assert_eq!(confirmed.authentications.as_slice(), [shown(Method::Password, turn.into())]);
    }
    assert_eq!(recorded(&*storage, AuditKind::SessionConfirmed).await, 20);
}

async fn a_session_that_has_another_token_by_now_is_not_confirmed(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    confirm(&*storage, ada, (1, 2), by_password(ada, 1)).await.unwrap();
    let over = confirm(&*storage, ada, (1, 3), by_password(ada, 2)).await;
    assert_eq!(over, stale_change(PreconditionFailed::SessionEnded));
    assert!(by_token(&*storage, 3).await.is_none() && by_token(&*storage, 2).await.is_some());
}

async fn a_session_without_an_opaque_token_is_not_confirmed(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    let refused = confirm(&*storage, ada, (1, 2), by_password(ada, 1)).await;
    assert_eq!(refused, stale_change(PreconditionFailed::SessionEnded));
    assert_eq!(by_token(&*storage, 2).await, None);
}

async fn a_session_that_is_not_live_is_not_confirmed(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    let expired = confirm(&*storage, ada, (1, 2), by_password(ada, 3_600_000)).await;
    assert_eq!(expired, stale_change(PreconditionFailed::SessionEnded));
    storage.account_ban(ada, None, action(1).into()).await.unwrap().unwrap();
    let banned = confirm(&*storage, ada, (1, 2), by_password(ada, 2)).await;
    assert_eq!(banned, stale_change(PreconditionFailed::Banned));
    storage.account_unban(ada, action(3).into()).await.unwrap().unwrap();
    let ended = confirm(&*storage, ada, (1, 2), by_password(ada, 4)).await;
    assert_eq!(ended, stale_change(PreconditionFailed::SessionEnded));
}

async fn what_is_refused_spends_and_changes_nothing(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    enrol(&*storage, ada, totp(1), codes(0)).await;
    storage.challenge_create(challenge(ada, 7)).await.unwrap();
    let before = Picture::take(&*storage, &[ada], &[7]).await;
    let right = asked_by(ada, 1, Evidence::Answer(answer(7, step(1, FIRST_STEP + 1))), 5);
    let elsewhere = confirm(&*storage, ada, (9, 2), right.clone()).await;
    assert_eq!(elsewhere, stale_change(PreconditionFailed::SessionEnded));
    let old_password = asked_by(ada, 1, Evidence::Password(FIRST_CREDENTIAL + 1), 5);
    let changed = confirm(&*storage, ada, (1, 2), old_password).await;
    assert_eq!(changed, stale_change(PreconditionFailed::PasswordChanged));
    let used = asked_by(ada, 1, Evidence::Answer(answer(7, step(1, FIRST_STEP))), 5);
    assert_eq!(confirm(&*storage, ada, (1, 2), used).await, stale_change(PreconditionFailed::AnswerSpent));
    assert_eq!(Picture::take(&*storage, &[ada], &[7]).await, before);
    assert!(!storage.token_was_replaced(digest(1), at(0)).await.unwrap());
    confirm(&*storage, ada, (1, 2), right).await.unwrap();
}

async fn of_many_who_confirm_a_session_at_once_one_succeeds(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = ada(&*replicas[0]).await;
    let confirms = (10..26_u8).map(|new| {
        let storage = Arc::clone(&replicas[usize::from(new) % 2]);
        async move { confirm(&*storage, ada, (1, new), by_password(ada, 1)).await.map(|_| new) }
    });
    let (done, refused): (Vec<_>, Vec<_>) = at_once(confirms).await.into_iter().partition(Result::is_ok);
    let [Ok(winner)] = done.as_slice() else { panic!("{done:?}") };
    assert!(refused.iter().all(|outcome| *outcome == stale_change(PreconditionFailed::SessionEnded)), "{refused:?}");
    for byte in 10..26 {
        assert_eq!(by_token(&*replicas[1], byte).await.is_some(), byte == *winner, "{byte}");
    }
    assert_eq!(recorded(&*replicas[0], AuditKind::SessionConfirmed).await, 1);
}

async fn confirming_and_ending_at_once_leave_the_session_ended(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    for round in 0..10_u8 {
        let ada = user(&*replicas[0], &format!("ada{round}")).await.id;
        let number = u128::from(round) + 100;
        let made = open(&*replicas[0], ada, NewSession { opaque: Some(digest(round)), ..session(number) }).await;
        let ending = {
            let storage = Arc::clone(&replicas[1]);
            tokio::spawn(async move { storage.session_end(ada, made.id, WHY, action(1)).await.unwrap() })
        };
        let token = TokenReplacement { old: digest(round), new: digest(round + 100) };
        let asked = asked_by(ada, number, Evidence::Password(FIRST_CREDENTIAL), 1);
        let confirmed = replicas[0].session_confirm(uuid(number), ada, token, &[], asked).await.unwrap();
        assert!(ending.await.unwrap(), "an ending never misses");
        assert!(live(&*replicas[0], ada).await.is_empty());
        match confirmed {
            Ok(_) => assert!(by_token(&*replicas[0], round).await.is_none()),
            refused => assert_eq!(refused, stale_change(PreconditionFailed::SessionEnded)),
        }
    }
}

async fn replaced_tokens_are_forgotten_when_they_were_replaced_before_the_moment(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    confirm(&*storage, ada, (1, 2), by_password(ada, 10)).await.unwrap();
    confirm(&*storage, ada, (2, 3), by_password(ada, 20)).await.unwrap();
    for (millis, forgotten) in [(10, 0), (11, 1), (20, 0), (21, 1), (21, 0)] {
        assert_eq!(storage.prune_replaced_tokens(at(millis)).await.unwrap(), forgotten, "{millis}");
    }
    assert!(!storage.token_was_replaced(digest(2), at(0)).await.unwrap());
    assert!(by_token(&*storage, 3).await.is_some());
}

/// Asks for a change that anybody may make who is confirmed.
async fn set_password(storage: &dyn Storage, user: UserId, since: i64, millis: i64) -> Result<(), Refusal> {
    let asked = asked_by(user, 1, Evidence::Confirmation(at(since)), millis);
    storage.account_set_password(user, PasswordHash::new("new".to_owned()), asked).await.unwrap().map(drop)
}

async fn a_confirmation_is_good_for_changes_as_long_as_it_holds(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    let over = stale_change(PreconditionFailed::ConfirmationOver);
    // The login itself, at -5, counts.
    set_password(&*storage, ada, -5, 10).await.unwrap();
    assert_eq!(set_password(&*storage, ada, -4, 11).await, over);
    let version = FIRST_CREDENTIAL + 1;
    confirm(&*storage, ada, (1, 2), asked_by(ada, 1, Evidence::Password(version), 20)).await.unwrap();
    let before = by_token(&*storage, 2).await.unwrap();
    set_password(&*storage, ada, 20, 30).await.unwrap();
    assert_eq!(set_password(&*storage, ada, 21, 31).await, over);
    // To use a confirmation does not make it last.
    assert_eq!(by_token(&*storage, 2).await, Some(before));
    let staff = Preconditions {
        user: ada,
        session: uuid(1),
        staff: Some(StaffFactor::Waived),
        evidence: Evidence::Confirmation(at(0)),
    };
    let asked = ChangeAuthorization { action: action(40), preconditions: Some(staff) };
    let refused = storage.account_set_verified(ada, true, asked).await.unwrap();
    assert_eq!(refused, stale_change(PreconditionFailed::NotStaff));
    storage.session_end_all(ada, WHY, action(41)).await.unwrap();
    assert_eq!(set_password(&*storage, ada, 0, 42).await, stale_change(PreconditionFailed::SessionEnded));
}

async fn a_confirmation_without_the_factor_is_over_once_there_is_one(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    set_password(&*storage, ada, -5, 1).await.unwrap();
    enrol(&*storage, ada, totp(1), codes(0)).await;
    assert_eq!(set_password(&*storage, ada, -5, 2).await, stale_change(PreconditionFailed::ConfirmationOver));
    storage.factor_remove(ada, FactorChoice::All, STAY, action(3).into()).await.unwrap().unwrap();
    set_password(&*storage, ada, -5, 4).await.unwrap();
}

async fn an_enrolment_begun_on_a_confirmation_knows_whether_a_factor_was_shown(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    let begin = async |number, since| {
        let asked = asked_by(ada, 1, Evidence::Confirmation(at(since)), 50);
        storage.challenge_create_for(challenge(ada, number), asked).await.unwrap()
    };
    let finish = async |number, factor| {
        let asked = asked_by(ada, 1, Evidence::Enrolment(crate::support::challenge_id(number)), 60);
        storage.factor_add(ada, totp(factor), vec![], STAY, asked).await.unwrap().map(drop)
    };
    begin(1, -5).await.unwrap();
    begin(2, -5).await.unwrap();
    finish(1, 1).await.unwrap();
    // The other was begun when there was none, and there is one now.
    assert_eq!(finish(2, 2).await, stale_change(PreconditionFailed::AnswerSpent));
    // Both have been shown by now: the password at the login, the factor at its enrolment.
    begin(3, -5).await.unwrap();
    finish(3, 3).await.unwrap();
    assert_eq!(begin(4, 0).await, stale_change(PreconditionFailed::ConfirmationOver));
}
