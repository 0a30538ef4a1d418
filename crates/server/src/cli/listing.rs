//! Lists that are printed as they are read, so that they may be of any length.

use std::io::{self, Write};

use anyhow::{Context as _, Error};
use clap::Args;
use serde::Serialize;

use super::form::{Columns, Form};
use crate::error::CommandError;

/// So much of a list is read at once.
const PAGE: u32 = 500;

/// How much of a list is printed.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Amount {
    /// The most to list
    #[arg(long, default_value_t = 50)]
    limit: u64,
    /// List them all, however many they are
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl Amount {
    pub(super) const fn new(limit: u64, all: bool) -> Self {
        Self { limit, all }
    }
}

/// A list that is being printed.
pub(super) struct Listing<'a, const N: usize> {
    out: &'a mut dyn Write,
    form: Form,
    columns: Columns<N>,
    head: Option<[&'static str; N]>,
    left: Option<u64>,
    printed: u64,
    /// Whether nobody reads what is printed any more (`| head`).
    unread: bool,
}

impl<'a, const N: usize> Listing<'a, N> {
    pub(super) fn new(out: &'a mut dyn Write, form: Form, amount: Amount, head: [&'static str; N]) -> Self {
        let left = (!amount.all).then_some(amount.limit);
        Self { out, form, columns: Columns::default(), head: Some(head), left, printed: 0, unread: false }
    }

    /// How many to read next; `None` where no more are wanted.
    pub(super) fn wanted(&self) -> Option<u32> {
        let left = self.left.unwrap_or(u64::MAX).min(PAGE.into());
        u32::try_from(left).ok().filter(|wanted| *wanted > 0 && !self.unread)
    }

    /// Prints what was read: each in JSON, or as a row.
    pub(super) fn print<J: Serialize>(
        &mut self,
        items: impl IntoIterator<Item = (J, [String; N])>,
    ) -> Result<(), CommandError> {
        let (mut text, mut rows) = (String::new(), Vec::new());
        for (json, row) in items {
            if self.form.is_json() {
                let json = serde_json::to_string(&json).context("the result cannot be printed as JSON")?;
                text += if self.printed == 0 { "{\"items\": [\n" } else { ",\n" };
                text += &json;
            } else {
                rows.push(row);
            }
            self.printed += 1;
            self.left = self.left.map(|left| left.saturating_sub(1));
        }
        if !rows.is_empty() {
            let head = self.head.take().map(|head| head.map(str::to_owned));
            text = self.columns.lines(head.into_iter().chain(rows).collect());
            text.push('\n');
        }
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.unread = true,
            written => written
                .map_err(|error| CommandError::Refused(Error::from(error).context("the result cannot be printed")))?,
        }
        Ok(())
    }

    /// Returns what is to be printed last. Whether there is `more` is not known before it is looked for.
    pub(super) fn end(self, more: bool) -> String {
        let Self { form, printed, unread, .. } = self;
        match (form.is_json(), more) {
            _ if unread => String::new(),
            (true, _) => {
                let items = if printed == 0 { "{\"items\": [" } else { "\n" };
                format!("{items}], \"count\": {printed}, \"more\": {more}}}")
            }
            (false, false) => format!("{printed} of {printed}"),
            (false, true) => format!("{printed}, and there may be more: --limit, --all"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(form: Form, amount: Amount, pages: &[&[&str]], more: bool) -> String {
        let mut out = Vec::new();
        let mut listing = Listing::new(&mut out, form, amount, ["NAME", "X"]);
        for page in pages {
            assert!(listing.wanted().is_some());
            listing.print(page.iter().map(|name| (*name, [(*name).to_owned(), "x".to_owned()]))).unwrap();
        }
        let last = listing.end(more);
        String::from_utf8(out).unwrap() + &last
    }

    #[test]
    fn pages_are_one_list() {
        let all = Amount::new(50, true);
        let plain = printed(Form::PLAIN, all, &[&["ada"], &[], &["hopper", "g"]], false);
        assert_eq!(plain, "NAME  X\nada   x\nhopper  x\ng       x\n3 of 3");
        let few = printed(Form::PLAIN, Amount::new(2, false), &[&["ada"], &["g"]], true);
        assert_eq!(few, "NAME  X\nada   x\ng     x\n2, and there may be more: --limit, --all");
        assert_eq!(printed(Form::PLAIN, all, &[], false), "0 of 0");
        for (pages, more) in [(&[][..], false), (&[&["ada", "g"][..], &["hopper"]], true)] {
            let json: serde_json::Value = serde_json::from_str(&printed(Form::JSON, all, pages, more)).unwrap();
            let names = pages.concat();
            assert_eq!(json, serde_json::json!({ "items": names, "count": names.len(), "more": more }));
        }
    }

    #[test]
    fn no_more_is_read_than_is_wanted() {
        let mut out = Vec::new();
        let mut listing = Listing::new(&mut out, Form::JSON, Amount::new(501, false), ["NAME"]);
        for (wanted, found) in [(Some(PAGE), 499), (Some(2), 2), (None, 0)] {
            assert_eq!(listing.wanted(), wanted);
            listing.print((0..found).map(|number| (number, [String::new()]))).unwrap();
        }
    }

    /// A reader who has gone away.
    struct Gone(io::ErrorKind);

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_has_read_enough_ends_the_list_and_a_full_disk_is_told() {
        let row = || [("ada", ["ada".to_owned()])];
        let mut gone = Gone(io::ErrorKind::BrokenPipe);
        let mut listing = Listing::new(&mut gone, Form::PLAIN, Amount::new(50, true), ["NAME"]);
        listing.print(row()).unwrap();
        assert_eq!((listing.wanted(), listing.end(true).as_str()), (None, ""));
        let mut full = Gone(io::ErrorKind::StorageFull);
        let mut listing = Listing::new(&mut full, Form::PLAIN, Amount::new(50, true), ["NAME"]);
        assert!(matches!(listing.print(row()), Err(CommandError::Refused(_))));
    }
}
