//! The numbered changes, by which replicas learn what they must not remember any longer.

use async_trait::async_trait;
use diesel::prelude::*;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{ChangeNumber, Changes, Concern, News, Stored};

use super::{Connection, Lanes};
use crate::fault::{Failure, Impossible};
use crate::schema::{change_counter, changes};
use crate::touched;

/// How many changes are kept. Who has missed more is told that everything has changed.
const KEPT: i64 = 10_000;
/// How many are deleted at once.
const PRUNED: i64 = 256;
/// How many changes are told one by one.
const TOLD: i64 = 1_000;

#[async_trait]
impl Changes for Lanes {
    async fn changes_since(&self, number: ChangeNumber) -> Stored<News> {
        self.look(move |connection| news(connection, number)).await
    }

    fn unchanged_since(&self, number: ChangeNumber) -> bool {
        self.glance(latest).is_some_and(|latest| latest == number.0)
    }
}

/// Numbers what the transaction has changed. The lock on the counter goes with the commit, so the order of the numbers
/// is the order of the commits, and whoever sees one sees all before it. Nothing may be locked after this.
pub(in super::super) fn publish(connection: &mut Connection) -> QueryResult<()> {
    let touched = touched::take();
    let Ok(many @ 1..) = i64::try_from(touched.len()) else { return Ok(()) };
    let last: i64 = diesel::update(change_counter::table.find(1))
        .set(change_counter::number.eq(change_counter::number + many))
        .returning(change_counter::number)
        .get_result(connection)?;
    let first = last - many + 1;
    let rows: Vec<_> = (first..).zip(touched).map(row).collect();
    diesel::insert_into(changes::table).values(&rows).execute(connection)?;
    // Each time that the numbers pass a multiple of the batch, a batch is too old.
    if last / PRUNED != (first - 1) / PRUNED {
        diesel::delete(changes::table.filter(changes::number.le(last - KEPT))).execute(connection)?;
    }
    Ok(())
}

#[derive(Insertable)]
#[diesel(table_name = changes, treat_none_as_default_value = false)]
struct ChangeRow {
    number: i64,
    concern: &'static str,
    user_id: Option<i64>,
}

fn row((number, concern): (i64, Concern)) -> ChangeRow {
    let (concern, user_id) = match concern {
        Concern::User(user) => ("user", Some(user.number())),
        Concern::Switches => ("switches", None),
        Concern::Everything => ("everything", None),
    };
    ChangeRow { number, concern, user_id }
}

fn concern(concern: &str, user: Option<i64>) -> Result<Concern, Impossible> {
    match (concern, user) {
        ("user", Some(user)) => Ok(Concern::User(UserId::from_number(user))),
        ("switches", None) => Ok(Concern::Switches),
        ("everything", None) => Ok(Concern::Everything),
        _ => Err(Impossible::Column("changes.concern")),
    }
}

fn latest(connection: &mut Connection) -> QueryResult<i64> {
    changes::table.order(changes::number.desc()).select(changes::number).first(connection)
}

/// The change of the given number is read along: where it is not found, more was missed than is kept or told, or the
/// database is another one than before.
fn news(connection: &mut Connection, since: ChangeNumber) -> Result<News, Failure> {
    let mut rows: Vec<(i64, String, Option<i64>)> = changes::table
        .filter(changes::number.ge(since.0))
        .order(changes::number.desc())
        .limit(TOLD + 1)
        .select((changes::number, changes::concern, changes::user_id))
        .load(connection)?;
    match rows.pop() {
        Some((oldest, ..)) if oldest == since.0 => {
            let latest = rows.first().map_or(oldest, |(number, ..)| *number);
            let concerns = rows.into_iter().map(|(_, text, user)| concern(&text, user)).collect::<Result<_, _>>()?;
            Ok(News { latest: ChangeNumber(latest), concerns })
        }
        _ => {
            let latest = changes::table.select(diesel::dsl::max(changes::number)).first::<Option<i64>>(connection)?;
            Ok(News { latest: ChangeNumber(latest.unwrap_or(0)), concerns: vec![Concern::Everything] })
        }
    }
}
