//! The modules of a crate as its files declare them, and what each of them names in others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::relative;
use super::rust::{Token, product};

/// A module: `["a", "b"]` is `crate::a::b`.
pub(super) type ModulePath = Vec<String>;

/// All modules of one crate but those for tests.
#[derive(Default)]
pub(super) struct Modules {
    all: BTreeSet<ModulePath>,
    /// What a module brings in by `use`, by the name that it has there.
    names: BTreeMap<ModulePath, BTreeMap<String, ModulePath>>,
    pub(super) uses: Vec<Use>,
}

/// That a module names something in its own crate.
pub(super) struct Use {
    pub(super) from: ModulePath,
    pub(super) to: ModulePath,
    pub(super) file: String,
    /// Counted from 0.
    pub(super) line: usize,
}

impl Modules {
    /// Reads them, from the file of the crate's root on.
    pub(super) fn read(root: &Path, file: &Path) -> Result<Self> {
        let mut modules = Self::default();
        let folder = file.parent().unwrap_or(root).to_path_buf();
        modules.read_file(root, ModuleFile { file: file.to_path_buf(), folder, path: vec![] })?;
        Ok(modules)
    }

    /// The modules that have others in them, and the crate itself.
    pub(super) fn parents(&self) -> BTreeSet<&[String]> {
        self.all.iter().filter_map(|path| path.split_last().map(|(_, parent)| parent)).collect()
    }

    /// The module directly in `parent` that a path leads to, also where `parent` only passes a name on.
    pub(super) fn child_on_the_way<'a>(&'a self, parent: &[String], path: &'a [String]) -> Option<&'a str> {
        let mut path = path;
        // No name is passed on more often.
        for _ in 0..8 {
            let next = path.strip_prefix(parent)?.first()?;
            if self.all.contains(&[parent, std::slice::from_ref(next)].concat()) {
                return Some(next);
            }
            path = self.names.get(parent)?.get(next)?;
        }
        None
    }

    fn read_file(&mut self, root: &Path, home: ModuleFile) -> Result<()> {
        let shown = || format!("cannot read {}", home.file.display());
        let source = fs::read_to_string(&home.file).with_context(shown)?;
        self.all.insert(home.path.clone());
        let declared = self.read_tokens(&product(&source), &relative(root, &home.file), &home);
        declared.into_iter().try_for_each(|below| self.read_file(root, below))
    }

    /// Notes what is named, and returns the modules that lie in files of their own.
    fn read_tokens(&mut self, tokens: &[Token<'_>], file: &str, home: &ModuleFile) -> Vec<ModuleFile> {
        let mut declared = vec![];
        // Modules inside the file, with the depth of braces at which they end.
        let mut inside: Vec<(usize, String)> = vec![];
        let (mut depth, mut at) = (0_usize, 0);
        while let Some(token) = tokens.get(at) {
            let module = || home.inside(&inside);
            let text = |after: usize| tokens.get(at + after).map_or("", |token| token.text);
            let mut read = 1;
            match token.text {
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    inside.retain(|(end, _)| *end <= depth);
                }
                "mod" if text(2) == ";" => declared.push(module().below(text(1), attribute(&tokens[..at], "path"))),
                "mod" if text(2) == "{" => {
                    inside.push((depth + 1, text(1).to_owned()));
                    self.all.insert(home.inside(&inside).path);
                }
                "use" => {
                    let (leaves, length) = paths(&tokens[at + 1..]);
                    read += length;
                    self.note(leaves, &module().path, file, token.line, true);
                }
                "crate" | "self" | "super"
                    if text(1) == "::"
                        && !at.checked_sub(1).is_some_and(|before| matches!(tokens[before].text, "::" | "in")) =>
                {
                    let (leaves, length) = paths(&tokens[at..]);
                    read = length.max(1);
                    self.note(leaves, &module().path, file, token.line, false);
                }
                _ => {}
            }
            at += read;
        }
        declared
    }

    fn note(&mut self, leaves: Vec<Leaf>, from: &ModulePath, file: &str, line: usize, brought_in: bool) {
        for leaf in leaves {
            let Some(to) = absolute(from, &leaf.path) else {
                continue;
            };
            if brought_in {
                self.names.entry(from.clone()).or_default().insert(leaf.name, to.clone());
            }
            self.uses.push(Use { from: from.clone(), to, file: file.to_owned(), line: line + leaf.lines });
        }
    }
}

/// Where a module is written down.
struct ModuleFile {
    file: PathBuf,
    /// Where the files of the modules below it are.
    folder: PathBuf,
    path: ModulePath,
}

impl ModuleFile {
    /// A module inside this one's file.
    fn inside(&self, names: &[(usize, String)]) -> Self {
        let names = || names.iter().map(|(_, name)| name.clone());
        let folder = names().fold(self.folder.clone(), |folder, name| folder.join(name));
        Self { file: self.file.clone(), folder, path: self.path.iter().cloned().chain(names()).collect() }
    }

    /// A module in a file of its own.
    fn below(&self, name: &str, file: Option<&str>) -> Self {
        let path = self.path.iter().cloned().chain([name.to_owned()]).collect();
        if let Some(file) = file.and_then(|file| Some(self.file.parent()?.join(file))) {
            let folder = file.parent().unwrap_or(&self.folder).to_path_buf();
            return Self { file, folder, path };
        }
        let folder = self.folder.join(name);
        let flat = self.folder.join(format!("{name}.rs"));
        Self { file: if flat.is_file() { flat } else { folder.join("mod.rs") }, folder, path }
    }
}

/// The value of an attribute that stands right before.
fn attribute<'a>(before: &[Token<'a>], name: &str) -> Option<&'a str> {
    let start = before.iter().rposition(|token| matches!(token.text, ";" | "}" | "{")).map_or(0, |at| at + 1);
    let at = before[start..].iter().position(|token| token.text == name)?;
    Some(before.get(start + at + 2)?.text.trim_matches('"'))
}

/// What one path of a `use` names.
struct Leaf {
    path: Vec<String>,
    /// What it is called where it is brought in.
    name: String,
    /// How many lines after the first it stands.
    lines: usize,
}

/// The paths that begin here, `a::{b, c::d as e}` as two of them, and how many tokens they have.
fn paths(tokens: &[Token<'_>]) -> (Vec<Leaf>, usize) {
    let (mut leaves, mut prefixes, mut path) = (vec![], vec![], Vec::<String>::new());
    let (mut at, first) = (0, tokens.first().map_or(0, |token| token.line));
    let mut name = String::new();
    while let Some(token) = tokens.get(at) {
        let after_colons = at == 0 || matches!(tokens[at - 1].text, "::" | "{" | ",");
        match token.text {
            "::" => {}
            "{" if after_colons => prefixes.push(path.len()),
            "," | "}" if !prefixes.is_empty() => {
                if !name.is_empty() {
                    leaves.push(Leaf {
                        path: path.clone(),
                        name: std::mem::take(&mut name),
                        lines: token.line - first,
                    });
                }
                if token.text == "}" {
                    prefixes.pop();
                }
                // Up to the group that goes on, and after a whole group to nothing.
                path.truncate(prefixes.last().copied().unwrap_or(0));
                if prefixes.is_empty() {
                    return (leaves, at + 1);
                }
            }
            "as" if !name.is_empty() => {
                name = tokens.get(at + 1).map_or_else(String::new, |alias| alias.text.to_owned());
                at += 1;
            }
            text if after_colons && (is_word(text) || text == "*") => {
                // In a group, `self` is the module that the group is of.
                if text != "self" || prefixes.is_empty() {
                    path.push(text.to_owned());
                }
                name = path.last().cloned().unwrap_or_default();
            }
            _ => break,
        }
        at += 1;
    }
    if !path.is_empty() {
        leaves.push(Leaf { path, name, lines: 0 });
    }
    (leaves, at)
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// A path from the crate's root on; `None` where it leads out of the crate, or somewhere below.
fn absolute(from: &[String], path: &[String]) -> Option<ModulePath> {
    let mut base = from;
    let mut path = path;
    match path.first()?.as_str() {
        "crate" => (base, path) = (&[], &path[1..]),
        "self" => path = &path[1..],
        "super" => {
            while path.first().is_some_and(|word| word == "super") {
                (base, path) = (base.split_last()?.1, &path[1..]);
            }
        }
        // A module below, or another crate: which of them does not matter to neighbours.
        _ => {}
    }
    Some([base, path].concat())
}
