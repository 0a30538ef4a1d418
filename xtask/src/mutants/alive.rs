//! Which mutants may live, and what became of those that were tried.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Where they are listed.
const LIST: &str = include_str!("alive.txt");

/// The mutants that may live, each for a reason.
pub(super) struct Alive(Vec<Entry>);

struct Entry {
    /// A name without its place in the file. A star stands for anything.
    pattern: &'static str,
    line: usize,
}

impl Alive {
    /// Reads the list.
    pub(super) fn read() -> Result<Self> {
        Self::parse(LIST)
    }

    fn parse(list: &'static str) -> Result<Self> {
        let (mut entries, mut has_reason) = (vec![], false);
        for (index, text) in list.lines().enumerate() {
            let (text, line) = (text.trim(), index + 1);
            if text.is_empty() {
                has_reason = false;
            } else if text.starts_with('#') {
                has_reason = true;
            } else {
                ensure!(has_reason, "line {line} of the list of mutants has no reason above it: {text}");
                entries.push(Entry { pattern: text, line });
            }
        }
        Ok(Self(entries))
    }

    fn holds(&self, name: &str) -> bool {
        self.0.iter().any(|entry| entry.matches(name))
    }

    /// Entries of a crate that name no mutant any more.
    pub(super) fn gone(&self, part: &str, all: &[String]) -> Vec<String> {
        let folder = format!("crates/{part}/");
        let names: BTreeSet<String> = all.iter().map(|mutant| name(mutant)).collect();
        let of_part = self.0.iter().filter(|entry| entry.pattern.starts_with(&folder));
        let gone = of_part.filter(|entry| !names.iter().any(|name| entry.matches(name)));
        gone.map(|entry| format!("listed in line {}, and there is none such: {}", entry.line, entry.pattern)).collect()
    }
}

impl Entry {
    fn matches(&self, name: &str) -> bool {
        let mut pieces = self.pattern.split('*');
        let Some(rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else { return false };
        let mut rest = rest;
        let mut last = None;
        for piece in pieces {
            last = Some(piece);
            let Some(at) = rest.find(piece) else { return false };
            rest = &rest[at + piece.len()..];
        }
        match last {
            None => rest.is_empty(),
            Some(last) => last.is_empty() || name.ends_with(last),
        }
    }
}

/// What became of mutants, by their names with their places.
#[derive(Default)]
pub(super) struct Verdicts {
    missed: Vec<String>,
    caught: Vec<String>,
    unviable: Vec<String>,
}

impl Verdicts {
    /// Reads what cargo-mutants has written. Tests that did not come to their end have found the mutant.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let lines = |file: &str| -> Result<Vec<String>> {
            let path = folder.join(file);
            if !path.exists() {
                return Ok(vec![]);
            }
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok(text.lines().map(str::to_owned).collect())
        };
        let caught = [lines("caught.txt")?, lines("timeout.txt")?].concat();
        Ok(Self { missed: lines("missed.txt")?, caught, unviable: lines("unviable.txt")? })
    }

    /// How many there were of what.
    pub(super) fn line(&self, part: &str, listed: &Alive) -> String {
        let excused = self.missed.iter().filter(|mutant| listed.holds(&name(mutant))).count();
        let (found, alive) = (self.caught.len(), self.missed.len() - excused);
        let mut line = String::new();
        // Writing to a text cannot fail.
        let _ = writeln!(
            line,
            "{part:8} {:5} mutants: {found:5} found, {alive:4} alive, {excused:3} listed ({} do not compile)",
            found + self.missed.len(),
            self.unviable.len(),
        );
        line
    }

    /// Those that live and are not listed, and those that are listed and do not live.
    pub(super) fn findings(&self, listed: &Alive) -> Vec<String> {
        let alive = self.missed.iter().filter(|mutant| !listed.holds(&name(mutant)));
        let mut findings: Vec<_> = alive.map(|mutant| format!("alive: {mutant}")).collect();
        let matching = |entry: &Entry, mutants: &[String]| mutants.iter().any(|mutant| entry.matches(&name(mutant)));
        let killed = listed.0.iter().filter(|entry| matching(entry, &self.caught) && !matching(entry, &self.missed));
        findings.extend(killed.map(|entry| format!("listed in line {}, and found: {}", entry.line, entry.pattern)));
        findings
    }
}

/// A mutant without the line and the column that it is in: `crates/a/src/b.rs: replace …`.
fn name(mutant: &str) -> String {
    let mut parts = mutant.splitn(4, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(_line), Some(_column), Some(what)) => format!("{file}:{what}"),
        _ => mutant.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "crates/a/src/b.rs:10:5: replace x -> bool with true";
    const OTHER: &str = "crates/a/src/b.rs:99:5: replace <impl Debug for X>::fmt -> fmt::Result with Ok(())";

    fn verdicts(missed: &[&str], caught: &[&str]) -> Verdicts {
        let owned = |mutants: &[&str]| mutants.iter().map(|mutant| (*mutant).to_owned()).collect();
        Verdicts { missed: owned(missed), caught: owned(caught), unviable: vec![] }
    }

    #[test]
    fn every_listed_mutant_has_a_reason() {
        assert!(Alive::read().is_ok());
        assert!(Alive::parse("# why\ncrates/a\n\ncrates/b").is_err());
        assert_eq!(Alive::parse("# why\ncrates/a\ncrates/b\n\n# why else\ncrates/c\n").unwrap().0.len(), 3);
    }

    #[test]
    fn a_mutant_that_lives_is_a_finding_unless_it_is_listed_wherever_it_stands_in_its_file() {
        let listed = Alive::parse("# equal\ncrates/a/src/b.rs: replace x -> bool with true").unwrap();
        assert_eq!(verdicts(&[ONE], &[OTHER]).findings(&listed), Vec::<String>::new());
        assert_eq!(verdicts(&[ONE, OTHER], &[]).findings(&listed), [format!("alive: {OTHER}")]);
        assert!(verdicts(&[ONE, OTHER], &[]).line("a", &listed).contains("0 found,    1 alive,   1 listed"));
    }

    #[test]
    fn a_listed_mutant_that_is_found_or_gone_is_a_finding() {
        let listed = Alive::parse("# equal\ncrates/a/src/b.rs: replace x -> bool with true").unwrap();
        assert_eq!(verdicts(&[], &[ONE]).findings(&listed).len(), 1);
        assert_eq!(verdicts(&[], &[OTHER]).findings(&listed), Vec::<String>::new(), "it was not tried");
        assert_eq!(listed.gone("a", &[OTHER.to_owned()]).len(), 1);
        assert_eq!(listed.gone("a", &[ONE.to_owned()]), Vec::<String>::new());
        assert_eq!(listed.gone("b", &[]), Vec::<String>::new());
    }

    #[test]
    fn a_star_stands_for_anything() {
        let matches = |pattern: &'static str, name: &str| Entry { pattern, line: 1 }.matches(name);
        assert!(matches("a*c", "abc") && matches("a*", "abc") && matches("*b*", "abc") && matches("abc", "abc"));
        assert!(!matches("a*d", "abc") && !matches("ab", "abc") && !matches("b*", "abc") && !matches("a*b", "abc"));
    }
}
