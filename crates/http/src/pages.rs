//! The pages for people: sign in, one's own account, and staff (`docs/PAGES.md`). HTML as a dialect like the others, over
//! the same use cases, authorization and audit; no rule about sessions, scopes or factors is here alone.

pub(crate) mod error;
pub(crate) mod factor;
pub(crate) mod form;
pub(crate) mod layout;
pub(crate) mod notice;
pub(crate) mod redirect;
pub(crate) mod words;

mod account;
mod assets;
mod confirm;
mod docs;
mod headers;
mod link;
mod login;
mod logout;
mod new_password;
mod once;
mod paging;
mod pass;
mod register;
mod security;
mod sessions;
mod staff;
mod start;
mod tokens;

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::http::header::{HOST, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use thunderhead_domain::authorization::Denial;
use thunderhead_domain::authorization::ScopeRule::Never;
use thunderhead_domain::session::Dialect;
use thunderhead_domain::switch::KillSwitch;

use crate::access::authorization::Shared;
use crate::access::call::{Call, SessionOrigin};
use crate::access::dialect::{DialectError, HttpDialect};
use crate::access::endpoint::Endpoint;
use crate::access::mount;
use crate::access::route::{guest, login, login_begin, public, user};
use crate::pages::assets::Theme;
use crate::pages::docs as about;
use crate::pages::error::PageError;
use crate::pages::layout::see_other;
use crate::request::credential::CredentialPlace;
use crate::request::origin::{is_from_own_page, is_safe};
use crate::roots::first_segment;
use crate::site::PageSettings;
use crate::site::public_url::is_loopback_address;

const ACCOUNT_CREATE: &[KillSwitch] = &[KillSwitch::AccountCreate];
const ACCOUNT_LOGIN: &[KillSwitch] = &[KillSwitch::AccountLogin];
const ACCOUNT_MODIFY: &[KillSwitch] = &[KillSwitch::AccountModify];
const MODIFY_AND_LOGIN: &[KillSwitch] = &[KillSwitch::AccountModify, KillSwitch::AccountLogin];
/// What is theirs of the server's paths.
const FIRST_SEGMENTS: &[&str] = &["login", "logout", "register", "account", "link", "staff", "assets"];
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

pub(crate) struct Pages;

/// What all pages are made with.
pub(crate) struct Kit {
    site: PageSettings,
    theme: Theme,
}

impl Kit {
    pub(crate) fn new(site: PageSettings) -> Self {
        Self { theme: Theme::of(&site), site }
    }

    pub(crate) fn find(request: &HttpRequest) -> Option<&Self> {
        request.app_data::<Arc<Self>>().map(Arc::as_ref)
    }

    /// What the page of a request is made with.
    pub(crate) fn of(call: &Call) -> Result<&Self, PageError> {
        Self::find(call.request()).ok_or(PageError::Internal)
    }

    pub(crate) const fn site(&self) -> &PageSettings {
        &self.site
    }

    const fn theme(&self) -> &Theme {
        &self.theme
    }
}

/// Whether a path is one of theirs.
pub(crate) fn own(path: &str) -> bool {
    first_segment(path).is_some_and(|first| FIRST_SEGMENTS.contains(&first))
}

/// Mounts all but the start page, which shares its path with what programs get there.
pub(crate) fn mount(services: &mut web::ServiceConfig, shared: &Arc<Shared>, kit: &Arc<Kit>) {
    services.app_data(Arc::clone(kit));
    assets::mount(services, &kit.theme);
    mount::mount::<Pages>(services, shared, "");
}

impl HttpDialect for Pages {
    type Error = PageError;

    const PREFIX: Option<&'static str> = Some("");
    const CREDENTIALS: &'static [CredentialPlace] = &[CredentialPlace::Cookie];
    const ORIGIN: SessionOrigin = SessionOrigin { dialect: Dialect::Pages, name_headers: &["x-session-name"] };
    const IS_FOR_PEOPLE: bool = true;
    const FIRST_SEGMENTS: &'static [&'static str] = FIRST_SEGMENTS;

    fn table() -> Vec<Endpoint> {
        let mut table = entry();
        table.extend(own_account());
        table.extend(own_security());
        table.extend(staff::table());
        table
    }

    /// An address is no name that a browser would use a security key for: who comes by that of this machine is led to
    /// its name. And what changes something must be sent by a page of this site.
    fn turned_away(request: &HttpRequest) -> Option<HttpResponse> {
        let site = &Kit::find(request)?.site;
        if !site.staff && first_segment(request.path()) == Some("staff") {
            return Some(PageError::NotFound.respond(request));
        }
        let public_url = &site.public_url;
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if is_safe(request.method()) && public_url.host() == "localhost" && is_loopback_address(host) {
            let asked = request.uri().path_and_query().map_or("/", |asked| asked.as_str());
            return Some(see_other(request, &public_url.at(asked)));
        }
        let passes = is_from_own_page(request.method(), request.headers(), public_url.origin());
        (!passes).then(|| PageError::from(Denial::CrossSite).respond(request))
    }

    fn error_of_status(status: StatusCode, _request_id: &str) -> (HeaderValue, BoxBody) {
        (HTML, BoxBody::new(error::of_status(status)))
    }
}

/// The start page.
pub(crate) fn start() -> Endpoint {
    login_begin(Method::GET, "/", start::lead_on, about::leads_on)
}

/// Password, name, address, factors, codes. What the API wants an identity proved for, wants a confirmed session.
fn own_security() -> Vec<Endpoint> {
    use Method as M;
    use security::{codes, details, factors, overview, totp, webauthn};
    const SHUT: &[KillSwitch] = ACCOUNT_MODIFY;
    vec![
        public(M::GET, "/.well-known/change-password", &[], security::lead_on, about::leads_on),
        public(M::GET, "/.well-known/webauthn", &[], security::related_origins, about::page),
        user(M::GET, "/account/security", Never, &[], overview::show, about::page).reverified(),
        user(M::POST, "/account/security/password", Never, SHUT, details::password, about::form).reverified(),
        user(M::POST, "/account/security/password/remove", Never, SHUT, details::remove_password, about::form)
            .reverified(),
        user(M::POST, "/account/security/name", Never, SHUT, details::name, about::form).reverified(),
        user(M::POST, "/account/security/email", Never, SHUT, details::email, about::form).reverified(),
        user(M::POST, "/account/security/factors/remove", Never, SHUT, factors::remove, about::form).reverified(),
        user(M::POST, "/account/security/codes", Never, SHUT, codes::renew, about::page).reverified(),
        user(M::GET, "/account/security/totp", Never, SHUT, totp::show, about::page).reverified(),
        user(M::POST, "/account/security/totp", Never, SHUT, totp::submit, about::page).reverified(),
        user(M::GET, "/account/security/webauthn", Never, SHUT, webauthn::show, about::page).reverified(),
        user(M::POST, "/account/security/webauthn", Never, SHUT, webauthn::submit, about::page).reverified(),
        user(M::GET, "/account/security/passkey", Never, SHUT, webauthn::show_passkey, about::page).reverified(),
        user(M::POST, "/account/security/passkey", Never, SHUT, webauthn::submit_passkey, about::page).reverified(),
    ]
}

/// Signing in and out. Forms are shown under every switch: staff sign in with them.
fn entry() -> Vec<Endpoint> {
    use Method as M;
    vec![
        login_begin(M::GET, "/login", login::show::show, about::page).under(ACCOUNT_LOGIN),
        login("/login", login::SUBMISSION, ACCOUNT_LOGIN, login::submit::submit, about::form),
        public(M::GET, "/login/verify", &[], login::verify::begin_anew, about::leads_on),
        login_begin(M::POST, "/login/verify", login::verify::submit, about::form).under(ACCOUNT_LOGIN),
        guest(M::GET, "/register", ACCOUNT_CREATE, register::show, about::page),
        guest(M::POST, "/register", ACCOUNT_CREATE, register::submit, about::form),
        public(M::GET, "/link/{token}", ACCOUNT_MODIFY, link::show, about::page).by_client(),
        public(M::POST, "/link/{token}", ACCOUNT_MODIFY, link::submit, about::form).by_client(),
        user(M::GET, "/logout", Never, &[], logout::show, about::page),
        user(M::POST, "/logout", Never, ACCOUNT_MODIFY, logout::submit, about::form).revoking(),
    ]
}

fn own_account() -> Vec<Endpoint> {
    use Method as M;
    use sessions::{end, list};
    vec![
        user(M::GET, "/account", Never, &[], account::show, about::page),
        user(M::GET, "/account/confirm", Never, &[], confirm::show, about::page),
        user(M::POST, "/account/confirm", Never, ACCOUNT_MODIFY, confirm::submit, about::form).reverified(),
        user(M::GET, "/account/sessions", Never, &[], list::show, about::page),
        user(M::POST, "/account/sessions/end", Never, ACCOUNT_MODIFY, end::one, about::form).revoking(),
        user(M::POST, "/account/sessions/end-others", Never, ACCOUNT_MODIFY, end::others, about::form).revoking(),
        user(M::POST, "/account/sessions/end-all", Never, ACCOUNT_MODIFY, end::all, about::form).revoking(),
        user(M::GET, "/account/tokens", Never, &[], tokens::list::show, about::page),
        user(M::POST, "/account/tokens/end", Never, ACCOUNT_MODIFY, tokens::end::one, about::form).revoking(),
        user(M::GET, "/account/tokens/new", Never, MODIFY_AND_LOGIN, tokens::new::show, about::page).reverified(),
        user(M::POST, "/account/tokens/new", Never, MODIFY_AND_LOGIN, tokens::new::submit, about::page).reverified(),
    ]
}
