//! Challenges. Each call is a transaction of its own; they are spent by what they allow, see `warrant`.

use async_trait::async_trait;
use diesel::prelude::*;
use thunderhead_domain::audit::Deed;
use thunderhead_domain::budget::{Charge, Receipt};
use thunderhead_domain::challenge::{Challenge, ChallengeId, NewChallenge};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{BudgetKey, ChallengeCharge, Challenges, Stored, Warranted};
use thunderhead_domain::warrant::Warrant;

use super::{Connection, Lanes, budgets, warrant};
use crate::rows::ChallengeRow;
use crate::schema::challenges;
use crate::text;

#[async_trait]
impl Challenges for Lanes {
    async fn challenge_create(&self, challenge: NewChallenge) -> Stored<()> {
        self.write(move |connection| Ok(insert(connection, &challenge)?)).await
    }

    async fn challenge_create_for(&self, challenge: NewChallenge, warrant: Warrant) -> Warranted<()> {
        self.decide(move |connection| {
            warrant::honour(connection, &warrant, &[challenge.user])?;
            Ok(insert(connection, &challenge)?)
        })
        .await
    }

    async fn challenge_find(&self, id: ChallengeId) -> Stored<Option<Challenge>> {
        self.read(move |connection| {
            let named = challenges::table.find(id.0.as_bytes().as_slice());
            let row: Option<ChallengeRow> = named.select(ChallengeRow::as_select()).first(connection).optional()?;
            Ok(row.map(Challenge::try_from).transpose()?)
        })
        .await
    }

    async fn challenge_charge(&self, id: ChallengeId, deed: Deed) -> Stored<ChallengeCharge> {
        self.write(move |connection| {
            let named = challenges::table.find(id.0.as_bytes().as_slice());
            let user: Option<i64> = named.select(challenges::user_id).first(connection).optional()?;
            let Some(user) = user else { return Ok(ChallengeCharge::Closed) };
            let key = BudgetKey::Account(UserId::from_number(user));
            let receipt = match budgets::charge(connection, &key, &deed)? {
                Charge::Wait(millis) => return Ok(ChallengeCharge::Wait(millis)),
                Charge::Admitted(receipt) => receipt,
            };
            let open = named
                .filter(challenges::spent.eq(false))
                .filter(challenges::failures.lt(i64::from(Challenge::MOST_FAILURES)))
                .filter(challenges::expires_at.gt(deed.at.unix_millis()));
            let charged = diesel::update(open).set(challenges::failures.eq(challenges::failures + 1));
            if charged.execute(connection)? == 1 {
                return Ok(ChallengeCharge::Admitted(receipt));
            }
            budgets::refund(connection, &text::budget_key(&key), receipt)?;
            Ok(ChallengeCharge::Closed)
        })
        .await
    }

    async fn challenge_refund(&self, id: ChallengeId, receipt: Receipt) -> Stored<()> {
        self.write(move |connection| {
            let charged = challenges::table.find(id.0.as_bytes().as_slice()).filter(challenges::failures.gt(0));
            let users: Vec<i64> = diesel::update(charged)
                .set(challenges::failures.eq(challenges::failures - 1))
                .returning(challenges::user_id)
                .get_results(connection)?;
            for user in users {
                let key = text::budget_key(&BudgetKey::Account(UserId::from_number(user)));
                budgets::refund(connection, &key, receipt)?;
            }
            Ok(())
        })
        .await
    }
}

fn insert(connection: &mut Connection, challenge: &NewChallenge) -> QueryResult<()> {
    diesel::insert_into(challenges::table).values(ChallengeRow::from(challenge)).execute(connection).map(drop)
}
