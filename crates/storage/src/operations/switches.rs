//! Kill switches.

use async_trait::async_trait;
use diesel::dsl::sum;
use diesel::prelude::*;
use diesel::query_dsl::methods;
use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::change_authorization::ChangeAuthorization;
use thunderhead_domain::ports::{ChangeResult, KillSwitches, Stored};
use thunderhead_domain::switch::{KillSwitch, SwitchSet};

use super::engine::on_primary;
use super::{Connection, Database, audit, change_authorization};
use crate::error::OperationError;
use crate::rows::switch_set;
use crate::schema::kill_switches;
use crate::text;

#[async_trait]
impl KillSwitches for Database {
    async fn switches(&self) -> Stored<SwitchSet> {
        self.read(on).await
    }

    async fn switch_set(
        &self,
        switch: KillSwitch,
        on: bool,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<SwitchSet> {
        self.decide(move |connection| {
            change_authorization::verify_and_consume(connection, &authorization, &[])?;
            if on {
                turn_on(connection, switch, &authorization.action)?
            } else {
                turn_off(connection, switch, &authorization.action)?
            }
            self::on(connection)
        })
        .await
    }

    async fn switch_clear(&self, authorization: ChangeAuthorization) -> ChangeResult<SwitchSet> {
        self.decide(move |connection| {
            change_authorization::verify_and_consume(connection, &authorization, &[])?;
            // One after the other by id, so that no two who do this wait for each other.
            for (switch, _) in KillSwitch::TABLE {
                turn_off(connection, switch, &authorization.action)?;
            }
            self::on(connection)
        })
        .await
    }
}

/// Turns a switch on, unless it is.
fn turn_on(connection: &mut Connection, switch: KillSwitch, action: &ActionContext) -> QueryResult<()> {
    let state = (
        kill_switches::is_on.eq(true),
        kill_switches::changed_by.eq(text::actor_text(action.by)),
        kill_switches::changed_at.eq(action.at.unix_millis()),
    );
    let upsert = diesel::insert_into(kill_switches::table)
        .values((kill_switches::id.eq(i32::from(switch.id())), state.clone()))
        .on_conflict(kill_switches::id)
        .do_update()
        .set(state);
    let changed = methods::FilterDsl::filter(upsert, kill_switches::is_on.eq(false)).execute(connection)?;
    record(connection, changed, AuditKind::SwitchOn, switch, action)
}

/// Turns a switch off, unless it is.
fn turn_off(connection: &mut Connection, switch: KillSwitch, action: &ActionContext) -> QueryResult<()> {
    let on = kill_switches::table.find(i32::from(switch.id())).filter(kill_switches::is_on.eq(true));
    let changed = diesel::update(on)
        .set((
            kill_switches::is_on.eq(false),
            kill_switches::changed_by.eq(text::actor_text(action.by)),
            kill_switches::changed_at.eq(action.at.unix_millis()),
        ))
        .execute(connection)?;
    record(connection, changed, AuditKind::SwitchOff, switch, action)
}

/// Records a change, if there was one.
fn record(
    connection: &mut Connection,
    changed: usize,
    kind: AuditKind,
    switch: KillSwitch,
    action: &ActionContext,
) -> QueryResult<()> {
    if changed > 0 {
        audit::record_general(connection, action, kind, switch.name().to_owned())?;
    }
    Ok(())
}

/// Which switches are on.
pub(crate) fn on(connection: &mut Connection) -> Result<SwitchSet, OperationError> {
    let bits: Option<i64> = on_primary(kill_switches::table)
        .filter(kill_switches::is_on.eq(true))
        .select(sum(kill_switches::bit))
        .get_result(connection)?;
    Ok(switch_set(bits))
}
