//! The authorization, tested over every combination of caller, requirement and context.

use uuid::Uuid;

use super::*;
use crate::id::{UserId, UserUuid};
use crate::scope::ScopeSet;
use crate::session::tests::sample;
use crate::session::{Actor, Authentication, End, EndReason, Method, State};
use crate::user::{EmailAddress, Username};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

fn authenticated(grant: Grant, staff: bool, has_second_factor: bool) -> AuthenticatedSession {
    let user = User {
        id: UserId::from_number(1_600_000_000_000),
        uuid: UserUuid(Uuid::nil()),
        username: Username::try_from("ada".to_owned()).unwrap(),
        email: EmailAddress::from_checked("ada@example.org".to_owned()),
        staff,
        has_second_factor,
        has_password: true,
        verified_at: None,
        banned_at: None,
        created_at: NOW,
        updated_at: NOW,
    };
    let session = Session { user: user.id, grant, ..sample(NOW, NOW.plus_seconds(60)) };
    AuthenticatedSession { session, user }
}

/// The same, with a session that a second factor was shown in.
fn proved(grant: Grant, staff: bool, has_second_factor: bool) -> AuthenticatedSession {
    let mut authenticated = authenticated(grant, staff, has_second_factor);
    authenticated.session.authentications.push(Authentication { method: Method::Totp, at: NOW });
    authenticated
}

fn powers() -> Vec<Grant> {
    let scoped = |scope: Scope| Grant::Scoped(ScopeSet::from_flags(i64::from(scope.bit())).unwrap());
    Scope::TABLE.into_iter().map(|(scope, _)| scoped(scope)).chain([Grant::Full]).collect()
}

fn callers() -> Vec<Caller> {
    let mut all = vec![Caller::Nobody, Caller::Ambiguous, Caller::Rejected, Caller::Banned];
    for grant in powers() {
        for (staff, factor) in [(false, false), (false, true), (true, false), (true, true)] {
            all.push(Caller::Live(Arc::new(authenticated(grant, staff, factor))));
            all.push(Caller::Live(Arc::new(proved(grant, staff, factor))));
            all.push(Caller::SecondFactorPending(Arc::new(authenticated(grant, staff, factor))));
        }
    }
    all
}

fn requirements() -> Vec<Requirement> {
    let scopes = Scope::TABLE.into_iter().map(|(scope, _)| ScopeRule::Needs(scope));
    let scopes: Vec<_> = scopes.chain([ScopeRule::Never, ScopeRule::Any]).collect();
    let whos = scopes.iter().flat_map(|scope| [Access::User(*scope), Access::Staff(*scope)]);
    let switches: [&[KillSwitch]; 2] = [&[], &[KillSwitch::AccountModify, KillSwitch::AccountLogin]];
    whos.chain([Access::Public, Access::Open, Access::Guest, Access::GuestLogin, Access::Login])
        .flat_map(|access| switches.map(|switches| (access, switches)))
        .flat_map(|(access, switches)| [false, true].map(|reverify| Requirement { access, switches, reverify }))
        .collect()
}

fn quiet() -> RequestContext {
    RequestContext {
        client_ip: None,
        over_limit: false,
        switches: SwitchSet::NONE,
        staff_factor: StaffFactor::Required,
        cross_site: false,
    }
}

fn context() -> Vec<RequestContext> {
    let sets = [
        SwitchSet::NONE,
        SwitchSet::NONE.with(KillSwitch::AccountLogin),
        SwitchSet::NONE.with(KillSwitch::AccountModify).with(KillSwitch::Global),
        SwitchSet::NONE.with(KillSwitch::FileCreate),
    ];
    let mut all = vec![];
    for over_limit in [false, true] {
        for switches in sets {
            for staff_factor in [StaffFactor::Required, StaffFactor::Waived] {
                for cross_site in [false, true] {
                    all.push(RequestContext { client_ip: None, over_limit, switches, staff_factor, cross_site });
                }
            }
        }
    }
    all
}

/// The spec's numbered list, written as a list: which steps refuse, in order, each by itself.
fn refusals(requirement: &Requirement, caller: &Caller, around: RequestContext) -> Vec<Denial> {
    let mut refusals = vec![];
    if around.over_limit {
        refusals.push(Denial::RateLimited);
    }
    let live = caller.live();
    let staff_power = live.is_some_and(|authenticated| {
        let flags = match authenticated.session.grant {
            Grant::Full => 1,
            Grant::Scoped(scopes) => scopes.flags(),
        };
        let proved = around.staff_factor == StaffFactor::Waived || is_proved(authenticated);
        authenticated.user.staff && proved && flags & (1 | 524_288) != 0
    });
    let login = requirement.access == Access::Login;
    let noted_only = login || (requirement.access == Access::GuestLogin && live.is_none());
    let shut = around.switches.shutting(requirement.switches).filter(|_| login || !staff_power);
    let shut = shut.filter(|_| requirement.access != Access::Open);
    refusals.extend(shut.filter(|_| !noted_only).map(Denial::SwitchedOff));
    let scope = match requirement.access {
        Access::Public | Access::Open => return refusals,
        Access::Login => {
            let by_cookie_from_elsewhere =
                around.cross_site && matches!(caller, Caller::Live(_) | Caller::SecondFactorPending(_));
            let refusal = match caller {
                Caller::Ambiguous => Some(Denial::Unauthenticated),
                Caller::Banned if shut.is_none() => Some(Denial::Banned),
                _ => by_cookie_from_elsewhere.then_some(Denial::CrossSite),
            };
            // Whatever else is wrong with somebody who logs in, a switch that is on is what they hear of.
            refusals.extend(refusal.map(|refusal| shut.map_or(refusal, Denial::SwitchedOff)));
            return refusals;
        }
        Access::Guest | Access::GuestLogin => {
            refusals.extend(live.map(|_| Denial::AlreadyAuthenticated));
            if *caller == Caller::Ambiguous {
                // No switch lets anybody in with two credentials, so it is the switch's answer that they get.
                refusals.extend(shut.map(Denial::SwitchedOff));
                refusals.push(Denial::Unauthenticated);
            }
            refusals.extend((*caller == Caller::Banned && shut.is_none()).then_some(Denial::Banned));
            return refusals;
        }
        Access::User(scope) | Access::Staff(scope) => scope,
    };
    match caller {
        Caller::Nobody | Caller::Ambiguous | Caller::Rejected => refusals.push(Denial::Unauthenticated),
        Caller::SecondFactorPending(_) => refusals.push(Denial::SecondFactorPending),
        Caller::Banned => refusals.push(Denial::Banned),
        Caller::Live(authenticated) => {
            refusals.extend(around.cross_site.then_some(Denial::CrossSite));
            if let Access::Staff(_) = requirement.access {
                let unproved = around.staff_factor == StaffFactor::Required && !is_proved(authenticated);
                refusals.extend((!authenticated.user.staff).then_some(Denial::NotStaff));
                refusals.extend(unproved.then_some(Denial::StaffFactorMissing));
            }
            if let Grant::Scoped(scopes) = authenticated.session.grant {
                let covered = match scope {
                    ScopeRule::Any => true,
                    ScopeRule::Never => false,
                    ScopeRule::Needs(scope) => scopes.flags() & (1 | i64::from(scope.bit())) != 0,
                };
                refusals.extend((!covered).then_some(Denial::ScopeMissing));
            }
        }
    }
    refusals
}

/// Whether the user has a factor, and the session was proved by one.
fn is_proved(authenticated: &AuthenticatedSession) -> bool {
    let shown = authenticated.session.authentications.iter().any(|shown| shown.method != Method::Password);
    authenticated.user.has_second_factor && shown
}

#[test]
fn the_first_step_that_refuses_is_the_answer_for_every_caller_requirement_and_context() {
    let mut cases = 0;
    for requirement in requirements() {
        for caller in callers() {
            for around in context() {
                let expected = refusals(&requirement, &caller, around).first().copied();
                let verdict = authorize(&requirement, caller.clone(), around);
                assert_eq!(verdict.as_ref().err().copied(), expected, "{requirement:?} {caller:?} {around:?}");
                let evidence_fits = match (&verdict, requirement.access) {
                    (Err(_), _)
                    | (Ok(Authorized::Public), Access::Public | Access::Open)
                    | (Ok(Authorized::Guest(_)), Access::Guest | Access::GuestLogin)
                    | (Ok(Authorized::Login(_)), Access::Login)
                    | (Ok(Authorized::User(_)), Access::User(_))
                    | (Ok(Authorized::Staff(_)), Access::Staff(_)) => true,
                    (Ok(_), _) => false,
                };
                assert!(evidence_fits, "{requirement:?} {verdict:?}");
                cases += 1;
            }
        }
    }
    assert!(cases > 100_000, "{cases}");
}

#[test]
fn a_login_under_a_switch_is_left_to_staff_and_says_which_switch() {
    let requirement =
        Requirement { access: Access::GuestLogin, switches: &[KillSwitch::AccountLogin], reverify: false };
    let with = |switches| RequestContext { switches, ..quiet() };
    let staff_only = |switches| match authorize(&requirement, Caller::Nobody, with(switches)) {
        Ok(Authorized::Guest(guest)) => guest.staff_only(),
        other => panic!("{other:?}"),
    };
    assert_eq!(staff_only(SwitchSet::NONE), None);
    let on = SwitchSet::NONE.with(KillSwitch::AccountLogin);
    assert_eq!(staff_only(on), Some(KillSwitch::AccountLogin));
    assert_eq!(staff_only(on.with(KillSwitch::Global)), Some(KillSwitch::Global));
}

#[test]
fn only_ordinary_sessions_need_reverification_and_only_where_it_is_asked_for() {
    let around = quiet();
    for grant in powers() {
        for reverify in [false, true] {
            let requirement = Requirement { access: Access::User(ScopeRule::Any), switches: &[], reverify };
            let caller = Caller::Live(Arc::new(authenticated(grant, false, false)));
            let Ok(Authorized::User(principal)) = authorize(&requirement, caller, around) else { panic!("{grant:?}") };
            assert_eq!(principal.needs_reverification(), reverify && grant == Grant::Full);
        }
    }
}

#[test]
fn a_banned_users_session_answers_as_banned_until_it_expires() {
    let end = End { at: NOW, by: Actor::CommandLine, why: EndReason::Banned };
    let states = [(State::Open, false), (State::Open, true), (State::Ended(end), false), (State::Expired, false)];
    for (state, second_factor_pending) in states {
        for banned in [false, true] {
            for expired in [false, true] {
                let mut authenticated = authenticated(Grant::Full, true, true);
                authenticated.session.state = state;
                authenticated.session.second_factor_pending = second_factor_pending;
                authenticated.user.banned_at = banned.then_some(NOW);
                let now = if expired { authenticated.session.expires_at } else { NOW };
                let caller = Caller::of(Some(Arc::new(authenticated)), now);
                let as_expected = match caller {
                    Caller::Rejected => expired || state == State::Expired || (!banned && state != State::Open),
                    Caller::Banned => banned && !expired && state != State::Expired,
                    Caller::SecondFactorPending(_) => second_factor_pending && !banned && !expired,
                    Caller::Live(_) => state == State::Open && !second_factor_pending && !banned && !expired,
                    Caller::Nobody | Caller::Ambiguous => false,
                };
                assert!(as_expected, "{state:?} {second_factor_pending} {banned} {expired}: {caller:?}");
            }
        }
    }
    assert_eq!(Caller::of(None, NOW), Caller::Rejected);
}

#[test]
fn a_bearer_may_what_its_power_covers_and_staff_things_only_with_staff_power() {
    for grant in powers() {
        for (staff, factor) in [(false, false), (false, true), (true, false), (true, true)] {
            for authenticated in [authenticated(grant, staff, factor), proved(grant, staff, factor)] {
                for (scope, _) in Scope::TABLE {
                    let held = match grant {
                        Grant::Full => true,
                        Grant::Scoped(scopes) => scopes.flags() & (1 | i64::from(scope.bit())) != 0,
                    };
                    let strict = staff && is_proved(&authenticated);
                    for (policy, grant) in [(StaffFactor::Required, strict), (StaffFactor::Waived, staff)] {
                        assert_eq!(authenticated.has_staff_power(policy), grant);
                        assert_eq!(
                            authenticated.may(scope, policy),
                            held && (grant || !scope.is_staff()),
                            "{authenticated:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn evidence_says_who_acts_and_from_where() {
    let address = "192.0.2.7".parse().ok();
    let ada = Arc::new(proved(Grant::Full, true, true));
    let ask = |access, caller| {
        let requirement = Requirement { access, switches: &[], reverify: false };
        authorize(&requirement, caller, RequestContext { client_ip: address, ..quiet() })
    };
    let action = |by| ActionContext { at: NOW, by, client_ip: address };
    let Ok(Authorized::Guest(guest)) = ask(Access::Guest, Caller::Nobody) else { panic!("a guest was refused") };
    assert_eq!((guest.client_ip(), guest.action(NOW)), (address, action(Actor::Stranger)));
    let Ok(Authorized::Login(login)) = ask(Access::Login, Caller::Live(ada.clone())) else {
        panic!("a login was refused")
    };
    assert_eq!(login.guest().client_ip(), address);
    assert!(matches!(login.presented(), PresentedSession::Live(presented) if *presented == ada));
    let Ok(Authorized::Staff(staff)) = ask(Access::Staff(ScopeRule::Any), Caller::Live(ada.clone())) else {
        panic!("staff were refused")
    };
    let principal: &Principal = staff.as_ref();
    assert_eq!((principal.client_ip(), principal.action(NOW)), (address, action(Actor::User(ada.user.id))));
    assert_eq!((principal.authenticated(), staff.factor()), (&*ada, StaffFactor::Required));
}
