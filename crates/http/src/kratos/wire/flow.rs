//! Login flows. A flow of a native client has no nodes, because the published Rust client cannot read any.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value, json};
use thunderhead_auth::tokens::flow::Flow;

use crate::kratos::wire::Level;

#[derive(Debug, Serialize)]
pub(crate) struct FlowBody {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    expires_at: String,
    issued_at: String,
    request_url: String,
    state: &'static str,
    refresh: bool,
    requested_aal: Level,
    ui: Ui,
}

#[derive(Debug, Serialize)]
struct Ui {
    action: String,
    method: &'static str,
    nodes: Vec<Node>,
    #[serde(skip_serializing_if = "Option::is_none")]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Message {
    id: u32,
    text: Cow<'static, str>,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl Message {
    pub(crate) const WRONG: Self =
        Self::error(4_000_006, "The name, the password or the code is wrong, or the code was used before.");
    pub(crate) const NO_METHOD: Self =
        Self::error(4_010_002, "The method is missing, or none that this flow can be submitted with.");

    /// A field that must be there.
    pub(crate) fn missing(name: &str) -> Self {
        Self { id: 4_000_002, text: format!("The field {name} is missing.").into(), kind: "error" }
    }

    const fn error(id: u32, text: &'static str) -> Self {
        Self { id, text: Cow::Borrowed(text), kind: "error" }
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
            id: flow.id.to_string(),
            kind,
            expires_at: flow.expires_at.to_string(),
            issued_at: flow.issued_at.to_string(),
            request_url: format!("{base}/self-service/login/{kind}{mark}{query}"),
            state: "choose_method",
            refresh: flow.refresh,
            requested_aal: if flow.aal2 { Level::Aal2 } else { Level::Aal1 },
            ui: Ui {
                action: format!("{base}/self-service/login?flow={}", flow.id),
                method: "POST",
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
