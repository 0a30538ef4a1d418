//! How results are printed: JSON for scripts, columns for people; and the page of a list.

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use thunderhead_domain::label::is_unprintable;
use thunderhead_domain::ports::PageRequest;

use crate::error::CommandError;

/// How a result is printed.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Form {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Form {
    #[cfg(test)]
    pub(super) const JSON: Self = Self { json: true };
    #[cfg(test)]
    pub(super) const PLAIN: Self = Self { json: false };

    /// Whether it is printed for a script.
    pub(super) const fn is_json(self) -> bool {
        self.json
    }

    /// The result for a script or for a person.
    pub(super) fn print(self, json: &impl Serialize, plain: impl FnOnce() -> String) -> Result<String, CommandError> {
        if !self.json {
            return Ok(plain());
        }
        Ok(serde_json::to_string_pretty(json).context("the result cannot be printed as JSON")?)
    }
}

/// A list in JSON.
#[derive(Serialize)]
pub(super) struct JsonList<T> {
    /// How many there are in all, of which `items` may be a page.
    pub(super) count: u64,
    /// Those that are shown.
    pub(super) items: Vec<T>,
}

impl<T> JsonList<T> {
    /// All that there is.
    pub(super) fn whole(items: Vec<T>) -> Self {
        Self { count: items.len() as u64, items }
    }
}

/// Which part of a list is shown.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct PageFlags {
    /// The most to list
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(..=10_000))]
    limit: u32,
    /// How many to skip
    #[arg(long, default_value_t = 0)]
    offset: u64,
}

impl PageFlags {
    /// The most to list.
    pub(super) fn limit(self) -> u64 {
        self.limit.into()
    }
}

impl From<PageFlags> for PageRequest {
    fn from(PageFlags { limit, offset }: PageFlags) -> Self {
        Self { limit, offset }
    }
}

/// A list with a line over it that names the columns, and one under it that says how much of the whole it is.
pub(super) fn page<const N: usize>(head: [&str; N], rows: Vec<[String; N]>, count: u64) -> String {
    let summary = format!("{} of {count}", rows.len());
    if rows.is_empty() {
        return summary;
    }
    let rows: Vec<[String; N]> = [head.map(str::to_owned)].into_iter().chain(rows).collect();
    format!("{}\n{summary}", columns(rows))
}

/// Cells in columns. What clients have sent may be among them, so nothing in them can steer a terminal.
pub(super) fn columns<const N: usize>(rows: Vec<[String; N]>) -> String {
    Columns::default().lines(rows)
}

/// Columns that are as wide as the widest cell so far.
pub(super) struct Columns<const N: usize>([usize; N]);

impl<const N: usize> Default for Columns<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Columns<N> {
    /// A line for each row.
    pub(super) fn lines(&mut self, rows: Vec<[String; N]>) -> String {
        let rows: Vec<[String; N]> = rows.into_iter().map(|row| row.map(|cell| harmless(&cell))).collect();
        for row in &rows {
            for (width, cell) in self.0.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let line = |row: &[String; N]| {
            let cells: Vec<String> = row.iter().zip(self.0).map(|(cell, width)| format!("{cell:<width$}")).collect();
            cells.join("  ").trim_end().to_owned()
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// A text without anything that a terminal might obey, that turns the reading order, or that hides.
fn harmless(text: &str) -> String {
    let shown = |character: char| {
        if is_unprintable(character) { character.escape_unicode().to_string() } else { character.to_string() }
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<const N: usize>(cells: [&str; N]) -> [String; N] {
        cells.map(str::to_owned)
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_where_their_text_does() {
        let rows = vec![texts(["größer", "b"]), texts(["c", ""])];
        assert_eq!(columns(rows.clone()), "größer  b\nc");
        assert_eq!(page(["A", "B"], rows, 7), "A       B\ngrößer  b\nc\n2 of 7");
        assert_eq!(page(["A"], vec![], 7), "0 of 7");
    }

    #[test]
    fn what_might_steer_a_terminal_is_shown_and_not_sent() {
        let row = texts(["\u{1b}[2J", "a\nb", "\u{202e}txt", "\u{9b}31m"]);
        assert_eq!(columns(vec![row]), r"\u{1b}[2J  a\u{a}b  \u{202e}txt  \u{9b}31m");
    }
}
