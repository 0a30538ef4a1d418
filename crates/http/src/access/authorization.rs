//! The access check in front of every route: it finds out who calls, counts the request, and has it checked.
//!
//! The order of answers is the one of `thunderhead_domain::authorization`; here its inputs are gathered.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use thunderhead_auth::Auth;
use thunderhead_auth::cache::lookup::Lookup;
use thunderhead_domain::authorization::{Authorized, Caller, Denial, RequestContext, Requirement, authorize};
use thunderhead_domain::ports::StorageError;
use thunderhead_domain::session::Grant;

use crate::access::limit_class::{NamedText, RateLimitRule};
use crate::access::rate_limit::{Bucket, Verdict, Windows};
use crate::middleware::record::RequestRecord;
use crate::request::client_ip::{ClientIp, TrustedProxies};
use crate::request::cookie::{SessionCookie, set_cookie};
use crate::request::credential::{Credential, TokenText, bare};
use crate::request::origin::{Origins, is_same_origin};
use crate::request::pass_cookie;
use crate::site::cookie_domain::CookieDomain;

/// What all requests of this process share.
pub(crate) struct Shared {
    pub(crate) auth: Arc<Auth>,
    pub(crate) windows: Windows,
    pub(crate) proxies: Arc<TrustedProxies>,
    pub(crate) origins: Origins,
    pub(crate) cookie: SessionCookie,
    /// The domain whose applications browsers show a pass, if there is one.
    pub(crate) pass_domain: Option<CookieDomain>,
}

/// Why the access check refuses.
#[derive(Debug)]
pub(crate) enum AccessError {
    Denied(Denial),
    /// Nothing can be checked.
    Storage(StorageError),
}

impl AccessError {
    /// Whether the credential is good for nothing, and will never be again. A session that has its second factor
    /// pending may become one, and what a limit, a switch or an outage keeps out may be good.
    pub(crate) const fn is_of_a_dead_session(&self) -> bool {
        matches!(self, Self::Denied(Denial::Unauthenticated | Denial::Banned))
    }
}

/// What the access check makes of a request.
pub(crate) struct Decision {
    /// What the limit says, for the headers of the response.
    pub(crate) verdict: Option<Verdict>,
    pub(crate) outcome: Result<Authorized, AccessError>,
}

impl Shared {
    /// Has a browser forget the session that it has, and with it the pass.
    pub(crate) fn clear_session(&self, response: &mut HttpResponse) {
        set_cookie(response, &self.cookie.clearing());
        if let Some(domain) = &self.pass_domain {
            set_cookie(response, &pass_cookie::clearing(domain.as_str()));
        }
    }

    /// Checks a request with this credential.
    pub(crate) async fn check(
        &self,
        requirement: &Requirement,
        rule: RateLimitRule,
        client: ClientIp,
        credential: Credential<'_>,
        request: &HttpRequest,
    ) -> Decision {
        let cross_site = self.is_cross_site(&credential, request);
        // What needs no look at the credential is counted before any work is done for it: a burst must not get through.
        let revokes = matches!(rule, RateLimitRule::Revocation);
        let named = match rule {
            RateLimitRule::General | RateLimitRule::Revocation => None,
            RateLimitRule::Client => Some(Bucket::Client(client.bucket())),
            RateLimitRule::Login => Some(Bucket::Login(client.bucket())),
            RateLimitRule::RevocationBy(token) => {
                match Box::pin(self.bucket_of_named(token.as_ref(), client, request)).await {
                    Ok(bucket) => Some(bucket),
                    Err(error) => return Decision { verdict: None, outcome: Err(AccessError::Storage(error)) },
                }
            }
        };
        let verdict = named.and_then(|bucket| self.admit(bucket));
        if is_over(verdict) {
            return Decision { verdict, outcome: Err(AccessError::Denied(Denial::RateLimited)) };
        }
        let lookup = match self.look_up(credential).await {
            Ok(lookup) => lookup,
            Err(error) => return Decision { verdict, outcome: Err(AccessError::Storage(error)) },
        };
        RequestRecord::note_caller(request, &lookup.caller);
        // Whose window counts another request depends on whether it carries a live session.
        let verdict = match named {
            Some(_) => verdict,
            None => self.admit(bucket_of_caller(&lookup.caller, revokes, client)),
        };
        Decision { verdict, outcome: self.authorize(requirement, lookup, client, verdict, cross_site) }
    }

    /// Counts a request that gives up a token, and that shows no credential.
    ///
    /// # Errors
    /// Where the database is away.
    pub(crate) async fn count_revocation_by(
        &self,
        token: Option<&NamedText>,
        client: ClientIp,
        request: &HttpRequest,
    ) -> Result<Option<Verdict>, StorageError> {
        Ok(self.admit(self.bucket_of_named(token, client, request).await?))
    }

    /// Whom a request comes from.
    pub(crate) fn client_of(&self, request: &HttpRequest) -> ClientIp {
        let peer = || request.peer_addr().map(|peer| peer.ip());
        RequestRecord::client(request).unwrap_or_else(|| self.proxies.client_of(peer(), request.headers()))
    }

    fn admit(&self, bucket: Bucket) -> Option<Verdict> {
        self.windows.admit(bucket, self.auth.clock().now())
    }

    /// Whose window counts a request that gives up a token.
    async fn bucket_of_named(
        &self,
        token: Option<&NamedText>,
        client: ClientIp,
        request: &HttpRequest,
    ) -> Result<Bucket, StorageError> {
        let caller = match token {
            Some(NamedText(text)) => match self.auth.lookup.look_up(Some(bare(text))).await {
                Ok(lookup) => lookup.caller,
                // It can be given up all the same, and whoever does is counted as one without a session.
                Err(StorageError::Unreadable(_)) => Caller::Rejected,
                Err(error) => return Err(error),
            },
            None => Caller::Nobody,
        };
        RequestRecord::note_caller(request, &caller);
        Ok(bucket_of_caller(&caller, true, client))
    }

    /// Who shows this credential.
    pub(crate) async fn look_up(&self, credential: Credential<'_>) -> Result<Lookup, StorageError> {
        let (token, without) = match credential {
            Credential::Token { text, .. } => (Some(text), Caller::Rejected),
            Credential::Pass(text) => return self.auth.lookup.look_up_pass(text.expose()).await,
            Credential::Nothing => (None, Caller::Nobody),
            Credential::Ambiguous => (None, Caller::Ambiguous),
            Credential::Unreadable { .. } => (None, Caller::Rejected),
        };
        let lookup = self.auth.lookup.look_up(token.map(TokenText::expose)).await?;
        Ok(if token.is_some() { lookup } else { Lookup { caller: without, ..lookup } })
    }

    fn authorize(
        &self,
        requirement: &Requirement,
        lookup: Lookup,
        client: ClientIp,
        verdict: Option<Verdict>,
        cross_site: bool,
    ) -> Result<Authorized, AccessError> {
        let context = RequestContext {
            client_ip: client.address(),
            over_limit: is_over(verdict),
            switches: lookup.switches,
            staff_factor: self.auth.policy().staff_factor,
            cross_site,
        };
        authorize(requirement, lookup.caller, context).map_err(AccessError::Denied)
    }

    fn is_cross_site(&self, credential: &Credential<'_>, request: &HttpRequest) -> bool {
        credential.is_cookie() && !is_same_origin(request.method(), request.headers(), &self.origins)
    }
}

/// Whose window counts a request of this caller.
fn bucket_of_caller(caller: &Caller, revokes: bool, client: ClientIp) -> Bucket {
    match (caller.live(), revokes) {
        (Some(authenticated), true) => Bucket::Revocation(authenticated.session.uuid),
        (None, true) => Bucket::ClientRevocation(client.bucket()),
        (None, false) => Bucket::Client(client.bucket()),
        (Some(authenticated), false) => match authenticated.session.grant {
            Grant::Full => Bucket::User(authenticated.user.id),
            Grant::Scoped(_) => Bucket::Session(authenticated.session.uuid),
        },
    }
}

fn is_over(verdict: Option<Verdict>) -> bool {
    verdict.is_some_and(|verdict| !verdict.admitted)
}
