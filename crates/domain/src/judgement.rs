//! The order in which a request is judged: one pure function over what the endpoint demands, who calls, and
//! which switches are on (`spec/sessions-api.md`, *How a request is judged*, steps 1 to 6).
//!
//! Its results are evidence. A [`Principal`], a [`StaffPrincipal`] and a [`Visitor`] can be had from [`judge`]
//! alone, and the use cases take them as parameters: what needs permission cannot be called without it.

use std::sync::Arc;

use crate::scope::Scope;
use crate::session::{Power, Session, Standing};
use crate::switch::{KillSwitch, SwitchSet};
use crate::time::Timestamp;
use crate::user::User;

/// What an endpoint demands of its caller. Declared once, where the route is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Who may call.
    pub who: Who,
    /// The kill switches that shut the endpoint, in the order of the spec; GLOBAL shuts every one.
    pub switches: &'static [KillSwitch],
    /// Whether an ordinary session must prove its user's identity again.
    pub reverify: bool,
}

/// Who may call an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody, with or without a session.
    Anyone,
    /// Somebody who carries no valid session.
    Visitor,
    /// As [`Who::Visitor`], for logins: where a switch is on, staff get in once their password is right, so
    /// the switch is only noted here and the login itself turns the others away.
    LoginVisitor,
    /// Somebody who logs in, whatever session they carry: switches are left to the login as for
    /// [`Who::LoginVisitor`].
    Entrant,
    /// A user with a live session.
    User(ScopeDemand),
    /// A staff user with a second factor, which this session has shown.
    Staff(ScopeDemand),
}

/// What an endpoint asks of a scoped session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeDemand {
    /// Never allowed.
    Never,
    /// Any scope will do.
    Any,
    /// This scope.
    Needs(Scope),
}

/// A session with its user, as one read of the database found them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The session's row.
    pub session: Session,
    /// Its user's row.
    pub user: User,
}

impl Bearer {
    /// Whether the session's scopes, or those that an ordinary session stands for, cover `scope`. Staff scopes count
    /// only where the session carries staff power.
    pub fn may(&self, scope: Scope, staff_factor: StaffFactor) -> bool {
        let held = match self.session.power {
            Power::Full => true,
            Power::Scoped(scopes) => scopes.allows(scope),
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
    /// Its session still owes the second factor.
    FactorOwed(Arc<Bearer>),
    /// Its user is banned.
    Banned,
    /// Its session is live.
    Live(Arc<Bearer>),
}

impl Caller {
    /// What a genuine credential is worth at `now`. A banned user's session answers as banned until it
    /// expires, also where the ban ended it (`spec/model.md`, *User*).
    pub fn of(bearer: Option<Arc<Bearer>>, now: Timestamp) -> Self {
        let Some(bearer) = bearer else { return Self::Rejected };
        match bearer.session.standing(now) {
            Standing::Expired => Self::Rejected,
            _ if bearer.user.banned_at.is_some() => Self::Banned,
            Standing::Ended => Self::Rejected,
            Standing::FactorOwed => Self::FactorOwed(bearer),
            Standing::Live => Self::Live(bearer),
        }
    }

    /// The live session, if that is what the caller has.
    pub const fn live(&self) -> Option<&Arc<Bearer>> {
        match self {
            Self::Live(bearer) => Some(bearer),
            Self::Nobody | Self::Ambiguous | Self::Rejected | Self::FactorOwed(_) | Self::Banned => None,
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

/// What besides the caller decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// Whether the rate limit of this request is used up.
    pub over_limit: bool,
    /// Which kill switches are on.
    pub switches: SwitchSet,
    /// Whether staff endpoints ask for a second factor.
    pub staff_factor: StaffFactor,
    /// Whether a browser sent its cookie along with a change that another site asked for
    /// (`spec/kratos-api.md`, *Credentials*).
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
    /// 3: the session still owes its second factor.
    FactorOwed,
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

/// A judged caller.
#[derive(Clone, Debug)]
pub enum Admitted {
    /// For [`Who::Anyone`].
    Anyone,
    /// For [`Who::Visitor`] and [`Who::LoginVisitor`].
    Visitor(Visitor),
    /// For [`Who::Entrant`].
    Entrant(Entrant),
    /// For [`Who::User`].
    User(Principal),
    /// For [`Who::Staff`].
    Staff(StaffPrincipal),
}

/// Somebody without a session, who may try to get one.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    staff_only: Option<KillSwitch>,
}

impl Visitor {
    /// The switch that is on, where only staff may log in.
    pub const fn staff_only(&self) -> Option<KillSwitch> {
        self.staff_only
    }
}

/// Somebody who logs in, and may carry a session already.
#[derive(Clone, Debug)]
pub struct Entrant {
    visitor: Visitor,
    carried: Carried,
}

/// The session that somebody who logs in carries.
#[derive(Clone, Debug)]
pub enum Carried {
    /// None that is worth anything.
    Nothing,
    /// One whose second factor is still owed.
    FactorOwed(Arc<Bearer>),
    /// A live one.
    Live(Arc<Bearer>),
}

impl Entrant {
    /// As somebody without a session.
    pub const fn visitor(&self) -> Visitor {
        self.visitor
    }

    /// What they carry.
    pub const fn carried(&self) -> &Carried {
        &self.carried
    }
}

/// A user with a live session that is allowed to do what the endpoint does.
#[derive(Clone, Debug)]
pub struct Principal {
    bearer: Arc<Bearer>,
    owes_reverification: bool,
}

impl Principal {
    /// The session that the request is made with.
    pub fn session(&self) -> &Session {
        &self.bearer.session
    }

    /// The user.
    pub fn user(&self) -> &User {
        &self.bearer.user
    }

    /// Session and user together.
    pub fn bearer(&self) -> &Bearer {
        &self.bearer
    }

    /// Whether the endpoint wants identity proved again, and this session is not excused by being scoped.
    pub const fn owes_reverification(&self) -> bool {
        self.owes_reverification
    }
}

/// A principal who acts as staff.
#[derive(Clone, Debug)]
pub struct StaffPrincipal(Principal);

impl StaffPrincipal {
    /// The staff member as a user.
    pub const fn principal(&self) -> &Principal {
        &self.0
    }
}

/// Judges one request. The first reason that applies is the answer.
pub fn judge(demand: &Demand, caller: Caller, circumstances: Circumstances) -> Result<Admitted, Denial> {
    if circumstances.over_limit {
        return Err(Denial::RateLimited);
    }
    // Who logs in as somebody else does not do so by the rights of the session that they carry.
    let passes = demand.who != Who::Entrant && passes_switches(&caller, circumstances.staff_factor);
    let shut = if passes { None } else { circumstances.switches.shutting(demand.switches) };
    let deferred = match demand.who {
        Who::LoginVisitor => caller.live().is_none(),
        Who::Entrant => true,
        Who::Anyone | Who::Visitor | Who::User(_) | Who::Staff(_) => false,
    };
    if let Some(switch) = shut
        && !deferred
    {
        return Err(Denial::SwitchedOff(switch));
    }
    match demand.who {
        Who::Anyone => Ok(Admitted::Anyone),
        Who::Visitor | Who::LoginVisitor => match caller {
            Caller::Live(_) => Err(Denial::AlreadyAuthenticated),
            Caller::Ambiguous => Err(shut.map_or(Denial::Unauthenticated, Denial::SwitchedOff)),
            Caller::Banned if shut.is_none() => Err(Denial::Banned),
            Caller::Banned | Caller::Nobody | Caller::Rejected | Caller::FactorOwed(_) => {
                Ok(Admitted::Visitor(Visitor { staff_only: shut }))
            }
        },
        Who::Entrant => entrant(caller, circumstances, shut).map(Admitted::Entrant),
        Who::User(scope) => {
            let bearer = live(caller, circumstances)?;
            check_scope(&bearer.session, scope)?;
            Ok(Admitted::User(principal(bearer, demand)))
        }
        Who::Staff(scope) => {
            let bearer = live(caller, circumstances)?;
            check_staff(&bearer, circumstances.staff_factor)?;
            check_scope(&bearer.session, scope)?;
            Ok(Admitted::Staff(StaffPrincipal(principal(bearer, demand))))
        }
    }
}

fn entrant(caller: Caller, circumstances: Circumstances, shut: Option<KillSwitch>) -> Result<Entrant, Denial> {
    let carried = match caller {
        Caller::Ambiguous => return Err(shut.map_or(Denial::Unauthenticated, Denial::SwitchedOff)),
        Caller::Banned if shut.is_none() => return Err(Denial::Banned),
        Caller::Live(_) | Caller::FactorOwed(_) if circumstances.cross_site => {
            return Err(shut.map_or(Denial::CrossSite, Denial::SwitchedOff));
        }
        Caller::Banned | Caller::Nobody | Caller::Rejected => Carried::Nothing,
        Caller::FactorOwed(bearer) => Carried::FactorOwed(bearer),
        Caller::Live(bearer) => Carried::Live(bearer),
    };
    Ok(Entrant { visitor: Visitor { staff_only: shut }, carried })
}

/// Staff are not stopped by switches, provided that the session carries staff power.
fn passes_switches(caller: &Caller, staff_factor: StaffFactor) -> bool {
    caller.live().is_some_and(|bearer| bearer.may(Scope::StaffModifyKillswitches, staff_factor))
}

fn live(caller: Caller, circumstances: Circumstances) -> Result<Arc<Bearer>, Denial> {
    match caller {
        Caller::Live(_) if circumstances.cross_site => Err(Denial::CrossSite),
        Caller::Live(bearer) => Ok(bearer),
        Caller::Banned => Err(Denial::Banned),
        Caller::FactorOwed(_) => Err(Denial::FactorOwed),
        Caller::Nobody | Caller::Ambiguous | Caller::Rejected => Err(Denial::Unauthenticated),
    }
}

fn check_staff(Bearer { session, user }: &Bearer, factor: StaffFactor) -> Result<(), Denial> {
    match factor {
        _ if !user.staff => Err(Denial::NotStaff),
        StaffFactor::Required if !(user.has_second_factor && session.is_proved_by_factor()) => {
            Err(Denial::StaffFactorMissing)
        }
        StaffFactor::Required | StaffFactor::Waived => Ok(()),
    }
}

fn check_scope(session: &Session, demand: ScopeDemand) -> Result<(), Denial> {
    match (session.power, demand) {
        (Power::Full, _) | (Power::Scoped(_), ScopeDemand::Any) => Ok(()),
        (Power::Scoped(scopes), ScopeDemand::Needs(scope)) if scopes.allows(scope) => Ok(()),
        (Power::Scoped(_), ScopeDemand::Needs(_) | ScopeDemand::Never) => Err(Denial::ScopeMissing),
    }
}

fn principal(bearer: Arc<Bearer>, demand: &Demand) -> Principal {
    let owes_reverification = demand.reverify && bearer.session.power == Power::Full;
    Principal { bearer, owes_reverification }
}

#[cfg(test)]
mod tests;
