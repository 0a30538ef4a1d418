//! Login flows. A flow of a native client has no nodes, because the published Rust client cannot read any.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use thunderhead_auth::tokens::flow::Flow;
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use crate::kratos::wire::Level;
use crate::wire::{Wire, constants, value_schemas};

value_schemas! {
    FlowId: {"type": "string", "format": "uuid", "examples": ["69564a80-0058-8f3a-9d2e-1a7c5e9b4d20"]};
    FlowKind: {"enum": ["api", "browser"], "examples": ["api"]};
    AnyObject: {"type": "object"};
}

constants! {
    ChooseMethod = "choose_method";
    Post = "POST";
    ErrorMessage = "error";
}

#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "KratosLoginFlow")]
pub(crate) struct FlowBody {
    /// For the submission.
    #[schemars(with = "FlowId")]
    id: Wire<Uuid>,
    #[serde(rename = "type")]
    #[schemars(with = "FlowKind")]
    kind: &'static str,
    /// One hour after its beginning.
    #[schemars(example = "2026-01-01T01:00:00.000Z")]
    expires_at: Wire<Timestamp>,
    /// When it was begun.
    issued_at: Wire<Timestamp>,
    #[schemars(example = "https://auth.example.org/auth/self-service/login/api".to_owned())]
    request_url: String,
    state: ChooseMethod,
    #[schemars(example = false)]
    refresh: bool,
    requested_aal: Level,
    ui: Ui,
}

#[derive(Debug, JsonSchema, Serialize)]
#[schemars(inline, example = json!({
    "action": "https://auth.example.org/auth/self-service/login?flow=69564a80-0058-8f3a-9d2e-1a7c5e9b4d20",
    "nodes": [],
}))]
struct Ui {
    action: String,
    method: Post,
    /// What to ask for, in a flow of a browser.
    #[schemars(with = "Vec<AnyObject>")]
    nodes: Vec<Node>,
    /// What was wrong with the submission.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<Message>")]
    messages: Option<[Message; 1]>,
}

#[derive(Debug, Serialize)]
struct Node {
    #[serde(rename = "type")]
    kind: &'static str,
    group: &'static str,
    attributes: Value,
    messages: [(); 0],
    meta: Map<String, Value>,
}

/// What is wrong with a submission. The ids are those of Ory's list.
#[derive(Clone, Debug, JsonSchema, PartialEq, Eq, Serialize)]
#[schemars(inline)]
pub(crate) struct Message {
    id: u32,
    text: Cow<'static, str>,
    #[serde(rename = "type")]
    kind: ErrorMessage,
}

impl Message {
    pub(crate) const WRONG: Self =
        Self::error(4_000_006, "The name, the password or the code is wrong, or the code was used before.");
    pub(crate) const NO_METHOD: Self =
        Self::error(4_010_002, "The method is missing, or none that this flow can be submitted with.");

    /// A field that must be there.
    pub(crate) fn missing(name: &str) -> Self {
        Self { id: 4_000_002, text: format!("The field {name} is missing.").into(), kind: ErrorMessage }
    }

    const fn error(id: u32, text: &'static str) -> Self {
        Self { id, text: Cow::Borrowed(text), kind: ErrorMessage }
    }
}

impl FlowBody {
    /// A flow, for a client that finds this dialect at `base`.
    pub(crate) fn new(flow: &Flow, base: &str, message: Option<Message>) -> Self {
        let kind = if flow.browser { "browser" } else { "api" };
        let asked: Vec<_> =
            [(flow.aal2, "aal=aal2"), (flow.refresh, "refresh=true")].into_iter().filter(|(asked, _)| *asked).collect();
        let query = asked.iter().map(|(_, text)| *text).collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        Self {
            id: Wire(flow.id),
            kind,
            expires_at: Wire(flow.expires_at),
            issued_at: Wire(flow.issued_at),
            request_url: format!("{base}/self-service/login/{kind}{mark}{query}"),
            state: ChooseMethod,
            refresh: flow.refresh,
            requested_aal: if flow.aal2 { Level::Aal2 } else { Level::Aal1 },
            ui: Ui {
                action: format!("{base}/self-service/login?flow={}", flow.id),
                method: Post,
                nodes: if flow.browser { nodes(flow.aal2) } else { Vec::new() },
                messages: message.map(|message| [message]),
            },
        }
    }
}

fn nodes(second_factor: bool) -> Vec<Node> {
    if second_factor {
        vec![
            field("totp", "totp_code", "text", false),
            button("totp"),
            field("lookup_secret", "lookup_secret", "text", false),
            button("lookup_secret"),
        ]
    } else {
        vec![
            field("default", "identifier", "text", true),
            field("password", "password", "password", true),
            button("password"),
        ]
    }
}

fn field(group: &'static str, name: &str, kind: &str, required: bool) -> Node {
    let attributes = json!({"name": name, "type": kind, "required": required, "disabled": false, "node_type": "input"});
    Node { kind: "input", group, attributes, messages: [], meta: Map::new() }
}

fn button(method: &'static str) -> Node {
    let attributes =
        json!({"name": "method", "type": "submit", "value": method, "disabled": false, "node_type": "input"});
    Node { kind: "input", group: method, attributes, messages: [], meta: Map::new() }
}
