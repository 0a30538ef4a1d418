//! Challenges. Each call is a transaction of its own; they are spent by what they allow, see `authorization`.

use async_trait::async_trait;
use diesel::dsl::exists;
use diesel::prelude::*;
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::budget::{Charge, Receipt};
use thunderhead_domain::challenge::{Challenge, ChallengeId, NewChallenge};
use thunderhead_domain::change_authorization::{ChangeAuthorization, Evidence};
use thunderhead_domain::ports::{ChallengeCharge, Challenges, ChangeResult, Stored};

use super::engine::{lock_user, on_primary};
use super::throttle::budgets;
use super::{Connection, Database, change_authorization};
use crate::error::OperationError;
use crate::rows::ChallengeRow;
use crate::schema::{challenges, users};
use crate::unreadable::read;

#[async_trait]
impl Challenges for Database {
    async fn challenge_create(&self, challenge: NewChallenge) -> Stored<()> {
        self.write(move |connection| Ok(insert(connection, &challenge, false)?)).await
    }

    async fn challenge_create_for(
        &self,
        challenge: NewChallenge,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<()> {
        self.decide(move |connection| {
            change_authorization::verify_and_consume(connection, &authorization, &[challenge.user])?;
            let evidence = authorization.preconditions.as_ref().map(|preconditions| &preconditions.evidence);
            let factor_verified = matches!(evidence, Some(Evidence::Answer(_)));
            Ok(insert(connection, &challenge, factor_verified)?)
        })
        .await
    }

    async fn challenge_find(&self, id: ChallengeId) -> Stored<Option<Challenge>> {
        self.read(move |connection| find(connection, id)).await
    }

    async fn challenge_charge(&self, id: ChallengeId, action: ActionContext) -> Stored<ChallengeCharge> {
        self.write(move |connection| {
            let open = locked(connection, id)?.filter(|challenge| challenge.is_open(action.at));
            let Some(challenge) = open else { return Ok(ChallengeCharge::Closed) };
            match budgets::charge(connection, &challenge.budget, &action)? {
                Charge::Wait(millis) => Ok(ChallengeCharge::Wait(millis)),
                Charge::Admitted(receipt) => {
                    count_failures(connection, id, challenge.failures + 1)?;
                    Ok(ChallengeCharge::Admitted(receipt))
                }
            }
        })
        .await
    }

    async fn challenge_refund(&self, id: ChallengeId, receipt: Receipt) -> Stored<()> {
        self.write(move |connection| {
            let charged = locked(connection, id)?.filter(|challenge| challenge.failures > 0);
            let Some(challenge) = charged else { return Ok(()) };
            count_failures(connection, id, challenge.failures - 1)?;
            budgets::refund(connection, &challenge.budget, receipt)
        })
        .await
    }
}

/// A challenge whose user's row is locked, as it is wherever a challenge changes: first the user, then what is theirs.
fn locked(connection: &mut Connection, id: ChallengeId) -> Result<Option<Challenge>, OperationError> {
    let Some(challenge) = find(connection, id)? else { return Ok(None) };
    lock_user(connection, challenge.user)?;
    // It may have changed until the lock was there.
    find(connection, id)
}

fn find(connection: &mut Connection, id: ChallengeId) -> Result<Option<Challenge>, OperationError> {
    // Those of a deleted user may still be there.
    let named = on_primary(challenges::table.find(id.0.as_bytes().as_slice()))
        .filter(exists(users::table.filter(users::id.eq(challenges::user_id))));
    let row: Option<ChallengeRow> = named.select(ChallengeRow::as_select()).get_result(connection).optional()?;
    Ok(row.map(read).transpose()?)
}

fn count_failures(connection: &mut Connection, id: ChallengeId, failures: u32) -> QueryResult<()> {
    let named = challenges::table.find(id.0.as_bytes().as_slice());
    diesel::update(named).set(challenges::failures.eq(i64::from(failures))).execute(connection).map(drop)
}

fn insert(connection: &mut Connection, challenge: &NewChallenge, factor_verified: bool) -> QueryResult<()> {
    let row = (ChallengeRow::from(challenge), challenges::factor_verified.eq(factor_verified));
    diesel::insert_into(challenges::table).values(row).execute(connection).map(drop)
}
