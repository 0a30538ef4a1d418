//! A copy of the sources, in which mutants are made: nobody's own are touched. What was built in it stays from one run to
//! the next.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use thunderhead_tooling::process;

/// Makes the copy the same as the working tree, uncommitted changes included. A file that is the same already stays as it
/// is, and is not compiled again; a mutant that was left behind goes.
pub(super) fn copy(workspace: &Path, tree: &Path) -> Result<()> {
    let wanted = files(workspace)?;
    for path in &wanted {
        let (from, to) = (workspace.join(path), tree.join(path));
        let text = fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
        if fs::read(&to).is_ok_and(|there| there == text) {
            continue;
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        // With its permissions: some are programs.
        fs::copy(&from, &to).with_context(|| format!("cannot write {}", to.display()))?;
        // Cargo goes by the time, and a copy has that of now on some systems alone.
        fs::write(&to, text)?;
    }
    remove_others(tree, tree, &wanted)
}

/// All files of the repository that are there.
fn files(workspace: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(workspace);
    let names = process::output(git)?;
    let paths = names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
    Ok(paths.filter(|path| workspace.join(path).is_file()).collect())
}

fn remove_others(tree: &Path, folder: &Path, wanted: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let relative = path.strip_prefix(tree).unwrap_or(&path);
        if path.is_dir() {
            if relative != Path::new("target") {
                remove_others(tree, &path, wanted)?;
            }
        } else if !wanted.contains(relative) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}
