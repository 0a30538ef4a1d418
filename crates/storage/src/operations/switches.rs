//! Kill switches.

use async_trait::async_trait;
use diesel::dsl::sum;
use diesel::prelude::*;
use diesel::query_dsl::methods;
use thunderhead_domain::audit::{AuditKind, Deed};
use thunderhead_domain::ports::{KillSwitches, Stored, Warranted};
use thunderhead_domain::switch::{KillSwitch, SwitchSet};
use thunderhead_domain::warrant::Warrant;

use super::super::on_primary;
use super::{Connection, Lanes, audit, warrant};
use crate::fault::Failure;
use crate::rows::switch_set;
use crate::schema::kill_switches;
use crate::text;

#[async_trait]
impl KillSwitches for Lanes {
    async fn switches(&self) -> Stored<SwitchSet> {
        self.read(on).await
    }

    async fn switch_set(&self, switch: KillSwitch, on: bool, warrant: Warrant) -> Warranted<SwitchSet> {
        self.decide(move |connection| {
            warrant::honour(connection, &warrant, &[])?;
            if on {
                turn_on(connection, switch, &warrant.deed)?
            } else {
                turn_off(connection, switch, &warrant.deed)?
            }
            self::on(connection)
        })
        .await
    }

    async fn switch_clear(&self, warrant: Warrant) -> Warranted<SwitchSet> {
        self.decide(move |connection| {
            warrant::honour(connection, &warrant, &[])?;
            // One after the other by id, so that no two who do this wait for each other.
            for (switch, _) in KillSwitch::TABLE {
                turn_off(connection, switch, &warrant.deed)?;
            }
            self::on(connection)
        })
        .await
    }
}

/// Turns a switch on, unless it is.
fn turn_on(connection: &mut Connection, switch: KillSwitch, deed: &Deed) -> QueryResult<()> {
    let state = (
        kill_switches::is_on.eq(true),
        kill_switches::changed_by.eq(text::actor_text(deed.by)),
        kill_switches::changed_at.eq(deed.at.unix_millis()),
    );
    let upsert = diesel::insert_into(kill_switches::table)
        .values((kill_switches::id.eq(i32::from(switch.id())), state.clone()))
        .on_conflict(kill_switches::id)
        .do_update()
        .set(state);
    let changed = methods::FilterDsl::filter(upsert, kill_switches::is_on.eq(false)).execute(connection)?;
    record(connection, changed, AuditKind::SwitchOn, switch, deed)
}

/// Turns a switch off, unless it is.
fn turn_off(connection: &mut Connection, switch: KillSwitch, deed: &Deed) -> QueryResult<()> {
    let on = kill_switches::table.find(i32::from(switch.id())).filter(kill_switches::is_on.eq(true));
    let changed = diesel::update(on)
        .set((
            kill_switches::is_on.eq(false),
            kill_switches::changed_by.eq(text::actor_text(deed.by)),
            kill_switches::changed_at.eq(deed.at.unix_millis()),
        ))
        .execute(connection)?;
    record(connection, changed, AuditKind::SwitchOff, switch, deed)
}

/// Records a change, if there was one.
fn record(
    connection: &mut Connection,
    changed: usize,
    kind: AuditKind,
    switch: KillSwitch,
    deed: &Deed,
) -> QueryResult<()> {
    if changed > 0 {
        audit::record_general(connection, deed, kind, switch.name().to_owned())?;
    }
    Ok(())
}

/// Which switches are on.
pub(super) fn on(connection: &mut Connection) -> Result<SwitchSet, Failure> {
    let bits: Option<i64> = on_primary(kill_switches::table)
        .filter(kill_switches::is_on.eq(true))
        .select(sum(kill_switches::bit))
        .get_result(connection)?;
    Ok(switch_set(bits))
}
