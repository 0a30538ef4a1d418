//! Files that texts tell of are there: nobody is sent to a page or a source that is not in the repository.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use super::{Finding, TextFile, entries, relative};

/// Folders whose files are no part of the repository.
const NOT_OURS: [&str; 3] = [".git", "target", "data"];
/// Folders that are told of by their name alone, without backticks.
const FOLDERS: [&str; 3] = ["docs", concat!("sp", "ec"), concat!("se", "eds")];
/// Endings of files that are told of between backticks.
const ENDINGS: [&str; 6] = ["rs", "md", "sql", "py", "lua", "html"];

/// All files, by their paths from the folder of the workspace on.
pub(super) struct Repository(BTreeSet<String>);

impl Repository {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeSet::new();
        collect(root, root, &mut files)?;
        Ok(Self(files))
    }

    /// Whether there is such a file, or one whose path ends so.
    fn holds(&self, cited: &str) -> bool {
        let end = format!("/{cited}");
        self.0.iter().any(|file| file == cited || file.ends_with(&end) || file.starts_with(&format!("{cited}/")))
    }

    /// Finds what is cited and not there.
    pub(super) fn check(&self, file: &TextFile) -> Vec<Finding> {
        let mut findings = vec![];
        for (index, line) in file.text.lines().enumerate() {
            for cited in cited(line).into_iter().filter(|cited| !self.holds(cited)) {
                let message = format!("`{cited}` is not in the repository: say where it is, or take it out");
                findings.push(Finding::line(&file.path, index, message));
            }
        }
        findings
    }
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeSet<String>) -> Result<()> {
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !path.is_dir() {
            files.insert(relative(root, &path));
        } else if !NOT_OURS.contains(&&*name) {
            collect(root, &path, files)?;
        }
    }
    Ok(())
}

/// What looks like a file of the repository.
fn cited(line: &str) -> Vec<&str> {
    let quoted =
        line.split('`').skip(1).step_by(2).chain(line.split("](").skip(1).filter_map(|rest| rest.split(')').next()));
    let quoted = quoted.filter_map(|text| {
        let path = text.split('#').next()?.trim_start_matches("../").trim_start_matches("./");
        let (name, ending) = path.rsplit_once('.')?;
        let is_path = !name.is_empty() && name.chars().all(is_of_path) && !path.starts_with('/');
        (is_path && ENDINGS.contains(&ending)).then_some(path)
    });
    let words = line.split(|letter: char| !is_of_path(letter)).filter_map(|word| {
        let word = word.trim_end_matches(['.', '/']);
        let (folder, rest) = word.split_once('/')?;
        (FOLDERS.contains(&folder) && !rest.is_empty()).then_some(word)
    });
    quoted.chain(words).collect::<BTreeSet<_>>().into_iter().collect()
}

fn is_of_path(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '/' | '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let files = ["docs/API.md", "crates/http/src/lib.rs"].map(str::to_owned);
        let file = TextFile { path: "a.rs".to_owned(), text: text.to_owned() };
        Repository(files.into()).check(&file).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_that_is_not_there_is_found_with_its_line() {
        let away = [concat!("do", "cs/GONE.md"), concat!("sp", "ec/model.md"), concat!("se", "eds/a")];
        for away in away {
            assert_eq!(findings(&format!("\nsee {away}.")).len(), 1, "{away}");
        }
        let away = concat!("http/src/g", "one.rs");
        for text in [format!("in `{away}`"), format!("[there](../{away}#line)")] {
            let message = format!("a.rs:1: `{away}` is not in the repository: say where it is, or take it out");
            assert_eq!(findings(&text), [message]);
        }
    }

    #[test]
    fn what_is_there_and_what_is_no_file_of_ours_is_no_finding() {
        for text in [
            "see docs/API.md, and `http/src/lib.rs`, `lib.rs`, [API](../docs/API.md#errors)",
            concat!("https://example.org/docs/g", "one and `/docs`"),
            "`Cargo.toml`, `a.b.rs()`, `*.rs`, `/etc/x.lua`, docs/",
        ] {
            assert_eq!(findings(text), Vec::<String>::new(), "{text}");
        }
    }
}
