//! What it costs to judge a request whose session is at hand: `cargo bench -p thunderhead-auth`.

use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use thunderhead_domain::id::UserId;
use thunderhead_domain::judgement::{Caller, Circumstances, Demand, ScopeDemand, StaffFactor, Who, judge};
use thunderhead_domain::scope::{Scope, ScopeSet};
use thunderhead_domain::session::Power;
use thunderhead_domain::switch::{KillSwitch, SwitchSet};
use thunderhead_domain::time::Timestamp;
use thunderhead_testkit::sample;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);
const USER: UserId = UserId::from_number(1_600_000_000_000);
const READ: Demand = Demand { who: Who::User(ScopeDemand::Needs(Scope::AccountRead)), switches: &[], reverify: false };
const CALM: Circumstances = Circumstances {
    over_limit: false,
    switches: SwitchSet::NONE,
    staff_factor: StaffFactor::Required,
    cross_site: false,
};

fn main() {
    divan::main();
}

/// From what was read of a session to who may go on, or why not.
fn judged(bencher: Bencher<'_, '_>, power: Power, switches: SwitchSet) {
    let mut bearer = sample::bearer(USER, NOW);
    bearer.session.power = power;
    bencher
        .counter(ItemsCount::new(1_u32))
        .with_inputs(|| Arc::new(bearer.clone()))
        .bench_values(|bearer| judge(&READ, Caller::of(Some(bearer), NOW), Circumstances { switches, ..CALM }));
}

#[divan::bench]
fn an_ordinary_session_is_let_in(bencher: Bencher<'_, '_>) {
    judged(bencher, Power::Full, SwitchSet::NONE);
}

#[divan::bench]
fn a_scoped_session_is_refused(bencher: Bencher<'_, '_>) {
    // UPLOAD_FILE alone.
    let Ok(scopes) = ScopeSet::from_flags(2) else { unreachable!("good flags") };
    judged(bencher, Power::Scoped(scopes), SwitchSet::NONE);
}

#[divan::bench]
fn a_switch_shuts_the_door(bencher: Bencher<'_, '_>) {
    judged(bencher, Power::Full, SwitchSet::NONE.with(KillSwitch::Global));
}
