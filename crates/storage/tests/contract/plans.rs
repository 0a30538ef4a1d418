//! How the databases find what is searched for: by an index, in its order, so that it takes no longer where there is
//! more. The statements are those that the storage runs, overheard on its connections.

use thunderhead_domain::audit::{ActionContext, AuditCursor, AuditFilter, AuditKind};
use thunderhead_domain::event::EventCursor;
use thunderhead_domain::id::{SessionId, UserId};
use thunderhead_domain::policy::{SessionLimits, SessionPolicy};
use thunderhead_domain::ports::{
    ChangeCursor, FeedPage, FeedQuery, PageRequest, PageStart, SessionCursor, SessionFilter, SessionSearch,
};
use thunderhead_domain::search::UsernamePrefix;
use thunderhead_domain::session::{Actor, Dialect, EndReason, SessionKey, SessionStatus};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::Username;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::overheard::Listener;
use crate::support::{Intruder, at, codes, digest, enrol, open, passkey, passkey_answer, session, uuid};

on_both_engines!(async:
    users_are_searched_by_an_index,
    sessions_are_searched_by_an_index,
    a_session_is_found_by_an_index_whatever_somebody_had_analyzed,
    a_users_sessions_are_listed_and_counted_by_indexes_however_many_there_are,
    under_a_policy_no_table_is_read_whole_either,
    records_are_searched_by_an_index,
    sessions_are_ended_by_their_ids_in_an_index,
    all_of_a_users_sessions_are_ended_by_indexes,
    a_session_is_opened_by_indexes,
    changes_are_read_by_an_index_where_something_has_changed,
    the_feed_is_numbered_and_read_by_indexes_of_its_own,
);

async fn users_are_searched_by_an_index(database: TestDatabase) {
    let mut listener = Listener::new(&database);
    let storage = database.open();
    let names =
        if database.url().sqlite_path().is_some() { "sqlite_autoindex_users_2" } else { "users_username_key_key" };
    listener.fill();
    let prefix = || UsernamePrefix::try_from("a").unwrap();
    listener.heard();
    storage.account_search(prefix(), None, 50).await.unwrap();
    listener.found_by(names, "the beginning of a name");
    let after = Username::existing("ada".to_owned()).ok();
    storage.account_search(prefix(), after, 50).await.unwrap();
    listener.found_by(names, "the next page of it");
    storage.account_search_count(prefix(), 1_000).await.unwrap();
    listener.found_by(names, "counting them");
    storage.account_newest(20).await.unwrap();
    listener.found_by("users_newest", "the newest users");
}

async fn sessions_are_searched_by_an_index(database: TestDatabase) {
    let mut listener = Listener::new(&database);
    let storage = database.open();
    listener.fill();
    let cursor = SessionCursor { created_at: at(0), id: SessionId::from_number(7), uuid: uuid(7) };
    let any = SessionSearch::default();
    let user = Some(UserId::from_number(7));
    let client_ip = "10.0.7.4".parse().ok();
    let dialect = Some(Dialect::Kratos);
    let status = |status| SessionSearch { status: Some(status), ..any };
    listener.heard();
    for (search, index) in [
        (any, "sessions_newest"),
        (SessionSearch { user, ..any }, "sessions_of_user"),
        (SessionSearch { client_ip, ..any }, "sessions_from_address"),
        (SessionSearch { dialect, ..any }, "sessions_of_dialect"),
        (status(SessionStatus::SecondFactorPending), "sessions_pending"),
        (status(SessionStatus::Live), "sessions_newest"),
        (status(SessionStatus::Ended), "sessions_newest"),
        (status(SessionStatus::Expired), "sessions_newest"),
        (SessionSearch { user, client_ip, dialect, ..status(SessionStatus::Live) }, "sessions_of_user"),
        (SessionSearch { client_ip, dialect, ..status(SessionStatus::Live) }, "sessions_from_address"),
        (SessionSearch { dialect, ..status(SessionStatus::Live) }, "sessions_of_dialect"),
    ] {
        for (since, until) in [(None, None), (Some(at(0)), None), (None, Some(at(9))), (Some(at(0)), Some(at(9)))] {
            let search = SessionSearch { since, until, ..search };
            for after in [None, Some(cursor)] {
                storage.session_search(search, after, 50, at(0)).await.unwrap();
                listener.found_by(index, &format!("{search:?} {after:?}"));
            }
        }
    }
    for start in [PageStart::Skip(0), PageStart::After(cursor)] {
        storage.session_list(SessionFilter::default(), start, 50, at(0)).await.unwrap();
        listener.found_by("sessions_newest", &format!("everybody's {start:?}"));
        storage.session_list(SessionFilter { user, ..SessionFilter::default() }, start, 50, at(0)).await.unwrap();
        listener.found_by("sessions_of_user", &format!("one user's {start:?}"));
    }
    storage.session_authority(Some(SessionKey::Pass(digest(7)))).await.unwrap();
    listener.found_by("sessions_pass", "a pass");
}

async fn a_users_sessions_are_listed_and_counted_by_indexes_however_many_there_are(database: TestDatabase) {
    let mut listener = Listener::new(&database);
    let storage = database.open();
    listener.fill();
    let ada = UserId::from_number(1);
    let cursor = SessionCursor { created_at: at(0), id: SessionId::from_number(7), uuid: uuid(7) };
    for whose in ["one of many", "the only one"] {
        listener.heard();
        for start in [PageStart::Skip(0), PageStart::After(cursor)] {
            storage.session_page_but(ada, Some(uuid(1)), start, 50, Timestamp::from_unix_millis(1)).await.unwrap();
            let plans = listener.heard();
            let plans: Vec<String> = plans.iter().map(|statement| listener.plan(statement)).collect();
            assert!(plans[0].contains("sessions_open_of_user") && plans[0].contains("sessions_by_kind"), "{plans:#?}");
            Listener::all_by_index(&plans[..1], &format!("{whose} {start:?}"));
        }
        listener.intruder.run("UPDATE sessions SET user_id = 1");
        if matches!(listener.intruder, Intruder::Postgres(_)) {
            listener.intruder.run("ANALYZE");
        }
    }
}

async fn under_a_policy_no_table_is_read_whole_either(database: TestDatabase) {
    let mut listener = Listener::new(&database);
    let limits = SessionLimits { idle: Some(300), absolute: Some(3_600), ..SessionLimits::DEFAULT };
    let storage = database.open_under(SessionPolicy { staff: limits, ..SessionPolicy::default() });
    listener.fill();
    let (ada, now) = (UserId::from_number(1), Timestamp::from_unix_millis(1));
    listener.heard();
    storage.session_page(ada, PageRequest { limit: 50, offset: 0 }, now).await.unwrap();
    let listed = listener.plans();
    assert!(listed.iter().any(|plan| plan.contains("sessions_open_of_user")), "{listed:#?}");
    storage.sessions_overdue(Some(ada), now).await.unwrap();
    let walked = listener.plans();
    // Which of the two costs less is for the planner to say: before Postgres 18 it was always the first.
    let indexes = ["sessions_by_kind", "sessions_of_user"];
    assert!(walked.iter().any(|plan| indexes.iter().any(|index| plan.contains(index))), "{walked:#?}");
    for plan in listed.iter().chain(&walked) {
        let whole = |line: &&str| {
            let line = line.trim_start_matches([' ', '-', '>']);
            ["Seq Scan on sessions", "Seq Scan on users"].iter().any(|whole| line.starts_with(whole))
                || (line.starts_with("SCAN ") && !line.contains(" USING "))
        };
        assert_eq!(plan.lines().find(whole), None, "{plan}");
    }
}

async fn records_are_searched_by_an_index(database: TestDatabase) {
    let mut listener = Listener::new(&database);
    let storage = database.open();
    let ada = UserId::from_number(7);
    listener.fill();
    let any = AuditFilter::default();
    let (user, by) = (Some(ada), Some(Actor::User(ada)));
    let (kind, client_ip) = (Some(AuditKind::LoggedIn), "10.0.7.4".parse().ok());
    listener.heard();
    for (filter, index) in [
        (any, "audit_at"),
        (AuditFilter { user, ..any }, "audit_of_user"),
        (AuditFilter { by, ..any }, "audit_by_actor"),
        (AuditFilter { kind, ..any }, "audit_of_kind"),
        (AuditFilter { client_ip, ..any }, "audit_from_address"),
        (AuditFilter { user, by, kind, client_ip, ..any }, "audit_of_user"),
        (AuditFilter { by, kind, client_ip, ..any }, "audit_from_address"),
        (AuditFilter { by, kind, ..any }, "audit_by_actor"),
    ] {
        for (since, until) in [(None, None), (Some(at(0)), Some(at(9)))] {
            let filter = AuditFilter { since, until, ..filter };
            for after in [None, Some(AuditCursor { at: at(5), number: 7 })] {
                storage.audit_search(filter, after, 50).await.unwrap();
                listener.found_by(index, &format!("{filter:?} {after:?}"));
            }
        }
    }
}

async fn sessions_are_ended_by_their_ids_in_an_index(database: TestDatabase) {
    let mut listener = Listener::new(&database);
    let storage = database.open();
    let ada = UserId::from_number(1);
    listener.fill();
    let action = ActionContext { at: Timestamp::from_unix_millis(1), by: Actor::User(ada), client_ip: None };
    let on_sqlite = database.url().sqlite_path().is_some();
    for ids in [vec![7], vec![7, 8, 9]] {
        let ids: Vec<_> = ids.into_iter().map(SessionId::from_number).collect();
        listener.heard();
        storage.session_end_some(ada, &ids, EndReason::Revoked, action.clone()).await.unwrap();
        // All others of the user's are left unread: a user has few of them as a rule, and one may have very many.
        let index = if on_sqlite { "sqlite_autoindex_sessions_3 (user_id=? AND id=?)" } else { "sessions_id_of_user" };
        let plans = listener.plans();
        assert!(!plans.is_empty() && plans.iter().all(|plan| plan.contains(index)), "{} ids: {plans:#?}", ids.len());
    }
}

async fn all_of_a_users_sessions_are_ended_by_indexes(database: TestDatabase) {
    let mut listener = Listener::new(&database);
    let storage = database.open();
    let ada = UserId::from_number(1);
    listener.fill();
    let action = ActionContext { at: Timestamp::from_unix_millis(1), by: Actor::User(ada), client_ip: None };
    listener.heard();
    storage.session_end_all(ada, EndReason::Revoked, action).await.unwrap();
    listener.found_by("sessions_by_kind", "all that a user has");
}

async fn a_session_is_opened_by_indexes(database: TestDatabase) {
    let mut listener = Listener::new(&database);
    let storage = database.open();
    let ada = UserId::from_number(1);
    listener.fill();
    let postgres = database.url().sqlite_path().is_none();
    let factor =
        if postgres { "decode(lpad(to_hex(99 + n), 32, '0'), 'hex')" } else { "unhex(printf('%032x', 99 + n))" };
    let factors = "second_factors (id, user_id, kind, name, sealed, last_step, created_at, updated_at)";
    listener.intruder.add(20_000, factors, &format!("{factor}, n, 'totp', 'x', 'x', 0, 0, 0"));
    enrol(&*storage, ada, passkey(1, 0, false), codes(0)).await;
    if postgres {
        listener.intruder.run("ANALYZE second_factors");
    }
    let (ids, of_kind) = if postgres {
        ("sessions_id_of_user", "sessions_by_kind")
    } else {
        ("sqlite_autoindex_sessions_3 (user_id=? AND id<?)", "sessions_by_kind (user_id=?")
    };
    for by_passkey in [false, true] {
        listener.heard();
        if by_passkey {
            storage.session_open_by_passkey(ada, passkey_answer(1, 1, 1), session(2 << 40)).await.unwrap().unwrap();
        } else {
            open(&*storage, ada, session(1 << 40)).await;
        }
        let heard = listener.heard();
        let plans: Vec<String> = heard.iter().map(|statement| listener.plan(statement)).collect();
        let all = plans.concat();
        assert!([ids, of_kind].iter().all(|index| all.contains(index)), "{plans:#?}");
        let whole = ["Seq Scan on sessions", "Seq Scan on users", "Seq Scan on second_factors", "SCAN sessions"];
        assert!(whole.iter().all(|whole| !all.contains(whole)), "{plans:#?}");
        // Nothing is locked while an answer is on its way.
        assert!(!postgres || heard.len() == 1, "{heard:#?}");
    }
}

async fn changes_are_read_by_an_index_where_something_has_changed(database: TestDatabase) {
    let mut listener = Listener::new(&database);
    let storage = database.open();
    listener.intruder.add(20_000, "change_log (partition, number, invalidation, nonce)", "n % 65, n, 'user', n");
    let postgres = database.url().sqlite_path().is_none();
    if postgres {
        listener.intruder.run("ANALYZE");
    }
    listener.heard();
    storage.changes_since(&ChangeCursor::default()).await.unwrap();
    let plan = listener.plans().concat();
    let (counters, log) = if postgres {
        ("Seq Scan on change_counters", "Index Scan Backward using change_log_pkey")
    } else {
        (
            "SEARCH change_counters USING INTEGER PRIMARY KEY",
            "SEARCH change_log USING PRIMARY KEY (partition=? AND number>?)",
        )
    };
    assert!(plan.contains(counters) && plan.contains(log), "{plan}");
    assert!(!plan.contains("Sort") && !plan.contains("B-TREE"), "{plan}");
}

async fn the_feed_is_numbered_and_read_by_indexes_of_its_own(database: TestDatabase) {
    let mut listener = Listener::new(&database);
    let storage = database.open();
    listener.fill();
    listener.intruder.run(
        "UPDATE audit SET feed_number = number, feed_nonce = 1, kind = CASE number % 50 WHEN 0 THEN 'account-banned' \
         ELSE 'logged-in' END; UPDATE feed_state SET latest = 50000, latest_nonce = 1",
    );
    if database.url().sqlite_path().is_none() {
        listener.intruder.run("ANALYZE");
    }
    listener.heard();
    assert!(!storage.feed_status().await.unwrap().pending);
    listener.found_by("audit_pending", "whether anything is to be numbered");
    for types in ["*", "session.*", "user.banned"] {
        let after = Some(EventCursor { number: 20_000, nonce: 1 });
        let query = FeedQuery { after, types: types.parse().unwrap(), limit: 100, personal: false };
        let page = storage.feed_page(query).await.unwrap();
        assert!(matches!(page, FeedPage::Page { more: true, .. }), "{types}");
        listener.found_by("audit_feed", types);
    }
    storage.feed_number().await.unwrap();
    let plans = listener.plans().concat();
    assert!(plans.contains("audit_pending"), "{plans}");
}

async fn a_session_is_found_by_an_index_whatever_somebody_had_analyzed(database: TestDatabase) {
    let mut listener = Listener::new(&database);
    listener.fill();
    listener.intruder.run("ANALYZE");
    let storage = database.open();
    storage.write_probe().await.unwrap();
    // To explain a statement does not look whether the schema has changed since.
    listener.intruder = Intruder::new(&database);
    listener.heard();
    let on_sqlite = database.url().sqlite_path().is_some();
    let by_token = if on_sqlite { "sqlite_autoindex_sessions_2" } else { "sessions_opaque_digest_key" };
    storage.session_authority(Some(SessionKey::Opaque(digest(7)))).await.unwrap();
    listener.found_by(by_token, "an opaque token");
}
