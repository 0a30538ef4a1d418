//! What a proxy requires, and what it says of the request that it asks about.

use actix_web::http::StatusCode;
use actix_web::test::TestRequest;
use thunderhead_domain::assurance::ProofRequirement;
use thunderhead_domain::authorization::{Access, ScopeRule};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;

use super::original::{Asking, KnownMethod, allows_cookie, known_method};
use super::requirements::Requirements;
use crate::request::client_ip::TrustedProxies;
use crate::request::fuzzing::headers;
use crate::request::origin::Origins;

/// A requirement is taken for what it says or refused, and a cookie counts only where nothing speaks against it. The input is a
/// query, a line end, and headers, one a line.
pub fn requirement(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let (Some(query), lines) = (parts.next(), parts.next().unwrap_or_default()) else { return };
    if let Ok(query) = str::from_utf8(query) {
        let read = Requirements::parse(query).ok();
        assert_eq!(read.as_ref().map(told), expected(query), "{query:?}");
    }
    original(lines);
}

type Told = (Vec<Scope>, Access, Vec<KillSwitch>, ProofRequirement, Option<StatusCode>);

fn told(requirements: &Requirements) -> Told {
    let requirement = requirements.to_requirement();
    let switches = requirement.switches.to_vec();
    (requirements.scopes.clone(), requirement.access, switches, requirements.proof, requirements.login)
}

/// The same by another way: all values of each name first.
fn expected(query: &str) -> Option<Told> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let known = ["scope", "staff", "switch", "max_age", "factor", "login"];
    if pairs.iter().any(|(name, _)| !known.contains(&name.as_str())) {
        return None;
    }
    let all = |wanted: &str| pairs.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str()).collect();
    let scopes: Vec<&str> = all("scope");
    let only = |name: &str| -> Option<Option<&str>> {
        let values: Vec<&str> = all(name);
        (values.len() < 2).then(|| values.first().copied())
    };
    let flag = |name: &str| match only(name)? {
        None | Some("false" | "0") => Some(false),
        Some("true" | "1") => Some(true),
        Some(_) => None,
    };
    let mut held = vec![];
    for value in scopes {
        let names: Vec<&str> = value.split([' ', '\t', '\n', '\r', '\u{c}']).filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            return None;
        }
        for name in names {
            held.push(Scope::TABLE.iter().find(|(_, known)| *known == name)?.0);
        }
    }
    let staff = flag("staff")?;
    let access = match held.iter().find(|scope| scope.name().starts_with("STAFF_")) {
        Some(scope) => Access::Staff(ScopeRule::Needs(*scope)),
        None if staff => Access::Staff(ScopeRule::Needs(Scope::All)),
        None => Access::User(ScopeRule::Any),
    };
    let switches = match only("switch")? {
        None => vec![],
        Some(name) => vec![KillSwitch::TABLE.iter().find(|(_, known)| *known == name)?.0],
    };
    let max_age = match only("max_age")? {
        None => None,
        Some(digits) if digits.starts_with('+') => return None,
        Some(digits) => Some(digits.parse::<u32>().ok().filter(|seconds| *seconds > 0)?),
    };
    let login = match only("login")? {
        None => None,
        Some("302") => Some(StatusCode::FOUND),
        Some("401") => Some(StatusCode::UNAUTHORIZED),
        Some(_) => return None,
    };
    Some((held, access, switches, ProofRequirement { max_age, factor: flag("factor")? }, login))
}

/// Headers of a question, of which the one that opens a WebSocket has many names.
const NAMES: [&str; 12] = [
    "x-forwarded-method",
    "x-original-method",
    "sec-fetch-site",
    "origin",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-original-url",
    "host",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "cookie",
];

/// A method is safe only where a trusted proxy says so of each, and a cookie of another site does nothing.
fn original(lines: &[u8]) {
    let proxies = TrustedProxies::new(["10.0.0.0/8"].map(str::parse).into_iter().flatten().collect());
    let Ok(origins) = Origins::new(vec!["https://listed.example".to_owned()]) else { return };
    let headers = headers(lines, &NAMES);
    for (address, trusted) in [("10.0.0.1:1", true), ("192.0.2.1:1", false)] {
        let Ok(peer) = address.parse() else { continue };
        let mut request = TestRequest::get().peer_addr(peer);
        for (name, value) in &headers {
            request = request.append_header((name.clone(), value.clone()));
        }
        let request = request.to_http_request();
        let all = |name: &'static str| headers.get_all(name).map(|value| value.as_bytes().to_vec()).collect::<Vec<_>>();
        let told = [all("x-forwarded-method"), all("x-original-method")].concat();
        let reads = |method: &Vec<u8>| matches!(method.as_slice(), b"GET" | b"HEAD" | b"OPTIONS");
        let method = known_method(&request, Asking::ByHeaders, &proxies);
        match method {
            KnownMethod::Safe => {
                assert!(trusted && !told.is_empty() && told.iter().all(reads), "{told:?}");
                assert!(all("sec-websocket-key").is_empty() && all("sec-websocket-version").is_empty());
            }
            KnownMethod::Missing => assert!(told.is_empty()),
            KnownMethod::Untrusted => assert!(!trusted && !told.is_empty()),
            KnownMethod::Unsafe => assert!(trusted && !told.is_empty()),
        }
        let (site, origin) = (all("sec-fetch-site"), all("origin"));
        let listed = origin == [b"https://listed.example".to_vec()];
        let elsewhere = site.iter().any(|site| !matches!(site.as_slice(), b"same-origin" | b"none"));
        if allows_cookie(method, &request, Asking::ByHeaders, &proxies, &origins) && method != KnownMethod::Safe {
            assert!(listed || !elsewhere && site.len() < 2, "{headers:?}");
            let is_own = site.is_empty() && origin.len() == 1 && !listed;
            assert!(!is_own || trusted, "who is not trusted says what the address was: {headers:?}");
        }
    }
}
