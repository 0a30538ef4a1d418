//! One set of sessions in three dialects: what any of them opens, each of them shows and ends.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Call, Enrolled, PASSWORD, TestApp};
use crate::errors::NOT_AUTHENTICATED;
use crate::introspect::Service;
use crate::{kratos, routes};

on_both_engines!(
    users_see_and_end_what_any_dialect_opened_in_every_dialect,
    staff_see_and_end_what_any_dialect_opened_in_every_dialect,
    a_session_whose_second_factor_is_pending_can_only_give_it,
    the_rows_are_those_of_the_document,
);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Dialect {
    Current,
    Legacy,
    Kratos,
}

use Dialect::{Current, Kratos, Legacy};

/// How a token is shown.
#[derive(Clone, Copy, Debug)]
enum Form {
    Bare,
    AuthenticatedSession,
    Cookie,
    SessionToken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ActionContext {
    ShowOwn,
    List,
    Show,
    EndOne,
    EndOthers,
    EndAll,
}

/// The same thing in each dialect, in the order of [`Dialect::ALL`]; empty where it has no such call.
type Row = (ActionContext, [&'static str; 3]);

const OWN: [Row; 6] = [
    (ActionContext::ShowOwn, ["GET /api/users/me/sessions/me", "GET /api/user/session", "GET /auth/sessions/whoami"]),
    (ActionContext::List, ["GET /api/users/me/sessions", "GET /api/user/sessions", "GET /auth/sessions"]),
    (ActionContext::Show, ["GET /api/users/me/sessions/:sid", "GET /api/user/session/:sid", ""]),
    (
        ActionContext::EndOne,
        ["DELETE /api/users/me/sessions/:sid", "DELETE /api/user/session/:sid", "DELETE /auth/sessions/:id"],
    ),
    (
        ActionContext::EndOthers,
        ["DELETE /api/users/me/sessions/all", "DELETE /api/user/sessions/all?allButSelf=true", "DELETE /auth/sessions"],
    ),
    (
        ActionContext::EndAll,
        ["DELETE /api/users/me/sessions/all?include-self=true", "DELETE /api/user/sessions/all", ""],
    ),
];

const BY_STAFF: [Row; 4] = [
    (
        ActionContext::List,
        ["GET /api/users/:uid/sessions", "GET /api/user/:uid/sessions", "GET /auth/admin/identities/:id/sessions"],
    ),
    (
        ActionContext::Show,
        ["GET /api/users/:uid/sessions/:sid", "GET /api/user/:uid/session/:sid", "GET /auth/admin/sessions/:id"],
    ),
    (
        ActionContext::EndOne,
        [
            "DELETE /api/users/:uid/sessions/:sid",
            "DELETE /api/user/:uid/session/:sid",
            "DELETE /auth/admin/sessions/:id",
        ],
    ),
    (
        ActionContext::EndAll,
        [
            "DELETE /api/users/:uid/sessions/all",
            "DELETE /api/user/:uid/sessions/all",
            "DELETE /auth/admin/identities/:id/sessions",
        ],
    ),
];

impl Dialect {
    const ALL: [Self; 3] = [Current, Legacy, Kratos];

    /// The token of a new session.
    fn log_in(self, app: &TestApp, name: &str) -> String {
        match self {
            Current => app.anonymous().log_in(name).token().to_owned(),
            Legacy => app.anonymous().post("/api/user/session", &json!({"user": name, "pass": PASSWORD})).token(),
            Kratos => kratos::enter(app, name).token,
        }
    }

    /// The ways to show a token that a path of the dialect knows.
    fn forms(self, path: &str) -> &'static [Form] {
        use Form::{AuthenticatedSession, Bare, Cookie, SessionToken};
        match self {
            Current | Legacy => &[Bare, AuthenticatedSession, Cookie],
            Kratos if path.starts_with("/auth/admin") => &[Bare, AuthenticatedSession],
            Kratos => &[Bare, AuthenticatedSession, Cookie, SessionToken],
        }
    }

    /// A session's id as the dialect tells it.
    fn told(self, session: &Value) -> &Value {
        &session[if self == Legacy { "iat" } else { "id" }]
    }
}

impl Form {
    fn call(self, app: &TestApp, token: &str, method: &str, path: &str) -> Call {
        let call = app.anonymous().call(method, path);
        match self {
            Self::Bare => call.header("Authorization", token),
            Self::AuthenticatedSession => call.header("Authorization", &format!("Bearer {token}")),
            Self::Cookie => call.header("Cookie", &format!("__Host-thunderhead_session={token}")),
            Self::SessionToken => call.header("X-Session-Token", token),
        }
    }
}

/// A session with all its names.
struct Opened {
    token: String,
    id: Value,
    uuid: Value,
    user: Value,
    identity: Value,
}

impl Opened {
    fn new(app: &TestApp, dialect: Dialect, name: &str) -> Self {
        let token = dialect.log_in(app, name);
        let shown = |path| Form::AuthenticatedSession.call(app, &token, "GET", path).send().expect(200);
        let (legacy, kratos) = (shown("/api/user/session"), shown("/auth/sessions/whoami"));
        let (id, user) = (legacy["iat"].clone(), legacy["sub"].clone());
        Self { token, id, uuid: kratos["id"].clone(), user, identity: kratos["identity"]["id"].clone() }
    }

    /// What the dialect calls it.
    fn id_in(&self, dialect: Dialect) -> &Value {
        if dialect == Kratos { &self.uuid } else { &self.id }
    }

    /// A path about it or its user.
    fn path(&self, pattern: &str) -> String {
        let text = |value: &Value| value.as_str().expect("an id").to_owned();
        let kratos = text(if pattern.contains("/identities/") { &self.identity } else { &self.uuid });
        pattern.replace(":uid", &text(&self.user)).replace(":sid", &self.id.to_string()).replace(":id", &kratos)
    }

    /// Whether it works, as all dialects say.
    fn works(&self, app: &TestApp) -> bool {
        let statuses = OWN[0].1.map(|whoami| {
            let (method, path) = whoami.split_once(' ').expect("a call");
            Form::AuthenticatedSession.call(app, &self.token, method, path).send().status
        });
        match statuses {
            [200, 200, 200] => true,
            [401, 401, 401] => false,
            _ => panic!("the dialects do not agree: {statuses:?}"),
        }
    }
}

/// Makes every call of a table, shown a token of either kind in every form, about a session opened in every dialect.
fn walk(app: &TestApp, caller: &str, user: &str, table: &[Row]) {
    let mut kept = HashMap::new();
    for (action, calls) in table {
        let reads = matches!(action, ActionContext::ShowOwn | ActionContext::List | ActionContext::Show);
        for (dialect, call) in Dialect::ALL.into_iter().zip(calls) {
            let Some((method, path)) = call.split_once(' ') else { continue };
            for form in dialect.forms(path) {
                // One has a JWT, the other an opaque token.
                for (used, opened) in [Current, Kratos].into_iter().flat_map(|used| Dialect::ALL.map(|all| (used, all)))
                {
                    let open = || (Opened::new(app, used, caller), Opened::new(app, opened, user));
                    // Those that are only looked at are looked at again, as long as no call has ended any.
                    let (own, other) = if reads { kept.remove(&(used, opened)).unwrap_or_else(open) } else { open() };
                    let response = form.call(app, &own.token, method, &other.path(path)).send();
                    let case = format!("{call}, {form:?} of {used:?}, about one of {opened:?}");
                    assert!([200, 204].contains(&response.status), "{case}: {response:?}");
                    let lists = |session: &Opened| {
                        let body = response.json();
                        let mut items = body.as_array().or(body["items"].as_array()).expect("a list").iter();
                        items.any(|item| dialect.told(item) == session.id_in(dialect))
                    };
                    match action {
                        ActionContext::ShowOwn => {
                            assert_eq!(dialect.told(&response.json()), own.id_in(dialect), "{case}")
                        }
                        ActionContext::Show => {
                            assert_eq!(dialect.told(&response.json()), other.id_in(dialect), "{case}")
                        }
                        // One's own list of the Kratos dialect is of the others.
                        ActionContext::List if caller == user => {
                            assert_eq!((lists(&other), lists(&own)), (true, dialect != Kratos), "{case}");
                        }
                        ActionContext::List => assert!(lists(&other), "{case}"),
                        ActionContext::EndOne | ActionContext::EndOthers | ActionContext::EndAll => {}
                    }
                    let alive = match action {
                        ActionContext::ShowOwn | ActionContext::List | ActionContext::Show => (true, true),
                        ActionContext::EndOne | ActionContext::EndOthers => (true, false),
                        ActionContext::EndAll => (caller != user, false),
                    };
                    assert_eq!((own.works(app), other.works(app)), alive, "{case}");
                    kept.insert((used, opened), (own, other));
                }
            }
        }
    }
}

fn users_see_and_end_what_any_dialect_opened_in_every_dialect(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    walk(&app, "ada", "ada", &OWN);
}

fn staff_see_and_end_what_any_dialect_opened_in_every_dialect(database: TestDatabase) {
    let app = TestApp::start(database);
    app.staff("root");
    app.user("ada");
    walk(&app, "root", "ada", &BY_STAFF);
}

fn a_session_whose_second_factor_is_pending_can_only_give_it(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.staff_factor = StaffFactor::Required);
    let (root, ada, service) = (app.staff("root"), app.user("ada"), Service::new(&app));
    let (_, Enrolled { codes, .. }) = root.enrol_totp(&app);
    let pending = kratos::enter(&app, "root");
    let authenticated = root.with_token(&pending.token);
    for row in &routes::ROWS {
        let response = row.call(&app, &authenticated, &ada).send();
        // Who logs in may well carry what is over, or not yet begun.
        if row.who.gets_in() {
            assert_eq!(response.status, row.success, "{row:?}: {response:?}");
        } else {
            assert_eq!(response.status, 401, "{row:?}: {response:?}");
            response.is(NOT_AUTHENTICATED);
        }
    }
    let target = kratos::routes::Target::of(&app, "ada");
    for row in &kratos::routes::ROWS {
        let response = row.call(&authenticated, &target).send();
        if row.who == kratos::routes::Who::Public {
            assert_eq!(response.status, row.success, "{row:?}: {response:?}");
        } else {
            assert_eq!(kratos::error(&response, 403)["id"], "session_aal2_required", "{row:?}");
        }
    }
    for form in Kratos.forms("") {
        let status = |path| form.call(&app, &pending.token, "GET", path).send().status;
        let statuses = ["/api/users/me", "/api/user/session", "/auth/sessions", "/forward-auth"].map(status);
        assert_eq!(statuses, [401, 401, 403, 401], "{form:?}");
    }
    assert_eq!(service.told(&authenticated), json!({"active": false}));
    assert!(root.works() && ada.works(), "nothing was ended");
    // Its token can be given up, and then the factor comes too late.
    let given_up = kratos::enter(&app, "root");
    let token = json!({"session_token": given_up.token});
    assert_eq!(app.anonymous().delete_with("/auth/self-service/logout/api", &token).status, 204);
    kratos::error(&given_up.get("/auth/self-service/login/api?aal=aal2"), 401);
    let code = kratos::lookup_secret(&codes[0]);
    kratos::show(&pending, &kratos::second_step(&pending), &code).expect(200);
    assert!(authenticated.works() && pending.works() && service.told(&authenticated)["active"] == true);
}

/// What the tests of the current and the legacy dialect walk; the Kratos dialect has its own.
fn the_rows_are_those_of_the_document(database: TestDatabase) {
    let app = TestApp::start(database);
    let documented = documented(&app);
    let walked = BTreeSet::from(routes::ROWS.map(|row| documented_form(&format!("{} {}", row.method, row.path))));
    let short = |call: &String| call.contains(" /api/session") || call.ends_with(" /api");
    let below = |call: &&String| call.contains(" /api") && !short(call);
    for call in documented.iter().filter(below) {
        assert!(walked.contains(call), "tests/it/routes.rs: write a row for {call}, so that all tests walk it");
    }
    for call in &walked {
        assert!(documented.contains(call), "tests/it/routes.rs: there is no {call}");
    }
    // The page that tells the three dialects side by side names what there is, and all that is walked here.
    let page = include_str!("../../../../docs/API.md");
    let table = page.split("## The same thing in three dialects").nth(1).expect("the table").split("\n## ").next();
    let quoted = table.expect("the table").split('`').skip(1).step_by(2);
    let told: BTreeSet<&str> = quoted.filter(|quoted| quoted.contains(" /")).collect();
    for call in &told {
        assert!(documented.contains(&documented_form(call)), "{call}");
    }
    for call in OWN.iter().chain(&BY_STAFF).flat_map(|(_, calls)| calls).filter(|call| !call.is_empty()) {
        assert!(told.contains(call), "{call}");
    }
}

/// The operations of the document, as `METHOD /path`.
fn documented(app: &TestApp) -> BTreeSet<String> {
    let document = app.anonymous().get("/openapi.json").expect(200);
    let paths = document["paths"].as_object().expect("paths").iter();
    let operations = paths.flat_map(|(path, item)| {
        item.as_object().expect("operations").keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

/// A call as the document spells it.
fn documented_form(call: &str) -> String {
    let path = call.split('?').next().unwrap_or_default();
    let segment = |segment: &str| match segment.strip_prefix(':') {
        Some(name) => format!("{{{name}}}"),
        None => segment.to_owned(),
    };
    path.replace("/sessions/me", "/sessions/:sid").split('/').map(segment).collect::<Vec<_>>().join("/")
}
