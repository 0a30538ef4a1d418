//! What a policy, and time, leave of sessions: the rule of `Session::status` (`thunderhead_domain::session`) as a condition of
//! statements. The contract tests hold the two together.

use diesel::backend::Backend;
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Bool, HasSqlType};
use thunderhead_domain::id::UserId;
use thunderhead_domain::policy::{LivenessCutoffs, SessionLimits};
use thunderhead_domain::time::Timestamp;

use super::{Query, ReadConnection};
use crate::dsl::*;
use crate::schema::users;

impl ReadConnection<'_> {
    /// What holds for a user's sessions. It is asked whether they are staff where that makes a difference.
    pub(crate) fn limits_of(&mut self, user: UserId) -> QueryResult<SessionLimits> {
        let policy = self.policy();
        if !policy.tells_staff_apart() {
            return Ok(policy.users);
        }
        let staff: Option<bool> = users::table.find(user.number()).select(users::staff).get_result(self).optional()?;
        Ok(*policy.of(staff.unwrap_or(false)))
    }

    /// Which of a user's sessions time and policy leave at a moment.
    pub(crate) fn lasting(&mut self, user: UserId, now: Timestamp) -> QueryResult<Lasting> {
        if !self.policy().ends_sessions() {
            return Ok(Lasting::unexpired(now));
        }
        let limits = self.limits_of(user)?;
        Ok(Lasting { now: now.unix_millis(), cutoffs: Some(limits.cutoffs(now).into()) })
    }

    /// The same for what a session is used for: that it is not idle was seen when the request came in, which is a use.
    pub(crate) fn lasting_in_use(&mut self, user: UserId, now: Timestamp) -> QueryResult<Lasting> {
        let mut lasting = self.lasting(user, now)?;
        if let Some(cutoffs) = &mut lasting.cutoffs {
            (cutoffs.full_used, cutoffs.scoped_used) = (i64::MIN, i64::MIN);
        }
        Ok(lasting)
    }

    /// Which of everybody's, where `users` is joined, they leave at a moment.
    pub(crate) fn lasting_of_any(&self, now: Timestamp) -> LastingOfAny {
        let policy = self.policy();
        let cutoffs = policy.ends_sessions().then(|| policy.users.cutoffs(now).into());
        let staff = policy.tells_staff_apart().then(|| policy.staff.cutoffs(now).into());
        LastingOfAny { now: now.unix_millis(), cutoffs, staff }
    }
}

/// The earliest moments of a live session, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Cutoffs {
    full_created: i64,
    full_used: i64,
    scoped_used: i64,
}

impl From<LivenessCutoffs> for Cutoffs {
    fn from(cutoffs: LivenessCutoffs) -> Self {
        let LivenessCutoffs { full_created, full_used, scoped_used } = cutoffs;
        let [full_created, full_used, scoped_used] = [full_created, full_used, scoped_used].map(Timestamp::unix_millis);
        Self { full_created, full_used, scoped_used }
    }
}

/// That a session of one user has not expired, and that the policy does not end it.
///
/// Its text depends on the policy alone, which is always the same on a connection: so statements that have it are
/// prepared once like others, by their types.
#[derive(Clone, Copy, Debug, QueryId)]
pub(crate) struct Lasting {
    now: i64,
    cutoffs: Option<Cutoffs>,
}

/// The same of anybody's session, where `users` is joined.
#[derive(Clone, Copy, Debug, QueryId)]
pub(crate) struct LastingOfAny {
    now: i64,
    cutoffs: Option<Cutoffs>,
    /// Those of staff, where they are others.
    staff: Option<Cutoffs>,
}

impl Lasting {
    /// The condition in a statement that is given as text, in which its parameters are the next ones from this number on, and
    /// what they stand for: the moment first.
    pub(crate) fn text(&self, first: usize) -> (String, Vec<i64>) {
        let mut values = vec![self.now];
        let mut text = format!("expires_at > ${first}");
        if let Some(Cutoffs { full_created, full_used, scoped_used }) = self.cutoffs {
            values.extend([full_created, full_used, scoped_used]);
            let [created, full, scoped] = [1, 2, 3].map(|next| first + next);
            text += &format!(
                " AND CASE WHEN permission_flags IS NULL THEN created_at >= ${created} AND {LAST_USE}${full} \
                 ELSE {LAST_USE}${scoped} END"
            );
        }
        (text, values)
    }

    /// Where there is no policy that ends sessions.
    pub(crate) const fn unexpired(now: Timestamp) -> Self {
        Self { now: now.unix_millis(), cutoffs: None }
    }
}

const LAST_USE: &str =
    "CASE WHEN sessions.used_at > sessions.created_at THEN sessions.used_at ELSE sessions.created_at END >= ";

/// Pushes the condition; what stands for a bound is pushed by `bound`.
fn push<'b, DB>(
    now: &'b i64,
    cutoffs: Option<&'b Cutoffs>,
    mut out: AstPass<'_, 'b, DB>,
    bound: impl Fn(fn(&Cutoffs) -> &i64, &'b Cutoffs, AstPass<'_, 'b, DB>) -> QueryResult<()>,
) -> QueryResult<()>
where
    DB: Backend + HasSqlType<BigInt>,
    i64: ToSql<BigInt, DB>,
{
    out.push_sql("(sessions.expires_at > ");
    out.push_bind_param::<BigInt, _>(now)?;
    if let Some(cutoffs) = cutoffs {
        out.push_sql(" AND CASE WHEN sessions.permission_flags IS NULL THEN sessions.created_at >= ");
        bound(|cutoffs| &cutoffs.full_created, cutoffs, out.reborrow())?;
        out.push_sql(" AND ");
        out.push_sql(LAST_USE);
        bound(|cutoffs| &cutoffs.full_used, cutoffs, out.reborrow())?;
        out.push_sql(" ELSE ");
        out.push_sql(LAST_USE);
        bound(|cutoffs| &cutoffs.scoped_used, cutoffs, out.reborrow())?;
        out.push_sql(" END");
    }
    out.push_sql(")");
    Ok(())
}

impl<DB> QueryFragment<DB> for Lasting
where
    DB: Backend + HasSqlType<BigInt>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        push(&self.now, self.cutoffs.as_ref(), out, |of, cutoffs, mut out| {
            out.push_bind_param::<BigInt, _>(of(cutoffs))
        })
    }
}

impl<DB> QueryFragment<DB> for LastingOfAny
where
    DB: Backend + HasSqlType<BigInt>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        push(&self.now, self.cutoffs.as_ref(), out, |of, cutoffs, mut out| {
            let Some(staff) = &self.staff else { return out.push_bind_param::<BigInt, _>(of(cutoffs)) };
            // Of parameters alone Postgres would not know the type.
            out.push_sql("CASE WHEN users.staff THEN CAST(");
            out.push_bind_param::<BigInt, _>(of(staff))?;
            out.push_sql(" AS BIGINT) ELSE CAST(");
            out.push_bind_param::<BigInt, _>(of(cutoffs))?;
            out.push_sql(" AS BIGINT) END");
            Ok(())
        })
    }
}

macro_rules! condition_on_sessions {
    ($($type:ty),+) => {
        $(
            impl Expression for $type {
                type SqlType = Bool;
            }

            impl<Q> AppearsOnTable<Q> for $type {}
            impl<Q> SelectableExpression<Q> for $type {}

            impl ValidGrouping<()> for $type {
                type IsAggregate = is_aggregate::Never;
            }
        )+
    };
}

condition_on_sessions!(Lasting, LastingOfAny);
