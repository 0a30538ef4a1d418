//! Manifests: members take fields, lints and dependencies from the workspace, and each dependency of the
//! workspace has a reason beside it.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Finding, TextFile, entries, text_file};

/// What each member takes from the workspace, as it is written in the member.
const INHERITED: [(&str, &str); 5] = [
    ("package", "version.workspace = true"),
    ("package", "edition.workspace = true"),
    ("package", "rust-version.workspace = true"),
    ("package", "publish.workspace = true"),
    ("lints", "workspace = true"),
];

pub(super) struct Member {
    pub(super) name: String,
    manifest: TextFile,
}

impl Member {
    pub(super) fn manifest(&self) -> &str {
        &self.manifest.path
    }

    /// Its folder, from the workspace on.
    pub(super) fn folder(&self) -> &Path {
        Path::new(&self.manifest.path).parent().unwrap_or(Path::new(""))
    }
}

/// The members: everything in `crates` and `examples`, and `xtask`.
pub(super) fn members(root: &Path) -> Result<Vec<Member>> {
    let mut folders = entries(&root.join("crates"))?;
    folders.extend(entries(&root.join("examples"))?);
    folders.push(root.join("xtask"));
    folders.iter().filter(|folder| folder.is_dir()).map(|folder| member(root, folder)).collect()
}

pub(super) fn check(root: &Path, members: &[Member]) -> Result<Vec<Finding>> {
    let mut findings = reasons(&text_file(root, &root.join("Cargo.toml"))?);
    for member in members {
        findings.extend(inheritance(&member.manifest));
        findings.extend(own_dependencies(&member.manifest));
    }
    Ok(findings)
}

fn member(root: &Path, folder: &Path) -> Result<Member> {
    let manifest = text_file(root, &folder.join("Cargo.toml"))?;
    let package = lines(&manifest.text).find_map(|line| {
        let value = line.text.strip_prefix("name = ").filter(|_| line.section == "package")?;
        Some(value.trim_matches('"').to_owned())
    });
    let name = package.with_context(|| format!("{} names no package", manifest.path))?;
    Ok(Member { name, manifest })
}

/// A line of a manifest that is neither blank nor the head of a section.
struct Line<'a> {
    index: usize,
    section: &'a str,
    text: &'a str,
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut section = "";
    text.lines().enumerate().filter_map(move |(index, text)| {
        let text = text.trim_end();
        if let Some(head) = text.strip_prefix('[') {
            section = head.trim_matches(['[', ']']);
            return None;
        }
        (!text.is_empty()).then_some(Line { index, section, text })
    })
}

fn inheritance(manifest: &TextFile) -> Vec<Finding> {
    let missing = INHERITED.into_iter().filter(|(section, wanted)| {
        !lines(&manifest.text).any(|line| line.section == *section && line.text == *wanted)
    });
    let message = |(section, wanted)| format!("[{section}] lacks `{wanted}`: add it");
    missing.map(|lack| Finding::file(&manifest.path, message(lack))).collect()
}

/// Versions are chosen in one place.
fn own_dependencies(manifest: &TextFile) -> Vec<Finding> {
    let is_dependency = |line: &Line<'_>| line.section.ends_with("dependencies") && line.text.contains('=');
    let strays = lines(&manifest.text)
        .filter(is_dependency)
        .filter(|line| !line.text.starts_with([' ', ']', '#']) && !line.text.contains("workspace = true"));
    let message = "name the dependency in [workspace.dependencies] of the root and inherit it: `name.workspace = true`";
    strays.map(|line| Finding::line(&manifest.path, line.index, message)).collect()
}

/// A comment stands above each dependency, or above the first of several that stand together.
fn reasons(manifest: &TextFile) -> Vec<Finding> {
    let mut findings = vec![];
    let mut last = None;
    let mut explained = false;
    for line in lines(&manifest.text).filter(|line| line.section == "workspace.dependencies") {
        // A blank line ends what a comment covers.
        explained &= last == Some(line.index.wrapping_sub(1));
        last = Some(line.index);
        if line.text.starts_with('#') {
            explained = true;
        } else if !explained && line.text.contains('=') && !line.text.contains("path = ") {
            let message = "say in a comment above the dependency why it is there";
            findings.push(Finding::line(&manifest.path, line.index, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> TextFile {
        TextFile { path: "Cargo.toml".to_owned(), text: text.to_owned() }
    }

    fn found_lines(findings: &[Finding]) -> Vec<usize> {
        findings.iter().filter_map(|finding| finding.line).collect()
    }

    #[test]
    fn a_dependency_needs_a_reason_and_may_share_it_with_its_neighbours() {
        let good = "[workspace.dependencies]\nown = { path = \"own\" }\n\n# Why.\na = \"1\"\nb = \"1\"\n";
        assert_eq!(reasons(&manifest(good)), []);
        let bad = "[workspace.dependencies]\na = \"1\"\n# Why.\nb = \"1\"\n\nc = \"1\"\n[other]\nd = \"1\"\n";
        assert_eq!(found_lines(&reasons(&manifest(bad))), [2, 6]);
    }

    #[test]
    fn members_take_their_fields_and_lints_from_the_workspace() {
        let whole = "[package]\nversion.workspace = true\nedition.workspace = true\nrust-version.workspace = true\n\
            publish.workspace = true\n\n[lints]\nworkspace = true\n";
        assert_eq!(inheritance(&manifest(whole)), []);
        assert_eq!(inheritance(&manifest(&whole.replace("[lints]", "[other]"))).len(), 1);
        assert_eq!(inheritance(&manifest("[package]\nversion = \"1\"\n")).len(), INHERITED.len());
    }

    #[test]
    fn members_choose_no_versions_of_their_own() {
        let text = "[dependencies]\na.workspace = true\nb = { workspace = true, features = [\n  \"x=y\",\n] }\nc = \"1\"\n\
            [dev-dependencies]\nd = { path = \"../d\" }\n[features]\ne = []\n";
        assert_eq!(found_lines(&own_dependencies(&manifest(text))), [6, 8]);
    }

    #[test]
    fn a_members_name_is_that_of_its_package() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["crates/a", "examples/b", "xtask"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
            let text = "[[bin]]\nname = \"program\"\n[package]\nname = \"package\"\n";
            std::fs::write(root.path().join(folder).join("Cargo.toml"), text).unwrap();
        }
        let members = members(root.path()).unwrap();
        assert_eq!(members.iter().map(|member| member.name.as_str()).collect::<Vec<_>>(), ["package"; 3]);
        assert_eq!(members[0].manifest(), "crates/a/Cargo.toml");
    }
}
