//! Seeing and turning kill switches, as staff or as the operator (`docs/MODEL.md`, *Kill switches*).

use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::ports::StorageError;
use thunderhead_domain::switch::{KillSwitch, SwitchSet, TurnedSwitch};
use tracing::instrument;

use crate::changes::target::System;
use crate::changes::{Change, ChangeError};
use crate::environment::Environment;
use crate::metrics;

/// The kill switches.
pub struct Switches {
    environment: Environment,
}

impl Switches {
    pub(crate) const fn new(environment: Environment) -> Self {
        Self { environment }
    }

    /// Which switches are on.
    #[instrument(level = "debug", skip_all)]
    pub async fn list(&self, _staff: &StaffPrincipal) -> Result<SwitchSet, StorageError> {
        self.environment.storage.switches().await
    }

    /// Brings the measurement of them up to date.
    ///
    /// # Errors
    /// Where the database is away.
    pub async fn measure(&self) -> Result<(), StorageError> {
        metrics::kill_switches(self.environment.storage.switches().await?);
        Ok(())
    }

    /// The switches that were ever turned, and by whom.
    #[instrument(level = "debug", skip_all)]
    pub async fn turned(&self, _staff: &StaffPrincipal) -> Result<Vec<TurnedSwitch>, StorageError> {
        self.environment.storage.switches_turned().await
    }

    /// Turns a switch on or off; returns which are on afterwards.
    #[instrument(level = "debug", skip_all)]
    pub async fn set(&self, change: Change<System>, switch: KillSwitch, on: bool) -> Result<SwitchSet, ChangeError> {
        let set = |authorization| self.environment.storage.switch_set(switch, on, authorization);
        change.author.make(&self.environment, set).await
    }

    /// Turns all switches off.
    #[instrument(level = "debug", skip_all)]
    pub async fn clear(&self, change: Change<System>) -> Result<SwitchSet, ChangeError> {
        let clear = |authorization| self.environment.storage.switch_clear(authorization);
        change.author.make(&self.environment, clear).await
    }
}
