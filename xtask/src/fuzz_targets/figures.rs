//! What libFuzzer says of a run.

/// Some of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RunFigures {
    pub(super) executions: u64,
    per_second: u64,
    /// Places in the code that were reached: edges between basic blocks.
    edges: u64,
    /// Inputs that are worth keeping, each of which reaches something that no other does.
    corpus: u64,
}

impl RunFigures {
    /// Reads its log.
    pub(super) fn read(log: &str) -> Self {
        let mut figures = Self::default();
        for line in log.lines() {
            if let Some(number) = line.strip_prefix("stat::number_of_executed_units:") {
                figures.executions = number.trim().parse().unwrap_or(0);
            } else if let Some(number) = line.strip_prefix("stat::average_exec_per_sec:") {
                figures.per_second = number.trim().parse().unwrap_or(0);
            } else if line.starts_with('#') {
                figures.edges = after(line, "cov:").unwrap_or(figures.edges);
                figures.corpus = after(line, "corp:").unwrap_or(figures.corpus);
            }
        }
        figures
    }

    /// A row of the table.
    pub(super) fn line(&self, name: &str, ever: u64) -> String {
        let Self { executions, per_second, edges, corpus } = self;
        let (executions, ever) = (grouped(*executions), grouped(ever));
        format!("{name:16} {executions:>14} {ever:>14} {per_second:8}/s {edges:6} edges {corpus:6} inputs\n")
    }
}

/// The number behind a word: `cov: 123`, or `corp: 45/6kb`.
fn after(line: &str, word: &str) -> Option<u64> {
    let rest = line.split_once(word)?.1.trim_start();
    let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

/// A number with a space between every three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_a_run_are_read_from_its_log() {
        let log = "INFO: Loaded 1 modules   (100 inline 8-bit counters)\n\
            #2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 30Mb\n\
            #900\tDONE   cov: 345 ft: 678 corp: 90/12Kb lim: 48 exec/s: 450 rss: 40Mb\n\
            stat::number_of_executed_units: 1234567\nstat::average_exec_per_sec:     617283\n";
        let figures = RunFigures { executions: 1_234_567, per_second: 617_283, edges: 345, corpus: 90 };
        assert_eq!(RunFigures::read(log), figures);
        assert!(
            figures.line("token", 2_000_000).starts_with("token                 1 234 567      2 000 000   617283/s")
        );
        assert_eq!(RunFigures::read("ERROR: libFuzzer: deadly signal"), RunFigures::default());
    }

    #[test]
    fn numbers_have_a_space_between_every_three_digits() {
        let grouped = [0, 12, 123, 1_234, 123_456, 100_000_000].map(grouped);
        assert_eq!(grouped, ["0", "12", "123", "1 234", "123 456", "100 000 000"]);
    }
}
