//! Accounts that come from another program, and go to one.

use async_trait::async_trait;

use super::Stored;
use crate::audit::ActionContext;
use crate::id::UserId;
use crate::import::{ExportedAccount, ImportBatch, ImportOutcome, VerificationKey};

/// Importing and exporting accounts.
#[async_trait]
pub trait Imports: Send + Sync {
    /// Takes in what of a batch is not known yet, in one transaction; returns what became of each account, in their order.
    /// What is known stays as it is here, whatever became of it. Each new account leaves a record, and so do new sessions
    /// and factors of one that is known.
    async fn import_batch(&self, batch: ImportBatch, action: ActionContext) -> Stored<Vec<ImportOutcome>>;

    /// What would become of a batch. Nothing is written.
    async fn import_rehearse(&self, batch: ImportBatch) -> Stored<Vec<ImportOutcome>>;

    /// Records a run that is over, in these words.
    async fn import_record(&self, summary: &str, action: ActionContext) -> Stored<()>;

    /// All verify-only keys.
    async fn verification_keys(&self) -> Stored<Vec<VerificationKey>>;

    /// At most `limit` accounts, by id, from the one after this on. Those that cannot be read are left out.
    async fn account_export(&self, after: Option<UserId>, limit: u32) -> Stored<Vec<ExportedAccount>>;
}
