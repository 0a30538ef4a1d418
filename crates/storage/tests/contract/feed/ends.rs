//! Every way to end sessions, and that each session that it ends is told of by exactly one event.

use std::collections::BTreeSet;

use thunderhead_domain::event::{Event, EventType};
use thunderhead_domain::factor::FactorChoice;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::policy::{SessionLimits, SessionPolicy};
use thunderhead_domain::ports::{PageStart, SessionFilter, StepUp, Storage};
use thunderhead_domain::scope::{Scope, ScopeSet};
use thunderhead_domain::session::{Actor, EndReason, Grant, NewSession};
use thunderhead_domain::user::PasswordHash;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{events_after, now};
use crate::support::{
    CAP, FIRST_STEP, Intruder, STAY, action, action_of, at, at_once, codes, digest, enrol, first, link, open, passkey,
    plain, session, step, stepping_up, totp, up_to, user, uuid,
};

on_both_engines!(async:
    whatever_ends_sessions_tells_of_each_once,
    an_end_of_very_many_names_the_session_that_stays,
    a_cap_that_was_lowered_tells_of_those_that_end,
    the_end_of_everybodys_sessions_is_told_batch_by_batch,
    many_clients_who_end_sessions_at_once_tell_of_each_once,
);

/// The user's session that asks, where one does.
const OWN: u128 = 1;

/// What can end sessions, and why they have ended then; `None` where another event tells of them.
const WAYS: [(&str, Option<EndReason>); 19] = [
    ("one", Some(EndReason::Revoked)),
    ("by its holder", Some(EndReason::RevokedByHolder)),
    ("some", Some(EndReason::RevokedByStaff)),
    ("all", Some(EndReason::Revoked)),
    ("others", Some(EndReason::Revoked)),
    ("everywhere", Some(EndReason::Operator)),
    ("own password", Some(EndReason::PasswordChanged)),
    ("operator's password", Some(EndReason::PasswordChanged)),
    ("link", Some(EndReason::PasswordChanged)),
    ("no password any more", Some(EndReason::PasswordChanged)),
    ("link to a passkey", Some(EndReason::PasswordChanged)),
    ("ban", Some(EndReason::Banned)),
    ("promotion", Some(EndReason::StaffChanged)),
    ("demotion", Some(EndReason::StaffChanged)),
    ("deletion", None),
    ("deletion of some", None),
    ("cap", Some(EndReason::Cap)),
    ("cap of those that are pending", Some(EndReason::Cap)),
    ("cap at a step-up", Some(EndReason::Cap)),
];

async fn end(storage: &dyn Storage, way: &str, ada: UserId) {
    let by_ada = action_of(Actor::User(ada), 10);
    let page = storage.session_page(ada, first(1_000), at(10)).await.unwrap().items;
    let ids: Vec<_> = page.iter().map(|session| session.id).collect();
    match way {
        "one" => assert!(storage.session_end(ada, ids[0], EndReason::Revoked, by_ada).await.unwrap()),
        "by its holder" => {
            let stranger = action_of(Actor::Stranger, 10);
            assert!(storage.session_end(ada, ids[0], EndReason::RevokedByHolder, stranger).await.unwrap());
        }
        "some" => {
            let staff = action_of(Actor::User(UserId::from_number(7)), 10);
            storage.session_end_some(ada, &ids[..2], EndReason::RevokedByStaff, staff).await.unwrap();
        }
        "all" => assert!(storage.session_end_all(ada, EndReason::Revoked, by_ada).await.unwrap() > 0),
        "others" => {
            storage.session_end_others(ada, uuid(OWN), EndReason::Revoked, by_ada).await.unwrap();
        }
        "everywhere" => {
            storage.session_end_everywhere(at(5), EndReason::Operator, action(10)).await.unwrap();
        }
        "own password" => {
            let hash = PasswordHash::new("new".to_owned());
            storage.account_set_password(ada, hash, plain(ada, OWN, 10)).await.unwrap().unwrap();
        }
        "operator's password" => {
            let hash = PasswordHash::new("new".to_owned());
            storage.account_set_password(ada, hash, action(10).into()).await.unwrap().unwrap();
        }
        "link" => {
            storage.link_create(link(ada, 9), action(1).into()).await.unwrap().unwrap();
            let hash = PasswordHash::new("new".to_owned());
            storage.link_use(ada, digest(9), hash, action_of(Actor::Stranger, 10)).await.unwrap().unwrap();
        }
        "no password any more" => {
            for number in [91, 92] {
                enrol(storage, ada, passkey(number, 0, false), vec![]).await;
            }
            let nobodys = PasswordHash::new("nobody's".to_owned());
            storage.account_remove_password(ada, nobodys, plain(ada, OWN, 10)).await.unwrap().unwrap();
        }
        "link to a passkey" => {
            storage.factor_remove(ada, FactorChoice::All, STAY, action(1).into()).await.unwrap().unwrap();
            storage.link_create(link(ada, 9), action(1).into()).await.unwrap().unwrap();
            let (nobodys, new) = (PasswordHash::new("nobody's".to_owned()), passkey(93, 0, true));
            let stranger = action_of(Actor::Stranger, 10);
            let used = storage.link_use_for_passkey(ada, digest(9), nobodys, new, codes(150), stranger);
            used.await.unwrap().unwrap();
        }
        "ban" => drop(storage.account_ban(ada, None, action(10).into()).await.unwrap().unwrap()),
        "promotion" => drop(storage.account_set_staff(ada, true, action(10).into()).await.unwrap().unwrap()),
        "demotion" => drop(storage.account_set_staff(ada, false, action(10).into()).await.unwrap().unwrap()),
        "deletion" => storage.account_delete(ada, action(10).into()).await.unwrap().unwrap(),
        "deletion of some" => {
            assert_eq!(storage.account_delete_some(&[ada], action(10).into()).await.unwrap(), Ok(1));
        }
        "cap" => drop(open(storage, ada, NewSession { cap: up_to(3), at: at(10), ..session(900) }).await),
        "cap of those that are pending" => {
            for number in 901..912 {
                open(storage, ada, NewSession { second_factor_pending: true, at: at(10), ..session(number) }).await;
            }
        }
        "cap at a step-up" => {
            let pending = NewSession { second_factor_pending: true, at: at(10), ..session(950) };
            open(storage, ada, pending).await;
            let factor = StepUp { cap: up_to(3), ..stepping_up(ada, step(1, FIRST_STEP + 1)) };
            storage.session_step_up(ada, uuid(950), factor, by_ada).await.unwrap().unwrap();
        }
        _ => panic!("it is not said here what {way} does"),
    }
}

/// Somebody with three full sessions, a scoped one of staff's and an expired one; and somebody else with one.
async fn scene(storage: &dyn Storage, way: &str) -> UserId {
    let ada = user(storage, "ada").await.id;
    let eve = user(storage, "eve").await.id;
    enrol(storage, ada, totp(1), vec![]).await;
    if way == "demotion" {
        storage.account_set_staff(ada, true, action(0).into()).await.unwrap().unwrap();
    }
    for number in OWN..OWN + 3 {
        open(storage, ada, session(number)).await;
    }
    open(storage, ada, NewSession { expires_at: at(2), ..session(20) }).await;
    if way == "demotion" {
        let scopes = ScopeSet::from_flags(i64::from(Scope::StaffReadSessions.bit())).unwrap();
        let scoped = NewSession { grant: Grant::Scoped(scopes), ..session(30) };
        storage.session_open_from(ada, scoped, plain(ada, OWN, 1)).await.unwrap().unwrap();
    }
    open(storage, eve, session(40)).await;
    ada
}

/// Everybody's live sessions, with their users.
async fn live(storage: &dyn Storage) -> BTreeSet<(SessionUuid, UserId)> {
    let active = SessionFilter { active: Some(true), ..SessionFilter::default() };
    let all = storage.session_list(active, PageStart::Skip(0), 20_000, at(10)).await.unwrap();
    all.into_iter().map(|found| (found.session.uuid, found.user.id)).collect()
}

/// Whether an event tells that this session has ended.
fn tells_of(event: &Event, (session, user): (SessionUuid, UserId)) -> bool {
    let data = &event.data;
    match event.event_type {
        EventType::SessionEnded => data.session == Some(session),
        EventType::SessionsEnded => data.user.is_none_or(|of| of == user) && data.kept_session != Some(session),
        EventType::UserDeleted => data.user == Some(user),
        _ => false,
    }
}

async fn whatever_ends_sessions_tells_of_each_once(database: TestDatabase) {
    let storage = database.open();
    let template = live(&*storage).await;
    assert!(template.is_empty());
    for (way, reason) in WAYS {
        let ada = scene(&*storage, way).await;
        let (begin, before) = (now(&*storage).await, live(&*storage).await);
        end(&*storage, way, ada).await;
        let (events, after) = (events_after(&*storage, begin).await, live(&*storage).await);
        // What was opened meanwhile may have ended, too.
        let opened = events.iter().filter(|event| event.event_type == EventType::SessionCreated);
        let opened = opened.map(|event| (event.data.session.unwrap(), event.data.user.unwrap()));
        let known: BTreeSet<_> = before.iter().copied().chain(opened).collect();
        let ended: Vec<_> = known.difference(&after).copied().collect();
        assert!(!ended.is_empty(), "{way}");
        for session in &ended {
            let telling: Vec<_> = events.iter().filter(|event| tells_of(event, *session)).collect();
            assert_eq!(telling.len(), 1, "{way}: {session:?} {telling:?}");
            let told = match telling[0].data.detail {
                thunderhead_domain::event::EventDetail::End(why) => Some(why),
                _ => None,
            };
            assert_eq!(told, reason, "{way}");
        }
        for event in events.iter().filter(|event| event.event_type == EventType::SessionEnded) {
            assert!(ended.iter().any(|session| tells_of(event, *session)), "{way}: {event:?}");
        }
        // As before, for the next.
        for name in ["ada", "eve"] {
            let name = thunderhead_domain::ports::AccountName::Username(
                thunderhead_domain::user::Username::try_from(name.to_owned()).unwrap(),
            );
            if let Some(id) = storage.account_id(name).await.unwrap() {
                storage.account_delete(id, action(20).into()).await.unwrap().unwrap();
            }
        }
        while storage.delete_removed().await.unwrap() > 0 {}
    }
}

async fn an_end_of_very_many_names_the_session_that_stays(database: TestDatabase) {
    let storage = database.open();
    for way in ["others", "all", "own password", "ban", "promotion", "deletion"] {
        let ada = scene(&*storage, way).await;
        Intruder::new(&database).add_sessions(ada, 1_100);
        let (begin, before) = (now(&*storage).await, live(&*storage).await);
        end(&*storage, way, ada).await;
        let (events, after) = (events_after(&*storage, begin).await, live(&*storage).await);
        let stays = ["others", "own password"].contains(&way);
        let ended: Vec<_> = before.difference(&after).copied().collect();
        assert_eq!(ended.len(), if stays { 1_102 } else { 1_103 }, "{way}");
        for session in &ended {
            assert_eq!(events.iter().filter(|event| tells_of(event, *session)).count(), 1, "{way}");
        }
        assert!(events.len() <= 2, "{way}: {events:?}");
        let kept = events.iter().find_map(|event| event.data.kept_session);
        assert_eq!(kept, stays.then_some(uuid(OWN)), "{way}");
        assert!(after.iter().all(|session| events.iter().all(|event| !tells_of(event, *session))), "{way}");
        for id in before.iter().map(|(_, id)| *id).collect::<BTreeSet<_>>() {
            storage.account_delete(id, action(20).into()).await.unwrap().ok();
        }
        while storage.delete_removed().await.unwrap() > 0 {}
    }
}

async fn a_cap_that_was_lowered_tells_of_those_that_end(database: TestDatabase) {
    let storage =
        database.open_under(SessionPolicy::for_all(SessionLimits { max_sessions: 4, ..SessionLimits::DEFAULT }));
    let ada = user(&*storage, "ada").await.id;
    for number in 1..=9 {
        open(&*storage, ada, session(number)).await;
    }
    let (begin, before) = (now(&*storage).await, live(&*storage).await);
    open(&*storage, ada, NewSession { cap: up_to(4), at: at(10), ..session(10) }).await;
    let over = storage.sessions_over_cap(at(10)).await.unwrap().unwrap();
    assert_eq!(storage.session_end_over_cap(ada, &over.sessions, action_of(Actor::User(ada), 10)).await.unwrap(), 6);
    let (events, after) = (events_after(&*storage, begin).await, live(&*storage).await);
    for session in before.difference(&after) {
        assert_eq!(events.iter().filter(|event| tells_of(event, *session)).count(), 1);
    }
    let told: Vec<_> = events.iter().map(|event| (event.event_type.name(), event.data.by.name())).collect();
    assert_eq!(told, [("session.created", "self"), ("sessions.ended", "system")]);
}

async fn the_end_of_everybodys_sessions_is_told_batch_by_batch(database: TestDatabase) {
    let storage = database.open();
    let (ada, eve) = (user(&*storage, "ada").await.id, user(&*storage, "eve").await.id);
    Intruder::new(&database).add_sessions(ada, 1_200);
    // Not all of hers end, so they are no generation that ends at once.
    open(&*storage, ada, NewSession { at: at(9), ..session(1) }).await;
    open(&*storage, eve, session(2)).await;
    let begin = now(&*storage).await;
    assert_eq!(storage.session_end_everywhere(at(5), EndReason::Operator, action(10)).await.unwrap(), 1_201);
    let events = events_after(&*storage, begin).await;
    let told: Vec<_> = events.iter().map(|event| (event.event_type.name(), event.data.user)).collect();
    // Whoever is told of one asks anew, and so must be told of the next, too.
    assert_eq!(told, [("sessions.ended", None); 3]);
    assert!(events.iter().all(|event| event.data.by.name() == "operator"));
}

async fn many_clients_who_end_sessions_at_once_tell_of_each_once(database: TestDatabase) {
    let replicas = [database.open(), database.open(), database.open()];
    let mut users = Vec::new();
    for number in 0..8_u128 {
        let id = user(&*replicas[0], &format!("user{number}")).await.id;
        for more in 0..6 {
            open(&*replicas[0], id, session(number * 10 + more + 100)).await;
        }
        users.push(id);
    }
    let (begin, before) = (now(&*replicas[0]).await, live(&*replicas[0]).await);
    at_once((0..16_usize).map(|turn| {
        let (storage, user) = (replicas[turn % 3].clone(), users[turn / 2]);
        async move {
            let why = EndReason::Revoked;
            match turn % 4 {
                0 => {
                    storage.session_end_all(user, why, action(10)).await.unwrap();
                }
                1 => drop(storage.account_ban(user, None, action(10).into()).await.unwrap().unwrap()),
                2 => storage.account_delete(user, action(10).into()).await.unwrap().unwrap(),
                _ => {
                    // Whose account is deleted by then has none.
                    let page = storage.session_page(user, first(CAP.most), at(10)).await.unwrap().items;
                    let ids: Vec<_> = page.iter().map(|session| session.id).collect();
                    storage.session_end_some(user, &ids, why, action(10)).await.unwrap();
                }
            }
            storage.feed_number().await.unwrap();
        }
    }))
    .await;
    let (events, after) = (events_after(&*replicas[1], begin).await, live(&*replicas[0]).await);
    assert!(after.is_empty());
    for session in before {
        // Who ends a session and deletes the account afterwards tells of both; whichever came first has ended it.
        let telling: Vec<_> = events.iter().filter(|event| tells_of(event, session)).collect();
        let ends = telling.iter().filter(|event| event.event_type != EventType::UserDeleted).count();
        assert!(ends <= 1 && !telling.is_empty(), "{session:?}: {telling:?}");
    }
}
