//! The encryption keys: from the settings, from a file, or – for SQLite – made at first start.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thunderhead_auth::tokens::keys::{EncryptionKey, EncryptionKeys, InvalidKey};
use thunderhead_domain::ports::Random;
use thunderhead_storage::{DatabaseUrl, Snapshot, SnapshotError};

use crate::config::{Config, KeySource};

/// Why there is no encryption key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// Postgres, and no key was given.
    #[error(
        "on Postgres every replica needs the same encryption key, and none was given. Make one, once: \
         (umask 077; head -c 32 /dev/urandom | base64 > encryption.key) and name the file in `encryption_key_file`, \
         or give the key itself in the environment as THUNDERHEAD_ENCRYPTION_KEY"
    )]
    Missing,
    /// A database that was used with a key has none any more: a new one would open nothing.
    #[error(
        "there is no encryption key file {}, and the database {} cannot be used with another key: its signing keys and \
         the secrets of authenticator apps are encrypted under it. Put the file back from its copy, or name it in \
         `encryption_key_file`. Where the key is lost for good, so is what it encrypts: move the database away to begin \
         anew", .key.display(), .database.display()
    )]
    Lost {
        /// Where the key should be.
        key: PathBuf,
        /// The database.
        database: PathBuf,
    },
    /// There is none yet, and this is not the time to make one.
    #[error(
        "there is no encryption key file {}: put it there, or name it in `encryption_key_file`. `thunderhead serve` makes \
         one for a new database", .0.display()
    )]
    Absent(PathBuf),
    /// Whether the database needs a key cannot be found out.
    #[error("the database")]
    Database(#[from] SnapshotError),
    /// The file cannot be read or made.
    #[error("the encryption key file {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("the encryption key file {}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What a key is.
        source: InvalidKey,
    },
}

/// The keys, and where they are for the operator to know.
pub(crate) struct LoadedKeys {
    /// The keys.
    pub(crate) keys: EncryptionKeys,
    /// The file they are in, if they are in one.
    pub(crate) file: Option<PathBuf>,
    /// Whether others than the file's owner may read it.
    pub(crate) exposed: bool,
}

/// Finds the keys that the settings ask for; makes one for a new database that is a file. The data directory must be
/// there.
///
/// # Errors
/// [`KeyError`]; never does it make another key in place of one that cannot be read, or that is not there any more.
pub(crate) fn load(config: &Config, random: &dyn Random) -> Result<LoadedKeys, KeyError> {
    let (KeySource::Unset, Some(database)) = (&config.encryption_key, config.database.url.sqlite_path()) else {
        return find(config);
    };
    let key = config.default_key_file();
    let file = |source| KeyError::File { path: key.clone(), source };
    if !key.try_exists().map_err(file)? {
        if database.exists() && !Snapshot::of_database(database)?.sealed_texts()?.is_empty() {
            return Err(KeyError::Lost { key, database: database.to_owned() });
        }
        make_unless_there(&key, random).map_err(file)?;
    }
    // Read back even if just made: where two processes start at once, one's key is there for both.
    read(&key)
}

/// Finds the keys that the settings ask for, and makes none.
///
/// # Errors
/// [`KeyError`].
pub(crate) fn find(config: &Config) -> Result<LoadedKeys, KeyError> {
    match &config.encryption_key {
        KeySource::Given(keys) => Ok(LoadedKeys { keys: keys.clone(), file: None, exposed: false }),
        KeySource::File(path) => read(path),
        KeySource::Unset if config.database.url.sqlite_path().is_none() => Err(KeyError::Missing),
        KeySource::Unset => {
            let path = config.default_key_file();
            match path.try_exists() {
                Ok(false) => Err(KeyError::Absent(path)),
                _ => read(&path),
            }
        }
    }
}

impl LoadedKeys {
    /// Says that they are not those that the database was used with.
    pub(crate) fn misfit(&self, database: &DatabaseUrl) -> String {
        format!(
            "the database {database} was not used with the encryption key in {}: put the right file there, or name it in \
             `encryption_key_file`",
            self.place()
        )
    }

    /// The same of a file that is to become the database.
    pub(crate) fn misfit_of_backup(&self, file: &Path) -> String {
        format!(
            "{} was not made with the encryption key in {}: put the right file there, or name it in `encryption_key_file`. \
             Nothing was done",
            file.display(),
            self.place()
        )
    }

    /// Where they are, in words.
    fn place(&self) -> String {
        self.file.as_ref().map_or_else(|| "`encryption_key`".to_owned(), |path| path.display().to_string())
    }
}

/// Makes a directory for its owner alone, unless it is there.
///
/// # Errors
/// Where the system refuses.
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

fn read(path: &Path) -> Result<LoadedKeys, KeyError> {
    let file = |source| KeyError::File { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(file)?;
    let exposed = is_exposed(path).map_err(file)?;
    let keys = EncryptionKeys::parse(&text).map_err(|source| KeyError::Content { path: path.to_owned(), source })?;
    Ok(LoadedKeys { keys, file: Some(path.to_owned()), exposed })
}

/// The file appears whole or not at all, readable by its owner alone, and never replaces another.
fn make_unless_there(path: &Path, random: &dyn Random) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".encryption.key-").tempfile_in(folder)?;
    writeln!(file, "{}", EncryptionKey::generate(random).to_text())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => File::open(folder)?.sync_all(),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

#[cfg(unix)]
fn is_exposed(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_exposed(_path: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Whether anybody may look into a folder, or change it.
#[cfg(unix)]
pub(crate) fn is_open_to_everybody(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
pub(crate) fn is_open_to_everybody(_folder: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::thread;

    use super::*;
    use crate::config::Sources;
    use crate::system::SystemRandom;

    fn config(folder: &Path, more: &[(&str, &str)]) -> Config {
        let folder = ("THUNDERHEAD_DATA_DIR", folder.to_str().unwrap());
        let pairs = [folder].into_iter().chain(more.iter().copied());
        let environment = pairs.map(|(name, value)| (name.into(), value.into())).collect();
        Config::load(&Sources { environment, ..Sources::default() }).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn on_sqlite_a_key_is_made_once_for_its_owner_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/data");
        make_private_directory(&folder).unwrap();
        let config = config(&folder, &[]);
        let first = load(&config, &SystemRandom).unwrap();
        let path = folder.join("encryption.key");
        assert_eq!(first.file.as_deref(), Some(path.as_path()));
        assert_eq!((mode(&path), mode(&folder), first.exposed), (0o600, 0o700, false));
        assert!(first.keys == load(&config, &SystemRandom).unwrap().keys);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn many_processes_that_start_at_once_agree_on_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), &[]);
        let keys: Vec<EncryptionKeys> = thread::scope(|scope| {
            let start = || scope.spawn(|| load(&config, &SystemRandom).unwrap().keys);
            let threads: Vec<_> = (0..16).map(|_| start()).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn on_postgres_a_key_must_be_given() {
        let folder = tempfile::tempdir().unwrap();
        let postgres = ("THUNDERHEAD_DATABASE_URL", "postgres://db.example/x");
        let refused = load(&config(folder.path(), &[postgres]), &SystemRandom);
        assert!(matches!(refused, Err(KeyError::Missing)));
        let key = ("THUNDERHEAD_ENCRYPTION_KEY", "ab".repeat(32));
        assert!(load(&config(folder.path(), &[postgres, (key.0, &key.1)]), &SystemRandom).is_ok());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_key_is_looked_for_without_making_one() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), &[]);
        assert!(matches!(find(&config), Err(KeyError::Absent(path)) if path == folder.path().join("encryption.key")));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let made = load(&config, &SystemRandom).unwrap();
        assert!(find(&config).unwrap().keys == made.keys);
    }

    #[test]
    fn a_file_that_was_named_is_read_and_never_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.key");
        let config = config(folder.path(), &[("THUNDERHEAD_ENCRYPTION_KEY_FILE", path.to_str().unwrap())]);
        assert!(matches!(load(&config, &SystemRandom), Err(KeyError::File { .. })));
        fs::write(&path, "not a key").unwrap();
        assert!(matches!(load(&config, &SystemRandom), Err(KeyError::Content { .. })));
        fs::write(&path, format!("{}\n", "ab".repeat(32))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let loaded = load(&config, &SystemRandom).unwrap();
        assert!(loaded.exposed);
        fs::write(&path, format!("{}\n{}\n", "cd".repeat(32), "ab".repeat(32))).unwrap();
        let keys = load(&config, &SystemRandom).unwrap().keys;
        assert!(keys != loaded.keys && keys == EncryptionKeys::parse(&fs::read_to_string(&path).unwrap()).unwrap());
    }
}
