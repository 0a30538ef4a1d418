//! The numbered changes, by which replicas learn what they must not remember any longer.

use async_trait::async_trait;
use diesel::dsl::max;
use diesel::prelude::*;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{ChangeMark, ChangeNumber, Changes, Concern, News, Stored};

use super::super::{change_mark, on_primary};
use super::{Connection, Lanes};
use crate::fault::Failure;
use crate::schema::{change_counter, changes};
use crate::touched;
use crate::unreadable::{self, RowKey};

/// How many changes are kept. Who has missed more is told that everything has changed.
const KEPT: i64 = 10_000;
/// How many are deleted at once.
const PRUNED: i64 = 256;
/// How many changes are told one by one.
const TOLD: i64 = 1_000;

#[async_trait]
impl Changes for Lanes {
    async fn changes_since(&self, known: ChangeMark) -> Stored<News> {
        self.look(move |connection| news(connection, known)).await
    }

    fn is_latest(&self, known: ChangeMark) -> bool {
        self.glance(latest) == Some(known)
    }
}

/// Numbers what the transaction has changed. The lock on the counter goes with the commit, so the order of the numbers
/// is the order of the commits, and whoever sees one sees all before it. Nothing may be locked after this. The database
/// gives the marks.
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

/// What a change that another version made concerns nobody knows: so it is everything.
fn concern(number: i64, concern: &str, user: Option<i64>) -> Concern {
    match (concern, user) {
        ("user", Some(user)) => Concern::User(UserId::from_number(user)),
        ("switches", None) => Concern::Switches,
        ("everything", None) => Concern::Everything,
        _ => {
            unreadable::note("changes.concern", &RowKey::Number(number));
            Concern::Everything
        }
    }
}

/// The latest change; a database that has none is as if it had one that nothing changed.
fn latest(connection: &mut Connection) -> QueryResult<ChangeMark> {
    let all = diesel::alias!(changes as all_changes);
    let last = all.select(max(all.field(changes::number))).single_value();
    let last = changes::table.filter(changes::number.nullable().eq(last)).select((changes::number, change_mark()));
    let last: Option<(i64, i64)> = on_primary(last).get_result(connection).optional()?;
    Ok(last.map_or_else(ChangeMark::default, |(number, mark)| change(number, mark)))
}

/// The known change is read along: where it is not found, more was missed than is kept or told, or the database is
/// another one than before. So it is where another change has the number.
fn news(connection: &mut Connection, known: ChangeMark) -> Result<News, Failure> {
    let mut rows: Vec<(i64, i64, String, Option<i64>)> = on_primary(changes::table)
        .filter(changes::number.ge(known.number.0))
        .order(changes::number.desc())
        .limit(TOLD + 1)
        .select((changes::number, change_mark(), changes::concern, changes::user_id))
        .load(connection)?;
    match rows.pop() {
        Some((number, mark, ..)) if change(number, mark) == known => {
            let latest = rows.first().map_or(known, |(number, mark, ..)| change(*number, *mark));
            let concerns = rows.into_iter().map(|(number, _, text, user)| concern(number, &text, user)).collect();
            Ok(News { latest, concerns })
        }
        _ => Ok(News { latest: latest(connection)?, concerns: vec![Concern::Everything] }),
    }
}

const fn change(number: i64, mark: i64) -> ChangeMark {
    ChangeMark { number: ChangeNumber(number), mark }
}
