//! Where a backup may go: to a new name, or in the place of an older backup. Nothing else is ever replaced.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error};
use thunderhead_storage::{Spare, beside, resolve};

use crate::config::{Config, KeySource};
use crate::error::CommandError;

/// What belongs to a database, and must not be written over.
const PARTS: [&str; 6] = ["", "-wal", "-shm", "-journal", "-lock", "-restored"];

/// Makes sure that the file is a new one, or a backup that may be replaced. What is returned keeps others away from
/// that.
pub(super) fn check(
    file: &Path,
    overwrite: bool,
    config: &Config,
    settings: Option<&Path>,
    database: &Path,
) -> Result<Option<Spare>, CommandError> {
    if file.is_dir() {
        return Err(CommandError::usage(format!("{} is a folder: name a file in it", file.display())));
    }
    check_name(file, &resolve(database)?)?;
    let found = match file.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::from(error).context(file.display().to_string()).into()),
    };
    if !overwrite {
        return Err(refused(format!("{} is there already: name another file, or say --overwrite", file.display())));
    }
    if found.is_symlink() {
        let leads = fs::read_link(file).unwrap_or_default();
        return Err(refused(format!(
            "{} is a symbolic link to {}, and is not replaced: name the file itself",
            file.display(),
            leads.display()
        )));
    }
    if !found.is_file() {
        return Err(refused(format!("{} is no ordinary file, and is not replaced", file.display())));
    }
    check_identity(file, &found, config, settings, database)?;
    match Spare::find(file) {
        Ok(spare) => Ok(Some(spare)),
        Err(error) => Err(CommandError::Refused(Error::from(error).context(format!(
            "{} is not replaced, for it is not known to be a backup; delete it yourself if nobody needs it",
            file.display()
        )))),
    }
}

/// The name must not be that of the database, or of what belongs to any.
fn check_name(file: &Path, database: &Path) -> Result<(), CommandError> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::canonicalize(folder).with_context(|| format!("the folder {}", folder.display()))?;
    let Some(name) = file.file_name() else { return Err(CommandError::usage("name a file")) };
    let target = folder.join(name);
    if PARTS.iter().any(|part| target == beside(database, part)) {
        return Err(CommandError::usage(format!("{} belongs to the database itself", file.display())));
    }
    let name = name.to_string_lossy();
    for base in PARTS.iter().filter(|part| !part.is_empty()).filter_map(|part| name.strip_suffix(part)) {
        if !base.is_empty() && folder.join(base).exists() {
            let text = format!("{} would belong to {}: name another file", file.display(), folder.join(base).display());
            return Err(CommandError::usage(text));
        }
    }
    Ok(())
}

/// The file must not be what this server needs, whatever its name.
fn check_identity(
    file: &Path,
    found: &Metadata,
    config: &Config,
    settings: Option<&Path>,
    database: &Path,
) -> Result<(), CommandError> {
    let key = match &config.encryption_key {
        KeySource::File(path) => path.clone(),
        KeySource::Given(_) | KeySource::Unset => config.default_key_file(),
    };
    let mut needed: Vec<(PathBuf, &str)> = vec![(key, "the encryption key")];
    needed.extend(settings.map(|path| (path.to_owned(), "the settings file")));
    needed.extend(PARTS.iter().map(|part| (beside(database, part), "the database")));
    match needed.iter().find(|(path, _)| fs::metadata(path).is_ok_and(|needed| is_same(found, &needed))) {
        Some((_, what)) => Err(CommandError::usage(format!("{} is {what}, and is not replaced", file.display()))),
        None => Ok(()),
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_one: &Metadata, _other: &Metadata) -> bool {
    false
}

fn refused(text: String) -> CommandError {
    CommandError::Refused(Error::msg(text))
}
