//! The judgement, tested over every combination of caller, demand and circumstance.

use uuid::Uuid;

use super::*;
use crate::id::{SessionId, SessionUuid, UserId, UserUuid};
use crate::scope::ScopeSet;
use crate::session::{Actor, Authentication, Dialect, End, EndReason, Method, Origin, SessionName, State};
use crate::user::{EmailAddress, Username};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

fn bearer(power: Power, staff: bool, has_second_factor: bool) -> Bearer {
    let user = User {
        id: UserId::from_number(1_600_000_000_000),
        uuid: UserUuid(Uuid::nil()),
        username: Username::try_from("ada".to_owned()).unwrap(),
        email: EmailAddress::from_checked("ada@example.org".to_owned()),
        staff,
        has_second_factor,
        verified_at: None,
        banned_at: None,
        created_at: NOW,
        updated_at: NOW,
    };
    let session = Session {
        uuid: SessionUuid(Uuid::nil()),
        id: SessionId::at(NOW),
        user: user.id,
        name: SessionName::try_from("a session".to_owned()).unwrap(),
        power,
        expires_at: NOW.plus_seconds(60),
        used_at: None,
        created_at: NOW,
        updated_at: NOW,
        origin: Origin { dialect: Dialect::Current, client_ip: None, user_agent: None },
        authentications: Default::default(),
        factor_owed: false,
        state: State::Open,
    };
    Bearer { session, user }
}

/// The same, with a session that a second factor was shown in.
fn proved(power: Power, staff: bool, has_second_factor: bool) -> Bearer {
    let mut bearer = bearer(power, staff, has_second_factor);
    bearer.session.authentications.push(Authentication { method: Method::Totp, at: NOW });
    bearer
}

fn powers() -> Vec<Power> {
    let scoped = |scope: Scope| Power::Scoped(ScopeSet::from_flags(i64::from(scope.bit())).unwrap());
    Scope::TABLE.into_iter().map(|(scope, _)| scoped(scope)).chain([Power::Full]).collect()
}

fn callers() -> Vec<Caller> {
    let mut all = vec![Caller::Nobody, Caller::Ambiguous, Caller::Rejected, Caller::Banned];
    for power in powers() {
        for (staff, factor) in [(false, false), (false, true), (true, false), (true, true)] {
            all.push(Caller::Live(Arc::new(bearer(power, staff, factor))));
            all.push(Caller::Live(Arc::new(proved(power, staff, factor))));
            all.push(Caller::FactorOwed(Arc::new(bearer(power, staff, factor))));
        }
    }
    all
}

fn demands() -> Vec<Demand> {
    let scopes = Scope::TABLE.into_iter().map(|(scope, _)| ScopeDemand::Needs(scope));
    let scopes: Vec<_> = scopes.chain([ScopeDemand::Never, ScopeDemand::Any]).collect();
    let whos = scopes.iter().flat_map(|scope| [Who::User(*scope), Who::Staff(*scope)]);
    let switches: [&[KillSwitch]; 2] = [&[], &[KillSwitch::AccountModify, KillSwitch::AccountLogin]];
    whos.chain([Who::Anyone, Who::Visitor, Who::LoginVisitor, Who::Entrant])
        .flat_map(|who| switches.map(|switches| (who, switches)))
        .flat_map(|(who, switches)| [false, true].map(|reverify| Demand { who, switches, reverify }))
        .collect()
}

fn quiet() -> Circumstances {
    Circumstances {
        over_limit: false,
        switches: SwitchSet::NONE,
        staff_factor: StaffFactor::Required,
        cross_site: false,
    }
}

fn circumstances() -> Vec<Circumstances> {
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
                    all.push(Circumstances { over_limit, switches, staff_factor, cross_site });
                }
            }
        }
    }
    all
}

/// The spec's numbered list, written as a list: which steps refuse, in order, each by itself.
fn refusals(demand: &Demand, caller: &Caller, around: Circumstances) -> Vec<Denial> {
    let mut refusals = vec![];
    if around.over_limit {
        refusals.push(Denial::RateLimited);
    }
    let live = caller.live();
    let staff_power = live.is_some_and(|bearer| {
        let flags = match bearer.session.power {
            Power::Full => 1,
            Power::Scoped(scopes) => scopes.flags(),
        };
        let proved = around.staff_factor == StaffFactor::Waived || is_proved(bearer);
        bearer.user.staff && proved && flags & (1 | 524_288) != 0
    });
    let entrant = demand.who == Who::Entrant;
    let noted_only = entrant || (demand.who == Who::LoginVisitor && live.is_none());
    let shut = around.switches.shutting(demand.switches).filter(|_| entrant || !staff_power);
    refusals.extend(shut.filter(|_| !noted_only).map(Denial::SwitchedOff));
    let scope = match demand.who {
        Who::Anyone => return refusals,
        Who::Entrant => {
            let by_cookie_from_elsewhere =
                around.cross_site && matches!(caller, Caller::Live(_) | Caller::FactorOwed(_));
            let refusal = match caller {
                Caller::Ambiguous => Some(Denial::Unauthenticated),
                Caller::Banned if shut.is_none() => Some(Denial::Banned),
                _ => by_cookie_from_elsewhere.then_some(Denial::CrossSite),
            };
            // Whatever else is wrong with somebody who logs in, a switch that is on is what they hear of.
            refusals.extend(refusal.map(|refusal| shut.map_or(refusal, Denial::SwitchedOff)));
            return refusals;
        }
        Who::Visitor | Who::LoginVisitor => {
            refusals.extend(live.map(|_| Denial::AlreadyAuthenticated));
            if *caller == Caller::Ambiguous {
                // No switch lets anybody in with two credentials, so it is the switch's answer that they get.
                refusals.extend(shut.map(Denial::SwitchedOff));
                refusals.push(Denial::Unauthenticated);
            }
            refusals.extend((*caller == Caller::Banned && shut.is_none()).then_some(Denial::Banned));
            return refusals;
        }
        Who::User(scope) | Who::Staff(scope) => scope,
    };
    match caller {
        Caller::Nobody | Caller::Ambiguous | Caller::Rejected => refusals.push(Denial::Unauthenticated),
        Caller::FactorOwed(_) => refusals.push(Denial::FactorOwed),
        Caller::Banned => refusals.push(Denial::Banned),
        Caller::Live(bearer) => {
            refusals.extend(around.cross_site.then_some(Denial::CrossSite));
            if let Who::Staff(_) = demand.who {
                let unproved = around.staff_factor == StaffFactor::Required && !is_proved(bearer);
                refusals.extend((!bearer.user.staff).then_some(Denial::NotStaff));
                refusals.extend(unproved.then_some(Denial::StaffFactorMissing));
            }
            if let Power::Scoped(scopes) = bearer.session.power {
                let covered = match scope {
                    ScopeDemand::Any => true,
                    ScopeDemand::Never => false,
                    ScopeDemand::Needs(scope) => scopes.flags() & (1 | i64::from(scope.bit())) != 0,
                };
                refusals.extend((!covered).then_some(Denial::ScopeMissing));
            }
        }
    }
    refusals
}

/// Whether the user has a factor, and the session was proved by one.
fn is_proved(bearer: &Bearer) -> bool {
    let shown = bearer.session.authentications.iter().any(|shown| shown.method != Method::Password);
    bearer.user.has_second_factor && shown
}

#[test]
fn the_first_step_that_refuses_is_the_answer_for_every_caller_demand_and_circumstance() {
    let mut cases = 0;
    for demand in demands() {
        for caller in callers() {
            for around in circumstances() {
                let expected = refusals(&demand, &caller, around).first().copied();
                let verdict = judge(&demand, caller.clone(), around);
                assert_eq!(verdict.as_ref().err().copied(), expected, "{demand:?} {caller:?} {around:?}");
                let evidence_fits = match (&verdict, demand.who) {
                    (Err(_), _)
                    | (Ok(Admitted::Anyone), Who::Anyone)
                    | (Ok(Admitted::Visitor(_)), Who::Visitor | Who::LoginVisitor)
                    | (Ok(Admitted::Entrant(_)), Who::Entrant)
                    | (Ok(Admitted::User(_)), Who::User(_))
                    | (Ok(Admitted::Staff(_)), Who::Staff(_)) => true,
                    (Ok(_), _) => false,
                };
                assert!(evidence_fits, "{demand:?} {verdict:?}");
                cases += 1;
            }
        }
    }
    assert!(cases > 100_000, "{cases}");
}

#[test]
fn a_login_under_a_switch_is_left_to_staff_and_says_which_switch() {
    let demand = Demand { who: Who::LoginVisitor, switches: &[KillSwitch::AccountLogin], reverify: false };
    let with = |switches| Circumstances { switches, ..quiet() };
    let staff_only = |switches| match judge(&demand, Caller::Nobody, with(switches)) {
        Ok(Admitted::Visitor(visitor)) => visitor.staff_only(),
        other => panic!("{other:?}"),
    };
    assert_eq!(staff_only(SwitchSet::NONE), None);
    let on = SwitchSet::NONE.with(KillSwitch::AccountLogin);
    assert_eq!(staff_only(on), Some(KillSwitch::AccountLogin));
    assert_eq!(staff_only(on.with(KillSwitch::Global)), Some(KillSwitch::Global));
}

#[test]
fn only_ordinary_sessions_owe_reverification_and_only_where_it_is_asked_for() {
    let around = quiet();
    for power in powers() {
        for reverify in [false, true] {
            let demand = Demand { who: Who::User(ScopeDemand::Any), switches: &[], reverify };
            let caller = Caller::Live(Arc::new(bearer(power, false, false)));
            let Ok(Admitted::User(principal)) = judge(&demand, caller, around) else { panic!("{power:?}") };
            assert_eq!(principal.owes_reverification(), reverify && power == Power::Full);
        }
    }
}

#[test]
fn a_banned_users_session_answers_as_banned_until_it_expires() {
    let end = End { at: NOW, by: Actor::CommandLine, why: EndReason::Banned };
    let states = [(State::Open, false), (State::Open, true), (State::Ended(end), false), (State::Expired, false)];
    for (state, factor_owed) in states {
        for banned in [false, true] {
            for expired in [false, true] {
                let mut bearer = bearer(Power::Full, true, true);
                bearer.session.state = state;
                bearer.session.factor_owed = factor_owed;
                bearer.user.banned_at = banned.then_some(NOW);
                let now = if expired { bearer.session.expires_at } else { NOW };
                let caller = Caller::of(Some(Arc::new(bearer)), now);
                let as_expected = match caller {
                    Caller::Rejected => expired || state == State::Expired || (!banned && state != State::Open),
                    Caller::Banned => banned && !expired && state != State::Expired,
                    Caller::FactorOwed(_) => factor_owed && !banned && !expired,
                    Caller::Live(_) => state == State::Open && !factor_owed && !banned && !expired,
                    Caller::Nobody | Caller::Ambiguous => false,
                };
                assert!(as_expected, "{state:?} {factor_owed} {banned} {expired}: {caller:?}");
            }
        }
    }
    assert_eq!(Caller::of(None, NOW), Caller::Rejected);
}

#[test]
fn a_bearer_may_what_its_power_covers_and_staff_things_only_with_staff_power() {
    for power in powers() {
        for (staff, factor) in [(false, false), (false, true), (true, false), (true, true)] {
            for bearer in [bearer(power, staff, factor), proved(power, staff, factor)] {
                for (scope, _) in Scope::TABLE {
                    let held = match power {
                        Power::Full => true,
                        Power::Scoped(scopes) => scopes.flags() & (1 | i64::from(scope.bit())) != 0,
                    };
                    let strict = staff && is_proved(&bearer);
                    for (policy, power) in [(StaffFactor::Required, strict), (StaffFactor::Waived, staff)] {
                        assert_eq!(bearer.has_staff_power(policy), power);
                        assert_eq!(bearer.may(scope, policy), held && (power || !scope.is_staff()), "{bearer:?}");
                    }
                }
            }
        }
    }
}
