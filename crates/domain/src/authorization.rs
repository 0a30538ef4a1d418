//! The order in which a request is checked: one pure function over what the endpoint requires, who calls, and
//! which switches are on (`docs/MODEL.md`, *How a request is authorized*, steps 1 to 6).
//!
//! Its results are evidence. A [`Principal`], a [`StaffPrincipal`] and a [`Guest`] can be had from [`authorize`]
//! alone, and the use cases take them as parameters: what needs permission cannot be called without it.

use std::net::IpAddr;
use std::sync::Arc;

use crate::audit::ActionContext;
use crate::scope::Scope;
use crate::session::{Actor, Grant, Session, SessionStatus};
use crate::switch::{KillSwitch, SwitchSet};
use crate::time::Timestamp;
use crate::user::User;

/// What an endpoint requires of its caller. Declared once, where the route is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Who may call.
    pub access: Access,
    /// The kill switches that shut the endpoint, in the order of the spec; GLOBAL shuts every one that is not
    /// [`Access::Open`].
    pub switches: &'static [KillSwitch],
    /// Whether an ordinary session must prove its user's identity again.
    pub reverify: bool,
}

/// Who may call an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody, with or without a session.
    Public,
    /// The same, and no switch shuts it, not even GLOBAL: whoever holds a token may always give it up.
    Open,
    /// Somebody without a live session.
    Guest,
    /// As [`Access::Guest`], for logins: where a switch is on, staff get in once their password is right, so
    /// the switch is only noted here and the login itself turns the others away.
    GuestLogin,
    /// Somebody who logs in, whatever session they present: switches are left to the login as for
    /// [`Access::GuestLogin`].
    Login,
    /// A user with a live session.
    User(ScopeRule),
    /// A staff user with a second factor, which this session has shown.
    Staff(ScopeRule),
}

/// What an endpoint asks of a scoped session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeRule {
    /// Never allowed.
    Never,
    /// Any scope will do.
    Any,
    /// This scope.
    Needs(Scope),
}

/// A session with its user, as one read of the database found them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatedSession {
    /// The session's row.
    pub session: Session,
    /// Its user's row.
    pub user: User,
}

impl AuthenticatedSession {
    /// Whether the session's scopes, or those that an ordinary session stands for, cover `scope`. Staff scopes count
    /// only where the session carries staff power.
    pub fn may(&self, scope: Scope, staff_factor: StaffFactor) -> bool {
        let held = match self.session.grant {
            Grant::Full => true,
            Grant::Scoped(scopes) => scopes.allows(scope),
        };
        held && (!scope.is_staff() || self.has_staff_power(staff_factor))
    }

    /// Whether the session carries its user's staff power: the user is staff, has a second factor, and has shown one in
    /// this session.
    pub fn has_staff_power(&self, staff_factor: StaffFactor) -> bool {
        check_staff(self, staff_factor).is_ok()
    }
}

/// Who calls, as far as the credential tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The request carries no credential.
    Nobody,
    /// It carries more than one where one is allowed.
    Ambiguous,
    /// Its credential is malformed, forged, expired, unknown or ended.
    Rejected,
    /// Its session has its second factor pending.
    SecondFactorPending(Arc<AuthenticatedSession>),
    /// Its user is banned.
    Banned,
    /// Its session is live.
    Live(Arc<AuthenticatedSession>),
}

impl Caller {
    /// What a genuine credential is worth at `now`. A banned user's session answers as banned until it
    /// expires, also where the ban ended it (`docs/MODEL.md`, *User*).
    pub fn of(authenticated: Option<Arc<AuthenticatedSession>>, now: Timestamp) -> Self {
        let Some(authenticated) = authenticated else { return Self::Rejected };
        match authenticated.session.status(now) {
            SessionStatus::Expired => Self::Rejected,
            _ if authenticated.user.banned_at.is_some() => Self::Banned,
            SessionStatus::Ended => Self::Rejected,
            SessionStatus::SecondFactorPending => Self::SecondFactorPending(authenticated),
            SessionStatus::Live => Self::Live(authenticated),
        }
    }

    /// The live session, if that is what the caller has.
    pub const fn live(&self) -> Option<&Arc<AuthenticatedSession>> {
        match self {
            Self::Live(authenticated) => Some(authenticated),
            Self::Nobody | Self::Ambiguous | Self::Rejected | Self::SecondFactorPending(_) | Self::Banned => None,
        }
    }
}

/// Whether staff endpoints ask for a second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaffFactor {
    /// They do.
    Required,
    /// They do not: for development and tests alone.
    Waived,
}

/// What a request is checked by besides its caller, and what its evidence carries on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestContext {
    /// The client's address, where there is one: it decides nothing, and goes on with the evidence.
    pub client_ip: Option<IpAddr>,
    /// Whether the rate limit of this request is used up.
    pub over_limit: bool,
    /// Which kill switches are on.
    pub switches: SwitchSet,
    /// Whether staff endpoints ask for a second factor.
    pub staff_factor: StaffFactor,
    /// Whether a browser sent its cookie along with a change that another site asked for
    /// (`docs/API-KRATOS.md`).
    pub cross_site: bool,
}

/// Why a request is refused before its body is read, in the order in which the reasons are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// 1: the rate limit is used up.
    RateLimited,
    /// 2: a kill switch is on.
    SwitchedOff(KillSwitch),
    /// 3: no live session.
    Unauthenticated,
    /// 3: the session has its second factor pending.
    SecondFactorPending,
    /// 3: a live session where none may be.
    AlreadyAuthenticated,
    /// 4: the user is banned.
    Banned,
    /// After 4: the session is good, and another site is using it.
    CrossSite,
    /// 5: not staff.
    NotStaff,
    /// 5: staff without a second factor, or with a session that was not proved by one.
    StaffFactorMissing,
    /// 6: the session's scopes do not cover it.
    ScopeMissing,
}

/// A checked caller.
#[derive(Clone, Debug)]
pub enum Authorized {
    /// For [`Access::Public`] and [`Access::Open`].
    Public,
    /// For [`Access::Guest`] and [`Access::GuestLogin`].
    Guest(Guest),
    /// For [`Access::Login`].
    Login(LoginCaller),
    /// For [`Access::User`].
    User(Principal),
    /// For [`Access::Staff`].
    Staff(StaffPrincipal),
}

/// Somebody without a session, who may try to get one.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    staff_only: Option<KillSwitch>,
    client_ip: Option<IpAddr>,
}

impl Guest {
    /// The switch that is on, where only staff may log in.
    pub const fn staff_only(&self) -> Option<KillSwitch> {
        self.staff_only
    }

    /// The address that the request came from, where there is one.
    pub const fn client_ip(&self) -> Option<IpAddr> {
        self.client_ip
    }

    /// What a guest does at this moment.
    pub const fn action(&self, at: Timestamp) -> ActionContext {
        ActionContext { at, by: Actor::Stranger, client_ip: self.client_ip }
    }
}

/// Somebody who logs in, and may have a session already.
#[derive(Clone, Debug)]
pub struct LoginCaller {
    guest: Guest,
    presented: PresentedSession,
}

/// The session that somebody presents who logs in.
#[derive(Clone, Debug)]
pub enum PresentedSession {
    /// None, or one that is over.
    Nothing,
    /// One whose second factor is still pending.
    SecondFactorPending(Arc<AuthenticatedSession>),
    /// A live one.
    Live(Arc<AuthenticatedSession>),
}

impl LoginCaller {
    /// As somebody without a session.
    pub const fn guest(&self) -> Guest {
        self.guest
    }

    /// The session that they present.
    pub const fn presented(&self) -> &PresentedSession {
        &self.presented
    }
}

/// A user with a live session that is allowed to do what the endpoint does.
#[derive(Clone, Debug)]
pub struct Principal {
    authenticated: Arc<AuthenticatedSession>,
    client_ip: Option<IpAddr>,
    needs_reverification: bool,
}

impl Principal {
    /// The session that the request is made with.
    pub fn session(&self) -> &Session {
        &self.authenticated.session
    }

    /// The user.
    pub fn user(&self) -> &User {
        &self.authenticated.user
    }

    /// Session and user together.
    pub fn authenticated(&self) -> &AuthenticatedSession {
        &self.authenticated
    }

    /// The address that the request came from, where there is one.
    pub const fn client_ip(&self) -> Option<IpAddr> {
        self.client_ip
    }

    /// What the user does at this moment.
    pub fn action(&self, at: Timestamp) -> ActionContext {
        ActionContext { at, by: Actor::User(self.user().id), client_ip: self.client_ip }
    }

    /// Whether the endpoint asks for reverification, and this session is not excused by being scoped.
    pub const fn needs_reverification(&self) -> bool {
        self.needs_reverification
    }
}

/// A principal who acts as staff.
#[derive(Clone, Debug)]
pub struct StaffPrincipal {
    principal: Principal,
    factor: StaffFactor,
}

impl StaffPrincipal {
    /// The staff member as a user.
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whether they had to have a second factor.
    pub const fn factor(&self) -> StaffFactor {
        self.factor
    }
}

impl AsRef<Principal> for Principal {
    fn as_ref(&self) -> &Principal {
        self
    }
}

impl AsRef<Principal> for StaffPrincipal {
    fn as_ref(&self) -> &Principal {
        &self.principal
    }
}

/// Checks one request. The first reason that applies is the answer.
pub fn authorize(requirement: &Requirement, caller: Caller, context: RequestContext) -> Result<Authorized, Denial> {
    if context.over_limit {
        return Err(Denial::RateLimited);
    }
    // Who logs in as somebody else does not do so by the rights of the session that they present.
    let passes = match requirement.access {
        Access::Open => true,
        Access::Login => false,
        Access::Public | Access::Guest | Access::GuestLogin | Access::User(_) | Access::Staff(_) => {
            bypasses_switches(&caller, context.staff_factor)
        }
    };
    let shut = if passes { None } else { context.switches.shutting(requirement.switches) };
    let deferred = match requirement.access {
        Access::GuestLogin => caller.live().is_none(),
        Access::Login => true,
        Access::Public | Access::Open | Access::Guest | Access::User(_) | Access::Staff(_) => false,
    };
    if let Some(switch) = shut
        && !deferred
    {
        return Err(Denial::SwitchedOff(switch));
    }
    match requirement.access {
        Access::Public | Access::Open => Ok(Authorized::Public),
        Access::Guest | Access::GuestLogin => match caller {
            Caller::Live(_) => Err(Denial::AlreadyAuthenticated),
            Caller::Ambiguous => Err(shut.map_or(Denial::Unauthenticated, Denial::SwitchedOff)),
            Caller::Banned if shut.is_none() => Err(Denial::Banned),
            Caller::Banned | Caller::Nobody | Caller::Rejected | Caller::SecondFactorPending(_) => {
                Ok(Authorized::Guest(Guest { staff_only: shut, client_ip: context.client_ip }))
            }
        },
        Access::Login => login_caller(caller, context, shut).map(Authorized::Login),
        Access::User(scope) => {
            let authenticated = live(caller, context)?;
            check_scope(&authenticated.session, scope)?;
            Ok(Authorized::User(principal(authenticated, requirement, context)))
        }
        Access::Staff(scope) => {
            let authenticated = live(caller, context)?;
            check_staff(&authenticated, context.staff_factor)?;
            check_scope(&authenticated.session, scope)?;
            let principal = principal(authenticated, requirement, context);
            Ok(Authorized::Staff(StaffPrincipal { principal, factor: context.staff_factor }))
        }
    }
}

fn login_caller(caller: Caller, context: RequestContext, shut: Option<KillSwitch>) -> Result<LoginCaller, Denial> {
    let presented = match caller {
        Caller::Ambiguous => return Err(shut.map_or(Denial::Unauthenticated, Denial::SwitchedOff)),
        Caller::Banned if shut.is_none() => return Err(Denial::Banned),
        Caller::Live(_) | Caller::SecondFactorPending(_) if context.cross_site => {
            return Err(shut.map_or(Denial::CrossSite, Denial::SwitchedOff));
        }
        Caller::Banned | Caller::Nobody | Caller::Rejected => PresentedSession::Nothing,
        Caller::SecondFactorPending(authenticated) => PresentedSession::SecondFactorPending(authenticated),
        Caller::Live(authenticated) => PresentedSession::Live(authenticated),
    };
    Ok(LoginCaller { guest: Guest { staff_only: shut, client_ip: context.client_ip }, presented })
}

/// Staff are not stopped by switches, provided that the session carries staff power.
fn bypasses_switches(caller: &Caller, staff_factor: StaffFactor) -> bool {
    caller.live().is_some_and(|authenticated| authenticated.may(Scope::StaffModifyKillswitches, staff_factor))
}

fn live(caller: Caller, context: RequestContext) -> Result<Arc<AuthenticatedSession>, Denial> {
    match caller {
        Caller::Live(_) if context.cross_site => Err(Denial::CrossSite),
        Caller::Live(authenticated) => Ok(authenticated),
        Caller::Banned => Err(Denial::Banned),
        Caller::SecondFactorPending(_) => Err(Denial::SecondFactorPending),
        Caller::Nobody | Caller::Ambiguous | Caller::Rejected => Err(Denial::Unauthenticated),
    }
}

fn check_staff(
    AuthenticatedSession { session, user }: &AuthenticatedSession,
    factor: StaffFactor,
) -> Result<(), Denial> {
    match factor {
        _ if !user.staff => Err(Denial::NotStaff),
        StaffFactor::Required if !(user.has_second_factor && session.is_proved_by_factor()) => {
            Err(Denial::StaffFactorMissing)
        }
        StaffFactor::Required | StaffFactor::Waived => Ok(()),
    }
}

fn check_scope(session: &Session, requirement: ScopeRule) -> Result<(), Denial> {
    match (session.grant, requirement) {
        (Grant::Full, _) | (Grant::Scoped(_), ScopeRule::Any) => Ok(()),
        (Grant::Scoped(scopes), ScopeRule::Needs(scope)) if scopes.allows(scope) => Ok(()),
        (Grant::Scoped(_), ScopeRule::Needs(_) | ScopeRule::Never) => Err(Denial::ScopeMissing),
    }
}

fn principal(
    authenticated: Arc<AuthenticatedSession>,
    requirement: &Requirement,
    context: RequestContext,
) -> Principal {
    let needs_reverification = requirement.reverify && authenticated.session.grant == Grant::Full;
    Principal { authenticated, client_ip: context.client_ip, needs_reverification }
}

#[cfg(test)]
mod tests;
