//! What a proxy can demand, and that it lets nobody through who demands what is not understood.

use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use super::ask;
use crate::app::TestApp;

on_both_engines!(
    all_scopes_that_are_named_must_be_held,
    what_is_not_understood_lets_nobody_through,
    staff_is_asked_for_what_the_api_asks,
);

fn all_scopes_that_are_named_must_be_held(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let reader = ada.scoped(&[Scope::FileRead, Scope::UploadFile]);
    let watcher = root.scoped(&[Scope::StaffReadFiles]);
    let everything = ada.scoped(&[Scope::All]);
    for (client, query, status) in [
        (&reader, "?scope=FILE_READ", 204),
        (&reader, "?scope=FILE_READ+UPLOAD_FILE", 204),
        (&reader, "?scope=FILE_READ%20UPLOAD_FILE", 204),
        (&reader, "?scope=FILE_READ&scope=UPLOAD_FILE", 204),
        (&reader, "?scope=FILE_MODIFY", 403),
        (&reader, "?scope=FILE_READ+FILE_MODIFY", 403),
        (&reader, "?scope=FILE_READ&scope=FILE_MODIFY", 403),
        (&reader, "?scope=STAFF_READ_FILES", 403),
        (&ada, "?scope=FILE_MODIFY+UPLOAD_FILE", 204),
        (&ada, "?scope=STAFF_READ_FILES", 403),
        (&everything, "?scope=FILE_MODIFY", 204),
        (&everything, "?scope=STAFF_READ_FILES", 403),
        (&root, "?scope=STAFF_READ_FILES", 204),
        (&watcher, "?scope=STAFF_READ_FILES", 204),
        (&watcher, "?scope=STAFF_READ_FILES+STAFF_MODIFY_FILES", 403),
        (&watcher, "?scope=FILE_READ", 403),
    ] {
        assert_eq!(ask(client, query).status, status, "{query}");
    }
    block_on(app.operator().account_demote("root")).unwrap();
    assert_eq!(ask(&watcher, "?scope=STAFF_READ_FILES").status, 401, "it ended with the demotion");
    assert_eq!(ask(&root, "?scope=STAFF_READ_FILES").status, 403);
}

fn what_is_not_understood_lets_nobody_through(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    for query in [
        "?staff=TRUE",
        "?staff=yes",
        "?staff",
        "?staff=",
        "?staff=false&staff=true",
        "?staff=true&staff=true",
        "?Staff=true",
        "?Scope=FILE_READ",
        "?scope[]=FILE_READ",
        "?scopes=FILE_READ",
        "?scope=FILE_READ&x=y",
        "?login=303",
        "?login=302&login=302",
        "?max_age=0",
        "?max_age=60s",
        "?max_age=60&max_age=60",
        "?factor=yes",
        "?factor",
        "?-",
        "?scope",
        "?scope=",
        "?scope=+",
        "?scope=FILE_READ&scope=",
        "?scope=file_read",
        "?scope=FILE_READ+NOTHING",
        "?scope=FILE_READ,UPLOAD_FILE",
        "?scope=7",
        "?scope=FULL",
        "?switch=",
        "?switch=8",
        "?switch=global",
        "?switch=FILE_CREATE+FILE_READ",
        "?switch=FILE_CREATE&switch=FILE_MODIFY",
    ] {
        let envoy = query.trim_start_matches('?');
        let envoy = [&ada, &root].map(|client| client.get(&format!("/forward-auth/envoy/{envoy}/")).status);
        // There, this is how nothing is demanded.
        assert_eq!(envoy, if query == "?-" { [200; 2] } else { [403; 2] }, "{query}");
        assert_eq!([&ada, &root].map(|client| ask(client, query).status), [403; 2], "{query}");
    }
}

fn staff_is_asked_for_what_the_api_asks(database: TestDatabase) {
    let app = TestApp::start(database);
    let strict = app.replica_with(|config| config.policy.staff_factor = StaffFactor::Required);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let scoped = |scopes: &[Scope]| root.scoped(scopes);
    let (uploads, watcher) = (scoped(&[Scope::UploadFile]), scoped(&[Scope::StaffReadFiles, Scope::FileRead]));
    let (everything, climber) = (scoped(&[Scope::All]), ada.scoped(&[Scope::All]));
    let clients = [&root, &everything, &watcher, &uploads, &ada, &climber, &app.anonymous()];
    for (query, statuses) in [
        ("?staff=true", [204, 204, 403, 403, 403, 403, 401]),
        ("?staff=1", [204, 204, 403, 403, 403, 403, 401]),
        ("?staff=true&scope=UPLOAD_FILE", [204, 204, 403, 403, 403, 403, 401]),
        // With the scope of a staff endpoint, it is asked for that one.
        ("?staff=true&scope=STAFF_READ_FILES", [204, 204, 204, 403, 403, 403, 401]),
        ("?scope=FILE_READ+STAFF_READ_FILES", [204, 204, 204, 403, 403, 403, 401]),
        ("?staff=false", [204, 204, 204, 204, 204, 204, 401]),
    ] {
        assert_eq!(clients.map(|client| ask(client, query).status), statuses, "{query}");
    }
    for query in ["?staff=true", "?scope=STAFF_READ_FILES"] {
        assert_eq!(ask(&root.at(&strict), query).status, 403, "no second factor");
    }
    assert_eq!(ask(&root.at(&strict), "").status, 204);
    block_on(app.operator().account_demote("root")).unwrap();
    assert_eq!(ask(&root, "?staff=true").status, 403);
}
