//! What a policy leaves of sessions: the database tells the same as the domain, whatever is asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::change_authorization::PreconditionFailed;
use thunderhead_domain::id::UserId;
use thunderhead_domain::policy::{SessionLimits, SessionPolicy};
use thunderhead_domain::ports::{PageStart, SessionFilter, Storage};
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{
    Actor, BeyondCap, End, EndReason, Grant, NewSession, Session, SessionCap, SessionStatus, State,
};
use thunderhead_domain::user::NewAccount;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    WHY, account, action, at, created, first, live_everywhere, open, plain, recorded, session, stale_change, trail,
    user, uuid,
};

on_both_engines!(async:
    the_database_says_the_same_as_the_domain,
    what_is_over_is_neither_found_nor_ended_nor_counted,
    what_the_policy_ended_is_among_what_ended_of_late,
    who_asks_is_not_idle_but_may_be_too_old,
    what_the_policy_ended_is_written_later_once_and_as_it_was,
    whoever_was_used_meanwhile_stays,
);

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

const TWO: SessionCap = SessionCap { most: 2, beyond: BeyondCap::EndOldest };
const USERS: SessionLimits = SessionLimits { idle: Some(300), absolute: Some(3_600), ..SessionLimits::DEFAULT };
const STAFF: SessionLimits = SessionLimits { idle_tokens: true, absolute: Some(1_800), ..USERS };

/// A long session, made at a moment.
fn long(number: u128, millis: i64) -> NewSession {
    NewSession { at: at(millis), expires_at: at(30 * DAY), ..session(number) }
}

fn scoped(new: NewSession) -> NewSession {
    NewSession { grant: Grant::Scoped(ScopeSet::from_flags(2).unwrap()), ..new }
}

fn of_user(user: UserId, active: bool) -> SessionFilter {
    SessionFilter { user: Some(user), active: Some(active), ..SessionFilter::default() }
}

fn numbers(sessions: impl IntoIterator<Item = Session>) -> BTreeSet<u128> {
    sessions.into_iter().map(|session| session.uuid.0.as_u128()).collect()
}

/// Sessions of every kind and age: numbers that look like chance, and are the same every time.
async fn fill(storage: &dyn Storage, user: UserId, from: u128) {
    let mut state = from as u64 + 1;
    let mut random = |below: i64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as i64 % below
    };
    let mut uses = Vec::new();
    for number in from..from + 40 {
        let made = random(90 * MINUTE);
        let lasts = if random(3) == 0 { random(HOUR) + 1 } else { 30 * DAY };
        let mut new = NewSession { expires_at: at(made + lasts), ..long(number, made) };
        match random(4) {
            0 => new = scoped(new),
            1 => new.second_factor_pending = true,
            _ => {}
        }
        let id = open(storage, user, new).await.id;
        if random(2) == 0 {
            uses.push((uuid(number), at(made + random(HOUR) - MINUTE)));
        }
        if random(6) == 0 {
            storage.session_end(user, id, WHY, action(made + 1)).await.unwrap();
        }
    }
    storage.session_record_uses(&uses).await.unwrap();
}

async fn the_database_says_the_same_as_the_domain(database: TestDatabase) {
    let plain = database.open();
    let ada = user(&*plain, "ada").await.id;
    let root =
        created(plain.account_create(NewAccount { staff: true, ..account("root") }, action(0)).await.unwrap()).id;
    fill(&*plain, ada, 1).await;
    fill(&*plain, root, 101).await;
    let mut met = BTreeSet::new();
    for policy in [
        SessionPolicy { users: USERS, staff: STAFF },
        SessionPolicy::for_all(USERS),
        SessionPolicy { users: SessionLimits::DEFAULT, staff: STAFF },
        SessionPolicy::default(),
    ] {
        let storage = database.open_under(policy);
        for now in (0..100).map(|step| step * 77_777) {
            let mut everybody = BTreeSet::new();
            for (user, from) in [(ada, 1), (root, 101)] {
                let live = judged(&*storage, from, now).await;
                asked_of_one(&storage, user, &live, now).await;
                everybody.extend(live);
            }
            assert_eq!(BTreeSet::from_iter(live_everywhere(&*storage, now).await), everybody);
            met.insert(everybody);
        }
    }
    assert!(met.len() > 60, "{}", met.len());
}

/// Which of forty sessions are live, as the domain sees it.
async fn judged(storage: &dyn Storage, from: u128, now: i64) -> BTreeSet<u128> {
    let mut live = BTreeSet::new();
    for number in from..from + 40 {
        let found = storage.session_find_with_user(uuid(number)).await.unwrap().unwrap().session;
        assert_eq!(storage.session_find_any(uuid(number)).await.unwrap().unwrap(), found);
        if matches!(found.status(at(now)), SessionStatus::Live | SessionStatus::SecondFactorPending) {
            live.insert(number);
        }
    }
    live
}

/// All that the database says of a user's sessions.
async fn asked_of_one(storage: &Arc<dyn Storage>, user: UserId, live: &BTreeSet<u128>, now: i64) {
    let page = storage.session_page(user, first(1_000), at(now)).await.unwrap();
    assert_eq!((page.count, numbers(page.items)), (live.len() as u64, live.clone()), "{now}");
    for active in [true, false] {
        let list = storage.session_list(of_user(user, active), PageStart::Skip(0), 1_000, at(now)).await.unwrap();
        let listed = numbers(list.into_iter().map(|found| found.session));
        assert_eq!(listed.len() as u64, storage.session_count(of_user(user, active), at(now)).await.unwrap());
        assert!(if active { listed == *live } else { listed.is_disjoint(live) && listed.len() == 40 - live.len() });
    }
    if let Some(kept) = live.first() {
        let but = Some(uuid(*kept));
        let page = storage.session_page_but(user, but, PageStart::Skip(0), 1_000, at(now)).await.unwrap();
        assert_eq!((page.count, page.items.len()), (live.len() as u64 - 1, live.len() - 1));
    }
}

async fn what_is_over_is_neither_found_nor_ended_nor_counted(database: TestDatabase) {
    let storage = database.open_under(SessionPolicy::for_all(USERS));
    let ada = user(&*storage, "ada").await.id;
    let idle = open(&*storage, ada, NewSession { cap: TWO, ..long(1, 0) }).await;
    let old = open(&*storage, ada, NewSession { cap: TWO, ..long(2, 1) }).await;
    assert_eq!(old.expires_at, at(HOUR), "of whole seconds");
    storage.session_record_uses(&[(uuid(2), at(HOUR - MINUTE))]).await.unwrap();
    let now = HOUR - 1;
    assert!(storage.session_find(ada, old.id, at(now)).await.unwrap().is_some());
    assert!(storage.session_find(ada, idle.id, at(now)).await.unwrap().is_none());
    assert!(!storage.session_end(ada, idle.id, WHY, action(now)).await.unwrap());
    // The one that is over makes room, and the other stays.
    open(&*storage, ada, NewSession { cap: TWO, ..long(3, now) }).await;
    assert!(storage.session_find(ada, old.id, at(now)).await.unwrap().is_some());
    let token = storage.session_open_from(ada, scoped(long(4, now)), plain(ada, 3, now)).await.unwrap().unwrap();
    assert_eq!(token.expires_at, at(30 * DAY), "no limit holds for it");
    // An hour after it was made, the old one is over, whatever it was extended to.
    assert!(storage.session_extend(uuid(2), at(40 * DAY), action(HOUR)).await.unwrap().is_none());
    assert_eq!(storage.session_end_others(ada, uuid(3), WHY, action(HOUR)).await.unwrap(), 1, "the token");
    assert_eq!(storage.session_end_all(ada, WHY, action(HOUR)).await.unwrap(), 1, "the one that was left");
}

async fn what_the_policy_ended_is_among_what_ended_of_late(database: TestDatabase) {
    let storage = database.open_under(SessionPolicy::for_all(USERS));
    let ada = user(&*storage, "ada").await.id;
    for number in 1..=3 {
        open(&*storage, ada, long(number, number as i64)).await;
    }
    let short = open(&*storage, ada, NewSession { expires_at: at(2 * MINUTE), ..long(4, 0) }).await;
    assert!(storage.session_end(ada, open(&*storage, ada, long(5, 0)).await.id, WHY, action(8 * MINUTE)).await.is_ok());
    storage.session_record_uses(&[(uuid(2), at(3 * MINUTE)), (uuid(3), at(HOUR - 1))]).await.unwrap();
    let ended = storage.session_recently_ended(ada, 10, at(2 * HOUR)).await.unwrap();
    let told: Vec<_> =
        ended.iter().map(|session| (session.uuid.0.as_u128(), session.end(at(2 * HOUR)).unwrap())).collect();
    let by_policy = |number, end, why| (number, End { at: at(end), by: Actor::System, why });
    assert_eq!(
        told,
        [
            by_policy(3, HOUR, EndReason::Absolute),
            by_policy(2, 9 * MINUTE, EndReason::Idle),
            by_policy(1, 6 * MINUTE + 1, EndReason::Idle),
            by_policy(5, 6 * MINUTE, EndReason::Idle),
        ]
    );
    assert!(!ended.contains(&short), "it expired");
    assert_eq!(storage.session_recently_ended(ada, 1, at(2 * HOUR)).await.unwrap().len(), 1);
}

async fn who_asks_is_not_idle_but_may_be_too_old(database: TestDatabase) {
    let storage = database.open_under(SessionPolicy::for_all(USERS));
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, long(1, 0)).await;
    let ask = |number, millis| storage.session_open_from(ada, scoped(long(number, millis)), plain(ada, 1, millis));
    assert!(ask(2, HOUR - 1).await.unwrap().is_ok(), "the request is a use");
    assert_eq!(ask(3, HOUR).await.unwrap(), stale_change(PreconditionFailed::SessionEnded));
}

/// Walks over everybody, and has the ends written of what is overdue by a moment; returns how many there were.
async fn write_overdue(storage: &dyn Storage, by: i64) -> u64 {
    let (mut ended, mut after) = (0, None);
    loop {
        let page = storage.sessions_overdue(after, at(by)).await.unwrap();
        ended += storage.session_end_overdue(&page.items, at(by + 1)).await.unwrap();
        let Some(next) = page.next else { return ended };
        after = Some(next);
    }
}

async fn what_the_policy_ended_is_written_later_once_and_as_it_was(database: TestDatabase) {
    let storage = database.open_under(SessionPolicy { users: USERS, staff: STAFF });
    let ada = user(&*storage, "ada").await.id;
    let mut others = Vec::new();
    for number in 0..210_u128 {
        others.push(user(&*storage, &format!("user{number}")).await.id);
        open(&*storage, others[number as usize], long(1_000 + number, 0)).await;
    }
    // One user has more than are ended at once.
    for number in 1..=230 {
        open(&*storage, ada, long(number, number as i64)).await;
    }
    let token = storage.session_open_from(ada, scoped(long(300, 0)), plain(ada, 1, 0)).await.unwrap().unwrap();
    open(&*storage, ada, NewSession { expires_at: at(2 * MINUTE), ..long(301, 0) }).await;
    storage.session_record_uses(&[(uuid(1), at(HOUR - 1))]).await.unwrap();
    assert_eq!(write_overdue(&*storage, 6 * MINUTE).await, 0);
    let by = HOUR - 1;
    let before = storage.session_recently_ended(ada, 500, at(by)).await.unwrap();
    assert_eq!(write_overdue(&*storage, by).await, 229 + 210);
    let after = storage.session_recently_ended(ada, 500, at(by)).await.unwrap();
    assert_eq!((before.len(), after.len()), (229, 229));
    let ends = |sessions: &[Session]| sessions.iter().map(|session| session.end(at(by))).collect::<Vec<_>>();
    assert_eq!(ends(&before), ends(&after), "nothing changes that anybody is told");
    assert_eq!(recorded(&*storage, AuditKind::SessionEnded).await, 229 + 210);
    assert_eq!(write_overdue(&*storage, by).await, 0);
    assert_eq!(write_overdue(&*storage, HOUR).await, 1, "the one that was used");
    let last = trail(&*storage).await.pop().unwrap();
    assert_eq!(
        (last.kind, last.session, last.detail.as_deref()),
        (AuditKind::SessionEnded, Some(uuid(1)), Some("absolute"))
    );
    assert_eq!((last.action.by, last.action.at), (Actor::System, at(HOUR + 1)));
    assert!(storage.session_find(ada, token.id, at(20 * DAY)).await.unwrap().is_some());
    assert!(matches!(storage.session_find_any(uuid(301)).await.unwrap().unwrap().state, State::Open), "it expired");
}

async fn whoever_was_used_meanwhile_stays(database: TestDatabase) {
    let storage = database.open_under(SessionPolicy::for_all(USERS));
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, long(1, 0)).await;
    let page = storage.sessions_overdue(None, at(6 * MINUTE + 1)).await.unwrap();
    assert_eq!((page.items.len(), page.next), (1, None));
    storage.session_record_uses(&[(uuid(1), at(6 * MINUTE))]).await.unwrap();
    assert_eq!(storage.session_end_overdue(&page.items, at(6 * MINUTE + 1)).await.unwrap(), 0);
    assert_eq!(recorded(&*storage, AuditKind::SessionEnded).await, 0);
    assert!(storage.sessions_overdue(None, at(6 * MINUTE + 1)).await.unwrap().items.is_empty());
}
