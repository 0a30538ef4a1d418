//! Wrong calls, each in a file of its own: a type checker must say so, of the line that is wrong and of no other.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Begins the comment above the line that is wrong.
const MARK: &str = "wrong: ";

/// What a type checker says of a line.
#[derive(Debug, PartialEq, Eq)]
struct Complaint<'a> {
    file: &'a str,
    /// From 1.
    line: usize,
    text: &'a str,
}

/// Has a type checker look at all files in this folder, whose names in what it says begin with `prefix`. Returns how
/// many there are.
pub(super) fn are_refused(mut checker: Command, folder: &Path, prefix: &str) -> Result<usize> {
    let output = checker.output().context("cannot run a type checker")?;
    let said = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
    let mut complaints = BTreeMap::<_, Vec<_>>::new();
    for complaint in said.lines().filter_map(complaint) {
        let name = complaint.file.strip_prefix(prefix);
        let name = name.with_context(|| format!("a type checker complains of something else:\n{said}"))?;
        complaints.entry(name.to_owned()).or_default().push(complaint);
    }
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = fs::read_to_string(entry.path())?;
        let complaints = complaints.remove(&name).unwrap_or_default();
        let refused = refusal(&text, &complaints).with_context(|| format!("{prefix}{name}"))?;
        println!("{prefix}{name}: {refused}");
        count += 1;
    }
    ensure!(count > 0 && complaints.is_empty(), "no wrong calls, or others than were looked for:\n{said}");
    Ok(count)
}

/// What makes this file wrong, where that is what was complained of.
fn refusal<'a>(text: &'a str, complaints: &[Complaint<'_>]) -> Result<&'a str> {
    let marked: Vec<_> =
        text.lines().enumerate().filter_map(|(line, text)| Some((line, text.split_once(MARK)?.1))).collect();
    let [(above, what)] = marked[..] else { bail!("not one line is marked with `{MARK}`") };
    // The line below, counted from 1.
    let wrong = above + 2;
    ensure!(!complaints.is_empty(), "{what} is not refused");
    if let Some(other) = complaints.iter().find(|complaint| complaint.line != wrong) {
        bail!("line {} is refused, and not line {wrong} ({what}): {}", other.line, other.text);
    }
    Ok(what)
}

/// `file(line,column): error TS2345: text` of tsc, `file:line: error: text` of mypy.
fn complaint(line: &str) -> Option<Complaint<'_>> {
    let (place, text) = line.split_once(": error")?;
    let (file, line) = match place.split_once('(') {
        Some((file, place)) => (file, place.split(',').next()?),
        None => place.split_once(':')?,
    };
    Some(Complaint { file, line: line.parse().ok()?, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_type_checkers_are_understood() {
        let said = "wrong/a.ts(7,12): error TS2322: Type 'number' is not assignable to type 'string'.";
        let (file, line) = ("wrong/a.ts", 7);
        let text = " TS2322: Type 'number' is not assignable to type 'string'.";
        assert_eq!(complaint(said), Some(Complaint { file, line, text }));
        let said = r#"wrong/a.py:7: error: Missing positional argument "password"  [call-arg]"#;
        let text = r#": Missing positional argument "password"  [call-arg]"#;
        assert_eq!(complaint(said), Some(Complaint { file: "wrong/a.py", line, text }));
        assert_eq!(complaint("  Types of property 'a' are incompatible."), None);
        assert_eq!(complaint("Found 1 error in 1 file (checked 1 source file)"), None);
    }

    #[test]
    fn a_wrong_call_is_refused_for_what_is_wrong_with_it() {
        let text = "import x\n\n# wrong: a number\ncall(1)\n";
        let at = |line| Complaint { file: "a.py", line, text: "" };
        assert_eq!(refusal(text, &[at(4), at(4)]).unwrap(), "a number");
        for complaints in [vec![], vec![at(1)], vec![at(4), at(1)]] {
            assert!(refusal(text, &complaints).is_err(), "{complaints:?}");
        }
        assert!(refusal("import x\n", &[at(1)]).is_err());
    }
}
