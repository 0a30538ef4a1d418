//! Kill switches.

use async_trait::async_trait;
use diesel::dsl::sum;
use diesel::query_dsl::methods;
use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::change_authorization::ChangeAuthorization;
use thunderhead_domain::ports::{ChangeResult, Invalidation, KillSwitches, Stored};
use thunderhead_domain::switch::{KillSwitch, SwitchSet, TurnedSwitch};
use tracing::instrument;

use super::{Database, Query, ReadConnection, WriteTransaction, change_authorization, on_primary};
use crate::dsl::*;
use crate::error::OperationError;
use crate::rows::{SwitchRow, switch_set};
use crate::schema::kill_switches;
use crate::text;
use crate::unreadable::readable;

#[async_trait]
impl KillSwitches for Database {
    #[instrument(level = "debug", skip_all)]
    async fn switches(&self) -> Stored<SwitchSet> {
        self.read(on).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn switches_turned(&self) -> Stored<Vec<TurnedSwitch>> {
        self.read(|connection| {
            let all = on_primary(kill_switches::table).select(SwitchRow::as_select());
            Ok(readable(all.load::<SwitchRow>(connection)?))
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn switch_set(
        &self,
        switch: KillSwitch,
        on: bool,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<SwitchSet> {
        self.decide(move |transaction| {
            change_authorization::verify_and_consume(transaction, &authorization, &[])?;
            if on {
                turn_on(transaction, switch, &authorization.action)?
            } else {
                turn_off(transaction, switch, &authorization.action)?
            }
            self::on(transaction)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn switch_clear(&self, authorization: ChangeAuthorization) -> ChangeResult<SwitchSet> {
        self.decide(move |transaction| {
            change_authorization::verify_and_consume(transaction, &authorization, &[])?;
            // One after the other by id, so that no two who do this wait for each other.
            for (switch, _) in KillSwitch::TABLE {
                turn_off(transaction, switch, &authorization.action)?;
            }
            self::on(transaction)
        })
        .await
    }
}

/// Turns a switch on, unless it is.
fn turn_on(transaction: &mut WriteTransaction<'_>, switch: KillSwitch, action: &ActionContext) -> QueryResult<()> {
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
    let upsert = methods::FilterDsl::filter(upsert, kill_switches::is_on.eq(false));
    let changed = transaction.change(Invalidation::Switches, upsert)?;
    record(transaction, changed, AuditKind::SwitchOn, switch, action)
}

/// Turns a switch off, unless it is.
fn turn_off(transaction: &mut WriteTransaction<'_>, switch: KillSwitch, action: &ActionContext) -> QueryResult<()> {
    let on = kill_switches::table.find(i32::from(switch.id())).filter(kill_switches::is_on.eq(true));
    let change = (
        kill_switches::is_on.eq(false),
        kill_switches::changed_by.eq(text::actor_text(action.by)),
        kill_switches::changed_at.eq(action.at.unix_millis()),
    );
    let changed = transaction.change(Invalidation::Switches, diesel::update(on).set(change))?;
    record(transaction, changed, AuditKind::SwitchOff, switch, action)
}

/// Records a change, if there was one.
fn record(
    transaction: &mut WriteTransaction<'_>,
    changed: usize,
    kind: AuditKind,
    switch: KillSwitch,
    action: &ActionContext,
) -> QueryResult<()> {
    if changed > 0 {
        transaction.audit_general(action, kind, switch.name().to_owned())?;
    }
    Ok(())
}

pub(crate) fn on(connection: &mut ReadConnection<'_>) -> Result<SwitchSet, OperationError> {
    let bits: Option<i64> = on_primary(kill_switches::table)
        .filter(kill_switches::is_on.eq(true))
        .select(sum(kill_switches::bit))
        .get_result(connection)?;
    Ok(switch_set(bits))
}
