//! The gate in front of every route: it finds out who calls, counts the request, and has it judged.
//!
//! The order of answers is the one of `thunderhead_domain::judgement`; here its inputs are gathered.

use std::sync::Arc;

use actix_web::HttpRequest;
use thunderhead_auth::Auth;
use thunderhead_auth::lookup::Finding;
use thunderhead_domain::judgement::{Admitted, Caller, Circumstances, Demand, Denial, judge};
use thunderhead_domain::ports::StorageFault;
use thunderhead_domain::session::Power;

use crate::client_ip::{ClientIp, TrustedProxies};
use crate::cookie::SessionCookie;
use crate::cors::Origins;
use crate::count::{Count, NamedText};
use crate::credential::{Credential, bare, is_same_origin};
use crate::edge::record::RequestRecord;
use crate::limit::{Bucket, Verdict, Windows};
use crate::services::forward_auth::ForwardAuth;

/// What all requests of this process share.
pub(crate) struct Shared {
    pub(crate) auth: Arc<Auth>,
    pub(crate) windows: Windows,
    pub(crate) proxies: Arc<TrustedProxies>,
    pub(crate) origins: Origins,
    pub(crate) cookie: SessionCookie,
    pub(crate) forward_auth: ForwardAuth,
}

/// Why the gate stays shut.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The judgement refused.
    Denied(Denial),
    /// The database is at fault: nothing can be judged.
    Storage(StorageFault),
}

impl Refusal {
    /// Whether the credential is good for nothing, and will never be again. A session that owes its factor may become
    /// one, and what a limit, a switch or an outage keeps out may be good.
    pub(crate) const fn is_of_a_dead_session(&self) -> bool {
        matches!(self, Self::Denied(Denial::Unauthenticated | Denial::Banned))
    }
}

/// What the gate makes of a request.
pub(crate) struct Passage {
    /// What the limit says, for the headers of the response.
    pub(crate) verdict: Option<Verdict>,
    /// The judged caller.
    pub(crate) outcome: Result<Admitted, Refusal>,
}

impl Shared {
    /// Judges a request that shows this credential.
    pub(crate) async fn pass(
        &self,
        demand: &Demand,
        count: Count,
        client: ClientIp,
        shown: Credential,
        request: &HttpRequest,
    ) -> Passage {
        let cross_site = self.is_cross_site(&shown, request);
        // What needs no look at the credential is counted before any work is done for it: a burst must not get through.
        let revokes = matches!(count, Count::Revocation);
        let counted = match count {
            Count::General | Count::Revocation => None,
            Count::Login => Some(Bucket::Login(client.bucket())),
            Count::RevocationBy(token) => match Box::pin(self.bucket_of_named(token, client, request)).await {
                Ok(bucket) => Some(bucket),
                Err(fault) => return Passage { verdict: None, outcome: Err(Refusal::Storage(fault)) },
            },
        };
        let verdict = counted.and_then(|bucket| self.admit(bucket));
        if is_over(verdict) {
            return Passage { verdict, outcome: Err(Refusal::Denied(Denial::RateLimited)) };
        }
        let finding = match self.find(shown).await {
            Ok(finding) => finding,
            Err(fault) => return Passage { verdict, outcome: Err(Refusal::Storage(fault)) },
        };
        RequestRecord::note_caller(request, &finding.caller);
        // Whose window counts another request depends on whether it carries a live session.
        let verdict = match counted {
            Some(_) => verdict,
            None => self.admit(bucket_of_caller(&finding.caller, revokes, client)),
        };
        Passage { verdict, outcome: self.judge(demand, finding, verdict, cross_site) }
    }

    fn admit(&self, bucket: Bucket) -> Option<Verdict> {
        self.windows.admit(bucket, self.auth.clock().now())
    }

    /// Whose window counts a request that gives up a token.
    async fn bucket_of_named(
        &self,
        token: Option<NamedText>,
        client: ClientIp,
        request: &HttpRequest,
    ) -> Result<Bucket, StorageFault> {
        let caller = match &token {
            Some(NamedText(text)) => match self.auth.look_up(Some(bare(text))).await {
                Ok(finding) => finding.caller,
                // It can be given up all the same, and whoever does is counted as one without a session.
                Err(StorageFault::Unreadable(_)) => Caller::Rejected,
                Err(fault) => return Err(fault),
            },
            None => Caller::Nobody,
        };
        RequestRecord::note_caller(request, &caller);
        Ok(bucket_of_caller(&caller, true, client))
    }

    /// Who shows this credential.
    pub(crate) async fn find(&self, shown: Credential) -> Result<Finding, StorageFault> {
        let (token, without) = match shown {
            Credential::Token { text, .. } => (Some(text), Caller::Rejected),
            Credential::Nothing => (None, Caller::Nobody),
            Credential::Ambiguous => (None, Caller::Ambiguous),
            Credential::Unreadable { .. } => (None, Caller::Rejected),
        };
        // In a box, like what is inside of it: allocations of more than a kilobyte are slow, and the future of the whole
        // request must not become one.
        let finding = Box::pin(self.auth.look_up(token.as_ref().map(|text| text.expose()))).await?;
        Ok(if token.is_some() { finding } else { Finding { caller: without, ..finding } })
    }

    fn judge(
        &self,
        demand: &Demand,
        finding: Finding,
        verdict: Option<Verdict>,
        cross_site: bool,
    ) -> Result<Admitted, Refusal> {
        let circumstances = Circumstances {
            over_limit: is_over(verdict),
            switches: finding.switches,
            staff_factor: self.auth.policy().staff_factor,
            cross_site,
        };
        judge(demand, finding.caller, circumstances).map_err(Refusal::Denied)
    }

    fn is_cross_site(&self, shown: &Credential, request: &HttpRequest) -> bool {
        shown.is_cookie() && !is_same_origin(request.method(), request.headers(), &self.origins)
    }
}

/// Whose window counts a request of this caller.
fn bucket_of_caller(caller: &Caller, revokes: bool, client: ClientIp) -> Bucket {
    match (caller.live(), revokes) {
        (Some(bearer), true) => Bucket::Revocation(bearer.session.uuid),
        (None, true) => Bucket::ClientRevocation(client.bucket()),
        (None, false) => Bucket::Client(client.bucket()),
        (Some(bearer), false) => match bearer.session.power {
            Power::Full => Bucket::User(bearer.user.id),
            Power::Scoped(_) => Bucket::Session(bearer.session.uuid),
        },
    }
}

fn is_over(verdict: Option<Verdict>) -> bool {
    verdict.is_some_and(|verdict| !verdict.admitted)
}
