//! `cargo xtask tidy`: what the compiler and clippy do not check. Above all the absences that the architecture
//! promises – "`domain` knows no database" – which nobody can read off the code.

mod circles;
mod citations;
mod layers;
mod manifests;
mod migrations;
mod modules;
mod names;
mod rust;
mod sources;
mod vocabulary;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use self::citations::Repository;
use thunderhead_tooling::process;

/// Endings of what people write and read.
const TEXTS: [&str; 12] = ["rs", "md", "toml", "sql", "yml", "yaml", "py", "lua", "html", "ts", "js", "css"];

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    file: String,
    /// Its line, where it has one.
    line: Option<usize>,
    /// What is wrong, and what to do.
    message: String,
}

impl Finding {
    /// About a file.
    fn file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, message: message.into() }
    }

    /// About a line, counted from 0 as `enumerate` does.
    fn line(file: impl Into<String>, index: usize, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: Some(index + 1), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// A text file of the workspace.
pub(crate) struct TextFile {
    /// Its path from the folder of the workspace, with slashes.
    path: String,
    text: String,
}

pub(crate) fn run() -> Result<()> {
    let root = process::workspace()?;
    let members = manifests::members(&root)?;
    let mut findings = layers::check(&members)?;
    findings.extend(manifests::check(&root, &members)?);
    findings.extend(migrations::check(&root)?);
    for member in &members {
        findings.extend(circles::check(&root, &root.join(member.folder()))?);
    }
    let mut sources = vec![];
    for folder in ["crates", "examples", "xtask"] {
        sources.extend(text_files(&root, &root.join(folder), &["rs"])?);
    }
    findings.extend(sources.iter().flat_map(sources::check));
    findings.extend(names::check(&sources));
    let texts = text_files(&root, &root.join("crates"), &TEXTS)?;
    findings.extend(texts.iter().flat_map(vocabulary::check));
    let repository = Repository::read(&root)?;
    for folder in ["crates", "examples", "xtask", "docs", "migrations", "deploy", ".github", ".ci"] {
        let texts = text_files(&root, &root.join(folder), &TEXTS)?;
        findings.extend(texts.iter().flat_map(|file| repository.check(file)));
    }
    for file in ["README.md", "Cargo.toml", "clippy.toml", "deny.toml", ".ci/run", "deploy/Containerfile"] {
        findings.extend(repository.check(&text_file(&root, &root.join(file))?));
    }
    findings.sort();
    for finding in &findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("tidy has one finding"),
        count => bail!("tidy has {count} findings"),
    }
}

/// The files below a folder with these endings.
fn text_files(root: &Path, folder: &Path, endings: &[&str]) -> Result<Vec<TextFile>> {
    let mut files = vec![];
    for path in entries(folder)? {
        if path.is_dir() {
            files.extend(text_files(root, &path, endings)?);
        } else if path.extension().is_some_and(|extension| endings.iter().any(|ending| extension == *ending)) {
            files.push(text_file(root, &path)?);
        }
    }
    Ok(files)
}

fn text_file(root: &Path, path: &Path) -> Result<TextFile> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(TextFile { path: relative(root, path), text })
}

/// What lies directly in a folder, in order.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("cannot read the folder {}", folder.display());
    let entries = fs::read_dir(folder).with_context(context)?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>().with_context(context)?;
    paths.sort();
    Ok(paths)
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_the_file_and_the_line_as_editors_count_it() {
        assert_eq!(Finding::line("a.rs", 0, "wrong").to_string(), "a.rs:1: wrong");
        assert_eq!(Finding::file("a.rs", "wrong").to_string(), "a.rs: wrong");
    }

    #[test]
    fn files_are_found_in_subfolders_and_by_their_ending() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        for name in ["a/x.rs", "a/b/y.rs", "a/z.txt"] {
            fs::write(root.path().join(name), "").unwrap();
        }
        let found = text_files(root.path(), &root.path().join("a"), &["rs"]).unwrap();
        assert_eq!(found.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["a/b/y.rs", "a/x.rs"]);
    }
}
