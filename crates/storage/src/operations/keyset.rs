//! Searches by keyset pages: they go on in the order of one index, and pass by what that finds and does not fit. So what a
//! page costs is bounded, however rare it is that is searched for.

use thunderhead_domain::search::KeysetPage;

use crate::dsl::*;

/// How many rows a search reads at once, at most, where it may have to pass some by. It begins with as many as it wants.
const READ_AT_ONCE: i64 = 1_000;

/// One page of a search.
pub(crate) struct SearchPage<C> {
    /// Where it goes on.
    pub(crate) after: Option<C>,
    pub(crate) limit: u32,
    /// How many rows it reads before it gives back what it has found.
    pub(crate) most_read: i64,
}

impl<C: Copy> SearchPage<C> {
    /// Reads the page: `rows` returns as many as it is told to behind a place, fewer only at the end.
    pub(crate) fn read<R, T>(
        self,
        mut rows: impl FnMut(Option<C>, i64) -> QueryResult<Vec<R>>,
        place: impl Fn(&R) -> C,
        fitting: impl Fn(R) -> Option<T>,
    ) -> QueryResult<KeysetPage<T, C>> {
        let Self { mut after, limit, most_read } = self;
        if limit == 0 {
            return Ok(KeysetPage { items: Vec::new(), next: after });
        }
        // One more tells whether there are more.
        let wanted = i64::from(limit) + 1;
        let most_read = most_read.max(wanted);
        let (mut items, mut read_so_far, mut chunk) = (Vec::new(), 0, wanted);
        while read_so_far < most_read {
            let rows = rows(after, chunk)?;
            read_so_far += chunk;
            let more = rows.len() as i64 == chunk;
            let mut rows = rows.into_iter();
            while let Some(row) = rows.next() {
                after = Some(place(&row));
                items.extend(fitting(row));
                if items.len() >= limit as usize {
                    return Ok(KeysetPage { items, next: after.filter(|_| more || rows.len() > 0) });
                }
            }
            if !more {
                return Ok(KeysetPage { items, next: None });
            }
            chunk = (2 * chunk).min(READ_AT_ONCE.max(wanted)).min(most_read - read_so_far);
        }
        Ok(KeysetPage { items, next: after })
    }
}
