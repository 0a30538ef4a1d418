//! What staff power rests on: what a session was proved by, and that a change of staff ends what may not outlive it.

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::change_authorization::Evidence;
use thunderhead_domain::factor::FactorUse;
use thunderhead_domain::ports::Storage;
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{EndReason, Grant, Method, NewSession, State};
use thunderhead_domain::time::Timestamp;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::change_authorization::{cast, promote, show_factor_for_all};
use crate::support::{
    FIRST_CREDENTIAL, FIRST_STEP, STAY, action, answer, asked_by, at, challenge, challenge_id, digest, enrol, live,
    open, plain, recorded, session, step, uuid, webauthn,
};

on_both_engines!(async:
    what_is_shown_for_a_change_proves_the_session_once_for_each_method,
    a_change_of_staff_ends_the_sessions_that_may_not_outlive_it,
);

/// What session 1 rests on.
async fn rests_on(storage: &dyn Storage) -> Vec<(Method, Timestamp)> {
    let session = storage.session_find_any(uuid(1)).await.unwrap().unwrap();
    session.authentications.iter().map(|shown| (shown.method, shown.at)).collect()
}

async fn what_is_shown_for_a_change_proves_the_session_once_for_each_method(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = cast(&*storage).await;
    let verify = async |evidence, millis, verified| {
        let authorization = asked_by(ada, 1, evidence, millis);
        storage.account_set_verified(grace, verified, authorization).await.unwrap().unwrap();
    };
    assert_eq!(rests_on(&*storage).await, [(Method::Password, at(-5))]);
    verify(Evidence::Nothing, 5, true).await;
    assert_eq!(rests_on(&*storage).await, [(Method::Password, at(-5))]);
    verify(Evidence::Password(FIRST_CREDENTIAL), 10, false).await;
    assert_eq!(rests_on(&*storage).await, [(Method::Password, at(10))]);
    for number in [1, 2, 3] {
        storage.challenge_create(challenge(ada, number)).await.unwrap();
    }
    assert_eq!(recorded(&*storage, AuditKind::SessionSteppedUp).await, 0);
    verify(Evidence::Answer(answer(1, step(1, FIRST_STEP + 1))), 20, true).await;
    verify(Evidence::Answer(answer(2, FactorUse::Backup(digest(3)))), 30, false).await;
    verify(Evidence::Answer(answer(3, step(1, FIRST_STEP + 2))), 40, true).await;
    let all = [(Method::Password, at(10)), (Method::LookupSecret, at(30)), (Method::Totp, at(40))];
    assert_eq!(rests_on(&*storage).await, all);
    assert_eq!(recorded(&*storage, AuditKind::SessionSteppedUp).await, 1, "only the first one steps it up");
    // To enrol a factor is to show it; what the operator enrols nobody has shown.
    enrol(&*storage, ada, webauthn(5, 0), vec![]).await;
    assert_eq!(rests_on(&*storage).await, all);
    storage.challenge_create_for(challenge(ada, 4), plain(ada, 1, 45)).await.unwrap().unwrap();
    show_factor_for_all(&database);
    let enrolment = asked_by(ada, 1, Evidence::Enrolment(challenge_id(4)), 50);
    storage.factor_add(ada, webauthn(6, 0), vec![], STAY, enrolment).await.unwrap().unwrap();
    assert_eq!(rests_on(&*storage).await.last(), Some(&(Method::Webauthn, at(50))));
}

async fn a_change_of_staff_ends_the_sessions_that_may_not_outlive_it(database: TestDatabase) {
    let storage = database.open();
    let (ada, _) = cast(&*storage).await;
    let scoped = |number: u128, flags| NewSession {
        grant: Grant::Scoped(ScopeSet::from_flags(flags).unwrap()),
        ..session(number)
    };
    open(&*storage, ada, scoped(31, 1)).await;
    promote(&*storage, ada).await;
    assert_eq!(live(&*storage, ada).await, [22, 21], "a promotion ends all that was there");
    for (number, flags) in [(32, 1), (33, 32 + 64), (34, 512), (35, 1 + 524_288)] {
        open(&*storage, ada, scoped(number, flags)).await;
    }
    storage.account_set_staff(ada, true, action(2).into()).await.unwrap().unwrap();
    assert_eq!(live(&*storage, ada).await.len(), 6, "what changes nothing ends nothing");
    storage.account_set_staff(ada, false, action(3).into()).await.unwrap().unwrap();
    assert_eq!(live(&*storage, ada).await, [33, 32, 22, 21], "a demotion ends what has staff scopes");
    let ended = storage.session_find_any(uuid(34)).await.unwrap().unwrap();
    assert_eq!(ended.state, State::Ended(action(3).end(EndReason::StaffChanged)));
}
