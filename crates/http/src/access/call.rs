//! One authorized request, as its handler sees it.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::header::{HeaderValue, USER_AGENT};
use actix_web::{HttpRequest, HttpResponse};
use thunderhead_auth::Auth;
use thunderhead_auth::sessions::opening::Device;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::PageRequest;
use thunderhead_domain::session::{Dialect, SessionName};

use crate::access::authorization::Shared;
use crate::access::limit_class::Body;
use crate::middleware::record::RequestRecord;
use crate::request::body::{
    BODY_DEADLINE, BodyError, Fields, Posted, Rejection, RequestBody, read_fields, read_form_fields, read_posted,
};
use crate::request::client_ip::ClientIp;
use crate::request::cookie::SessionCookie;
use crate::request::origin::is_same_origin;
use crate::request::query;
use crate::site::cookie_domain::CookieDomain;

/// A request that has passed the access check.
pub(crate) struct Call {
    shared: Arc<Shared>,
    request: HttpRequest,
    body: Cell<Body>,
    client: ClientIp,
    origin: SessionOrigin,
}

/// What the sessions are that a dialect opens.
#[derive(Clone, Copy)]
pub(crate) struct SessionOrigin {
    pub(crate) dialect: Dialect,
    /// The headers that name a new session. One that cannot be a name counts as absent, and makes room for the next.
    pub(crate) name_headers: &'static [&'static str],
}

impl Call {
    pub(crate) const fn new(
        shared: Arc<Shared>,
        request: HttpRequest,
        body: Body,
        client: ClientIp,
        origin: SessionOrigin,
    ) -> Self {
        Self { shared, request, body: Cell::new(body), client, origin }
    }

    pub(crate) const fn request(&self) -> &HttpRequest {
        &self.request
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    pub(crate) fn cookie(&self) -> SessionCookie {
        self.shared.cookie
    }

    /// The domain whose applications browsers show a pass, if there is one.
    pub(crate) fn pass_domain(&self) -> Option<&str> {
        self.shared.pass_domain.as_ref().map(CookieDomain::as_str)
    }

    /// Has the browser forget the session that it has, and with it the pass.
    pub(crate) fn clear_session(&self, response: &mut HttpResponse) {
        self.shared.clear_session(response);
    }

    /// Whether no browser says that another site makes this request.
    pub(crate) fn is_same_origin(&self) -> bool {
        is_same_origin(self.request.method(), self.request.headers(), &self.shared.origins)
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.shared.auth
    }

    /// The method and the path: what a challenge of this call is good for. A slash at the end means nothing.
    pub(crate) fn endpoint(&self) -> String {
        format!("{} {}", self.request.method(), self.request.path().trim_end_matches('/'))
    }

    /// A part of the path, as it was written.
    pub(crate) fn path(&self, name: &str) -> &str {
        self.request.match_info().get(name).unwrap_or_default()
    }

    /// What the first query parameter of this name says.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        query::text(&self.request, name)
    }

    pub(crate) fn page(&self) -> PageRequest {
        query::page(&self.request)
    }

    /// The same where upper and lower case of the parameters' names are one.
    pub(crate) fn page_in_any_case(&self) -> PageRequest {
        query::page_in_any_case(&self.request)
    }

    /// Whether one of these query parameters says `true`.
    pub(crate) fn flag(&self, names: &[&str]) -> bool {
        query::flag(&self.request, names)
    }

    /// The same of one parameter in upper and lower case.
    pub(crate) fn flag_in_any_case(&self, name: &str) -> bool {
        query::flag_in_any_case(&self.request, name)
    }

    /// The client's address, for the audit trail.
    pub(crate) const fn client_ip(&self) -> Option<IpAddr> {
        self.client.address()
    }

    /// Notes for the log who has just logged in.
    pub(crate) fn note_user(&self, user: UserId) {
        RequestRecord::note_user(&self.request, user);
    }

    /// The client, for the session that it is about to get.
    pub(crate) fn device(&self) -> Device {
        let text = |name: &str| self.request.headers().get(name).map(header_text);
        let can_be_a_name = |name: &String| SessionName::try_from(name.clone()).is_ok();
        Device {
            dialect: self.origin.dialect,
            user_agent: text(USER_AGENT.as_str()),
            session_name: self.origin.name_headers.iter().filter_map(|name| text(name)).find(can_be_a_name),
        }
    }

    /// Reads the body; it is used up.
    ///
    /// # Errors
    /// Where it is no such body. One that is no object has no fields.
    pub(crate) async fn body<T: RequestBody>(&self) -> Result<T, Rejection> {
        self.fields().await?.read()
    }

    /// The body's fields, to be read; the body is used up.
    ///
    /// # Errors
    /// Where the body is too large. One that is no object has no fields.
    pub(crate) async fn fields(&self) -> Result<Fields, BodyError> {
        match self.body.take() {
            Body::Unread(payload) => read_fields(&self.request, payload).await,
            Body::Read(fields) => *fields,
            Body::Used => Fields::of_body(Err(BodyError::NotAnObject)),
        }
    }

    /// The fields of a form that a page has sent; the body is used up.
    ///
    /// # Errors
    /// Where the body is too large. One that is no form has no fields.
    pub(crate) async fn form(&self) -> Result<Fields, BodyError> {
        match self.body.take() {
            Body::Unread(payload) => read_form_fields(&self.request, payload).await,
            Body::Read(fields) => *fields,
            Body::Used => Fields::of_body(Err(BodyError::NotAnObject)),
        }
    }

    /// Reads the body as JSON or as a form; it is used up.
    ///
    /// # Errors
    /// Where it is too large, or neither.
    pub(crate) async fn posted(&self) -> Result<Posted, BodyError> {
        let Body::Unread(payload) = self.body.take() else { return Err(BodyError::NotAnObject) };
        read_posted(&self.request, payload, BODY_DEADLINE).await
    }
}

/// A header as text: browsers send what fits into Latin-1 in Latin-1, and other programs UTF-8.
fn header_text(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    str::from_utf8(bytes).map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}
