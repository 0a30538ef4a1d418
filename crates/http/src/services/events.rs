//! `GET /events`: the feed, which tells services in order of all that has happened, without loss.

mod query;

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde::Serialize;
use thunderhead_auth::services::EventReader;
use thunderhead_domain::event::{Event, EventCursor};
use thunderhead_domain::ports::{FeedPage, FeedQuery};
use thunderhead_domain::time::Timestamp;

use self::query::{EventQuery, FeedStart};
use crate::access::authorization::Shared;
use crate::api::error::{ApiError, ApiResult};
use crate::events::{EventDataJson, EventTypeName};
use crate::roots::RootEndpoint;
use crate::server::shutdown::Draining;
use crate::services::oauth::{ClientCredentials, OauthError, OauthForm, unknown_client};
use crate::services::resource;
use crate::wire::{Wire, constants, value_schemas};

pub(super) use self::query::{DEFAULT_LIMIT, LONGEST_WAIT, MOST};

constants! {
    CursorGone = "cursor_gone";
}

value_schemas! {
    CursorText: {
        "type": "string",
        "description": "A place in the feed, and what the event there is called by. It says nothing else.",
        "examples": ["42-9f86d081884c7d65"],
    };
}

/// Something that has happened.
#[derive(JsonSchema, Serialize)]
struct EventJson<'a> {
    /// What it is called by, for ever.
    #[schemars(with = "CursorText")]
    id: Wire<EventCursor>,
    #[serde(rename = "type")]
    #[schemars(with = "EventTypeName")]
    event_type: &'static str,
    at: Wire<Timestamp>,
    data: EventDataJson<'a>,
}

/// Events in order. There may be few or none of them though more come behind `next`.
#[derive(JsonSchema, Serialize)]
pub(super) struct EventPage<'a> {
    items: Vec<EventJson<'a>>,
    /// Where to go on.
    #[schemars(with = "CursorText")]
    next: Wire<EventCursor>,
}

/// Nobody can go on from there.
#[derive(JsonSchema, Serialize)]
pub(super) struct GoneCursor {
    error: CursorGone,
    /// The place before the first event that is kept.
    #[schemars(with = "CursorText")]
    first: Wire<EventCursor>,
}

impl<'a> From<&'a Event> for EventJson<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            id: Wire(event.cursor),
            event_type: event.event_type.name(),
            at: Wire(event.at),
            data: EventDataJson::from(&event.data),
        }
    }
}

pub(super) fn mount(services: &mut web::ServiceConfig, shared: &Arc<Shared>, draining: &Draining) {
    let (shared, draining) = (Arc::clone(shared), draining.clone());
    let answer = move |request: HttpRequest| {
        let (shared, draining) = (Arc::clone(&shared), draining.clone());
        async move { answer(&shared, &draining, &request).await.unwrap_or_else(ApiError::into_response) }
    };
    let resource = resource(RootEndpoint::Events, "GET, HEAD");
    services.service(resource.route(web::get().to(answer.clone())).route(web::head().to(answer)));
}

async fn answer(shared: &Shared, draining: &Draining, request: &HttpRequest) -> ApiResult {
    let service = match ClientCredentials::shown(request.headers(), &OauthForm::new()) {
        Some(shown) => shared.auth.services.authenticate(&shown.id, &shown.secret).await?,
        None => None,
    };
    let Some(service) = service else { return Ok(unknown_client()) };
    let Some(reader) = service.event_reader() else {
        return Ok(HttpResponse::Forbidden().json(OauthError::INSUFFICIENT_SCOPE));
    };
    match EventQuery::parse(request.query_string()) {
        Some(query) => read(shared, draining, reader, query).await,
        None => Ok(HttpResponse::BadRequest().json(OauthError::INVALID_REQUEST)),
    }
}

async fn read(shared: &Shared, draining: &Draining, reader: EventReader, query: EventQuery) -> ApiResult {
    let feed = &shared.auth.feed;
    let after = match query.after {
        FeedStart::First => None,
        FeedStart::After(cursor) => Some(cursor),
        FeedStart::Latest => Some(feed.latest().await?),
    };
    let personal = reader.is_told_personal_data();
    let wanted = FeedQuery { after, types: query.types, limit: query.limit, personal };
    let found = match query.wait {
        None => Arc::new(feed.read(wanted).await?),
        Some(patience) => feed.wait(wanted, patience, draining.begun()).await?,
    };
    Ok(match &*found {
        FeedPage::Page { items, next, .. } => page(items, *next),
        FeedPage::Gone { first } => HttpResponse::Gone().json(GoneCursor { error: CursorGone, first: Wire(*first) }),
    })
}

fn page(events: &[Event], next: EventCursor) -> HttpResponse {
    let page = EventPage { items: events.iter().map(EventJson::from).collect(), next: Wire(next) };
    HttpResponse::Ok().json(page)
}
