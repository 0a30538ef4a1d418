//! Seeing and turning kill switches, as staff (`spec/accounts-and-factors.md`, *Kill switches*).

use std::net::IpAddr;

use thunderhead_domain::judgement::StaffPrincipal;
use thunderhead_domain::ports::StorageFault;
use thunderhead_domain::switch::{KillSwitch, SwitchSet};

use crate::Auth;
use crate::word::{ChangeError, Reverified};

impl Auth {
    /// Which switches are on.
    pub async fn switch_list(&self, _staff: &StaffPrincipal) -> Result<SwitchSet, StorageFault> {
        self.storage.switches().await
    }

    /// Turns a switch on or off; returns which are on afterwards.
    pub async fn switch_set(
        &self,
        staff: &StaffPrincipal,
        reverified: Reverified,
        switch: KillSwitch,
        on: bool,
        client_ip: Option<IpAddr>,
    ) -> Result<SwitchSet, ChangeError> {
        let set = |warrant| self.storage.switch_set(switch, on, warrant);
        self.on_word_of_staff(staff, reverified, client_ip, set).await
    }

    /// Turns all switches off.
    pub async fn switch_clear(
        &self,
        staff: &StaffPrincipal,
        reverified: Reverified,
        client_ip: Option<IpAddr>,
    ) -> Result<SwitchSet, ChangeError> {
        let clear = |warrant| self.storage.switch_clear(warrant);
        self.on_word_of_staff(staff, reverified, client_ip, clear).await
    }
}
