//! What was measured, as a table.

use std::fmt;

/// What is aimed at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// It is only told.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Ratio,
    Millis,
    PerSecond,
    MebiBytes,
    Bytes,
}

#[derive(Debug)]
pub(crate) struct Measurement {
    pub(crate) what: String,
    pub(crate) unit: Unit,
    pub(crate) value: f64,
    pub(crate) target: Goal,
    /// What the figure was made of.
    pub(crate) seen: String,
}

/// All lines so far. Each is shown as soon as it is there.
#[derive(Default)]
pub(crate) struct Table(Vec<Measurement>);

impl Table {
    pub(crate) fn add(&mut self, row: Measurement) {
        eprintln!("  {}", row.cells().join("  "));
        self.0.push(row);
    }

    pub(crate) fn ratio(&mut self, what: impl Into<String>, value: f64, target: Goal, seen: String) {
        self.add(Measurement { what: what.into(), unit: Unit::Ratio, value, target, seen });
    }

    pub(crate) fn millis(&mut self, what: impl Into<String>, value: f64, target: Goal, seen: String) {
        self.add(Measurement { what: what.into(), unit: Unit::Millis, value, target, seen });
    }

    /// It says little by itself: only beside what was measured in the same run.
    pub(crate) fn per_second(&mut self, what: impl Into<String>, value: f64, seen: String) {
        self.add(Measurement { what: what.into(), unit: Unit::PerSecond, value, target: Goal::None, seen });
    }
}

impl Measurement {
    fn cells(&self) -> [String; 5] {
        let unit = self.unit;
        let shown = |value: f64| match unit {
            Unit::Ratio => format!("{value:.2}"),
            Unit::Millis if value < 10.0 => format!("{value:.1} ms"),
            Unit::Millis => format!("{value:.0} ms"),
            Unit::PerSecond => format!("{value:.0}/s"),
            Unit::MebiBytes => format!("{value:.1} MiB"),
            Unit::Bytes => format!("{value:.0} B"),
        };
        let (target, verdict) = match self.target {
            Goal::AtLeast(least) => (format!("≥ {}", shown(least)), word(self.value >= least)),
            Goal::AtMost(most) => (format!("≤ {}", shown(most)), word(self.value <= most)),
            Goal::None => (String::new(), ""),
        };
        [self.what.clone(), shown(self.value), target, verdict.to_owned(), self.seen.clone()]
    }
}

const fn word(met: bool) -> &'static str {
    if met { "ok" } else { "short" }
}

/// As Markdown, aligned so that it can be read as it is.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["what", "value", "target", "", "seen"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(heads).chain(self.0.iter().map(Measurement::cells)).collect();
        let widths: [usize; 5] =
            std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
        for (number, row) in rows.iter().enumerate() {
            if number == 1 {
                let rules = widths.map(|width| "-".repeat(width.max(3)));
                writeln!(f, "|-{}-|", rules.join("-|-"))?;
            }
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}", width = width.max(3)));
            writeln!(f, "| {} |", cells.collect::<Vec<_>>().join(" | "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(value: f64, target: Goal) -> String {
        let [_, _, _, verdict, _] =
            Measurement { what: String::new(), unit: Unit::Ratio, value, target, seen: String::new() }.cells();
        verdict
    }

    #[test]
    fn a_figure_is_ok_or_short() {
        assert_eq!(verdict(0.85, Goal::AtLeast(0.85)), "ok");
        assert_eq!(verdict(0.84, Goal::AtLeast(0.85)), "short");
        assert_eq!(verdict(3.0, Goal::AtMost(3.0)), "ok");
        assert_eq!(verdict(3.1, Goal::AtMost(3.0)), "short");
        assert_eq!(verdict(3.1, Goal::None), "");
    }

    #[test]
    fn the_table_is_markdown() {
        let mut table = Table::default();
        table.millis("delete", 12.0, Goal::AtMost(20.0), "of 1000".to_owned());
        let text = table.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], "|--------|-------|---------|-----|---------|");
        assert_eq!(lines[2], "| delete | 12 ms | ≤ 20 ms | ok  | of 1000 |");
    }
}
