//! Kill switches as rows.

use diesel::prelude::*;
use thunderhead_domain::switch::{KillSwitch, TurnedSwitch};
use thunderhead_domain::time::Timestamp;

use crate::error::DataError;
use crate::schema::kill_switches;
use crate::text;
use crate::unreadable::{Keyed, RowKey};

#[derive(Queryable, Selectable)]
#[diesel(table_name = kill_switches)]
pub(crate) struct SwitchRow {
    id: i32,
    is_on: bool,
    changed_by: String,
    changed_at: i64,
}

impl Keyed for SwitchRow {
    fn key(&self) -> RowKey {
        RowKey::Number(self.id.into())
    }
}

impl TryFrom<SwitchRow> for TurnedSwitch {
    type Error = DataError;

    fn try_from(row: SwitchRow) -> Result<Self, DataError> {
        Ok(Self {
            switch: KillSwitch::from_id(row.id.into()).ok_or(DataError::Column("kill_switches.id"))?,
            on: row.is_on,
            since: Timestamp::from_unix_millis(row.changed_at),
            by: text::actor("kill_switches.changed_by", &row.changed_by)?,
        })
    }
}
