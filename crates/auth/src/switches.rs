//! Seeing and turning kill switches, as staff (`docs/MODEL.md`, *Kill switches*).

use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::ports::StorageError;
use thunderhead_domain::switch::{KillSwitch, SwitchSet};

use crate::Auth;
use crate::credentials::change::{ChangeError, Reverified};

impl Auth {
    /// Which switches are on.
    pub async fn switch_list(&self, _staff: &StaffPrincipal) -> Result<SwitchSet, StorageError> {
        self.storage.switches().await
    }

    /// Turns a switch on or off; returns which are on afterwards.
    pub async fn switch_set(
        &self,
        staff: &StaffPrincipal,
        reverified: Reverified,
        switch: KillSwitch,
        on: bool,
    ) -> Result<SwitchSet, ChangeError> {
        let set = |authorization| self.storage.switch_set(switch, on, authorization);
        self.change_as_staff(staff, reverified, set).await
    }

    /// Turns all switches off.
    pub async fn switch_clear(&self, staff: &StaffPrincipal, reverified: Reverified) -> Result<SwitchSet, ChangeError> {
        let clear = |authorization| self.storage.switch_clear(authorization);
        self.change_as_staff(staff, reverified, clear).await
    }
}
