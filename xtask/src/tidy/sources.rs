//! The form of the sources: each file says what it is for, is short, and is finished.

use super::{Finding, TextFile};

const LONGEST: usize = 500;

/// What no source holds, and what to do instead. Written in two halves, so that this file does not hold it either.
const FORBIDDEN: [(&str, &str); 7] = [
    (concat!("#[al", "low("), "use #[expect(…, reason = \"…\")]"),
    (concat!("#![al", "low("), "use #![expect(…, reason = \"…\")]"),
    (concat!("todo", "!("), "write what is missing"),
    (concat!("unimple", "mented!("), "write what is missing"),
    (concat!("db", "g!("), "take it out"),
    (concat!("FIX", "ME"), "put it right, or say in a sentence why it is as it is"),
    (concat!("#[ign", "ore"), "a test runs or it goes"),
];

pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    let findings = opening(file).into_iter().chain(length(file));
    findings.chain(forbidden(file)).collect()
}

fn opening(file: &TextFile) -> Option<Finding> {
    let says = file.text.lines().next().is_some_and(|line| line.strip_prefix("//! ").is_some());
    (!says).then(|| Finding::line(&file.path, 0, "open the file with a `//!` line that says what it is for"))
}

fn length(file: &TextFile) -> Option<Finding> {
    let lines = file.text.lines().count();
    let message = || format!("{lines} lines are more than {LONGEST}: split the file");
    (lines > LONGEST).then(|| Finding::line(&file.path, LONGEST, message()))
}

fn forbidden(file: &TextFile) -> Vec<Finding> {
    let mut findings = vec![];
    for (index, line) in file.text.lines().enumerate() {
        for (text, instead) in FORBIDDEN {
            if line.contains(text) {
                findings.push(Finding::line(&file.path, index, format!("`{text}` has no place here: {instead}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<(Option<usize>, String)> {
        let file = TextFile { path: "a.rs".to_owned(), text: text.to_owned() };
        check(&file).into_iter().map(|finding| (finding.line, finding.message)).collect()
    }

    #[test]
    fn a_file_says_what_it_is_for_in_its_first_line() {
        assert_eq!(findings("//! For this.\nfn main() {}\n"), []);
        for text in ["", "//!", "// For this.\n", "fn main() {}\n", "\n//! For this.\n"] {
            assert_eq!(findings(text).len(), 1, "{text:?}");
        }
    }

    #[test]
    fn a_file_has_no_more_than_500_lines() {
        let longest = format!("//! For this.\n{}", "\n".repeat(499));
        assert_eq!(findings(&longest), []);
        assert_eq!(findings(&format!("{longest}\n"))[0].0, Some(501));
    }

    #[test]
    fn unfinished_code_and_silenced_lints_are_found_with_their_lines() {
        for (text, _) in FORBIDDEN {
            let found = findings(&format!("//! For this.\n\n    {text}x)]\n"));
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(found[0].0, Some(3), "{text}");
        }
    }
}
