//! What it costs to judge a request whose session is at hand: `cargo bench -p thunderhead-domain`.

use divan::Bencher;
use divan::counter::ItemsCount;
use thunderhead_domain::id::{SessionId, SessionUuid, UserId, UserUuid};
use thunderhead_domain::judgement::{Bearer, Caller, Circumstances, Demand, ScopeDemand, StaffFactor, Who, judge};
use thunderhead_domain::scope::{Scope, ScopeSet};
use thunderhead_domain::session::{Dialect, Origin, Power, Session, SessionName, State};
use thunderhead_domain::switch::{KillSwitch, SwitchSet};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{EmailAddress, User, Username};
use uuid::Uuid;

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

fn bearer(power: Power) -> Bearer {
    let session = Session {
        uuid: SessionUuid(Uuid::from_u128(1)),
        id: SessionId::at(NOW),
        user: USER,
        name: SessionName::unnamed(),
        power,
        expires_at: NOW.plus_seconds(60),
        used_at: None,
        created_at: NOW,
        updated_at: NOW,
        origin: Origin { dialect: Dialect::Current, client_ip: None, user_agent: None },
        authentications: vec![],
        factor_owed: false,
        state: State::Open,
    };
    let user = User {
        id: USER,
        uuid: UserUuid(Uuid::from_u128(2)),
        username: Username::try_from("ada".to_owned()).unwrap_or_else(|_| unreachable!("a good name")),
        email: EmailAddress::from_checked("ada@example.org".to_owned()),
        staff: false,
        has_second_factor: false,
        verified_at: None,
        banned_at: None,
        created_at: NOW,
        updated_at: NOW,
    };
    Bearer { session, user }
}

/// From what was read of a session to who may go on, or why not.
fn judged(bencher: Bencher<'_, '_>, power: Power, switches: SwitchSet) {
    let bearer = bearer(power);
    bencher
        .counter(ItemsCount::new(1_u32))
        .with_inputs(|| bearer.clone())
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
