//! Kill switches.

use async_trait::async_trait;
use diesel::dsl::sum;
use diesel::prelude::*;
use thunderhead_domain::ports::{KillSwitches, Stored};
use thunderhead_domain::session::Actor;
use thunderhead_domain::switch::{KillSwitch, SwitchSet};
use thunderhead_domain::time::Timestamp;

use super::{Connection, Lanes};
use crate::fault::Failure;
use crate::rows::switch_set;
use crate::schema::kill_switches;
use crate::text;

#[async_trait]
impl KillSwitches for Lanes {
    async fn switches(&self) -> Stored<SwitchSet> {
        self.read(on).await
    }

    async fn switch_set(&self, switch: KillSwitch, on: bool, by: Actor, at: Timestamp) -> Stored<SwitchSet> {
        self.write(move |connection| {
            let changed = (
                kill_switches::is_on.eq(on),
                kill_switches::changed_by.eq(text::actor_text(by)),
                kill_switches::changed_at.eq(at.unix_millis()),
            );
            diesel::insert_into(kill_switches::table)
                .values((kill_switches::id.eq(i32::from(switch.id())), changed.clone()))
                .on_conflict(kill_switches::id)
                .do_update()
                .set(changed)
                .execute(connection)?;
            self::on(connection)
        })
        .await
    }
}

/// Which switches are on.
pub(super) fn on(connection: &mut Connection) -> Result<SwitchSet, Failure> {
    let bits: Option<i64> =
        kill_switches::table.filter(kill_switches::is_on.eq(true)).select(sum(kill_switches::bit)).first(connection)?;
    Ok(switch_set(bits)?)
}
