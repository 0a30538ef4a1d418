//! Finding users, sessions, records and failed logins: what staff look for.

use std::collections::BTreeSet;

use thunderhead_domain::audit::{AuditCursor, AuditFilter, AuditKind, AuditRecord};
use thunderhead_domain::failed_login::{Attempts, FailedLogins, LoginFailure, LoginTarget};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{PageStart, SessionCursor, SessionFilter, Storage};
use thunderhead_domain::search::{KeysetPage, UsernamePrefix};
use thunderhead_domain::session::{Actor, NewSession, Origin};
use thunderhead_domain::user::Username;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{Intruder, WHY, action, action_of, at, open, session, trail, user};

on_both_engines!(async:
    names_that_begin_alike_are_found_byte_by_byte_in_any_case_and_from_page_to_page,
    counting_what_is_found_stops_where_it_is_told_to,
    a_row_that_cannot_be_read_makes_no_page_shorter,
    users_are_found_by_their_ids_and_the_newest_without_counting,
    sessions_are_found_by_address_and_by_when_they_were_opened,
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

fn from_address(number: u128, address: &str, millis: i64) -> NewSession {
    let session = session(number);
    let origin = Origin { client_ip: address.parse().ok(), ..session.origin };
    NewSession { origin, at: at(millis), ..session }
}

async fn sessions_are_found_by_address_and_by_when_they_were_opened(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    let office = "192.0.2.7";
    open(&*storage, ada, from_address(1, office, 1_000)).await;
    let ended = open(&*storage, grace, from_address(2, office, 2_000)).await;
    storage.session_end(grace, ended.id, WHY, action(2_500)).await.unwrap();
    open(&*storage, ada, from_address(3, "2001:db8::1", 3_000)).await;
    open(&*storage, grace, from_address(4, office, 4_000)).await;
    open(&*storage, grace, from_address(5, "", 5_000)).await;
    let list = |filter, start, limit| {
        let storage = &storage;
        async move {
            let page = storage.session_list(filter, start, limit, at(6_000)).await.unwrap();
            if start == PageStart::Skip(0) && limit == 9 {
                assert_eq!(storage.session_count(filter, at(6_000)).await.unwrap(), page.len() as u64);
            }
            page.iter().map(|found| found.session.uuid.0.as_u128()).collect::<Vec<_>>()
        }
    };
    let any = SessionFilter::default();
    let from = SessionFilter { client_ip: office.parse().ok(), ..any };
    for (filter, expected) in [
        (from, vec![4, 2, 1]),
        (SessionFilter { client_ip: "2001:DB8:0::1".parse().ok(), ..any }, vec![3]),
        (SessionFilter { client_ip: "192.0.2.8".parse().ok(), ..any }, vec![]),
        (SessionFilter { user: Some(grace), ..from }, vec![4, 2]),
        (SessionFilter { user: Some(grace), active: Some(true), ..from }, vec![4]),
        (SessionFilter { active: Some(false), ..from }, vec![2]),
        (SessionFilter { since: Some(at(2_000)), ..from }, vec![4, 2]),
        (SessionFilter { until: Some(at(2_000)), ..from }, vec![1]),
        (SessionFilter { since: Some(at(2_000)), until: Some(at(5_000)), ..any }, vec![4, 3, 2]),
        (SessionFilter { user: Some(ada), active: Some(true), since: Some(at(2_000)), ..any }, vec![3]),
    ] {
        assert_eq!(list(filter, PageStart::Skip(0), 9).await, expected, "{filter:?}");
    }
    assert_eq!(list(from, PageStart::Skip(0), 1).await, [4]);
    let last = storage.session_list(from, PageStart::Skip(1), 1, at(6_000)).await.unwrap();
    assert_eq!(list(from, PageStart::After(SessionCursor::from(&last[0].session)), 9).await, [1]);
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
