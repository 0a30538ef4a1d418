//! The feed: what was committed, numbered without gaps, told in order, each once.

mod ends;
mod interleavings;

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::event::{Event, EventActor, EventCursor, EventDetail, EventType, EventTypes, PersonalData};
use thunderhead_domain::factor::FactorKind;
use thunderhead_domain::id::SessionId;
use thunderhead_domain::ports::{FeedPage, FeedQuery, Storage};
use thunderhead_domain::session::{Actor, EndReason, NewSession};
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::user::Username;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    Intruder, WHY, account, action, action_of, at, at_once, created, enrol, open, plain, recorded, session, totp, user,
};

on_both_engines!(async:
    what_is_committed_is_pending_until_it_is_numbered_and_then_told_in_order,
    what_tells_nobody_of_anything_is_not_in_the_feed,
    an_event_says_what_there_is_to_say_and_nothing_personal,
    personal_data_are_told_to_who_asks_for_them,
    what_is_told_of_a_deleted_user_stays_the_same,
    a_reader_of_rare_types_gets_on,
    a_place_of_another_history_is_gone,
    what_is_older_than_it_is_kept_is_gone_and_told_so,
    what_nobody_has_numbered_is_not_lost_in_silence_when_it_is_deleted,
    replicas_that_number_at_once_leave_no_gap_and_readers_miss_nothing,
    what_was_there_before_the_feed_is_not_in_it,
);

/// Numbers all that is committed.
pub(crate) async fn number_all(storage: &dyn Storage) {
    while storage.feed_number().await.unwrap() > 0 {}
    assert!(!storage.feed_status().await.unwrap().pending);
}

fn query(after: Option<EventCursor>, limit: u32) -> FeedQuery {
    FeedQuery { after, types: EventTypes::ALL, limit, personal: false }
}

pub(crate) async fn page(storage: &dyn Storage, query: FeedQuery) -> (Vec<Event>, EventCursor, bool) {
    match storage.feed_page(query).await.unwrap() {
        FeedPage::Page { items, next, more } => (items, next, more),
        FeedPage::Gone { first } => panic!("gone: {first}"),
    }
}

/// All events after a place, in pages.
pub(crate) async fn events_after(storage: &dyn Storage, mut after: EventCursor) -> Vec<Event> {
    number_all(storage).await;
    let mut all = Vec::new();
    loop {
        let (items, next, more) = page(storage, query(Some(after), 7)).await;
        assert!(items.iter().all(|event| event.cursor.number > after.number));
        all.extend(items);
        after = next;
        if !more {
            return all;
        }
    }
}

/// Where whoever begins now is told of all that follows.
pub(crate) async fn now(storage: &dyn Storage) -> EventCursor {
    number_all(storage).await;
    storage.feed_status().await.unwrap().latest
}

fn types(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.event_type.name()).collect()
}

fn numbers(events: &[Event]) -> Vec<i64> {
    events.iter().map(|event| event.cursor.number).collect()
}

async fn what_is_committed_is_pending_until_it_is_numbered_and_then_told_in_order(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let empty = other.feed_status().await.unwrap();
    assert!(!empty.pending && empty.first == empty.latest && empty.first.number == 0);
    assert_eq!(page(&*storage, query(None, 10)).await, (vec![], empty.first, false));

    let ada = user(&*storage, "ada").await.id;
    let made = open(&*storage, ada, session(1)).await;
    storage.session_end(ada, made.id, WHY, action(5)).await.unwrap();
    let status = other.feed_status().await.unwrap();
    assert!(status.pending && status.latest == empty.latest);
    assert_eq!(page(&*other, query(None, 10)).await, (vec![], empty.first, false));

    assert_eq!(other.feed_number().await.unwrap(), 3);
    assert_eq!(storage.feed_number().await.unwrap(), 0);
    let (items, next, more) = page(&*storage, query(None, 2)).await;
    assert_eq!((types(&items), numbers(&items), more), (vec!["user.created", "session.created"], vec![1, 2], true));
    assert_eq!(next, items[1].cursor);
    let (rest, next, more) = page(&*other, query(Some(next), 2)).await;
    assert_eq!((types(&rest), numbers(&rest), more), (vec!["session.ended"], vec![3], false));
    assert_eq!((rest[0].at, next), (at(5), rest[0].cursor));
    assert_eq!(other.feed_status().await.unwrap().latest, next);
    assert_eq!(page(&*other, query(Some(next), 2)).await, (vec![], next, false));
    // Whoever asks again is told the same.
    assert_eq!(page(&*other, query(None, 2)).await.0, items);
}

async fn what_tells_nobody_of_anything_is_not_in_the_feed(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let begin = now(&*storage).await;
    storage.account_set_verified(ada, true, action(1).into()).await.unwrap().unwrap();
    assert_eq!(recorded(&*storage, AuditKind::AccountVerified).await, 1);
    assert!(!storage.feed_status().await.unwrap().pending);
    assert_eq!(now(&*storage).await, begin);
}

async fn an_event_says_what_there_is_to_say_and_nothing_personal(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await;
    let eve = created(storage.account_create(account("eve"), action(0)).await.unwrap());
    let begin = now(&*storage).await;
    let made = open(&*storage, ada.id, session(1)).await;
    enrol(&*storage, ada.id, totp(7), vec![]).await;
    let renamed = Username::try_from("augusta".to_owned()).unwrap();
    storage.account_rename(ada.id, renamed, plain(ada.id, 1, 2)).await.unwrap().unwrap();
    storage.switch_set(KillSwitch::AccountLogin, true, action(3).into()).await.unwrap().unwrap();
    let by_staff = action_of(Actor::User(eve.id), 4);
    storage.session_end(ada.id, made.id, EndReason::RevokedByStaff, by_staff).await.unwrap();
    storage.account_set_staff(ada.id, true, action(5).into()).await.unwrap().unwrap();
    let events = events_after(&*storage, begin).await;
    let told: Vec<_> = events.iter().map(|event| (event.event_type, event.data.by, event.data.detail)).collect();
    let expected = [
        (EventType::SessionCreated, EventActor::Own, EventDetail::NewDevice),
        (EventType::FactorAdded, EventActor::Operator, EventDetail::Factor(FactorKind::Totp)),
        (EventType::UserRenamed, EventActor::Own, EventDetail::None),
        (EventType::SwitchChanged, EventActor::Operator, EventDetail::Switch(KillSwitch::AccountLogin, true)),
        (EventType::SessionEnded, EventActor::Staff, EventDetail::End(EndReason::RevokedByStaff)),
        (EventType::UserStaffChanged, EventActor::Operator, EventDetail::Staff(true)),
    ];
    assert_eq!(told, expected);
    for event in events {
        let data = event.data;
        let of_user = event.event_type != EventType::SwitchChanged;
        assert_eq!((data.user, data.user_uuid), (of_user.then_some(ada.id), of_user.then_some(ada.uuid)));
        let of_session = [EventType::SessionCreated, EventType::SessionEnded].contains(&event.event_type);
        let told = (data.session, data.session_id, data.expires_at);
        let expected = (Some(made.uuid), Some(made.id), Some(made.expires_at));
        assert_eq!(told, if of_session { expected } else { (None, None, None) });
        assert_eq!((data.kept_session, data.personal), (None, None));
    }
}

async fn personal_data_are_told_to_who_asks_for_them(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await;
    let begin = now(&*storage).await;
    open(&*storage, ada.id, session(1)).await;
    storage.account_delete(ada.id, action(5).into()).await.unwrap().unwrap();
    number_all(&*storage).await;
    let asked = FeedQuery { personal: true, ..query(Some(begin), 10) };
    let told: Vec<_> = page(&*storage, asked).await.0.into_iter().map(|event| event.data.personal.unwrap()).collect();
    let opened = PersonalData {
        client_ip: session(1).origin.client_ip,
        actor: Some(ada.id),
        username: None,
        user_agent: Some("Browser/1.0 (ß)".to_owned()),
    };
    let deleted = PersonalData { username: Some("ada".to_owned()), ..PersonalData::default() };
    assert_eq!(told, [opened, deleted]);
    let eve = user(&*storage, "eve").await;
    number_all(&*storage).await;
    let (events, ..) = page(&*storage, asked).await;
    let told = events.last().unwrap().data.personal.clone().unwrap();
    assert_eq!((events.last().unwrap().data.user, told.username.as_deref()), (Some(eve.id), Some("eve")));
}

async fn what_is_told_of_a_deleted_user_stays_the_same(database: TestDatabase) {
    let storage = database.open();
    let begin = now(&*storage).await;
    let ada = user(&*storage, "ada").await;
    open(&*storage, ada.id, session(1)).await;
    let before = events_after(&*storage, begin).await;
    storage.account_delete(ada.id, action(5).into()).await.unwrap().unwrap();
    while storage.delete_removed().await.unwrap() > 0 {}
    let after = events_after(&*storage, begin).await;
    assert_eq!(after[..2], before);
    assert_eq!((types(&after[2..]), after[2].data.user_uuid), (vec!["user.deleted"], Some(ada.uuid)));
}

async fn a_reader_of_rare_types_gets_on(database: TestDatabase) {
    let storage = database.open();
    let begin = now(&*storage).await;
    let mut intruder = Intruder::new(&database);
    let ordinary = |intruder: &mut Intruder| {
        intruder.add(12_000, "audit (at, actor, kind, user_id, feed_number)", "1, 'stranger', 'logged-in', 1, 0");
    };
    ordinary(&mut intruder);
    let eve = user(&*storage, "eve").await.id;
    storage.account_ban(eve, None, action(1).into()).await.unwrap().unwrap();
    ordinary(&mut intruder);
    number_all(&*storage).await;
    let rare = |after| FeedQuery { types: "user.banned,user.created".parse().unwrap(), ..query(Some(after), 100) };
    let (none, first, more) = page(&*storage, rare(begin)).await;
    assert!(none.is_empty() && more && first.number == 10_000);
    let (some, second, more) = page(&*storage, rare(first)).await;
    assert_eq!((types(&some), second.number, more), (vec!["user.created", "user.banned"], 20_000, true));
    let (none, third, more) = page(&*storage, rare(second)).await;
    assert_eq!((none, third.number, more), (vec![], 24_002, false));
    assert_eq!(third, storage.feed_status().await.unwrap().latest);
    // A page ends where it is full.
    let (some, next, more) = page(&*storage, FeedQuery { limit: 1, ..rare(first) }).await;
    assert_eq!((types(&some), next, more), (vec!["user.created"], some[0].cursor, true));
}

async fn first_if_gone(storage: &dyn Storage, after: EventCursor) -> Option<EventCursor> {
    match storage.feed_page(query(Some(after), 10)).await.unwrap() {
        FeedPage::Page { .. } => None,
        FeedPage::Gone { first } => Some(first),
    }
}

async fn a_place_of_another_history_is_gone(database: TestDatabase) {
    let storage = database.open();
    let begin = now(&*storage).await;
    for name in ["ada", "bob", "eve"] {
        user(&*storage, name).await;
        number_all(&*storage).await;
    }
    let cursors: Vec<_> = events_after(&*storage, begin).await.iter().map(|event| event.cursor).collect();
    for good in cursors.iter().chain([&begin]) {
        assert_eq!(first_if_gone(&*storage, *good).await, None, "{good}");
        for bad in [
            EventCursor { nonce: good.nonce ^ 1, ..*good },
            EventCursor { number: good.number + 1, ..*good },
            EventCursor { number: good.number + 3, ..*good },
            EventCursor { number: i64::MAX, ..*good },
        ] {
            assert_eq!(first_if_gone(&*storage, bad).await, Some(begin), "{bad}");
        }
    }
    // The last two are lost, and others come in their places.
    Intruder::new(&database).run(&format!(
        "UPDATE audit SET feed_number = 0 WHERE feed_number > 1; UPDATE feed_state SET latest = 1, latest_nonce = {}",
        cursors[0].nonce
    ));
    number_all(&*storage).await;
    let gone = [None, Some(begin), Some(begin)];
    for (cursor, gone) in cursors.iter().zip(gone) {
        assert_eq!(first_if_gone(&*storage, *cursor).await, gone, "{cursor}");
    }
    assert_eq!(numbers(&events_after(&*storage, begin).await), [1, 2, 3]);
}

async fn what_is_older_than_it_is_kept_is_gone_and_told_so(database: TestDatabase) {
    let storage = database.open();
    let begin = now(&*storage).await;
    let ada = user(&*storage, "ada").await.id;
    for (number, millis) in [(1, 10), (2, 30), (3, 20), (4, 40)] {
        open(&*storage, ada, NewSession { at: at(millis), ..session(number) }).await;
        number_all(&*storage).await;
    }
    let all = events_after(&*storage, begin).await;
    let cursors: Vec<_> = all.iter().map(|event| event.cursor).collect();
    // 1, 2 and 4 go; what is between them is kept, but nobody is told of it any more.
    assert_eq!(storage.prune_audit(at(30)).await.unwrap(), 3);
    let first = storage.feed_status().await.unwrap().first;
    assert_eq!(first, cursors[3]);
    let gone: Vec<_> = [begin, cursors[0], cursors[1], cursors[2]].to_vec();
    for cursor in gone {
        assert_eq!(first_if_gone(&*storage, cursor).await, Some(first), "{cursor}");
    }
    for kept in &cursors[3..] {
        assert_eq!(first_if_gone(&*storage, *kept).await, None, "{kept}");
    }
    assert_eq!(page(&*storage, query(None, 10)).await.0, all[4..]);
    // Who has seen all there was stays where they are.
    assert_eq!(storage.prune_audit(at(50)).await.unwrap(), 2);
    assert_eq!(first_if_gone(&*storage, cursors[4]).await, None);
    assert_eq!(page(&*storage, query(Some(cursors[4]), 10)).await, (vec![], cursors[4], false));
    assert_eq!(first_if_gone(&*storage, cursors[3]).await, Some(cursors[4]));
}

async fn what_nobody_has_numbered_is_not_lost_in_silence_when_it_is_deleted(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let begin = now(&*storage).await;
    open(&*storage, ada, session(1)).await;
    open(&*storage, ada, NewSession { at: at(100), ..session(2) }).await;
    assert_eq!(storage.prune_audit(at(50)).await.unwrap(), 2);
    let first = first_if_gone(&*storage, begin).await.unwrap();
    let left = events_after(&*storage, first).await;
    assert_eq!((types(&left), numbers(&left)), (vec!["session.created"], vec![3]));
}

async fn replicas_that_number_at_once_leave_no_gap_and_readers_miss_nothing(database: TestDatabase) {
    const USERS: u32 = 16;
    const SESSIONS: u32 = 640;
    const AT_ONCE: usize = 40;
    // On SQLite one: of several processes that write without a pause, SQLite lets one starve.
    let mut replicas = [database.open(), database.open(), database.open()];
    if database.url().sqlite_path().is_some() {
        replicas = [replicas[0].clone(), replicas[0].clone(), replicas[0].clone()];
    }
    let mut intruder = Intruder::new(&database);
    let mut users = Vec::new();
    for number in 0..USERS {
        let id = user(&*replicas[0], &format!("user{number}")).await.id;
        open(&*replicas[0], id, session(u128::from(number))).await;
        users.push(id);
    }
    let begin = now(&*replicas[0]).await;
    // Sessions have one number for all users, so each user has theirs in turn.
    intruder.add_sessions(users[0], USERS * SESSIONS);
    let numbers = (1..=USERS).map(|n| (n, users[n as usize - 1].number()));
    for (n, user) in numbers {
        intruder
            .run(&format!("UPDATE sessions SET user_id = {user} WHERE name = 'x' AND id % {USERS} = {}", n % USERS));
    }
    let writers = users.iter().enumerate().map(|(nth, user)| {
        let (storage, user) = (replicas[nth % 3].clone(), *user);
        let ids: Vec<_> = (0..SESSIONS).map(|n| (n * USERS + (nth as u32 + 1)) as i64).collect();
        async move {
            for ids in ids.chunks(AT_ONCE) {
                let ids: Vec<_> = ids.iter().map(|id| SessionId::from_number(*id)).collect();
                assert_eq!(storage.session_end_some(user, &ids, WHY, action(1)).await.unwrap(), AT_ONCE as u64);
            }
        }
    });
    let readers = replicas.iter().map(|storage| {
        let storage = storage.clone();
        async move {
            let (mut after, mut seen) = (begin, Vec::new());
            while seen.len() < (USERS * SESSIONS) as usize {
                storage.feed_number().await.unwrap();
                let (items, next, _) = page(&*storage, query(Some(after), 1_000)).await;
                seen.extend(items.iter().map(|event| (event.cursor.number, event.data.session.unwrap())));
                after = next;
            }
            seen
        }
    });
    let writing = tokio::spawn(at_once(writers.collect::<Vec<_>>()));
    let told = at_once(readers.collect::<Vec<_>>()).await;
    writing.await.unwrap();
    for seen in told {
        let in_order = (begin.number + 1..).zip(&seen).all(|(expected, (number, _))| expected == *number);
        assert!(in_order);
        let mut sessions: Vec<_> = seen.into_iter().map(|(_, session)| session).collect();
        sessions.sort_unstable();
        sessions.dedup();
        assert_eq!(sessions.len(), (USERS * SESSIONS) as usize);
    }
}

async fn what_was_there_before_the_feed_is_not_in_it(database: TestDatabase) {
    let storage = database.open();
    let mut intruder = Intruder::new(&database);
    // As the migration leaves what was there.
    intruder
        .run("INSERT INTO audit (at, actor, kind, user_id, feed_number) VALUES (1, 'stranger', 'logged-in', 1, NULL)");
    assert!(!storage.feed_status().await.unwrap().pending);
    let begin = now(&*storage).await;
    assert_eq!((begin.number, storage.prune_audit(at(0)).await.unwrap()), (0, 1));
    assert_eq!(storage.feed_status().await.unwrap().first, begin);
    assert_eq!(first_if_gone(&*storage, begin).await, None);
}
