//! The feed.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::api::error::ApiError;
use crate::openapi::headers::uncounted;
use crate::openapi::parameters::query;
use crate::services::events::{DEFAULT_LIMIT, EventPage, GoneCursor, LONGEST_WAIT, MOST};
use crate::services::oauth::OauthError;
use crate::services::openapi_document::errors::errors_of;
use crate::services::openapi_document::oauth::SERVICES;

const EXAMPLE: &str = "42-9f86d081884c7d65";

pub(super) fn read(generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    let mut put = |status: &str, text: &str, more: &[&str], schema: Value| {
        let content = json!({"application/json": {"schema": schema}});
        responses
            .insert(status.to_owned(), json!({"description": text, "headers": uncounted(more), "content": content}));
    };
    let page = generator.subschema_for::<EventPage<'_>>().to_value();
    let error = generator.subschema_for::<OauthError>().to_value();
    let gone = generator.subschema_for::<GoneCursor>().to_value();
    put("200", "Events, in the order in which they were committed.", &[], page);
    put("400", "`invalid_request`: something in the query is not understood.", &[], error.clone());
    put(
        "401",
        "`invalid_client`: there is no such service, or its secret is wrong.",
        &["WWW-Authenticate"],
        error.clone(),
    );
    put("403", "`insufficient_scope`: the service may not read the feed.", &[], error);
    put(
        "410",
        "`cursor_gone`: the database has another history since, or what came next is not kept any more. Whoever has cached \
         anything drops it, and goes on from `first` or from `latest`.",
        &[],
        gone,
    );
    responses.extend(errors_of(&[&ApiError::Internal, &ApiError::Unavailable]));
    json!({
        "tags": [SERVICES.name],
        "summary": "Read what has happened",
        "description": "The feed of events, for services that `thunderhead service create --events` has made. An event is \
                        told once it is committed, and has the same `id` for ever. `docs/API.md` says which of them \
                        tells of the end of which sessions.",
        "operationId": "readEvents",
        "security": [{"service": []}],
        "parameters": parameters(),
        "responses": responses,
    })
}

fn parameters() -> Value {
    let after = "Where to go on: `next` of the page before, or the `id` of an event. Without it the feed is read from the \
                 first event that is kept, and `latest` is an empty page whose `next` is the place of now.";
    let types = "Which types of events, separated by commas; `session.*` are all of a kind.";
    let limit = json!({"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT});
    let wait = "For how many seconds to wait where there are no events. After that, or where the server stops, the page is \
                empty.";
    json!([
        query("after", after, json!({"type": "string"}), EXAMPLE),
        query("types", types, json!({"type": "string", "minLength": 1}), "session.*,user.banned"),
        query("limit", "The most events.", limit, 100),
        query("wait", wait, json!({"type": "integer", "minimum": 0, "maximum": LONGEST_WAIT, "default": 0}), 30),
    ])
}
