//! Finding users, sessions, records and failed logins: what staff look for.

use std::collections::BTreeSet;

use thunderhead_domain::audit::{AuditCursor, AuditFilter, AuditKind, AuditRecord};
use thunderhead_domain::failed_login::{Attempts, FailedLogins, LoginFailure, LoginTarget};
use thunderhead_domain::id::UserId;
use thunderhead_domain::policy::{SessionLimits, SessionPolicy};
use thunderhead_domain::ports::{SessionSearch, Storage};
use thunderhead_domain::search::{KeysetPage, UsernamePrefix};
use thunderhead_domain::session::{Actor, Dialect, NewSession, Origin, SessionStatus};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::Username;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{Intruder, WHY, action, action_of, at, open, session, trail, user, uuid};

on_both_engines!(async:
    names_that_begin_alike_are_found_byte_by_byte_in_any_case_and_from_page_to_page,
    counting_what_is_found_stops_where_it_is_told_to,
    a_row_that_cannot_be_read_makes_no_page_shorter,
    users_are_found_by_their_ids_and_the_newest_without_counting,
    sessions_are_found_by_any_mix_of_filters_and_each_is_met_once,
    a_session_that_the_policy_ended_is_found_as_ended,
    a_search_for_rare_sessions_comes_back_before_it_has_read_everything,
    records_are_found_by_any_mix_of_filters_and_each_is_met_once,
    a_search_for_what_is_rare_comes_back_before_it_has_read_everything,
    failed_logins_are_shown_before_they_are_recorded,
);

fn prefix(text: &str) -> UsernamePrefix {
    UsernamePrefix::try_from(text).unwrap()
}

async fn found(storage: &dyn Storage, beginning: &str, after: Option<&str>, limit: u32) -> Vec<String> {
    let after = after.map(|name| Username::existing(name.to_owned()).unwrap());
    let users = storage.account_search(prefix(beginning), after, limit).await.unwrap();
    users.iter().map(|user| user.username.to_string()).collect()
}

async fn names_that_begin_alike_are_found_byte_by_byte_in_any_case_and_from_page_to_page(database: TestDatabase) {
    let storage = database.open();
    let names = ["ad", "ad-1", "ad.x", "ad0", "AD_x", "Ada", "adam", "adZ", "ac", "ae", "a", "bad"];
    for name in names.into_iter().rev() {
        user(&*storage, name).await;
    }
    // The bytes of - . digits _ letters, in this order.
    let expected = &names[..8];
    for beginning in ["ad", "AD", "aD"] {
        assert_eq!(found(&*storage, beginning, None, 50).await, expected);
        assert_eq!(storage.account_search_count(prefix(beginning), 50).await.unwrap(), 8);
    }
    for limit in [1, 3, 8] {
        let mut met: Vec<String> = Vec::new();
        loop {
            let page = found(&*storage, "ad", met.last().map(String::as_str), limit).await;
            if page.is_empty() {
                break;
            }
            met.extend(page);
        }
        assert_eq!(met, expected, "{limit}");
    }
    assert_eq!(found(&*storage, "ad", Some("ADA"), 50).await, ["adam", "adZ"], "behind a name in any case");
    assert_eq!(found(&*storage, "adam", Some("aa"), 50).await, ["adam"]);
    for (beginning, after, limit) in [("x", None, 50), ("adamx", None, 50), ("ad", Some("zz"), 50), ("ad", None, 0)] {
        assert!(found(&*storage, beginning, after, limit).await.is_empty(), "{beginning} {after:?} {limit}");
    }
}

async fn counting_what_is_found_stops_where_it_is_told_to(database: TestDatabase) {
    let storage = database.open();
    for number in 0..5 {
        user(&*storage, &format!("ada{number}")).await;
    }
    for (most, counted) in [(0, 0), (4, 4), (5, 5), (6, 5)] {
        assert_eq!(storage.account_search_count(prefix("ada"), most).await.unwrap(), counted);
    }
    assert_eq!(storage.account_search_count(prefix("ada3"), 9).await.unwrap(), 1);
}

async fn a_row_that_cannot_be_read_makes_no_page_shorter(database: TestDatabase) {
    let storage = database.open();
    for name in ["ada1", "ada2", "ada3", "ada4"] {
        user(&*storage, name).await;
    }
    database.tamper("UPDATE users SET username = 'no name' WHERE username_key IN ('ada1', 'ada3')");
    assert_eq!(found(&*storage, "ada", None, 2).await, ["ada2", "ada4"]);
    assert_eq!(found(&*storage, "ada", None, 1).await, ["ada2"]);
    assert_eq!(found(&*storage, "ada", Some("ada2"), 1).await, ["ada4"]);
}

async fn users_are_found_by_their_ids_and_the_newest_without_counting(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace, root) =
        (user(&*storage, "ada").await, user(&*storage, "grace").await, user(&*storage, "root").await);
    assert_eq!(storage.account_newest(2).await.unwrap(), [root.clone(), grace.clone()]);
    assert_eq!(storage.account_newest(9).await.unwrap(), [root.clone(), grace.clone(), ada.clone()]);
    let named = |ids: Vec<UserId>| {
        let storage = &storage;
        async move {
            let mut users = storage.account_find_some(&ids).await.unwrap();
            users.sort_by_key(|user| user.id);
            users
        }
    };
    assert_eq!(named(vec![root.id, ada.id, ada.id, UserId::from_number(1)]).await, [ada.clone(), root]);
    assert!(named(vec![]).await.is_empty());
    // More than one statement takes.
    assert_eq!(named((0..1_200).map(UserId::from_number).chain([ada.id]).collect()).await, [ada]);
}

/// A session that was made at a moment, with what it is searched by.
fn made(number: u128, millis: i64, dialect: Dialect, address: &str) -> NewSession {
    let session = session(number);
    let origin = Origin { client_ip: address.parse().ok(), dialect, ..session.origin };
    NewSession { origin, at: at(millis), ..session }
}

/// The numbers of all sessions that a search finds, in pages of so many.
async fn sessions(storage: &dyn Storage, search: SessionSearch, limit: u32, now: i64) -> Vec<u128> {
    let (mut met, mut after) = (Vec::new(), None);
    loop {
        let KeysetPage { items, next } = storage.session_search(search, after, limit, at(now)).await.unwrap();
        assert!(items.len() <= limit as usize);
        met.extend(items.iter().map(|found| found.session.uuid.0.as_u128()));
        match next {
            Some(place) => after = Some(place),
            None => return met,
        }
    }
}

async fn sessions_are_found_by_any_mix_of_filters_and_each_is_met_once(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    let (office, home) = ("192.0.2.7", "2001:db8::1");
    open(&*storage, ada, made(1, 1_000, Dialect::Current, office)).await;
    let ended = open(&*storage, grace, made(2, 2_000, Dialect::Pages, office)).await;
    storage.session_end(grace, ended.id, WHY, action(2_500)).await.unwrap();
    let pending = NewSession { second_factor_pending: true, ..made(3, 3_000, Dialect::Kratos, home) };
    open(&*storage, ada, pending.clone()).await;
    open(&*storage, grace, NewSession { expires_at: at(5_000), ..made(4, 4_000, Dialect::Current, office) }).await;
    // Two of one moment, and one from nowhere.
    open(&*storage, grace, made(6, 5_000, Dialect::Kratos, home)).await;
    open(&*storage, grace, made(5, 5_000, Dialect::Pages, "")).await;
    let over = open(&*storage, ada, NewSession { uuid: uuid(7), ..pending }).await;
    storage.session_end(ada, over.id, WHY, action(5_500)).await.unwrap();
    let any = SessionSearch::default();
    for (search, expected) in [
        (any, vec![5, 6, 4, 7, 3, 2, 1]),
        (SessionSearch { user: Some(grace), ..any }, vec![5, 6, 4, 2]),
        (SessionSearch { client_ip: office.parse().ok(), ..any }, vec![4, 2, 1]),
        (SessionSearch { client_ip: "2001:DB8:0::1".parse().ok(), ..any }, vec![6, 7, 3]),
        (SessionSearch { dialect: Some(Dialect::Kratos), ..any }, vec![6, 7, 3]),
        (SessionSearch { dialect: Some(Dialect::Legacy), ..any }, vec![]),
        (SessionSearch { status: Some(SessionStatus::Live), ..any }, vec![5, 6, 1]),
        (SessionSearch { status: Some(SessionStatus::SecondFactorPending), ..any }, vec![3]),
        (SessionSearch { status: Some(SessionStatus::Ended), ..any }, vec![7, 2]),
        (SessionSearch { status: Some(SessionStatus::Expired), ..any }, vec![4]),
        (SessionSearch { since: Some(at(3_000)), until: Some(at(5_000)), ..any }, vec![4, 7, 3]),
        (SessionSearch { since: Some(Timestamp::from_unix_millis(i64::MIN)), user: Some(ada), ..any }, vec![7, 3, 1]),
        (SessionSearch { until: Some(Timestamp::from_unix_millis(i64::MAX)), user: Some(ada), ..any }, vec![7, 3, 1]),
    ] {
        assert_eq!(sessions(&*storage, search, 9, 6_000).await, expected, "{search:?}");
    }
    let statuses = SessionStatus::TABLE.map(|(status, _)| Some(status));
    let dialects = [None, Some(Dialect::Kratos), Some(Dialect::Pages)];
    let spans = [(None, None), (Some(at(2_000)), None), (None, Some(at(5_000))), (Some(at(3_000)), Some(at(5_000)))];
    let all = storage.session_search(any, None, 50, at(6_000)).await.unwrap().items;
    assert_eq!(all.iter().find(|found| found.session.uuid == uuid(3)).unwrap().user.id, ada);
    for user in [None, Some(ada), Some(grace)] {
        for client_ip in [None, office.parse().ok(), home.parse().ok()] {
            for dialect in dialects {
                for status in statuses.into_iter().chain([None]) {
                    for (since, until) in spans {
                        let search = SessionSearch { user, client_ip, since, until, dialect, status };
                        let fits = all.iter().filter(|found| search.fits(&found.session, at(6_000)));
                        let expected: Vec<_> = fits.map(|found| found.session.uuid.0.as_u128()).collect();
                        for limit in [1, 2, 50] {
                            let met = sessions(&*storage, search, limit, 6_000).await;
                            assert_eq!(met, expected, "{search:?} by {limit}");
                        }
                    }
                }
            }
        }
    }
    assert_eq!(storage.session_search(any, None, 7, at(6_000)).await.unwrap().next, None, "all is told");
    let none = storage.session_search(any, None, 0, at(6_000)).await.unwrap();
    assert_eq!((none.items.len(), none.next), (0, None));
}

async fn a_session_that_the_policy_ended_is_found_as_ended(database: TestDatabase) {
    let limits = SessionLimits { idle: Some(300), absolute: Some(3_600), ..SessionLimits::DEFAULT };
    let storage = database.open_under(SessionPolicy::for_all(limits));
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    open(&*storage, ada, NewSession { at: at(1), expires_at: at(9_000_000), ..session(2) }).await;
    storage.session_record_uses(&[(uuid(2), at(300_000))]).await.unwrap();
    for (now, live, ended, expired) in [
        (360_000, vec![2, 1], vec![], vec![]),
        (360_001, vec![2], vec![1], vec![]),
        (700_000, vec![], vec![2, 1], vec![]),
        (3_600_000, vec![], vec![], vec![2, 1]),
    ] {
        for (status, expected) in
            [(SessionStatus::Live, live), (SessionStatus::Ended, ended), (SessionStatus::Expired, expired)]
        {
            let search = SessionSearch { status: Some(status), ..SessionSearch::default() };
            assert_eq!(sessions(&*storage, search, 9, now).await, expected, "{status:?} at {now}");
        }
    }
}

async fn a_search_for_rare_sessions_comes_back_before_it_has_read_everything(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    let old = made(1, -9_000, Dialect::Kratos, "192.0.2.7");
    open(&*storage, grace, NewSession { second_factor_pending: true, ..old }).await;
    let ended = open(&*storage, grace, made(2, -9_000, Dialect::Current, "192.0.2.7")).await;
    storage.session_end(grace, ended.id, WHY, action(1)).await.unwrap();
    let mut intruder = Intruder::new(&database);
    intruder.add_sessions(ada, 6_000);
    let any = SessionSearch::default();
    let ask = |search, after| storage.session_search(search, after, 50, at(2));
    let rare = SessionSearch { status: Some(SessionStatus::Ended), ..any };
    let first = ask(rare, None).await.unwrap();
    assert!(first.items.is_empty() && first.next.is_some());
    let second = ask(rare, first.next).await.unwrap();
    assert_eq!((second.items.len(), second.next), (1, None));
    // What an index has by itself is found at once, wherever it is.
    for (search, expected) in [
        (SessionSearch { user: Some(grace), ..any }, 2),
        (SessionSearch { user: Some(grace), ..rare }, 1),
        (SessionSearch { client_ip: "192.0.2.7".parse().ok(), ..any }, 2),
        (SessionSearch { dialect: Some(Dialect::Kratos), ..any }, 1),
        (SessionSearch { status: Some(SessionStatus::SecondFactorPending), ..any }, 1),
        (SessionSearch { until: Some(at(0)), ..rare }, 1),
    ] {
        let found = ask(search, None).await.unwrap();
        assert_eq!((found.items.len(), found.next), (expected, None), "{search:?}");
    }
    // Sessions that a deleted user has left behind are none, and are not passed by for nothing.
    intruder.run(&format!("UPDATE sessions SET user_id = 1 WHERE user_id = {}", ada.number()));
    let first = ask(any, None).await.unwrap();
    assert!(first.items.is_empty() && first.next.is_some());
    let second = ask(any, first.next).await.unwrap();
    assert_eq!(second.items.iter().map(|found| found.session.uuid).collect::<Vec<_>>(), [uuid(2), uuid(1)]);
}

/// Everything that a search finds, in pages of so many.
async fn searched(storage: &dyn Storage, filter: AuditFilter, limit: u32) -> Vec<AuditRecord> {
    let (mut met, mut after) = (Vec::new(), None);
    loop {
        let KeysetPage { items, next } = storage.audit_search(filter, after, limit).await.unwrap();
        assert!(items.len() <= limit as usize);
        met.extend(items);
        match next {
            Some(place) => after = Some(place),
            None => return met,
        }
    }
}

async fn records_are_found_by_any_mix_of_filters_and_each_is_met_once(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    let by_grace = Actor::User(grace);
    // Several of one moment, and one that is recorded later than it was done.
    for (whom, by, staff, millis) in [
        (ada, by_grace, true, 10),
        (grace, Actor::CommandLine, true, 10),
        (ada, Actor::CommandLine, false, 30),
        (ada, Actor::Stranger, true, 30),
        (ada, by_grace, false, 20),
    ] {
        storage.account_set_staff(whom, staff, action_of(by, millis).into()).await.unwrap().unwrap();
    }
    storage.account_ban(ada, None, action(40).into()).await.unwrap().unwrap();
    let mut all = trail(&*storage).await;
    all.sort_by_key(|record| std::cmp::Reverse((record.action.at, record.number)));
    assert_eq!(all.len(), 8);
    let (users, actors) = ([None, Some(ada), Some(grace)], [None, Some(by_grace), Some(Actor::CommandLine)]);
    let kinds = [None, Some(AuditKind::StaffGranted), Some(AuditKind::KeyRotated)];
    let addresses = [None, "192.0.2.7".parse().ok(), "192.0.2.8".parse().ok()];
    let spans = [(None, None), (Some(at(10)), None), (None, Some(at(30))), (Some(at(10)), Some(at(30)))];
    let mut sizes = BTreeSet::new();
    for user in users {
        for by in actors {
            for kind in kinds {
                for client_ip in addresses {
                    for (since, until) in spans {
                        let filter = AuditFilter { user, by, kind, since, until, client_ip };
                        let expected: Vec<_> = all.iter().filter(|it| filter.fits(it)).cloned().collect();
                        for limit in [1, 2, 50] {
                            assert_eq!(searched(&*storage, filter, limit).await, expected, "{filter:?} by {limit}");
                        }
                        sizes.insert(expected.len());
                    }
                }
            }
        }
    }
    assert!(sizes.len() > 5, "filters let pass more or less: {sizes:?}");
    // Where all is told, the page says so at once; a record that cannot be read ends nothing.
    let page = storage.audit_search(AuditFilter::default(), None, 8).await.unwrap();
    assert_eq!((page.items.len(), page.next), (8, None));
    database.tamper(&format!("UPDATE audit SET kind = 'unheard-of' WHERE number = {}", all[1].number));
    let page = storage.audit_search(AuditFilter::default(), None, 2).await.unwrap();
    assert_eq!(page.items, [all[0].clone(), all[2].clone()]);
    assert_eq!(page.next, Some(AuditCursor::from(&all[2])));
    assert_eq!(searched(&*storage, AuditFilter::default(), 1).await.len(), 7);
}

async fn a_search_for_what_is_rare_comes_back_before_it_has_read_everything(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let row = format!("{} + n, 'stranger', NULL, 'logged-in', {}, NULL, NULL", at(0).unix_millis(), ada.number());
    Intruder::new(&database).add(12_000, "audit (at, actor, client_ip, kind, user_id, session_uuid, detail)", &row);
    let rare = AuditFilter { user: Some(ada), kind: Some(AuditKind::AccountCreated), ..AuditFilter::default() };
    let first = storage.audit_search(rare, None, 50).await.unwrap();
    assert!(first.items.is_empty() && first.next.is_some());
    let second = storage.audit_search(rare, first.next, 50).await.unwrap();
    assert_eq!((second.items.len(), second.next), (1, None));
    // What an index has by itself is found at once, wherever it is.
    let kind = AuditFilter { kind: Some(AuditKind::AccountCreated), ..AuditFilter::default() };
    assert_eq!(storage.audit_search(kind, None, 50).await.unwrap().items.len(), 1);
}

async fn failed_logins_are_shown_before_they_are_recorded(database: TestDatabase) {
    let storage = database.open();
    let failed = |target, address: &str, millis| {
        let attempts = Attempts::at(at(millis), target, address.parse().ok());
        FailedLogins::one(attempts, LoginFailure::Password, Some("curl/8"), at(millis))
    };
    let account = LoginTarget::Account(UserId::from_number(1_687_067_614_042));
    let early = failed(account, "192.0.2.7", 5);
    let late = failed(LoginTarget::UnknownName, "192.0.2.8", 9);
    storage.failed_logins_add(&[late.clone(), early.clone()]).await.unwrap();
    assert_eq!(storage.failed_logins_newest(9).await.unwrap(), [late.clone(), early]);
    assert_eq!(storage.failed_logins_newest(1).await.unwrap(), [late]);
    assert_eq!(storage.failed_logins_close(at(0)).await.unwrap(), 2);
    assert!(storage.failed_logins_newest(9).await.unwrap().is_empty());
}
