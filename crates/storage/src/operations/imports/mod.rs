//! Accounts that come from another program, and go to one.

mod apply;
mod export;
pub(crate) mod keys;
mod plan;

use async_trait::async_trait;
use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::id::UserId;
use thunderhead_domain::import::{ExportedAccount, ImportBatch, ImportOutcome, VerificationKey};
use thunderhead_domain::ports::{Imports, Stored};
use tracing::instrument;

use self::plan::Plan;
use super::{self as operations, Database};

#[async_trait]
impl Imports for Database {
    #[instrument(level = "debug", skip_all)]
    async fn import_batch(&self, batch: ImportBatch, action: ActionContext) -> Stored<Vec<ImportOutcome>> {
        self.write_alone(move |transaction| {
            // One batch at a time is taken in, and no key is deleted meanwhile.
            transaction.lock_signing_keys()?;
            let plan = Plan::make(transaction, &batch)?;
            apply::apply(transaction, &batch, plan, &action)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn import_rehearse(&self, batch: ImportBatch) -> Stored<Vec<ImportOutcome>> {
        self.snapshot(move |connection| Ok(Plan::make(connection, &batch)?.outcomes())).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn import_record(&self, summary: &str, action: ActionContext) -> Stored<()> {
        let summary = summary.to_owned();
        self.write(move |transaction| {
            Ok(transaction.audit_general(&action, AuditKind::ImportFinished, summary.clone())?)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn verification_keys(&self) -> Stored<Vec<VerificationKey>> {
        self.read(|connection| Ok(keys::all(connection)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_export(&self, after: Option<UserId>, limit: u32) -> Stored<Vec<ExportedAccount>> {
        self.snapshot(move |connection| Ok(export::page(connection, after, limit)?)).await
    }
}
