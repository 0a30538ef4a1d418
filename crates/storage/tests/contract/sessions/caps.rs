//! How many sessions a user may have at once.

use std::sync::Arc;

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::factor::FactorUse;
use thunderhead_domain::id::UserId;
use thunderhead_domain::policy::{SessionLimits, SessionPolicy};
use thunderhead_domain::ports::{OverCap, StepUp, Storage};
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{Actor, BeyondCap, EndReason, Grant, NewSession, PENDING_CAP, SessionCap, State};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    FIRST_CREDENTIAL, FIRST_STEP, Intruder, action, action_of, at, at_once, codes, enrol, first, live, open, plain,
    recorded, session, step, stepping_up, totp, trail, user, uuid,
};

on_both_engines!(async:
    beyond_the_cap_the_least_recently_used_session_ends,
    a_recorded_use_may_be_followed_by_others,
    expired_ended_and_scoped_sessions_do_not_count_against_the_cap,
    parallel_logins_never_pass_the_cap,
    a_session_beyond_the_cap_is_refused_where_that_is_wanted_and_spends_nothing,
    pending_sessions_do_not_count_and_push_nobody_out_but_each_other,
    a_pending_session_counts_once_its_factor_is_shown,
    a_scoped_session_beyond_the_cap_is_refused_and_spends_nothing,
    parallel_tokens_never_pass_the_cap,
    what_a_lowered_cap_leaves_over_is_left_to_the_backlog,
    whoever_is_within_the_cap_again_is_left_alone,
);

const THREE: SessionCap = SessionCap { most: 3, beyond: BeyondCap::EndOldest };

/// A session of a user who may have three, opened at this moment.
fn one_of_three(number: u128, millis: i64) -> NewSession {
    NewSession { cap: THREE, at: at(millis), ..session(number) }
}

/// The database where everybody may have three.
fn three(database: &TestDatabase) -> Arc<dyn Storage> {
    database.open_under(SessionPolicy::for_all(SessionLimits { max_sessions: 3, ..SessionLimits::DEFAULT }))
}

fn pending(number: u128, millis: i64) -> NewSession {
    NewSession { second_factor_pending: true, ..one_of_three(number, millis) }
}

fn token(number: u128) -> NewSession {
    let cap = SessionCap { beyond: BeyondCap::Refuse, ..THREE };
    NewSession { grant: Grant::Scoped(ScopeSet::from_flags(2).unwrap()), cap, ..one_of_three(number, 0) }
}

async fn state(storage: &dyn Storage, number: u128) -> State {
    storage.session_find_any(uuid(number)).await.unwrap().unwrap().state
}

async fn beyond_the_cap_the_least_recently_used_session_ends(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for number in 1..=3 {
        open(&*storage, ada, one_of_three(number, number as i64)).await;
    }
    storage.session_record_uses(&[(uuid(1), at(10))]).await.unwrap();
    open(&*storage, ada, one_of_three(4, 20)).await;
    assert_eq!(live(&*storage, ada).await, [4, 3, 1]);
    let by = action_of(Actor::User(ada), 20);
    let end = State::Ended(by.end(EndReason::Cap));
    assert_eq!(state(&*storage, 2).await, end);
    let records = trail(&*storage).await;
    let record = records.iter().find(|record| record.kind == AuditKind::SessionEnded).unwrap();
    assert_eq!((record.user, record.session, record.detail.as_deref()), (Some(ada), Some(uuid(2)), Some("cap")));
    // Those of one moment: the one that was opened first.
    let grace = user(&*storage, "grace").await.id;
    for number in 11..=14 {
        open(&*storage, grace, one_of_three(number, 0)).await;
    }
    assert_eq!(live(&*storage, grace).await, [14, 13, 12]);
}

async fn a_recorded_use_may_be_followed_by_others(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, one_of_three(1, 0)).await;
    storage.session_record_uses(&[(uuid(1), at(10))]).await.unwrap();
    // Never used, and younger than the last use of the first that is known.
    open(&*storage, ada, one_of_three(2, 40_000)).await;
    open(&*storage, ada, one_of_three(3, 50_000)).await;
    open(&*storage, ada, one_of_three(4, 55_000)).await;
    assert_eq!(live(&*storage, ada).await, [4, 3, 1]);
    // What was not used for longer than a minute is the older one.
    open(&*storage, ada, one_of_three(5, 60_011)).await;
    assert_eq!(live(&*storage, ada).await, [5, 4, 1], "the one opened before");
    open(&*storage, ada, one_of_three(6, 60_012)).await;
    assert_eq!(live(&*storage, ada).await, [6, 5, 1], "the one opened before");
    open(&*storage, ada, one_of_three(7, 90_000)).await;
    assert_eq!(live(&*storage, ada).await, [7, 6, 5]);
    // A use later than any clock tells is as good as one just now.
    Intruder::new(&database).run("UPDATE sessions SET used_at = 9223372036854775807 WHERE created_at >= 60012");
    storage.session_record_uses(&[(uuid(5), at(90_000))]).await.unwrap();
    open(&*storage, ada, one_of_three(8, 90_001)).await;
    assert!(live(&*storage, ada).await.contains(&8));
}

async fn expired_ended_and_scoped_sessions_do_not_count_against_the_cap(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, one_of_three(1, 0)).await;
    open(&*storage, ada, NewSession { expires_at: at(5), ..one_of_three(2, 1) }).await;
    let ended = open(&*storage, ada, one_of_three(3, 2)).await;
    storage.session_end(ada, ended.id, EndReason::Revoked, action(3)).await.unwrap();
    for number in [4, 5] {
        storage.session_open_from(ada, token(number), plain(ada, 1, 4)).await.unwrap().unwrap();
    }
    for number in [6, 7] {
        open(&*storage, ada, one_of_three(number, 6)).await;
    }
    let mut left = live(&*storage, ada).await;
    left.sort_unstable();
    assert_eq!(left, [1, 2, 4, 5, 6, 7]);
    open(&*storage, ada, one_of_three(8, 7)).await;
    assert!(matches!(state(&*storage, 1).await, State::Ended(_)));
}

async fn parallel_logins_never_pass_the_cap(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    at_once((0..30_u128).map(|number| {
        let storage = replicas[number as usize % 2].clone();
        async move {
            open(&*storage, ada, one_of_three(number, 0)).await;
        }
    }))
    .await;
    assert_eq!(live(&*replicas[0], ada).await.len(), 3);
    assert_eq!(recorded(&*replicas[0], AuditKind::SessionEnded).await, 27);
}

async fn pending_sessions_do_not_count_and_push_nobody_out_but_each_other(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for number in 1..=3 {
        open(&*storage, ada, one_of_three(number, 0)).await;
    }
    for number in 0..u128::from(PENDING_CAP.most) + 2 {
        open(&*storage, ada, pending(100 + number, number as i64)).await;
    }
    let mut left = live(&*storage, ada).await;
    left.sort_unstable();
    let kept: Vec<u128> = (1..=3).chain((102..).take(PENDING_CAP.most as usize)).collect();
    assert_eq!(left, kept);
    assert!(matches!(state(&*storage, 100).await, State::Ended(end) if end.why == EndReason::Cap));
    open(&*storage, ada, one_of_three(4, 50)).await;
    assert!(matches!(state(&*storage, 1).await, State::Ended(end) if end.why == EndReason::Cap));
    assert_eq!(state(&*storage, 102).await, State::Open);
}

async fn a_pending_session_counts_once_its_factor_is_shown(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    enrol(&*storage, ada, totp(1), codes(1)).await;
    for number in 1..=3 {
        open(&*storage, ada, one_of_three(number, number as i64)).await;
    }
    open(&*storage, ada, pending(4, 10)).await;
    let step_up = async |used: FactorUse, millis| {
        let step_up = StepUp { cap: THREE, ..stepping_up(ada, used) };
        storage.session_step_up(ada, uuid(4), step_up, action_of(Actor::User(ada), millis)).await.unwrap().unwrap();
    };
    step_up(step(1, FIRST_STEP + 1), 20).await;
    assert_eq!(live(&*storage, ada).await, [4, 3, 2]);
    assert!(matches!(state(&*storage, 1).await, State::Ended(end) if end.why == EndReason::Cap));
    step_up(step(1, FIRST_STEP + 2), 21).await;
    assert_eq!(live(&*storage, ada).await, [4, 3, 2], "it counted already");
}

async fn a_scoped_session_beyond_the_cap_is_refused_and_spends_nothing(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    for number in 2..=4 {
        storage.session_open_from(ada, token(number), plain(ada, 1, 0)).await.unwrap().unwrap();
    }
    let before = trail(&*storage).await;
    let refused = storage.session_open_from(ada, token(5), plain(ada, 1, 0)).await.unwrap();
    assert_eq!(refused, Err(Refusal::TooManySessions));
    assert_eq!(trail(&*storage).await, before);
    assert_eq!(live(&*storage, ada).await, [4, 3, 2, 1]);
    let oldest = storage.session_find_any(uuid(2)).await.unwrap().unwrap().id;
    storage.session_end(ada, oldest, EndReason::Revoked, action(1)).await.unwrap();
    storage.session_open_from(ada, token(5), plain(ada, 1, 0)).await.unwrap().unwrap();
}

async fn parallel_tokens_never_pass_the_cap(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    open(&*replicas[0], ada, session(1)).await;
    let outcomes = at_once((2..22_u128).map(|number| {
        let storage = replicas[number as usize % 2].clone();
        async move { storage.session_open_from(ada, token(number), plain(ada, 1, 0)).await.unwrap().is_ok() }
    }))
    .await;
    assert_eq!(outcomes.iter().filter(|opened| **opened).count(), 3);
    assert_eq!(live(&*replicas[0], ada).await.len(), 4);
}

async fn a_session_beyond_the_cap_is_refused_where_that_is_wanted_and_spends_nothing(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let storage = &*replicas[0];
    let ada = user(storage, "ada").await.id;
    enrol(storage, ada, totp(1), codes(1)).await;
    let refusing = SessionCap { beyond: BeyondCap::Refuse, ..THREE };
    let outcomes = at_once((1..31_u128).map(|number| {
        let storage = replicas[number as usize % 2].clone();
        let session = NewSession { cap: refusing, ..session(number) };
        async move { storage.session_open(ada, FIRST_CREDENTIAL, None, session).await.unwrap() }
    }))
    .await;
    let refused = outcomes.iter().filter(|outcome| **outcome == Err(Refusal::TooManySessions)).count();
    assert_eq!((refused, live(storage, ada).await.len()), (27, 3));
    // A password alone is not counted, and its factor is not spent by what is refused.
    open(storage, ada, NewSession { cap: refusing, ..pending(40, 1) }).await;
    let factor = StepUp { cap: refusing, ..stepping_up(ada, step(1, FIRST_STEP + 1)) };
    let step_up = |at| storage.session_step_up(ada, uuid(40), factor.clone(), action(at));
    assert_eq!(step_up(2).await.unwrap(), Err(Refusal::TooManySessions));
    let page = storage.session_page(ada, first(1_000), at(2)).await.unwrap();
    let one = page.items.iter().rfind(|session| !session.second_factor_pending).unwrap();
    assert!(storage.session_end(ada, one.id, EndReason::Revoked, action(3)).await.unwrap());
    assert!(!step_up(4).await.unwrap().unwrap().second_factor_pending);
    assert_eq!(live(storage, ada).await.len(), 3);
    assert!(storage.sessions_over_cap(at(5)).await.unwrap().is_none());
}

/// Has the backlog end what is beyond a cap of three; returns how many that were.
async fn work_off(storage: &Arc<dyn Storage>, millis: i64) -> u64 {
    let mut ended = 0;
    while let Some(OverCap { user, sessions }) = storage.sessions_over_cap(at(millis)).await.unwrap() {
        for batch in sessions.chunks(40) {
            ended += storage.session_end_over_cap(user, batch, action_of(Actor::User(user), millis)).await.unwrap();
        }
    }
    ended
}

async fn what_a_lowered_cap_leaves_over_is_left_to_the_backlog(database: TestDatabase) {
    let storage = three(&database);
    let ada = user(&*storage, "ada").await.id;
    Intruder::new(&database).add_sessions(ada, 100);
    let last = uuid(1_000_100);
    storage.session_record_uses(&[(last, at(5))]).await.unwrap();
    assert_eq!(work_off(&storage, 6).await, 0, "nobody has been found with too many");
    let made = open(&*storage, ada, one_of_three(1, 10)).await;
    storage.session_open_from(ada, token(2), plain(ada, 1, 10)).await.unwrap().unwrap();
    assert_eq!(live(&*storage, ada).await.len(), 102);
    assert_eq!(recorded(&*storage, AuditKind::SessionEnded).await, 0);
    assert_eq!(work_off(&storage, 20).await, 98);
    let left = live(&*storage, ada).await;
    assert_eq!(left.len(), 4);
    // The ones that were used last, and the token, which no cap ends.
    assert!([1, 2, last.0.as_u128()].iter().all(|number| left.contains(number)), "{left:?}");
    let end = action_of(Actor::User(ada), 20).end(EndReason::Cap);
    assert_eq!(state(&*storage, 1_000_050).await, State::Ended(end));
    let records = trail(&*storage).await;
    let records = records.iter().filter(|record| record.kind == AuditKind::SessionsEnded);
    assert_eq!(
        records.map(|record| record.detail.as_deref().unwrap()).collect::<Vec<_>>(),
        ["40 cap", "40 cap", "18 cap"]
    );
    assert_eq!(work_off(&storage, 21).await, 0);
    assert_eq!(storage.session_find(ada, made.id, at(21)).await.unwrap().unwrap().uuid, uuid(1));
}

async fn whoever_is_within_the_cap_again_is_left_alone(database: TestDatabase) {
    let storage = three(&database);
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    for user in [ada, grace] {
        let base = if user == ada { 0 } else { 10 };
        for number in 1..=5 {
            open(&*storage, user, session(base + number)).await;
        }
        open(&*storage, user, one_of_three(base + 6, 1)).await;
    }
    storage.session_end_all(ada, EndReason::Revoked, action(2)).await.unwrap();
    storage.account_delete(grace, action(2).into()).await.unwrap().unwrap();
    assert_eq!(work_off(&storage, 3).await, 0);
    let unknown = storage.session_end_over_cap(UserId::from_number(1), &[uuid(1)], action(3)).await.unwrap();
    assert_eq!((unknown, FIRST_CREDENTIAL), (0, 1));
}
