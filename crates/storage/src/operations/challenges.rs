//! Challenges. Each call is a transaction of its own; they are spent by what they allow, see `authorization`.

use async_trait::async_trait;
use diesel::dsl::exists;
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::budget::{Charge, Receipt};
use thunderhead_domain::challenge::{Challenge, ChallengeId, NewChallenge};
use thunderhead_domain::change_authorization::{ChangeAuthorization, Evidence};
use thunderhead_domain::ports::{ChallengeCharge, Challenges, ChangeResult, Stored};
use tracing::instrument;

use super::throttle::budgets;
use super::{Database, Query, ReadConnection, UncheckedStatement, WriteTransaction, change_authorization, on_primary};
use crate::dsl::*;
use crate::error::OperationError;
use crate::rows::ChallengeRow;
use crate::schema::{challenges, users};
use crate::unreadable::read;

#[async_trait]
impl Challenges for Database {
    #[instrument(level = "debug", skip_all)]
    async fn challenge_create(&self, challenge: NewChallenge) -> Stored<()> {
        self.write(move |transaction| Ok(insert(transaction, &challenge, false)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn challenge_create_for(
        &self,
        challenge: NewChallenge,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<()> {
        self.decide(move |transaction| {
            change_authorization::verify_and_consume(transaction, &authorization, &[challenge.user])?;
            let evidence = authorization.preconditions.as_ref().map(|preconditions| &preconditions.evidence);
            let factor_verified = match evidence {
                Some(Evidence::Answer(_) | Evidence::Passkey(_)) => true,
                // Of who has a factor, it has been shown for that.
                Some(Evidence::Confirmation(_)) => {
                    let owner = users::table.find(challenge.user.number()).select(users::has_second_factor);
                    owner.get_result(transaction)?
                }
                Some(Evidence::Nothing | Evidence::Password(_) | Evidence::Enrolment(_)) | None => false,
            };
            Ok(insert(transaction, &challenge, factor_verified)?)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn challenge_find(&self, id: ChallengeId) -> Stored<Option<Challenge>> {
        self.read(move |connection| find(connection, id)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn challenge_charge(&self, id: ChallengeId, action: ActionContext) -> Stored<ChallengeCharge> {
        self.write(move |transaction| {
            let open = locked(transaction, id)?.filter(|challenge| challenge.is_open(action.at));
            let Some(challenge) = open else { return Ok(ChallengeCharge::Closed) };
            match budgets::charge(transaction, &challenge.budget, &action)? {
                Charge::Wait(millis) => Ok(ChallengeCharge::Wait(millis)),
                Charge::Admitted(receipt) => {
                    count_failures(transaction, id, challenge.failures + 1)?;
                    Ok(ChallengeCharge::Admitted(receipt))
                }
            }
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn challenge_refund(&self, id: ChallengeId, receipt: Receipt) -> Stored<()> {
        self.write(move |transaction| {
            let charged = locked(transaction, id)?.filter(|challenge| challenge.failures > 0);
            let Some(challenge) = charged else { return Ok(()) };
            count_failures(transaction, id, challenge.failures - 1)?;
            budgets::refund(transaction, &challenge.budget, receipt)
        })
        .await
    }
}

/// A challenge whose user's row is locked, as it is wherever a challenge changes: first the user, then what is theirs.
fn locked(transaction: &mut WriteTransaction<'_>, id: ChallengeId) -> Result<Option<Challenge>, OperationError> {
    let Some(challenge) = find(transaction, id)? else { return Ok(None) };
    transaction.lock_user(challenge.user)?;
    // It may have changed until the lock was there.
    find(transaction, id)
}

fn find(connection: &mut ReadConnection<'_>, id: ChallengeId) -> Result<Option<Challenge>, OperationError> {
    // Those of a deleted user may still be there.
    let named = on_primary(challenges::table.find(id.0.as_bytes().as_slice()))
        .filter(exists(users::table.filter(users::id.eq(challenges::user_id))));
    let row: Option<ChallengeRow> = named.select(ChallengeRow::as_select()).get_result(connection).optional()?;
    Ok(row.map(read).transpose()?)
}

fn count_failures(transaction: &mut WriteTransaction<'_>, id: ChallengeId, failures: u32) -> QueryResult<()> {
    let named = challenges::table.find(id.0.as_bytes().as_slice());
    diesel::update(named).set(challenges::failures.eq(i64::from(failures))).execute(transaction).map(drop)
}

fn insert(transaction: &mut WriteTransaction<'_>, challenge: &NewChallenge, factor_verified: bool) -> QueryResult<()> {
    let row = (ChallengeRow::from(challenge), challenges::factor_verified.eq(factor_verified));
    diesel::insert_into(challenges::table).values(row).execute(transaction).map(drop)
}
