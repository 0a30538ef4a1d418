//! What the document must be: the table, no more and no less, true to the wire types, and the one in the
//! repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::rt::System;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, http::header::HeaderMap};
use boon::{Compiler, Schemas};
use thunderhead_domain::id::{SessionId, SessionUuid, UserId, UserUuid};
use thunderhead_domain::session::{Dialect, Grant, Origin, PolicyBounds, Session, SessionName, State};
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{EmailAddress, User, Username};
use uuid::Uuid;

use super::*;
use crate::access::dialect::testing::assert_all_variants;
use crate::api::documentation::errors as docs;
use crate::api::error::ApiError;
use crate::api::wire::{DeleteSession, DeleteSessions, DeleteUser, DeleteUsers, SessionBody, UserBody};
use crate::kratos::docs::example_flow;
use crate::kratos::error::KratosError;
use crate::legacy::error::LegacyError;
use crate::legacy::wire;
use crate::middleware::shield::{NoShield, Shield};
use crate::openapi::document::full_path;
use crate::openapi::errors::DocumentedError;
use crate::openapi::operation::path_parameters;
use serde_json::{Value, json};

const BASE: &str = "/api";
const UPDATE: &str = "UPDATE_OPENAPI";

/// Of a program that has the shield.
const LICENSE: &str = "GPL-3.0-or-later";

fn made() -> Value {
    super::document(BASE, LICENSE)
}

fn operations(document: &Value) -> BTreeMap<(String, String), &Value> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, operation)| ((path.clone(), method.clone()), operation))
    });
    operations.collect()
}

/// The answers of an operation, with references followed.
fn answers<'a>(operation: &'a Value, document: &'a Value) -> BTreeMap<&'a str, &'a Value> {
    let answers = operation["responses"].as_object().unwrap().iter();
    let followed = answers.map(|(status, answer)| match answer["$ref"].as_str() {
        Some(reference) => (status.as_str(), document.pointer(reference.trim_start_matches('#')).unwrap()),
        None => (status.as_str(), answer),
    });
    followed.collect()
}

fn texts<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get(key).and_then(Value::as_str));
            object.values().for_each(|value| texts(value, key, found));
        }
        Value::Array(items) => items.iter().for_each(|value| texts(value, key, found)),
        _ => {}
    }
}

#[test]
fn the_document_is_the_one_in_the_repository() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let text = serde_json::to_string_pretty(&made()).unwrap() + "\n";
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == text,
        "docs/openapi.json is not what the route table says. If the change is meant, run \
         `{UPDATE}=1 cargo test --workspace --lib openapi` and look at the difference."
    );
}

#[test]
fn every_row_of_the_table_is_documented_and_nothing_else_is() {
    let document = made();
    let mut documented: BTreeSet<_> = operations(&document).into_keys().collect();
    let rows = dialects::ALL.map(|dialect| dialect.rows(BASE)).into_iter().flatten();
    for (place, endpoint) in rows {
        let path = full_path(place, endpoint.path);
        let method = endpoint.method.unwrap_or(Method::GET).as_str().to_ascii_lowercase();
        assert!(documented.remove(&(path.clone(), method.clone())), "{method} {path}");
    }
    let of_pages = [RootEndpoint::Index, RootEndpoint::DocumentStyle, RootEndpoint::DocumentScript];
    let outside = RootEndpoint::ALL.into_iter().filter(|endpoint| !of_pages.contains(endpoint));
    let outside = outside.map(|endpoint| (endpoint.path().to_owned(), endpoint.success().0.as_str().to_lowercase()));
    assert_eq!(documented, outside.collect());
}

#[test]
fn every_parameter_of_a_path_is_documented() {
    for ((path, method), operation) in operations(&made()) {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let documented = parameters.filter(|parameter| parameter["in"] == "path");
        let documented: BTreeSet<_> = documented.map(|parameter| parameter["name"].as_str().unwrap()).collect();
        assert_eq!(documented, path_parameters(&path).collect(), "{method} {path}");
    }
}

#[test]
fn operation_ids_are_unique_and_all_references_lead_somewhere() {
    let document = made();
    let mut ids = Vec::new();
    texts(&document, "operationId", &mut ids);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    for id in ids {
        let is_camel_case = id.starts_with(|first: char| first.is_ascii_lowercase())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        assert!(is_camel_case, "{id}");
    }
    let mut references = Vec::new();
    texts(&document, "$ref", &mut references);
    for reference in references {
        let found = document.pointer(reference.trim_start_matches('#')).is_some();
        assert!(found, "nothing stands at {reference}: an error belongs into the list `all` of its dialect");
    }
}

#[test]
fn every_error_stands_at_its_own_status() {
    let document = made();
    let others = [ApiError::NoSuchSession, ApiError::TooManyIds, ApiError::RefusedSecondFactor, ApiError::Unavailable];
    let known: Vec<_> = docs::all().into_iter().chain(others).collect();
    for (key, operation) in operations(&document) {
        for (status, answer) in answers(operation, &document) {
            let examples = answer["content"]["application/json"]["examples"].as_object();
            for example in examples.into_iter().flat_map(|examples| examples.values()) {
                if let Some(error) = example["value"].get("error") {
                    assert_eq!(error["code"].to_string(), status, "{key:?}");
                    continue;
                }
                if example["value"].get("ui").is_some() {
                    assert_eq!(status, "400", "{key:?}");
                    continue;
                }
                let code = &example["value"]["code"];
                if status == "404" && *code == LegacyError::SessionMissing.to_json()["code"] {
                    continue;
                }
                let fits = |error: &ApiError| error.status().as_str() == status && error.to_json()["code"] == *code;
                assert!(known.iter().any(fits), "{key:?} {status} {code}");
            }
        }
    }
}

#[test]
fn every_error_of_the_kratos_dialect_is_told_of_an_operation() {
    use KratosError as E;
    let told = [
        E::Malformed("id", "a UUID"),
        E::TooMany(500),
        E::CurrentSession,
        E::AlreadyLoggedIn,
        E::IdentityDisabled,
        E::TooManySessions,
        E::Resubmit(Box::new(example_flow())),
        E::Unauthenticated,
        E::SecondFactorPending,
        E::CrossSite,
        E::NotStaff,
        E::StaffFactorMissing,
        E::ScopeMissing,
        E::UnknownToken,
        E::NotFound,
        E::UnknownFlow,
        E::FlowExpired,
        E::BodyTooLarge,
        E::RateLimited,
        E::Throttled(0),
        E::Internal,
        E::SwitchedOff(KillSwitch::Global),
        E::Unavailable,
    ];
    let document = made().to_string();
    for error in &told {
        let DocumentedError { example, .. } = error.into();
        assert!(document.contains(&format!("\"{example}\":")), "no operation is documented to answer {error:?}");
    }
    // What is no operation has no place in the document.
    let listed: Vec<_> = told.into_iter().chain([E::NoSuchEndpoint, E::WrongMethod]).collect();
    assert_all_variants(include_str!("../../kratos/error.rs"), &listed, "the list of this test");
}

#[test]
fn what_an_endpoint_demands_is_told() {
    let document = made();
    let issue = &document["paths"]["/api/users/me/sessions"]["post"];
    assert_eq!(
        issue["x-requirement"],
        json!({
            "access": "user", "scope": "never", "reverify": true,
            "killSwitches": ["ACCOUNT_MODIFY", "ACCOUNT_LOGIN"], "limit": "general",
        })
    );
    let shapes = |operation: &Value| {
        let shapes = operation["requestBody"]["content"]["application/json"]["schema"]["oneOf"].as_array().unwrap();
        let resolved = shapes.iter().map(|shape| document.pointer(&shape["$ref"].as_str().unwrap()[1..]).unwrap());
        resolved.map(|shape| shape["required"].clone()).collect::<Vec<_>>()
    };
    let asked = ["password", "2fa", "passkey"].map(|proof| json!(["name", "permissionFlags", proof]));
    assert_eq!(shapes(issue), asked);
    let rename = &document["paths"]["/api/users/me/username"]["put"];
    assert_eq!(
        shapes(rename),
        [
            json!(["username", "password"]),
            json!(["username", "2fa"]),
            json!(["username", "passkey"]),
            json!(["username"])
        ],
        "a scoped session proves nothing"
    );
    let statuses = |operation| answers(operation, &document).into_keys().collect::<Vec<_>>();
    assert_eq!(statuses(issue), ["201", "400", "401", "403", "409", "413", "429", "500", "503"]);
    let show = &document["paths"]["/api/users/{uid}/sessions/{sid}"]["get"];
    assert_eq!(statuses(show), ["200", "401", "403", "404", "429", "500", "503"]);
    let unauthorized = &answers(show, &document)["401"]["content"]["application/json"]["examples"];
    assert!(unauthorized["EndpointRequiresSecondFactor"].is_object() && unauthorized["InvalidSession"].is_object());
    assert_eq!(statuses(&document["paths"]["/api"]["get"]), ["200", "429", "500", "503"]);
    let ban = &document["paths"]["/api/users/{uid}/ban"]["put"];
    assert_eq!(statuses(ban), ["200", "204", "400", "401", "403", "404", "413", "429", "500", "503"]);
}

#[test]
fn without_a_base_path_the_table_stands_at_the_root() {
    let document = super::document("", LICENSE);
    assert!(document["paths"]["/"]["get"].is_object() && document["paths"]["/users/me"]["get"].is_object());
}

#[test]
fn a_program_without_a_shield_has_a_document_that_knows_no_gpl() {
    let document = super::document(BASE, NoShield::LICENSE);
    assert_eq!(document["info"]["license"]["identifier"], "MIT OR Apache-2.0");
    assert!(!document.to_string().contains("GPL"));
    assert!(made().to_string().contains(LICENSE));
}

#[test]
fn the_examples_are_what_the_server_sends() {
    let document = made();
    let example = |name: &str| document["components"]["schemas"][name]["examples"][0].clone();
    let moment = |text: &str| {
        let seconds = if text.ends_with("08:30:00.000Z") { 1_767_342_600 } else { 1_767_225_900 };
        let moment = Timestamp::from_unix_seconds(seconds);
        assert_eq!(moment.to_string(), text);
        moment
    };
    let made = Timestamp::from_unix_seconds(1_767_225_600);
    let user = User {
        id: UserId::at(made),
        uuid: UserUuid(Uuid::parse_str("0b6f4f5e-7c2a-4d8e-9a51-3f0c6a2b7d14").unwrap()),
        username: Username::try_from("ada".to_owned()).unwrap(),
        email: EmailAddress::from_checked("ada@example.org".to_owned()),
        staff: false,
        has_second_factor: false,
        has_password: true,
        verified_at: Some(moment("2026-01-02T08:30:00.000Z")),
        banned_at: None,
        created_at: made,
        updated_at: moment("2026-01-02T08:30:00.000Z"),
    };
    assert_eq!(json!(UserBody::from(&user)), example("User"));
    let session = Session {
        uuid: SessionUuid(Uuid::parse_str("6f1d3b0e-8f3a-4b5c-9d2e-1a7c5e9b4d20").unwrap()),
        id: SessionId::at(made),
        user: user.id,
        name: SessionName::try_from("Firefox v140 on Linux".to_owned()).unwrap(),
        grant: Grant::Full,
        expires_at: made.plus_seconds(86_400),
        used_at: Some(moment("2026-01-01T00:05:00.000Z")),
        created_at: made,
        updated_at: moment("2026-01-01T00:05:00.000Z"),
        origin: Origin { dialect: Dialect::Current, client_ip: None, user_agent: None },
        authentications: Default::default(),
        second_factor_pending: false,
        state: State::Open,
        bounds: PolicyBounds::default(),
    };
    assert_eq!(json!(SessionBody::from(&session)), example("Session"));
    assert_eq!(json!(wire::LegacySession::from(&session)), example("LegacySession"));
    assert_eq!(json!(wire::DeleteBulk::sessions(2)), example("LegacyDeleteBulk"));
    assert_eq!(json!(wire::Generic::SUCCESS), example("LegacyGeneric"));
    for (name, sent) in [
        ("DeleteSession", json!(DeleteSession::new())),
        ("DeleteSessions", json!(DeleteSessions::new(2))),
        ("DeleteUser", json!(DeleteUser::new())),
        ("DeleteUsers", json!(DeleteUsers::new(2))),
    ] {
        assert_eq!(sent, example(name));
    }
}

#[test]
fn every_structure_has_an_example_with_all_its_fields() {
    let document = made();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(!schema["examples"][0].is_null(), "{name}");
        let required = schema["required"].as_array().into_iter().flatten();
        for field in required.map(|field| field.as_str().unwrap()) {
            assert!(schema["examples"][0].get(field).is_some(), "{name}.{field}");
            assert!(schema["properties"].get(field).is_some(), "{name}.{field}");
        }
    }
}

/// Every example of a body, of an answer, of a parameter, of a header and of a component, with its schema.
fn examples<'a>(value: &'a Value, place: &str, found: &mut Vec<(String, &'a Value, &'a Value)>) {
    match value {
        Value::Object(object) => {
            if let Some(schema) = object.get("schema") {
                let several = object.get("examples").and_then(Value::as_object).into_iter().flatten();
                let examples = several.map(|(_, example)| &example["value"]).chain(object.get("example"));
                found.extend(examples.map(|example| (place.to_owned(), schema, example)));
            }
            if let Some(Value::Array(examples)) = object.get("examples") {
                found.extend(examples.iter().map(|example| (place.to_owned(), value, example)));
            }
            for (name, value) in object {
                examples(value, &format!("{place}/{name}"), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| examples(item, place, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What is wrong with the examples of a document.
fn invalid_examples(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    examples(document, "", &mut found);
    let schemas: Vec<_> = found.iter().map(|(_, schema, _)| schema).collect();
    let resource = json!({"components": document["components"], "schemas": schemas});
    let (mut compiler, mut compiled) = (Compiler::new(), Schemas::new());
    compiler.enable_format_assertions();
    compiler.add_resource("http://localhost/document", resource).unwrap();
    let mut wrong = Vec::new();
    for (number, (place, _, example)) in found.iter().enumerate() {
        let schema = format!("http://localhost/document#/schemas/{number}");
        let schema = compiler.compile(&schema, &mut compiled).unwrap();
        wrong.extend(compiled.validate(example, schema).err().map(|error| format!("{place}: {error:#}")));
    }
    wrong
}

#[test]
fn every_example_is_valid() {
    let mut document = made();
    assert_eq!(invalid_examples(&document), Vec::<String>::new());
    document["components"]["schemas"]["Session"]["examples"][0]["id"] = json!("1767225600");
    let login = &mut document["paths"]["/api/login"]["post"];
    login["requestBody"]["content"]["application/json"]["example"] = json!({"rememberMe": true});
    login["parameters"][0]["example"] = json!(5);
    login["responses"]["400"]["content"]["application/json"]["examples"]["MissingFields"]["value"]["fields"] =
        json!(null);
    assert_eq!(invalid_examples(&document).len(), 4);
}

fn answer(method: Method, path: &str) -> (u16, HeaderMap, String) {
    System::new().block_on(async {
        let documentation = Documentation::new(BASE, LICENSE);
        let app = init_service(App::new().configure(|services| mount(services, &documentation))).await;
        let response = call_service(&app, TestRequest::with_uri(path).method(method).to_request()).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, String::from_utf8(read_body(response).await.to_vec()).unwrap())
    })
}

#[test]
fn the_document_is_served_as_json() {
    let (status, headers, body) = answer(Method::GET, "/openapi.json");
    assert_eq!((status, headers.get(CONTENT_TYPE).unwrap().to_str().unwrap()), (200, "application/json"));
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), made());
    assert_eq!(answer(Method::HEAD, "/openapi.json").0, 200);
    let (status, headers, _) = answer(Method::POST, "/openapi.json");
    assert_eq!((status, headers.get(ALLOW).unwrap().to_str().unwrap()), (405, "GET, HEAD"));
}

#[test]
fn the_page_shows_every_endpoint_and_needs_no_other_host() {
    let (status, headers, body) = answer(Method::GET, "/docs");
    assert_eq!((status, headers.get(CONTENT_TYPE).unwrap().to_str().unwrap()), (200, "text/html; charset=utf-8"));
    let policy = headers.get(CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self';"), "{policy}");
    for ((path, method), operation) in operations(&made()) {
        assert!(body.contains(&path), "{path}");
        let id = operation["operationId"].as_str().unwrap();
        assert!(body.contains(&format!("<article id=\"{id}\">")), "{method} {id}");
    }
    for (loading, own) in [("src=", "\"/docs/search.js\""), ("<link", " rel=\"stylesheet\" href=\"/docs/style.css\">")]
    {
        let loaded: Vec<_> = body.split(loading).skip(1).collect();
        assert!(loaded.len() == 1 && loaded[0].starts_with(own), "{loading}");
    }
    for inline in ["<style", " style=", " onclick=", "<script>", "javascript:"] {
        assert!(!body.contains(inline), "{inline}");
    }
    assert_eq!(answer(Method::HEAD, "/docs").0, 200);
    assert_eq!(answer(Method::DELETE, "/docs").0, 405);
}

#[test]
fn the_style_and_the_script_of_the_page_reach_out_to_nobody() {
    for (path, kind) in [("/docs/style.css", "text/css"), ("/docs/search.js", "text/javascript")] {
        let (status, headers, body) = answer(Method::GET, path);
        let sent = headers.get(CONTENT_TYPE).unwrap().to_str().unwrap();
        assert_eq!((status, sent), (200, format!("{kind}; charset=utf-8").as_str()));
        for reaching_out in ["url(", "@import", "http:", "https:", "fetch(", "import("] {
            assert!(!body.contains(reaching_out), "{path}: {reaching_out}");
        }
        assert!(body.len() < 10_000, "{path}: {} bytes", body.len());
    }
}

#[test]
fn the_page_says_how_to_call_each_endpoint_and_shows_no_regular_expression() {
    let document = made();
    let page = page::render(&document, PATHS);
    let mut articles: BTreeMap<_, _> =
        page.split("<article id=\"").skip(1).filter_map(|article| article.split_once('"')).collect();
    for ((path, method), operation) in operations(&document) {
        let Some(article) = articles.remove(operation["operationId"].as_str().unwrap()) else { continue };
        let calls: Vec<_> = article.split("<pre><code>curl ").skip(1).collect();
        let urls: Vec<_> = calls.iter().filter_map(|call| call.split("&quot;").nth(1)).collect();
        let is_whole = |url: &&str| url.starts_with("$SERVER/") && !url.contains('{');
        assert!(
            !calls.is_empty() && urls.len() == calls.len() && urls.iter().all(is_whole),
            "{method} {path}: {urls:?}"
        );
    }
    let mut patterns = Vec::new();
    texts(&document, "pattern", &mut patterns);
    for pattern in patterns {
        assert!(!page.contains(&format!("<code>{pattern}")), "{pattern}");
    }
}

#[test]
fn every_link_of_the_page_leads_somewhere_in_it() {
    let page = page::render(&made(), PATHS);
    let ids: BTreeSet<_> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let links = page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    let broken: Vec<_> = links.filter(|link| !ids.contains(link)).collect();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn the_page_escapes_whatever_the_document_says() {
    let evil = "</pre><script>alert(\"x\")</script>";
    let mut document = made();
    document["info"]["title"] = json!(evil);
    document["tags"][0]["description"] = json!(evil);
    let operation = &mut document["paths"]["/api/login"]["post"];
    operation["summary"] = json!(evil);
    operation["description"] = json!(format!("- {evil}\n\n`{evil}`"));
    operation["operationId"] = json!(format!("\"{evil}"));
    operation["requestBody"]["content"]["application/json"]["example"] = json!({ evil: evil });
    document["components"]["schemas"][evil] = json!({"type": evil, "const": evil, "examples": [evil]});
    assert!(!page::render(&document, PATHS).contains("<script>alert"));
}
