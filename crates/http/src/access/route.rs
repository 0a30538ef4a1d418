//! Rows with their requirements. A row is made by one of [`any_method`], [`public`], [`open`], [`guest`],
//! [`guest_login`], [`login`], [`login_begin`], [`user`] and [`staff`]; each takes a handler that wants the evidence
//! which that requirement yields, so a row without a requirement, or with one that does not fit its handler, does not
//! compile.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::Method;
use thunderhead_domain::authorization::{
    Access, Authorized, Denial, Guest, LoginCaller, Principal, Requirement, ScopeRule, StaffPrincipal,
};
use thunderhead_domain::change_authorization::PreconditionFailed;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::switch::KillSwitch;

use crate::access::authorization::Shared;
use crate::access::call::Call;
use crate::access::dialect::DialectError;
use crate::access::endpoint::{Describe, DialectHooks, Endpoint, Handler};
use crate::access::limit_class::{RateLimitClass, Submission};

pub(crate) fn any_method<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    path: &'static str,
    handler: impl Fn(Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    row::<E>(None, path, Access::Public, &[], taking(move |(), call| handler(call)), doc)
}

/// For everybody, by one method.
pub(crate) fn public<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    method: Method,
    path: &'static str,
    switches: &'static [KillSwitch],
    handler: impl Fn(Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    row::<E>(Some(method), path, Access::Public, switches, taking(move |(), call| handler(call)), doc)
}

/// The same under every switch, GLOBAL included.
pub(crate) fn open<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    method: Method,
    path: &'static str,
    handler: impl Fn(Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    row::<E>(Some(method), path, Access::Open, &[], taking(move |(), call| handler(call)), doc)
}

/// For those who carry no session.
pub(crate) fn guest<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    method: Method,
    path: &'static str,
    switches: &'static [KillSwitch],
    handler: impl Fn(Guest, Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    row::<E>(Some(method), path, Access::Guest, switches, taking(handler), doc)
}

/// For those who log in and carry no session: counted by the limit of logins, and under a switch left to staff.
pub(crate) fn guest_login<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    path: &'static str,
    submission: Submission,
    switches: &'static [KillSwitch],
    handler: impl Fn(Guest, Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    let endpoint = row::<E>(Some(Method::POST), path, Access::GuestLogin, switches, taking(handler), doc);
    Endpoint { limit_class: RateLimitClass::Login(submission), ..endpoint }
}

/// For those who are about to log in, whatever session they carry.
pub(crate) fn login_begin<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    method: Method,
    path: &'static str,
    handler: impl Fn(LoginCaller, Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    row::<E>(Some(method), path, Access::Login, &[], taking(handler), doc)
}

/// The same as [`guest_login`] for those who may carry a session.
pub(crate) fn login<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    path: &'static str,
    submission: Submission,
    switches: &'static [KillSwitch],
    handler: impl Fn(LoginCaller, Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    let endpoint = row::<E>(Some(Method::POST), path, Access::Login, switches, taking(handler), doc);
    Endpoint { limit_class: RateLimitClass::Login(submission), ..endpoint }
}

pub(crate) fn user<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    method: Method,
    path: &'static str,
    scope: ScopeRule,
    switches: &'static [KillSwitch],
    handler: impl Fn(Principal, Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    row::<E>(Some(method), path, Access::User(scope), switches, taking(handler), doc)
}

pub(crate) fn staff<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    method: Method,
    path: &'static str,
    scope: ScopeRule,
    handler: impl Fn(StaffPrincipal, Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    row::<E>(Some(method), path, Access::Staff(scope), &[], taking(handler), doc)
}

fn row<E: DialectError>(
    method: Option<Method>,
    path: &'static str,
    access: Access,
    switches: &'static [KillSwitch],
    handler: Handler,
    doc: Describe,
) -> Endpoint {
    let requirement = Requirement { access, switches, reverify: false };
    let hooks = DialectHooks::of::<E::Dialect>();
    Endpoint { method, path, requirement, limit_class: RateLimitClass::General, handler, hooks, doc }
}

/// One kind of what the authorization yields.
trait Evidence: Sized + 'static {
    fn of(authorized: Authorized) -> Result<Self, Authorized>;

    /// Whose session the request is made with.
    fn caller(&self) -> Option<&Principal> {
        None
    }
}

impl Evidence for () {
    fn of(authorized: Authorized) -> Result<Self, Authorized> {
        if let Authorized::Public = authorized { Ok(()) } else { Err(authorized) }
    }
}

impl Evidence for Guest {
    fn of(authorized: Authorized) -> Result<Self, Authorized> {
        if let Authorized::Guest(guest) = authorized { Ok(guest) } else { Err(authorized) }
    }
}

impl Evidence for LoginCaller {
    fn of(authorized: Authorized) -> Result<Self, Authorized> {
        if let Authorized::Login(caller) = authorized { Ok(caller) } else { Err(authorized) }
    }
}

impl Evidence for Principal {
    fn of(authorized: Authorized) -> Result<Self, Authorized> {
        if let Authorized::User(principal) = authorized { Ok(principal) } else { Err(authorized) }
    }

    fn caller(&self) -> Option<&Principal> {
        Some(self)
    }
}

impl Evidence for StaffPrincipal {
    fn of(authorized: Authorized) -> Result<Self, Authorized> {
        if let Authorized::Staff(staff) = authorized { Ok(staff) } else { Err(authorized) }
    }

    fn caller(&self) -> Option<&Principal> {
        Some(self.principal())
    }
}

/// A handler that takes one kind of evidence as one that takes any.
fn taking<T: Evidence, E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    handler: impl Fn(T, Call) -> F + 'static,
) -> Handler {
    Arc::new(move |authorized, call| {
        let (request, shared) = (call.request().clone(), call.shared());
        match T::of(authorized) {
            Ok(evidence) => {
                let own = evidence.caller().map(|caller| (caller.session().uuid, caller.user().id));
                let answer = handler(evidence, call);
                Box::pin(async move {
                    match answer.await {
                        Ok(response) => response,
                        Err(error) => Box::pin(or_session_ended(error, own, &shared)).await.respond(&request),
                    }
                })
            }
            // The authorization yields the evidence of the requirement that it was given, as a test in `domain` shows.
            Err(other) => {
                tracing::error!(authorized = ?other, "the authorization yielded evidence of another requirement");
                Box::pin(async { HttpResponse::InternalServerError().finish() })
            }
        }
    })
}

/// The error of a request whose own session may have ended while it was under way. Then that is what the client is
/// told: what it asked for is not there because of it, or is no longer its business.
async fn or_session_ended<E: DialectError>(error: E, own: Option<(SessionUuid, UserId)>, shared: &Shared) -> E {
    let Some((session, user)) = own.filter(|_| error.may_be_stale()) else { return error };
    match shared.auth.lookup.ended_since(session, user).await {
        Ok(None) => error,
        Ok(Some(PreconditionFailed::Banned)) => Denial::Banned.into(),
        Ok(Some(_)) => Denial::Unauthenticated.into(),
        Err(error) => error.into(),
    }
}
