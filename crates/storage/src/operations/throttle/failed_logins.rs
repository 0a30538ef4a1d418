//! Failed logins: counted in a table of their own, and recorded once their ten minutes are over.

use async_trait::async_trait;
use thunderhead_domain::failed_login::{FailedLogins, MOST_OPEN};
use thunderhead_domain::ports::{FailedLoginCounts, Stored};
use thunderhead_domain::time::Timestamp;
use tracing::instrument;

use super::operations::{Database, Query, UncheckedStatement, WriteTransaction, on_primary};
use crate::dsl::*;
use crate::error::OperationError;
use crate::rows::FailedLoginsRow;
use crate::schema::failed_logins::{self, client_ip, last_at, target, window_at};
use crate::unreadable::{read, readable};

/// How many records one call writes at most.
const BATCH: i64 = 100;

#[async_trait]
impl FailedLoginCounts for Database {
    #[instrument(level = "debug", skip_all)]
    async fn failed_logins_add(&self, counts: &[FailedLogins]) -> Stored<()> {
        let counts = counts.to_vec();
        self.write_alone(move |transaction| {
            transaction.lock_failed_logins()?;
            let mut open: i64 = failed_logins::table.count().get_result(transaction)?;
            for count in &counts {
                open += add(transaction, count, open < MOST_OPEN as i64)?;
            }
            Ok(())
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn failed_logins_close(&self, before: Timestamp) -> Stored<u64> {
        self.write_alone(move |transaction| {
            transaction.lock_failed_logins()?;
            let over: Vec<FailedLoginsRow> = failed_logins::table
                .filter(window_at.le(before.unix_millis()))
                .order((window_at, target, client_ip))
                .limit(BATCH)
                .select(FailedLoginsRow::as_select())
                .load(transaction)?;
            let closed = over.len() as u64;
            for row in over {
                diesel::delete(failed_logins::table.find(row.primary_key())).execute(transaction)?;
                // One that cannot be read is lost: it must not keep the others.
                if let Ok(failed) = read::<_, FailedLogins>(row) {
                    transaction.audit_failed_logins(&failed)?;
                }
            }
            Ok(closed)
        })
        .await
    }

    /// There are never more than [`MOST_OPEN`], so this sorts them.
    #[instrument(level = "debug", skip_all)]
    async fn failed_logins_newest(&self, limit: u32) -> Stored<Vec<FailedLogins>> {
        self.read(move |connection| {
            let rows: Vec<FailedLoginsRow> = on_primary(failed_logins::table.into_boxed())
                .order((last_at.desc(), window_at.desc(), target, client_ip))
                .limit(i64::from(limit))
                .select(FailedLoginsRow::as_select())
                .load(connection)?;
            Ok(readable(rows))
        })
        .await
    }
}

/// Adds to a count, or opens one; returns how many that opened. Where no more may be open, they are counted with
/// others.
fn add(transaction: &mut WriteTransaction<'_>, count: &FailedLogins, may_open: bool) -> Result<i64, OperationError> {
    let row = FailedLoginsRow::from(count);
    let open =
        failed_logins::table.find(row.primary_key()).select(FailedLoginsRow::as_select()).get_result(transaction);
    let Some(counted) = open.optional()? else {
        if may_open || count.attempts == count.attempts.among_others() {
            diesel::insert_into(failed_logins::table).values(&row).execute(transaction)?;
            return Ok(1);
        }
        let others = FailedLogins { attempts: count.attempts.among_others(), ..count.clone() };
        return add(transaction, &others, false);
    };
    let mut sum = FailedLogins::try_from(counted)?;
    sum.add(count.clone());
    let sum = FailedLoginsRow::from(&sum);
    diesel::update(failed_logins::table.find(sum.primary_key())).set(&sum).execute(transaction)?;
    Ok(0)
}
