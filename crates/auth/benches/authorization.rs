//! What it costs to check a request whose session is at hand: `cargo bench -p thunderhead-auth`.

use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use thunderhead_domain::authorization::{
    Access, Caller, RequestContext, Requirement, ScopeRule, StaffFactor, authorize,
};
use thunderhead_domain::id::UserId;
use thunderhead_domain::scope::{Scope, ScopeSet};
use thunderhead_domain::session::Grant;
use thunderhead_domain::switch::{KillSwitch, SwitchSet};
use thunderhead_domain::time::Timestamp;
use thunderhead_testkit::sample;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);
const USER: UserId = UserId::from_number(1_600_000_000_000);
const READ: Requirement =
    Requirement { access: Access::User(ScopeRule::Needs(Scope::AccountRead)), switches: &[], reverify: false };
const CALM: RequestContext = RequestContext {
    client_ip: None,
    over_limit: false,
    switches: SwitchSet::NONE,
    staff_factor: StaffFactor::Required,
    cross_site: false,
};

fn main() {
    divan::main();
}

/// From what was read of a session to who may go on, or why not.
fn checked(bencher: Bencher<'_, '_>, grant: Grant, switches: SwitchSet) {
    let mut authenticated = sample::authenticated(USER, NOW);
    authenticated.session.grant = grant;
    bencher.counter(ItemsCount::new(1_u32)).with_inputs(|| Arc::new(authenticated.clone())).bench_values(
        |authenticated| authorize(&READ, Caller::of(Some(authenticated), NOW), RequestContext { switches, ..CALM }),
    );
}

#[divan::bench]
fn an_ordinary_session_is_let_in(bencher: Bencher<'_, '_>) {
    checked(bencher, Grant::Full, SwitchSet::NONE);
}

#[divan::bench]
fn a_scoped_session_is_refused(bencher: Bencher<'_, '_>) {
    // UPLOAD_FILE alone.
    let Ok(scopes) = ScopeSet::from_flags(2) else { unreachable!("good flags") };
    checked(bencher, Grant::Scoped(scopes), SwitchSet::NONE);
}

#[divan::bench]
fn a_switch_shuts_the_door(bencher: Bencher<'_, '_>) {
    checked(bencher, Grant::Full, SwitchSet::NONE.with(KillSwitch::Global));
}
