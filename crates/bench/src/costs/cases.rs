//! What each endpoint is asked: the ordinary request, and those that are as much work as possible.

use anyhow::Result;
use serde_json::{Value, json};

use super::callers::{CallerKind, Callers, TestAccount, object_text};
use super::endpoints::TestedEndpoint;
use super::texts::{self, BODY, HEAD, NUMBER, filled};
use thunderhead_system_tests::live::http::Request;

/// Longer than any head that is read.
const TOO_LONG: usize = 200_000;

pub(super) struct Case {
    /// What to call it.
    pub(super) input: String,
    change: Change,
    /// Whether strangers are let in, and refused for what they send.
    open: bool,
    /// Whether it has a password in another form than NFC, which may take two hashes.
    pub(super) two_forms: bool,
}

/// In what a request differs from the ordinary one.
enum Change {
    Nothing,
    Header(&'static str, String),
    Headers,
    Query(String),
    /// In the place of each parameter in the path.
    Parameter(String),
    Path(String),
    Body {
        kind: String,
        text: String,
    },
    Fields(Vec<(String, String)>),
    /// The ordinary body and something beside it in chunks of one byte.
    Chunks,
}

impl Case {
    fn new(input: impl Into<String>, change: Change) -> Self {
        Self { input: input.into(), change, open: false, two_forms: false }
    }

    /// Whether it is to be tried: who is refused whatever the body says need not send every one of them, and who shows
    /// another credential is nobody.
    pub(super) fn applies_to(&self, kind: CallerKind, usual_status: Option<u16>) -> bool {
        let is_refused =
            usual_status == Some(403) || (kind == CallerKind::Anonymous && usual_status == Some(401) && !self.open);
        match &self.change {
            Change::Header("Authorization" | "X-Session-Token", _) => kind == CallerKind::Anonymous,
            Change::Fields(_) => !is_refused,
            _ => true,
        }
    }

    /// The request of one caller. Others may be needed to be about.
    pub(super) fn request(
        &self,
        callers: &mut Callers,
        endpoint: &TestedEndpoint,
        kind: CallerKind,
    ) -> Result<Request> {
        let caller = callers.caller(kind, endpoint.method != "GET")?;
        let about = if endpoint.changes_another() {
            callers.victim(kind == CallerKind::StaffScoped)?
        } else {
            // Of those who have most.
            callers.full.clone()
        };
        let path = self.path(endpoint, caller.as_ref(), &about, &callers.flow);
        let mut request = Request::new(&endpoint.method, &path);
        if let Some(caller) = &caller {
            request = request.token(&caller.token);
        }
        Ok(self.change(request, endpoint))
    }

    fn path(&self, endpoint: &TestedEndpoint, caller: Option<&TestAccount>, about: &TestAccount, flow: &str) -> String {
        let given = |usual: &str| match &self.change {
            Change::Parameter(text) => text.clone(),
            _ => usual.to_owned(),
        };
        let own = caller.unwrap_or(about);
        let subject = if endpoint.path.contains("{uid}") || endpoint.path.contains("/admin/") { about } else { own };
        let id = match endpoint.path.as_str() {
            path if path.contains("killswitches") => "7",
            path if path.contains("identities") => &subject.uuid,
            _ => &subject.session_uuid,
        };
        let mut path = endpoint.path.replace("{uid}", &given(&about.uid));
        path = path.replace("{sid}", &given(&subject.sid));
        path = path.replace("{fid}", &given("0191f2a4-8b1c-4def-8000-00000000002a"));
        path = path.replace("{id}", &given(id));
        if let Change::Path(whole) = &self.change {
            path.clone_from(whole);
        }
        let flow = endpoint.path.ends_with("/self-service/login").then(|| format!("flow={flow}"));
        let query = if let Change::Query(text) = &self.change { Some(text.clone()) } else { None };
        let queries: Vec<String> = flow.into_iter().chain(query).collect();
        if queries.is_empty() { path } else { format!("{path}?{}", queries.join("&")) }
    }

    fn change(&self, mut request: Request, endpoint: &TestedEndpoint) -> Request {
        let own = endpoint.body.clone().unwrap_or_default();
        let json = |request: Request, text: String| {
            let mut request = request.header("Content-Type", "application/json");
            request.body = Some(text);
            request
        };
        match &self.change {
            Change::Body { kind, text } => {
                request = request.header("Content-Type", kind);
                request.body = Some(text.clone());
                return request;
            }
            Change::Fields(fields) => {
                let raw: Vec<(&str, &str)> = fields.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
                return json(request, object_text(&own, &raw));
            }
            Change::Chunks => {
                let padding = format!("\"{}\"", filled("a", HEAD));
                let text = object_text(&own, &[("x", &padding)]);
                let chunks: String = text.chars().map(|character| format!("1\r\n{character}\r\n")).collect();
                return json(request.header("Transfer-Encoding", "chunked"), chunks + "0\r\n\r\n");
            }
            Change::Header(name, value) => {
                request.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
                request = request.header(name, value);
            }
            Change::Headers => {
                for number in 0..80 {
                    request = request.header(&format!("X-{number}"), &filled("a", 1_000));
                }
            }
            Change::Nothing | Change::Query(_) | Change::Parameter(_) | Change::Path(_) => {}
        }
        if matches!(endpoint.path.as_str(), "/introspect" | "/revoke") {
            let mut request = request.header("Content-Type", "application/x-www-form-urlencoded");
            request.body = Some(format!("token=x&client_id=bench&client_secret=x{NUMBER}"));
            return request;
        }
        if endpoint.body.is_some() { json(request, Value::Object(own).to_string()) } else { request }
    }
}

/// The ordinary one comes first.
pub(super) fn of(endpoint: &TestedEndpoint) -> Vec<Case> {
    let mut cases = vec![Case::new("as usual", Change::Nothing)];
    cases.extend(headers());
    cases.extend(queries());
    if endpoint.path.contains('{') {
        cases.extend(parameters());
    }
    if endpoint.path.ends_with("nowhere") {
        cases.extend(paths());
    }
    if names_sessions(endpoint) {
        let agents = texts::user_agents().into_iter();
        cases.extend(
            agents.map(|(name, text)| Case::new(format!("User-Agent of {name:?}"), Change::Header("User-Agent", text))),
        );
    }
    if endpoint.body.is_some() {
        cases.extend(bodies());
        cases.extend(fields(endpoint));
    }
    if endpoint.forms {
        cases.extend(forms());
    }
    cases.push(Case::new(
        "64 KiB that nobody asked for",
        Change::Body { kind: "application/octet-stream".to_owned(), text: "a".repeat(BODY) },
    ));
    cases.push(Case::new("1 MiB", Change::Body { kind: "application/json".to_owned(), text: "a".repeat(16 * BODY) }));
    for case in &mut cases {
        case.open = endpoint.open;
    }
    cases
}

/// Whether a session is opened, which may have to be named after its client.
fn names_sessions(endpoint: &TestedEndpoint) -> bool {
    let opens = ["/login", "/register", "/session", "/sessions"].iter().any(|end| endpoint.path.ends_with(end));
    endpoint.method == "POST" && opens
}

fn headers() -> Vec<Case> {
    let case = |input: &str, name: &'static str, value: String| Case::new(input, Change::Header(name, value));
    let forged = |header: Value| {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header.to_string());
        format!("{text}.e30.{}", filled("A", 86))
    };
    let mut cases = vec![
        case("X-Session-Name of 60 KB of marks", "X-Session-Name", format!("e{}", filled("\u{301}\u{323}", HEAD))),
        case("X-Session-Name of 60 KB of spaces", "X-Session-Name", format!("a{}b", filled("\u{3000}", HEAD))),
        case("X-Forwarded-For with 7 000 addresses", "X-Forwarded-For", filled("1.1.1.1,", HEAD)),
        case("X-Forwarded-For with 2 000 IPv6 addresses", "X-Forwarded-For", filled("::ffff:127.0.0.1, ", HEAD)),
        case("X-Forwarded-For with 7 000 proxies", "X-Forwarded-For", filled("127.0.0.1,", HEAD)),
        case("X-Forwarded-For of commas", "X-Forwarded-For", filled(",", HEAD)),
        case("Cookie with 15 000 pairs", "Cookie", filled("a=1;", HEAD)),
        case("Cookie with 2 000 of ours", "Cookie", filled("__Host-thunderhead_session=a; ", HEAD)),
        case("Cookie of 60 KB of semicolons", "Cookie", filled(";", HEAD)),
        case("Origin of 60 KB", "Origin", format!("https://{}", filled("a.", HEAD))),
        case("Accept of 60 KB", "Accept", filled("text/html;q=0.1,", HEAD)),
        case("Accept-Encoding of 60 KB", "Accept-Encoding", filled("gzip;q=0.1,", HEAD)),
        case("Accept-Language of 60 KB", "Accept-Language", filled("de;q=0.1,", HEAD)),
        case("If-None-Match of 60 KB", "If-None-Match", filled("\"a\",", HEAD)),
        case("X-Request-ID of 60 KB", "X-Request-ID", filled("a", HEAD)),
        case("X-Original-URL of 60 KB", "X-Original-URL", format!("https://{}", filled("%41/../", HEAD))),
        case("X-Forwarded-Method of 60 KB", "X-Forwarded-Method", filled("GET,", HEAD)),
        case("Upgrade of 60 KB", "Upgrade", filled("h2c,", HEAD)),
        case("Content-Type of 60 KB", "Content-Type", format!("application/json{}", filled(";a=b", HEAD))),
        case("Content-Encoding of 60 KB", "Content-Encoding", filled("gzip,", HEAD)),
        case("a head of 200 KB", "X-Long", filled("a", TOO_LONG)),
        Case::new("80 headers of 1 KB", Change::Headers),
    ];
    {
        let key = |kid: &str| forged(json!({"alg": "ES256", "typ": "JWT", "kid": kid}));
        cases.extend([
            case("Authorization of 8 KB", "Authorization", filled("a", 8_000)),
            case("Authorization of 60 KB of dots", "Authorization", filled(".", HEAD)),
            case("Authorization of 200 KB of dots", "Authorization", filled(".", TOO_LONG)),
            case("a token of another key each time", "Authorization", key("6f1d3b0e-8f3a-4b5c-9d2e-1a7c5e9b4d20")),
            case("a token with a header of 1 KB", "Authorization", key(&filled("a", 1_300))),
            case(
                "a token with critical headers",
                "Authorization",
                forged(json!({
                    "alg": "ES256", "typ": "JWT", "kid": "a", "crit": vec!["b"; 250],
                })),
            ),
            case("an opaque token", "Authorization", filled("a", 32)),
            case("X-Session-Token of 60 KB", "X-Session-Token", filled("a", HEAD)),
            case("an opaque X-Session-Token", "X-Session-Token", filled("a", 32)),
            case("Basic of 60 KB", "Authorization", format!("Basic {}", filled("YTph", HEAD))),
        ]);
    }
    cases
}

fn queries() -> Vec<Case> {
    let case = |input: &str, text: String| Case::new(input, Change::Query(text));
    vec![
        case("a query of 15 000 pairs", filled("a=1&", HEAD)),
        case("a query of 60 000 empty pairs", filled("&", HEAD)),
        case("a query of 20 000 escapes", filled("%41", HEAD)),
        case("a query of 20 000 escaped pairs", filled("%41=%41&", HEAD)),
        case("a query of 5 000 letters that grow", filled("%C4%B0", HEAD)),
        case("a last page", "limit=50&offset=1000000000000000".to_owned()),
        case("a late page", "limit=50&offset=900&full=true".to_owned()),
        case("a limit of 50 000 digits", format!("limit={}", filled("9", 50_000))),
        case("a numbered page far away", "page=1000000000000&per_page=1000".to_owned()),
        case("the largest page", "page_size=1000&expand=identity&expand=devices".to_owned()),
        case(
            "the largest page and 5 000 pairs",
            format!("page_size=1000&expand=identity&{}", filled("expand=devices&", HEAD)),
        ),
        case("a page token of 50 KB", format!("page_token={}", filled("1.", 50_000))),
        case("7 000 times page_size", filled("page_size=1&", HEAD)),
        case("5 000 scopes", format!("scope={}", filled("FILE_READ+", HEAD))),
        case("4 000 times scope", filled("scope=FILE_READ&", HEAD)),
        case("only the live ones", "active=true&page_size=1000".to_owned()),
    ]
}

fn parameters() -> Vec<Case> {
    let case = |input: &str, text: String| Case::new(input, Change::Parameter(text));
    vec![
        case("ids of 8 KB of digits", filled("9", 8_000)),
        case("ids of 20 KB of digits", filled("9", 20_000)),
        case("ids of 20 KB of escapes", filled("%41", 20_000)),
        case("ids of zeros", format!("{}7", filled("0", 20_000))),
        case("ids of dots", filled("%2e%2E", 20_000)),
    ]
}

fn paths() -> Vec<Case> {
    let case = |input: &str, text: String| Case::new(input, Change::Path(text));
    vec![
        case("a path of 60 KB of slashes", filled("/", HEAD)),
        case("a path of 60 KB of dot segments", format!("/api{}", filled("/..", HEAD))),
        case("a path of 60 KB of escaped dot segments", format!("/api{}", filled("/%2e%2e", HEAD))),
        case("a path of 30 000 segments", format!("/api/users{}", filled("/a", HEAD))),
        case("a path of 60 KB of escapes", format!("/api/users/{}", filled("%41", HEAD))),
        case("a path of 60 KB of escapes that are none", format!("/api/users/{}", filled("%zz", HEAD))),
        case("a path for Envoy of 60 KB", format!("/forward-auth/envoy/scope={}/a", filled("FILE_READ+", HEAD))),
        case("a path for Envoy with 60 KB behind", format!("/forward-auth/envoy/-{}", filled("/../%41", HEAD))),
        case("an address of 60 KB", format!("http://{}/", filled("a.", HEAD))),
        case("a path of 100 KB", format!("/{}", filled("a/", 100_000))),
    ]
}

/// Whole bodies, and fields beside the ordinary ones.
fn bodies() -> Vec<Case> {
    let body = |input: &str, text: String| Case::new(input, Change::Body { kind: "application/json".to_owned(), text });
    let mut cases = vec![
        body("64 KiB of spaces", " ".repeat(BODY)),
        body("64 KiB of brackets", "[".repeat(BODY)),
        body("64 KiB of objects in each other", filled("{\"a\":", BODY)),
        body("64 KiB of a text without an end", format!("{{\"a\":\"{}", filled("\\\\", HEAD))),
        Case::new("chunks of one byte", Change::Chunks),
    ];
    let values = texts::json_values().into_iter();
    cases.extend(
        values.map(|(name, text)| Case::new(format!("beside it {name}"), Change::Fields(vec![("x".to_owned(), text)]))),
    );
    cases
}

/// Values for each field that the body usually has, fit for what it is.
fn fields(endpoint: &TestedEndpoint) -> Vec<Case> {
    let mut cases = vec![];
    for (name, usual) in endpoint.body.iter().flatten() {
        let is_password = matches!(name.as_str(), "password" | "pass" | "newPassword");
        let values = match (name.as_str(), usual) {
            _ if is_password => texts(texts::passwords()),
            ("token" | "code" | "session_token" | "totp_code" | "lookup_secret", _) => texts(texts::tokens()),
            (_, Value::String(_)) => texts(texts::names()),
            (_, Value::Array(_) | Value::Object(_) | Value::Number(_)) => texts::json_values(),
            _ => continue,
        };
        let known = values.len();
        let other_forms = if is_password { texts(texts::passwords_in_another_form()) } else { vec![] };
        for (number, (input, text)) in values.into_iter().chain(other_forms).enumerate() {
            let mut changed = vec![(name.clone(), text.clone())];
            let confirmed = match name.as_str() {
                "newPassword" => Some("confirmNewPassword"),
                "password" => Some("confirmPassword"),
                _ => None,
            };
            let confirmed =
                confirmed.filter(|name| endpoint.body.as_ref().is_some_and(|body| body.contains_key(*name)));
            changed.extend(confirmed.map(|confirmed| (confirmed.to_owned(), text)));
            let case = Case::new(format!("`{name}`: {input}"), Change::Fields(changed));
            cases.push(Case { two_forms: number >= known, ..case });
        }
    }
    cases
}

fn texts(values: Vec<texts::Named>) -> Vec<texts::Named> {
    values.into_iter().map(|(name, text)| (name, Value::String(text).to_string())).collect()
}

fn forms() -> Vec<Case> {
    let in_parts = texts::forms_in_parts().into_iter();
    let in_parts = in_parts.map(|(input, kind, text)| Case::new(format!("form: {input}"), Change::Body { kind, text }));
    let queries = texts::forms().into_iter().map(|(input, text)| {
        Case::new(format!("form: {input}"), Change::Body { kind: "application/x-www-form-urlencoded".to_owned(), text })
    });
    in_parts.chain(queries).collect()
}
