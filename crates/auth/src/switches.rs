//! Seeing and turning kill switches, as staff (`spec/accounts-and-factors.md`, *Kill switches*).

use thunderhead_domain::judgement::StaffPrincipal;
use thunderhead_domain::ports::StorageFault;
use thunderhead_domain::switch::{KillSwitch, SwitchSet};

use crate::Auth;
use crate::reverify::Reverified;

impl Auth {
    /// Which switches are on.
    pub async fn switch_list(&self, _staff: &StaffPrincipal) -> Result<SwitchSet, StorageFault> {
        self.storage.switches().await
    }

    /// Turns a switch on or off; returns which are on afterwards.
    pub async fn switch_set(
        &self,
        staff: &StaffPrincipal,
        _reverified: Reverified,
        switch: KillSwitch,
        on: bool,
        client_ip: Option<String>,
    ) -> Result<SwitchSet, StorageFault> {
        self.storage.switch_set(switch, on, self.deed_of(staff.principal(), client_ip)).await
    }

    /// Turns all switches off.
    pub async fn switch_clear(
        &self,
        staff: &StaffPrincipal,
        _reverified: Reverified,
        client_ip: Option<String>,
    ) -> Result<SwitchSet, StorageFault> {
        self.storage.switch_clear(self.deed_of(staff.principal(), client_ip)).await
    }
}
